"""Asks Casbin, and takes everything but a plain yes for a no (clause 5.3.2).

There is one enforcer per action, made when first asked and holding that action's lines only: an evaluation costs
what its own action's lines cost, however long the policy grows. (Casbin's FastEnforcer does the like with a filter
kept on shared state, which two threads would set for each other, and without naming the matched line.)
"""

import logging
from functools import cache
from pathlib import Path
from threading import Lock

import casbin

from chalicelib.access.model import (
    Action,
    Decision,
    Grant,
    PolicyLine,
    Resource,
    Subject,
    condition,
    policy_lines,
)
from chalicelib.core.canonical import digest
from chalicelib.core.errors import NotPermitted
from chalicelib.core.events import report
from chalicelib.ledger.model import PolicyReference
from chalicelib.people.audiences import Audiences

logger = logging.getLogger(__name__)

_PROBE = Resource(department="-", drafter="-", classification="public")

_ONE_AT_A_TIME = Lock()
"""Casbin parses its matcher at every question, and Python 3.11 counts the depth of that for all threads together: of
two at once one may fail, which is a no. A function answers one request at a time; a laptop's threads wait.
"""


class AccessControl:
    """The policy of a folder that holds `model.conf` and `policy.csv`, read once, and named lists, when asked about.

    Raises OSError when a file is missing and ValueError when either cannot mean what it says.
    """

    def __init__(self, policies: Path, audiences: Audiences | None = None) -> None:
        model, policy = ((policies / name).read_bytes().decode() for name in ("model.conf", "policy.csv"))
        self._digest = digest({"model.conf": model, "policy.csv": policy})
        self._lines = {line.fields: line for line in policy_lines(policy)}
        self._audiences = audiences or Audiences(policies)
        self._enforcer = cache(lambda action: _enforcer(model, self._lines_of(action)))
        try:
            self._probe()
        except Exception as error:
            raise ValueError("model.conf cannot be evaluated") from error

    def grant(self, subject: Subject, action: Action, resource: Resource) -> Grant:
        """The permission to take the action. Raises NotPermitted, and logs who was refused what."""
        decision = self.explain(subject, action, resource)
        if not decision.allowed or decision.line is None:
            logger.warning(
                "denied %s to %r: %s", action, subject, decision.line or "no policy line allows it"
            )
            raise NotPermitted
        reference = PolicyReference(digest=self._digest, line=decision.line.number)
        return Grant(policy=reference, rule=str(decision.line))

    def allows(self, subject: Subject, action: Action, resource: Resource) -> bool:
        """Whether `grant` would give it: for lists and pages that show only what a person may see."""
        return self.explain(subject, action, resource).allowed

    def explain(self, subject: Subject, action: Action, resource: Resource) -> Decision:
        """The answer and the line it rests on. Never raises: what cannot be judged is denied and logged."""
        try:
            asked = resource.data()
            asked["audience"] = self._audiences.spelled_out(asked["audience"])
            with _ONE_AT_A_TIME:
                allowed, fields = self._enforcer(Action(action)).enforce_ex(
                    str(action), subject.data(), asked
                )
            line = self._lines[tuple(fields)] if fields else None
            return Decision(allowed=allowed is True and line is not None, line=line)
        except Exception as error:  # noqa: BLE001 — whatever it is, the answer is no
            report(error, f"policy that could not be evaluated for {action!r}")
            return Decision(allowed=False)

    def _lines_of(self, action: Action) -> list[PolicyLine]:
        return [line for line in self._lines.values() if line.action is action]

    def _probe(self) -> None:
        """Evaluate once: a matcher that cannot run is found now, not at the first request; all actions share it."""
        action = next((line.action for line in self._lines.values()), Action.SUBMIT)
        holds = {line.holder: () for line in self._lines_of(action)}
        self._enforcer(action).enforce_ex(str(action), {"id": "-", "holds": holds}, _PROBE.data())


def _enforcer(model_text: str, lines: list[PolicyLine]) -> casbin.Enforcer:
    model = casbin.Model()
    model.load_model_from_text(model_text)
    model.add_policies("p", "p", [list(line.fields) for line in lines])
    enforcer = casbin.Enforcer(model)
    enforcer.add_function("cond", condition)
    return enforcer
