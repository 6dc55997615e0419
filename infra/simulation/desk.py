"""The desk of a simulation: the app's own services and jobs, with table, mail, machines and queues in this process.

The one place that knows how the desk is asked: what people do there is a method each.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from app import app
from chalicelib import bootstrap
from chalicelib.access.model import Action, Resource, Subject
from chalicelib.access.model import Decision as Answer
from chalicelib.access.service import AccessControl
from chalicelib.archive.store import PackageStore
from chalicelib.bootstrap import POLICIES, Parts
from chalicelib.core.aws import Aws
from chalicelib.core.clock import Now
from chalicelib.core.errors import NotFound, NotPermitted
from chalicelib.core.ids import new_id
from chalicelib.core.mail import Mail
from chalicelib.core.settings import Settings
from chalicelib.core.signing import Signer
from chalicelib.core.table import Found, Key, R, Record
from chalicelib.identity.model import ProofKind, SessionProof
from chalicelib.people.model import Person
from chalicelib.people.roster import Roster
from chalicelib.publication.freeze import Hand
from chalicelib.publication.model import Delivered, Item, Retraction, TakenBack
from chalicelib.review.deadlines import Escalation
from chalicelib.review.model import Decision
from chalicelib.review.service import OpenedLink
from chalicelib.submission.model import Channel, State, Submission
from infra.local import subscriptions
from infra.local.cloud import Files
from infra.local.functions import Functions
from infra.simulation.agenda import Agenda
from infra.simulation.machines import Machines
from infra.simulation.table import MemoryTable

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

BASE_URL = "https://desk.test"
_NAMES = {"base_url": BASE_URL, "review_machine_arn": "review", "publication_machine_arn": "publication"}
_PREFIX = "simulated"
_DECLARED: Mapping[str, Any] = {"declaration": {"accepted": True, "version": "2026-1"}}
_NOT_AN_EDITORS = frozenset({"department", "drafter", "declaration"})
"""The fields that no editor changes."""


class DeskFailure(Exception):
    """A job of the desk failed, which nothing here gives it reason to."""


class Desk:
    """The desk, whose time is the agenda's. `read` gets every mail, `alarm` each request whose review nobody gives.

    `loses` says whether a record of the stream is lost.

    In use by one thread, within `open`.
    """

    def __init__(
        self,
        agenda: Agenda,
        *,
        read: Callable[[Mail], None],
        alarm: Callable[[str], None],
        loses: Callable[[], bool] = lambda: False,
    ) -> None:
        self.agenda = agenda
        self.table = _RememberingTable(now=agenda.now)
        self.functions = Functions(app, _PREFIX)
        self.machines = Machines(agenda=agenda, functions=self.functions)
        self._numbers = itertools.count(1)
        self._alarm = alarm
        self._loses = loses
        self._streams = [
            each for each in subscriptions.of(app, Files().app) if isinstance(each, subscriptions.Stream)
        ]
        self.decided: dict[tuple[str, int, str, str], bool] = {}
        """Opinions by request, revision, stage and person: whether the stage asked a duty that the person held."""
        self.parts = Parts(_settings(), aws=_Aws(self), now=agenda.now)
        self.parts.access = _Remembering(POLICIES)
        self.parts.table = self.table
        self.parts.mailer = _Mailer(read)
        self.parts.adapters = dict.fromkeys((Channel.WEBSITE, Channel.EMAIL), _Instant())
        self.parts.packages = _Shelf(client=_nobody, bucket="archive")
        kms = cast("KMSClient", _Kms())
        self.parts.signer = Signer(client=lambda: kms, key="seal")

    @contextmanager
    def open(self) -> Iterator[None]:
        """Meanwhile the app's jobs work for this desk."""
        bootstrap.use(self.parts)
        try:
            yield
        finally:
            bootstrap.use(None)

    def settle(self) -> None:
        """Bring what has changed to the readers of the table's stream, and what that changes, until nothing does."""
        while records := self.table.read_stream():
            for record in records:
                self._raise_alarm(record["dynamodb"].get("NewImage", {}))
            for stream in self._streams:
                batch = [record for record in records if stream.wants(record) and not self._loses()]
                if batch:
                    self.call(stream.handler, {"Records": batch})

    def _raise_alarm(self, image: Mapping[str, Any]) -> None:
        """As the alarm on unanswered stages: an escalation that came to operations."""
        if image.get("event_type") == {"S": "ReviewOverdue"}:
            event = json.loads(image["document"]["S"])
            if event["payload"].get("to") == Escalation.OPERATIONS:
                self._alarm(event["submission"])

    def call(self, handler: str, event: Mapping[str, Any]) -> None:
        """Call a job. Raises DeskFailure when it fails, or one of its batch does."""
        answer = self.functions.invoke(self.functions.name(handler), json.dumps(event).encode())
        if answer.failed or (answer.value() or {}).get("batchItemFailures"):
            raise DeskFailure(f"{handler}: {answer.payload.decode()}")

    def apply(self, roster: Roster) -> None:
        """Make a roster count."""
        self.parts.roster_keeper.apply(roster, self.agenda.now())

    def person(self, person: str) -> Person:
        """A person with the present duties."""
        return self.parts.people.persons((person,))[0]

    def head(self, submission: str) -> Submission:
        """A submission as it stands."""
        return self.parts.journal.head(submission)

    def submit(self, person: str, form: Mapping[str, Any]) -> str:
        """Hand in a request; answers its id, which is the same whenever the same is simulated."""
        desk, key = self.parts.submission_desk, f"request-{next(self._numbers)}"
        found = self.table.batch(desk.procedure_key)
        return desk.submit(
            self.person(person), form, found, idempotency_key=key, correlation_id=new_id("c")
        ).id

    def revise(self, person: str, submission: str, form: Mapping[str, Any]) -> None:
        """Hand in another text."""
        self.parts.submission_desk.revise(self.person(person), submission, form, correlation_id=new_id("c"))

    def withdraw(self, person: str, submission: str) -> None:
        """Take a request back."""
        self.parts.submission_desk.withdraw(
            self.person(person), submission, "不再需要。", correlation_id=new_id("c")
        )

    def reschedule(self, person: str, submission: str, publish_at: str) -> None:
        """Move the time of what is scheduled: to a time of UTC, or `now`. Raises what the service does."""
        said = {"publish_at": publish_at, "time_zone": "Etc/UTC", "reason": "活动改期。"}
        self.parts.rescheduling.reschedule(self.person(person), submission, said, correlation_id=new_id("c"))

    def freeze(self, person: str, scope: str) -> None:
        """Hold a channel back, or all. Raises what the service does."""
        self.parts.freezing.freeze(self._hand(person), scope=scope, reason="核查。", until=None)

    def lift(self, person: str, scope: str) -> None:
        """Let it go on. Raises what the service does."""
        self.parts.freezing.lift(self._hand(person), scope=scope, reason="已查清。")

    def _hand(self, person: str) -> Hand:
        return Hand(person=self.person(person), correlation_id=new_id("c"))

    def look(self, person: str, handle: str) -> OpenedLink | None:
        """What a review link shows; None when nothing is to be decided by it any more."""
        decisions = self.parts.decisions
        found = self.table.batch(self.parts.links.key(handle))
        try:
            seen = decisions.open(self.person(person), handle, found)
        except (NotFound, NotPermitted):
            return None
        return seen if seen.is_asked and seen.head.state is State.IN_REVIEW else None

    def decide(self, person: str, handle: str, seen: OpenedLink, decision: Decision) -> None:
        """Give an opinion on what a link has shown. Raises what the service does."""
        approves = decision is Decision.APPROVE
        failed = None if approves else min(seen.stage.items)
        form = {
            "decision": decision,
            "comment": "同意。" if approves else "请补充联系方式。",
            "checklist": {item: item != failed for item in sorted(seen.stage.items)},
            "content_digest": seen.task.content_digest,
        }
        decisions, who = self.parts.decisions, self.person(person)
        found = self.table.batch(self.parts.links.key(handle))
        proved = SessionProof(kind=ProofKind.OIDC, id=f"account-of-{person}", at=self.agenda.now())
        decisions.decide(who, handle, form, found, session=proved, correlation_id=new_id("c"))
        post = seen.stage.superior if seen.task.raised else seen.stage.reviewers
        handed_over = [self.person(each.by) for each in seen.task.delegations if each.to == person]
        held = post is not None and any(
            each.holds(*post.duty(seen.head.department), self.agenda.now()) for each in (who, *handed_over)
        )
        # The same opinion again is the one that is there, whatever has become of the duty.
        self.decided.setdefault((seen.head.id, seen.task.revision, seen.stage.id, person), held)

    def delegate(self, person: str, handle: str, to: str | None) -> None:
        """Hand a stage over, or take that back. Raises what the service does."""
        found = self.table.batch(self.parts.links.key(handle))
        self.parts.handing_over.delegate(self.person(person), handle, to, found, correlation_id=new_id("c"))

    def recall(self, person: str, handle: str) -> None:
        """Take a decision back. Raises what the service does."""
        found = self.table.batch(self.parts.links.key(handle))
        self.parts.recalling.recall(self.person(person), handle, found, correlation_id=new_id("c"))

    def amend(self, person: str, submission: str, **changes: Any) -> None:  # noqa: ANN401 — as a form has
        """Put another text into the place of the present one, as an editor. Raises what the service does."""
        head = self.head(submission)
        form = self.parts.journal.revision(submission, head.revision).form.document
        kept = {name: value for name, value in form.items() if name not in _NOT_AN_EDITORS}
        document = {**kept, **changes, "reason": "文字更清楚。", "content_digest": head.content_digest}
        self.parts.amendments.amend(self.person(person), submission, document, correlation_id=new_id("c"))

    def confirm(self, person: str, submission: str, *, declines: bool = False) -> None:
        """Answer for what an editor amended, or decline it. Raises what the service does."""
        said: dict[str, Any]
        said = (
            {"decision": "decline", "reason": "原文为准。"}
            if declines
            else {"decision": "confirm", **_DECLARED}
        )
        said["content_digest"] = self.head(submission).content_digest
        self.parts.amendments.confirm(self.person(person), submission, said, correlation_id=new_id("c"))

    def waits_for(self, submission: str) -> tuple[str, ...]:
        """Who is asked for an opinion on a request and has not given it."""
        tasks = self.parts.decisions.open_tasks([self.head(submission)])
        return tasks[submission].waits_for if submission in tasks else ()

    def sweep(self) -> None:
        """Let the sweeper look at everything in flight."""
        self.parts.sweeper.sweep()


def _nobody() -> NoReturn:
    raise DeskFailure("a simulation has no bucket")


def _settings() -> Settings:
    needed = [each.name for each in fields(Settings) if each.default is MISSING]
    return Settings(**{name: _NAMES.get(name, name) for name in needed})


class _RememberingTable(MemoryTable):
    """A table whose items are read once for as long as they stay as they are: nothing here changes what was read."""

    def __init__(self, *, now: Now) -> None:
        super().__init__(now=now)
        self.known: dict[tuple[str, str], tuple[object, Record]] = {}

    def batch(self, *keys: Key[Any]) -> Found:
        """As the base says."""
        return _RememberedItems(super().batch(*keys), self.known)


class _RememberedItems(Found):
    """What a batch read brought; `known` has what was read before, with the item that it was read from."""

    def __init__(self, found: Found, known: dict[tuple[str, str], tuple[object, Record]]) -> None:
        super().__init__(found._items)  # noqa: SLF001 — the same items
        self._known = known

    def get(self, key: Key[R]) -> R | None:
        """As the base says."""
        place = (key.pk, key.sk)
        item, record = self._known.get(place, (None, None))
        if record is None or item is not self._items.get(place) or not isinstance(record, key.kind):
            fresh = super().get(key)
            if fresh is not None:
                self._known[place] = (self._items[place], fresh)
            return fresh
        return record


class _Remembering(AccessControl):
    """The policy, which answers the same question once: an answer follows from subject, action and resource alone."""

    def __init__(self, policies: Path) -> None:
        super().__init__(policies)
        self._known: dict[tuple[Subject, Action, Resource], Answer] = {}

    def explain(self, subject: Subject, action: Action, resource: Resource) -> Answer:
        """As the base says."""
        asked = (subject, action, resource)
        if asked not in self._known:
            self._known[asked] = super().explain(*asked)
        return self._known[asked]


class _Aws(Aws):
    """The two services that the app calls without a store between: machines, and the queue of what is to be told."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(region="simulated")
        self._desk = desk

    def make(self, service: str) -> NoReturn:
        """There is no other."""
        raise DeskFailure(f"a simulation has no {service}")

    def stepfunctions(self) -> "SFNClient":
        """State machines."""
        return cast("SFNClient", self._desk.machines)

    def sqs(self) -> "SQSClient":
        """The queue of notices."""
        return cast("SQSClient", _Notices(self._desk))


class _Notices:
    """A queue whose messages come at once, each alone."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def send_message(self, **request: str) -> None:
        """Let it come."""
        record = {
            "messageId": new_id("n"),
            "receiptHandle": "simulated",
            "body": request["MessageBody"],
            "attributes": {},
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:simulated:000000000000:notices",
            "awsRegion": "simulated",
        }
        agenda = self._desk.agenda
        agenda.at(agenda.now(), lambda: self._desk.call("send_notices", {"Records": [record]}))


class _Kms:
    """A key of this process alone."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())

    def sign(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 — as the client's
        """Sign a digest."""
        value = self._key.sign(request["Message"], ECDSA(Prehashed(SHA256())))
        return {"KeyId": request["KeyId"], "Signature": value}


class _Mailer:
    """Every mail is there at once."""

    def __init__(self, read: Callable[[Mail], None]) -> None:
        self._read = read

    def send(self, mail: Mail) -> None:
        """Hand the mail to its reader."""
        self._read(mail)


class _Instant:
    """A channel that shows whatever it is given."""

    repeatable = True
    patience = timedelta(0)

    @staticmethod
    def prepare(_item: Item) -> Mapping[str, Any]:
        """Nothing is needed."""
        return {}

    @staticmethod
    def deliver(item: Item) -> Delivered:
        """It is there."""
        return Delivered(receipt={"urls": [f"https://site.test/{item.head.id}"]})

    def reconcile(self, item: Item) -> Delivered:
        """As ever."""
        return self.deliver(item)

    @staticmethod
    def retract(_item: Item, _retraction: Retraction) -> TakenBack:
        """It is gone."""
        return TakenBack(receipt={})

    @staticmethod
    def rendered(item: Item) -> Mapping[str, bytes]:
        """Its one page."""
        return {f"{item.delivery.channel}/page.html": b"<p></p>"}


@dataclass(frozen=True, kw_only=True)
class _Shelf(PackageStore):
    """An archive that keeps the numbers of its packages, and none twice."""

    numbers: set[str] = field(default_factory=set)

    def keep(self, number: str, package: bytes) -> str:
        """Keep a package. Raises DeskFailure for a number that there is already."""
        if number in self.numbers:
            raise DeskFailure(f"{number} is archived twice: {len(package)} bytes")
        self.numbers.add(number)
        return "1"
