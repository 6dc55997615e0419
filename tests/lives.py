"""Whole lives of submissions, lived by people who try again, and what must be so at the end of each."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from threading import Lock
from typing import Any, Self

from chalicelib.archive.model.catalog import parse
from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import object_key, series_key
from chalicelib.core.errors import OutcomeUnknown
from chalicelib.core.mail import Mail, Mailer
from chalicelib.identity.proofs import chain_of
from chalicelib.ledger.model import chain_faults
from chalicelib.ledger.store import events_of
from chalicelib.people.model import Person, Role
from chalicelib.publication.channels.email.mailing import TERM
from chalicelib.publication.freeze import CHAIN
from chalicelib.publication.model import DeliveryState
from chalicelib.publication.service.delivering import Delivering
from chalicelib.publication.service.mailings import Mailings
from chalicelib.publication.store import deliveries_of, entries_under, read_mailing, suppression_key
from tests.attachment.files import CSV, begin, keys, post_form
from tests.faults import Point
from tests.notices.told import ensure_told
from tests.proving import given_passkey, read_passkeys
from tests.publication.deliveries import leave_to_a_person
from tests.world import (
    A_CONFIRMATION,
    DIRECTOR,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    LONG_RECALL,
    PEOPLE,
    RECALL_OVER,
    REVIEWERS,
    SECOND_EDITOR,
    STAGES,
    Answer,
    World,
    a_form,
    a_person,
    an_amendment,
)

MOST_SWEEPS = 2
MOST_ANSWERS = 3
"""How often a person of the center answers for mails of unknown outcome, at most."""
BOUNCER = replace(a_person("bouncer", (Role.EMPLOYEE, "marketing")), email="bounce@simulator.amazonses.com")


def persist(request: Callable[[], Answer]) -> Answer:
    """Send a request until it is answered, as a person does who sees an error page."""
    for _ in range(3):
        answer = request()
        if answer.status < 500:
            return answer
    raise AssertionError(answer)


class Life:
    """A submission's life, with sweeps when it stands still."""

    people: tuple[Person, ...] = PEOPLE
    reviewers: Mapping[str, Person] = REVIEWERS
    attached = 0
    recalled = 0
    answered_for = 0
    points: Sequence[Point] = ()
    """The AWS calls that it took."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sweeps = 0
        self.read = Counter[str]()
        form = self.form()
        headers = {"idempotency-key": "one-life"}
        answer = persist(
            lambda: world.call("POST", "/api/v1/submissions", form, as_=LIAISON, headers=headers)
        )
        self.submission = str(answer.body["id"])

    def form(self) -> dict[str, Any]:
        return a_form(self.world.now())

    def sweep(self) -> None:
        self.sweeps += 1
        assert self.sweeps <= MOST_SWEEPS, self.stands()
        self.world.sweep()

    def stands(self) -> str:
        head = self.world.plain_journal.head(self.submission)
        return f"{head.state} {head.stage} attempt {head.attempt}, {len(self.world.cloud.mails())} mails"

    def review(self, stage: str, decision: str = "approve") -> None:
        self.decide(stage, self.reviewers[stage], decision)

    def _await(self, stage: str, reviewer: Person) -> None:
        """Until the stage is open and the reviewer has another mail."""
        world = self.world
        world.cloud.settle()
        while (
            world.stage_open(self.submission) != stage or len(world.links(reviewer)) <= self.read[reviewer.id]
        ):
            self.sweep()
        self.read[reviewer.id] = len(world.links(reviewer))

    def decide(self, stage: str, reviewer: Person, decision: str = "approve") -> None:
        world = self.world
        self._await(stage, reviewer)
        handle = world.links(reviewer)[0]
        seen = persist(lambda: world.call("POST", "/api/v1/review-links", {"handle": handle}, as_=reviewer))
        items = [item["id"] for item in seen.body["checklist"]]
        opinion = {
            "handle": handle,
            "decision": decision,
            "comment": "请看。",
            "checklist": {item: decision == "approve" or item != items[0] for item in items},
            "content_digest": seen.body["content_digest"],
        }
        opinion = self.proved(reviewer, opinion)
        decided = persist(lambda: world.call("POST", "/api/v1/review-links/decision", opinion, as_=reviewer))
        assert decided.status == 200, decided

    def proved(self, _reviewer: Person, opinion: dict[str, Any]) -> dict[str, Any]:
        """The opinion as it is sent: everybody here has just signed in with the company's account."""
        return opinion

    def return_and_hand_in_again(self) -> None:
        """The department head asks for changes, and the liaison makes them."""
        self.review("initial")
        self.review("department_head", "request_changes")
        self.world.cloud.settle()
        form = a_form(self.world.now(), title="关于五一期间办公区停电检修的通知（修订）")
        path = f"/api/v1/submissions/{self.submission}/revisions"
        answer = persist(lambda: self.world.call("POST", path, form, as_=LIAISON))
        assert answer.status == 201, answer

    def end(self) -> None:
        for stage in STAGES:
            self.review(stage)
        self.world.finish()
        while self.world.state(self.submission) != "archived":
            self.sweep()

    def ensure_well(self, *, told_again: bool) -> None:
        """One publication, one archive object, an intact chain, no gap, and everybody told.

        With `told_again` a notice may have come twice: nobody knew whether it had gone out.
        """
        world, submission = self.world, self.submission
        events = world.events(submission)
        assert chain_faults(events) == []
        happened = Counter(event.type for event in events)
        for once in ("Submitted", "Scheduled", "PublishingStarted", "Published", "Archived"):
            assert happened[once] == 1, happened
        head = world.plain_journal.head(submission)
        assert happened["Delivered"] == len(head.channels) + self.answered_for, happened
        stages = 3 + 2 * (happened["Resubmitted"] - happened["AmendmentDeclined"])
        assert happened["Decided"] == stages + self.recalled, happened
        assert happened["DecisionRecalled"] == self.recalled, happened
        assert happened["TaskOpened"] == stages + happened["Amended"], happened
        assert [entry.submission for entry in entries_under(world.plain_table, "internal")] == [submission]
        assert list(entries_under(world.plain_table, "public")) == []
        self._ensure_archived_once(head.catalog_number)
        ensure_told(world, submission, again=told_again)

    def _ensure_archived_once(self, catalog_number: str | None) -> None:
        assert catalog_number is not None
        series, serial = parse(catalog_number)
        counted = self.world.plain_table.get(series_key(series))
        assert counted is not None
        assert (serial, int(counted.last)) == (1, 1)
        s3, bucket = self.world.plain_s3, self.world.parts.settings.archive_bucket
        versions = s3.list_object_versions(Bucket=bucket)
        assert [v["Key"] for v in versions["Versions"]] == [object_key(catalog_number)]
        report = verify(s3.get_object(Bucket=bucket, Key=object_key(catalog_number))["Body"].read())
        assert report.ok, report.findings
        assert report.facts is not None
        assert report.facts.attachment_count == self.attached


class AmendedLife(Life):
    """The life of a submission that an editor amends; its drafter answers that, and another editor reviews."""

    people = (*PEOPLE, SECOND_EDITOR)
    reviewers = REVIEWERS | {"initial": SECOND_EDITOR}
    answer: Mapping[str, Any] = A_CONFIRMATION
    answered = "AmendmentConfirmed"

    def amend_and_answer(self) -> None:
        """As soon as the editor has been asked to review it."""
        self.world.cloud.settle()
        while not self.world.links(EDITOR):
            self.sweep()
        record = persist(lambda: self.world.call("GET", self.path(), as_=EDITOR)).body
        said = an_amendment(record, title="关于五一期间办公区停电检修的通知（已核改）")
        amended = persist(lambda: self.world.call("POST", self.path("amendment"), said, as_=EDITOR))
        assert amended.status == 201, amended
        self.world.cloud.settle()
        seen = persist(lambda: self.world.call("GET", self.path(), as_=LIAISON)).body
        assert seen["amendment"]["amended_by"] == EDITOR.id
        answer = {**self.answer, "content_digest": seen["content_digest"]}
        answered = persist(lambda: self.world.call("POST", self.path("confirmation"), answer, as_=LIAISON))
        assert answered.status == 200, answered
        self.read["initial"] = len(self.world.links(SECOND_EDITOR))

    def path(self, step: str = "") -> str:
        """The submission's address, or that of a step."""
        return f"/api/v1/submissions/{self.submission}" + (f"/{step}" if step else "")

    def ensure_well(self, *, told_again: bool) -> None:
        """As everybody's; amended once, answered once, and decided by nobody who wrote it."""
        super().ensure_well(told_again=told_again)
        events = self.world.events(self.submission)
        happened = Counter(event.type for event in events)
        assert (happened["Amended"], happened[self.answered]) == (1, 1), happened
        assert not {EDITOR.id, LIAISON.id} & {e.actor for e in events if e.type == "Decided"}


class DeclinedLife(AmendedLife):
    """The life of a submission whose drafter wants the text as it was."""

    answer: Mapping[str, Any] = {"decision": "decline", "reason": "原题即可。"}
    answered = "AmendmentDeclined"


class PasskeyLife(Life):
    """The life of a submission whose first stage is decided by a passkey."""

    def __init__(self, world: World) -> None:
        self.passkey = given_passkey(world, EDITOR)
        super().__init__(world)

    def proved(self, reviewer: Person, opinion: dict[str, Any]) -> dict[str, Any]:
        if reviewer is not EDITOR:
            return opinion
        path = "/api/v1/review-links/challenge"
        asked = persist(lambda: self.world.call("POST", path, opinion, as_=reviewer))
        assert asked.status == 200, asked
        return opinion | {"passkey": self.passkey.get(asked.body["options"])}

    def ensure_well(self, *, told_again: bool) -> None:
        """As everybody's; the passkey was used once, and the person's chain is intact."""
        super().ensure_well(told_again=told_again)
        first = self.world.events(self.submission, "Decided")[0]
        assert first.payload["proof"]["kind"] == "passkey"
        (kept,) = read_passkeys(self.world, EDITOR)
        assert kept.sign_count == self.passkey.count
        assert chain_faults(events_of(self.world.plain_table, chain_of(EDITOR.id))) == []


class RetractedLife(Life):
    """The life of a submission that the director takes back once it is archived."""

    people = (*PEOPLE, DIRECTOR)

    def end(self) -> None:
        super().end()
        path, said = f"/api/v1/submissions/{self.submission}/retraction", {"reason": "数据有误。"}
        taken = persist(lambda: self.world.call("POST", path, said, as_=DIRECTOR))
        assert taken.status in {200, 409}, "409 for what has taken effect before"
        self.world.finish()
        while self.world.plain_journal.head(self.submission).again:
            self.sweep()

    def ensure_well(self, *, told_again: bool) -> None:
        """As everybody's; taken back once, and off the site."""
        super().ensure_well(told_again=told_again)
        happened = Counter(event.type for event in self.world.events(self.submission))
        assert (happened["Retracted"], happened["DeliveryRetracted"]) == (1, 1), happened
        (entry,) = entries_under(self.world.plain_table, "internal")
        assert entry.retraction is not None
        site = self.world.parts.settings.site_bucket
        where = f"internal/{self.submission}/1/index.html"
        shown = self.world.plain_s3.get_object(Bucket=site, Key=where)["Body"].read().decode()
        assert "数据有误。" in shown


class AnsweredLife(Life):
    """The life of a submission whose page is published again, as a person says that it is not there."""

    people = (*PEOPLE, DIRECTOR)
    answered_for = 1

    def end(self) -> None:
        super().end()
        leave_to_a_person(self.world, self.submission)
        path = f"/api/v1/submissions/{self.submission}/deliveries/website/answer"
        said = {"answer": "again", "comment": "网站上没有。"}
        answered = persist(lambda: self.world.call("POST", path, said, as_=DIRECTOR))
        assert answered.status in {200, 409}, "409 for what has taken effect before"
        self.world.finish()
        while self.world.plain_journal.head(self.submission).again:
            self.sweep()

    def ensure_well(self, *, told_again: bool) -> None:
        """As everybody's; answered for once, and there."""
        super().ensure_well(told_again=told_again)
        assert len(self.world.events(self.submission, "DeliverySettled")) == 1
        (delivery,) = deliveries_of(self.world.plain_table, self.submission, 1)
        assert delivery.state is DeliveryState.DONE


class FrozenLife(Life):
    """The life of a submission that falls due while publishing is frozen."""

    people = (*PEOPLE, DIRECTOR)

    def end(self) -> None:
        freeze = {"scope": "all", "reason": "演练"}
        assert persist(lambda: self.world.call("POST", "/api/v1/freezes", freeze, as_=EDITOR)).status == 200
        for stage in STAGES:
            self.review(stage)
        self.world.finish()
        while self.world.state(self.submission) != "scheduled":
            self.sweep()
        lifted = persist(lambda: self.world.call("POST", "/api/v1/freezes/lift", freeze, as_=DIRECTOR))
        assert lifted.status in {200, 409}, "409 for what has taken effect before"
        self.world.finish()
        while self.world.state(self.submission) != "archived":
            self.sweep()

    def ensure_well(self, *, told_again: bool) -> None:
        """As everybody's; one freeze and its end, in an intact chain, which lists what waited."""
        super().ensure_well(told_again=told_again)
        events = list(events_of(self.world.plain_table, CHAIN))
        assert chain_faults(events) == []
        assert [event.type for event in events] == ["PublishingFrozen", "PublishingUnfrozen"]
        assert [each["submission"] for each in events[1].payload["waited"]] == [self.submission]


class HandedOverLife(Life):
    """The life of a submission whose first review is given to an editor, handed over, refused, and not refused.

    What follows from each step is waited for before the next, as a person would: two that are near each other wake the
    machine once or twice, as it happens, and lives make the same calls, however fast the machine is.
    """

    people = (*PEOPLE, DIRECTOR)
    recalled = 1

    def __init__(self, world: World) -> None:
        vars(world.parts.procedures)["present"] = LONG_RECALL
        super().__init__(world)

    def end(self) -> None:
        self._await("initial", EDITOR)
        given = {"reviewers": [EDITOR.id], "reason": "分工。"}
        path = f"/api/v1/submissions/{self.submission}/reviewers"
        assert persist(lambda: self.world.call("POST", path, given, as_=DIRECTOR)).status == 200
        self.world.cloud.settle()
        over = {"handle": self.world.links(EDITOR)[0], "to": DIRECTOR.id}
        path = "/api/v1/review-links/delegation"
        assert persist(lambda: self.world.call("POST", path, over, as_=EDITOR)).status == 200
        self.decide("initial", DIRECTOR, "reject")
        self.world.cloud.settle()
        back = {"handle": self.world.links(DIRECTOR)[0]}
        path = "/api/v1/review-links/recall"
        taken = persist(lambda: self.world.call("POST", path, back, as_=DIRECTOR))
        assert taken.status in {200, 404}, "404 for what has taken effect before"
        vars(self.world.parts.procedures)["present"] = RECALL_OVER
        self.read[DIRECTOR.id] = 0
        self.decide("initial", DIRECTOR)
        for stage in STAGES[1:]:
            self.review(stage)
        self.world.finish()
        while self.world.state(self.submission) != "archived":
            self.sweep()


class AttachedLife(Life):
    """The life of a submission with a file."""

    attached = 1

    def form(self) -> dict[str, Any]:
        asked = persist(lambda: begin(self.world, CSV))
        assert asked.status == 201, asked
        assert post_form(asked.body["upload"], CSV).status_code == 204
        self.world.cloud.settle()
        attachment = asked.body["id"]
        seen = persist(lambda: self.world.call("GET", f"/api/v1/attachments/{attachment}", as_=LIAISON))
        assert seen.body["state"] == "ready", seen
        return a_form(self.world.now(), attachments=[attachment])

    def ensure_well(self, *, told_again: bool) -> None:
        """As everybody's; the file kept once, on the site, in the package."""
        super().ensure_well(told_again=told_again)
        (kept,) = keys(self.world, "kept/")
        assert kept.startswith(f"kept/{self.submission}/")
        site = self.world.parts.settings.site_bucket
        where = f"internal/{self.submission}/1/files/1.csv"
        assert self.world.plain_s3.get_object(Bucket=site, Key=where)["Body"].read() == CSV


class AnnouncedLife(Life):
    """The life of a submission that goes by mail, too: one address bounces, and what became of one mail nobody knows.

    Channels take turns, and the product's clock passes the carrier's term whenever it is waited for: so lives make
    the same calls, however fast the machine is.
    """

    people = (*PEOPLE, BOUNCER)
    recipients: Mapping[Person, str] = {LIAISON: "sent", HEAD: "sent", EXECUTIVE: "sent", BOUNCER: "bounced"}

    def __init__(self, world: World) -> None:
        parts = world.parts
        parts.__dict__["mailer"] = _Lossy(parts.mailer, to=EXECUTIVE.email)
        parts.__dict__["delivering"] = _InTurn.of(parts.delivering, world)
        parts.__dict__["mailings"] = _Repeated.of(parts.mailings, world)
        super().__init__(world)

    def form(self) -> dict[str, Any]:
        return a_form(self.world.now(), channels=["website", "email"], audience=["marketing"])

    def end(self) -> None:
        super().end()
        path = f"/api/v1/submissions/{self.submission}/deliveries/email/unknown"
        for _ in range(MOST_ANSWERS):
            answer = persist(lambda: self.world.call("POST", path, {"resend": True}, as_=EDITOR))
            assert answer.status == 200, answer
            self.world.finish()
            if self.states() == {person.id: state for person, state in self.recipients.items()}:
                return
        raise AssertionError(self.states())

    def states(self) -> dict[str, str]:
        """What has become of each recipient."""
        mailing = read_mailing(self.world.plain_table, self.submission, 1)
        assert mailing is not None
        return {each.person: each.state.value for each in mailing.recipients}

    def ensure_well(self, *, told_again: bool) -> None:
        """As everybody's; each address has one envelope, and records, ledger and API say the same of each."""
        super().ensure_well(told_again=told_again)
        title = self.form()["title"]
        envelopes = Counter(mail.to for mail in self.world.cloud.mails() if mail.subject == title)
        assert envelopes == {person.email: 1 for person in self.recipients}
        shown = self.world.record(self.submission, as_=EDITOR)["deliveries"]
        (delivery,) = (each for each in shown if each["channel"] == "email")
        assert delivery["receipt"]["recipients"] == Counter(self.recipients.values())
        suppressed = self.world.plain_table.get(suppression_key(BOUNCER.email))
        assert suppressed is not None
        assert suppressed.reason == "bounce"


class _Lossy:
    """Hands mails on, but for the first announcement to one address: it is gone, and no event will ever tell."""

    def __init__(self, mailer: Mailer, *, to: str) -> None:
        self._mailer = mailer
        self._to = to
        self._lost = False

    def send(self, mail: Mail) -> None:
        if mail.tags and mail.to == self._to and not self._lost:
            self._lost = True
            raise TimeoutError
        self._mailer.send(mail)


class _Timed:
    """Lets the carrier's term pass on the product's clock when there is nothing to do but to wait for it."""

    world: World

    @classmethod
    def of(cls, usual: Any, world: World) -> Self:  # noqa: ANN401 — the class's base
        """The same with the same collaborators."""
        made = cls(**{each.name: getattr(usual, each.name) for each in fields(usual)})
        object.__setattr__(made, "world", world)
        object.__setattr__(made, "turn", Lock())
        return made

    def wait(self) -> None:
        self.world.passed += TERM / self.world.parts.settings.scale


class _InTurn(_Timed, Delivering):
    """Serves one channel at a time."""

    turn: Lock

    def deliver(self, work: Mapping[str, Any]) -> None:
        with self.turn:
            try:
                super().deliver(work)
            except OutcomeUnknown:
                self.wait()
                raise


class _Repeated(_Timed, Mailings):
    """A message that fails comes again at once here, on AWS after minutes: so they are let pass."""

    def send_again(self, submission: str, revision: int) -> None:
        try:
            super().send_again(submission, revision)
        except Exception:
            self.wait()
            raise
