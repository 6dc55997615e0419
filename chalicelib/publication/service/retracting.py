"""Taking back what was published (clause 3.4.4): at once, from every channel where that is possible, for a reason."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from chalicelib.access.model import Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.errors import IllegalTransition, NotFound
from chalicelib.core.ids import is_id
from chalicelib.core.retry import again_when_stale
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person
from chalicelib.people.store import unchanged
from chalicelib.publication.store import deliveries_of
from chalicelib.submission.model import LEGAL, Channel, State, Submission
from chalicelib.submission.service import Journal, reading, resource_of, restarted


@dataclass(frozen=True, kw_only=True)
class Retracting:
    """Takes publications back. `served` are the channels that there are adapters for."""

    journal: Journal
    access: AccessControl
    served: Callable[[], Collection[Channel]]

    def seen(self, person: Person, submission: str) -> Submission:
        """A submission that the person may take back now. Raises NotFound, NotPermitted, IllegalTransition."""
        if not is_id("s", submission):
            raise NotFound
        head = self.journal.head(submission)
        subject, resource = subject_of(person, self.journal.now()), resource_of(head)
        if not all(self.access.allows(subject, each, resource) for each in reading(head)):
            raise NotFound
        self.access.grant(subject, Action.RETRACT, resource)
        if State.RETRACTED not in LEGAL[head.state]:
            raise IllegalTransition(state=head.state.value)
        return head

    def retract(
        self, person: Person, submission: str, *, reason: str, title_withheld: bool, correlation_id: str
    ) -> Submission:
        """Take a publication back from now on: nothing of it is delivered any more, and what may be seen is taken off.

        Freezes do not hold that back. `reason` is what readers are told. Raises as `seen`.
        """
        return again_when_stale(
            lambda: self._retracted(person, submission, reason, correlation_id, title_withheld=title_withheld)
        )

    def _retracted(
        self, person: Person, submission: str, reason: str, correlation_id: str, *, title_withheld: bool
    ) -> Submission:
        head = self.seen(person, submission)
        grant = self.access.grant(subject_of(person, self.journal.now()), Action.RETRACT, resource_of(head))
        deliveries = deliveries_of(self.journal.table, head.id, head.revision)
        channels = tuple(each.channel for each in deliveries if each.channel in self.served())
        cause = Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id)
        retracted = Draft(
            type="Retracted",
            cause=cause,
            payload={
                "revision": head.revision,
                "reason": reason,
                "title_withheld": title_withheld,
                "channels": list(channels),
            },
        )
        following = replace(head, state=State.RETRACTED, reason=None, again=channels)
        following, begun = restarted(following, cause)
        following = replace(following, first_attempt=following.attempt)
        return self.journal.commit(head, following, [retracted, begun], [unchanged(person)])
