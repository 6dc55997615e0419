"""Mailings that are interrupted anywhere: every address one envelope, and never two.

A run may fail at any AWS call, before it took effect, after, or the call may be repeated by the network; or the process
may be gone while a mail is handed over. `SendEmail` is never repeated by the client itself (tests/core/test_mail.py).
"""

import random
from collections.abc import Callable, Iterator

import pytest

from chalicelib.core.errors import RecipientRefused
from chalicelib.core.mail import UNKNOWN_MAILBOX, Mail, Mailer
from chalicelib.publication.store import mailed_key, read_tally, suppression_key
from infra.local import mail_events
from tests.faults import Fault, FaultyAws, Mode, Point
from tests.publication.mailings import Announced, DiedError, announced
from tests.world import OTHER_LIAISON, PEOPLE, World, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
SCALE = 100
"""Ten minutes last six seconds: longer than any of these runs, and passed by the product's clock."""
TENTH = 10


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, aws=AWS, wait_scale=SCALE) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    AWS.begin()
    AWS.watch = None
    world.cloud.settle()


def once_each(text: Announced) -> bool:
    return text.envelopes() == {person.email: 1 for person in PEOPLE}


def counted_once(text: Announced) -> bool:
    """Whether everybody's tally has this mailing, and has it once (clause 4.4.2)."""
    tallies = [read_tally(text.world.plain_table.get(mailed_key(person.id))) for person in PEOPLE]
    name = f"{text.submission}#1"
    return all([mailing for _, mailing in tally.entries].count(name) == 1 for tally in tallies)


def points(world: World) -> list[Point]:
    """The AWS calls of an undisturbed mailing, sending and closing it."""
    text = announced(world)
    AWS.begin()
    text.deliver()
    return AWS.points()


def every_fault(world: World) -> list[Fault]:
    """Each call of a mailing in each way; the client never repeats `SendEmail`, so nor does a fault."""
    return [
        Fault(point=point, mode=mode)
        for point in points(world)
        for mode in Mode
        if (point.label, mode) != ("SendEmail announcement", Mode.TWICE)
    ]


def disturbed(world: World, faults: list[Fault]) -> None:
    failures = []
    for fault in faults:
        text = announced(world)
        AWS.begin(fault)
        text.deliver_until_done()
        assert AWS.struck, f"{fault} never came"
        text.hear()
        unknown = text.unknown()
        none_twice = max(text.envelopes().values()) == 1
        if unknown:
            assert text.answer(resend=True).body["settled"] == unknown
            text.hear()
        if unknown > 1 or not none_twice or not once_each(text) or not counted_once(text):
            failures.append(f"{fault}: {unknown} unknown, {text.envelopes()}")
    assert not failures, "\n".join(failures)


def test_a_tenth_of_all_interrupted_mailings_end_with_one_envelope_for_each(
    world: World, record_property: Record
) -> None:
    """Clause 4.4.3: recipients must be right."""
    faults = every_fault(world)
    record_property("figure", f"mailing crashes: {len(faults) // TENTH} of {len(faults)} crash points")
    disturbed(world, random.Random(2026).sample(faults, len(faults) // TENTH))  # noqa: S311 - a choice of tests


@pytest.mark.crash_full
def test_every_interrupted_mailing_ends_with_one_envelope_for_each(
    world: World, record_property: Record
) -> None:
    faults = every_fault(world)
    record_property("figure", f"mailing crashes: all {len(faults)} crash points")
    disturbed(world, faults)


class MortalMailer:
    """Hands mails on until its process dies, at the n-th mail, before or after the carrier has it."""

    def __init__(self, mailer: Mailer, *, at: int, after: bool) -> None:
        self._mailer = mailer
        self._left = at
        self._after = after

    def send(self, mail: Mail) -> None:
        self._left -= 1
        if self._left or self._after:
            self._mailer.send(mail)
        if self._left == 0:
            raise DiedError


def mortal(text: Announced, monkeypatch: pytest.MonkeyPatch, *, at: int, after: bool) -> None:
    parts = text.world.parts
    mailer = MortalMailer(parts.mailer, at=at, after=after)
    monkeypatch.setitem(parts.__dict__, "mailer", mailer)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, len(PEOPLE) + 1))
def test_a_process_that_dies_over_a_mail_leaves_at_most_that_one_open(
    world: World, at: int, *, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = announced(world)
    mortal(text, monkeypatch, at=at, after=after)
    with pytest.raises(DiedError):
        text.deliver()
    counts = text.deliver_until_done()["recipients"]
    assert counts == ({"sent": 6} if after else {"sent": 5, "unknown": 1})
    if not after:
        assert sum(text.envelopes().values()) == 5
        text.answer(resend=True)
        text.hear()
    assert once_each(text)


@pytest.mark.parametrize("after", [False, True])
def test_without_the_carriers_word_nothing_is_repeated_and_a_person_is_asked(
    world: World, *, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clause 4.4.3: an announcement of unknown outcome is sent again by a person's decision only."""
    monkeypatch.setattr(mail_events, "_emit", None)
    text = announced(world)
    mortal(text, monkeypatch, at=3, after=after)
    with pytest.raises(DiedError):
        text.deliver()
    assert text.deliver_until_done()["recipients"] == {"sent": 5, "unknown": 1}
    assert sum(text.envelopes().values()) == 6 if after else 5
    assert text.answer(resend=not after).body["settled"] == 1
    world.cloud.settle()
    assert once_each(text)
    assert text.unknown() == 0


class Knowing:
    """Hands mails to a server that knows of none of these mailboxes."""

    def __init__(self) -> None:
        self.tries = 0

    def send(self, _mail: Mail) -> None:
        self.tries += 1
        raise RecipientRefused(reason=UNKNOWN_MAILBOX)


@pytest.mark.parametrize("mode", Mode)
def test_a_mailbox_that_is_gone_is_refused_and_suppressed_at_once_or_neither(
    world: World, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clause 4.4.4: clean mailboxes."""
    carrier, text = Knowing(), announced(world, audience=["research"])
    monkeypatch.setitem(world.parts.__dict__, "mailer", carrier)
    suppression = suppression_key(OTHER_LIAISON.email)
    try:
        AWS.begin(
            Fault(point=Point(label="TransactWriteItems MAILING RECIPIENT", nth=2), mode=mode)
        )  # the first claims
        counts = text.deliver_until_done()["recipients"]
        assert AWS.struck
        assert carrier.tries == 1, "nothing is tried again without a person"
        done = world.plain_table.get(suppression) is not None
        assert counts == ({"refused": 1} if done else {"unknown": 1})
        assert done is (mode is not Mode.BEFORE)
        text.answer(resend=True)
        text.hear()
        assert text.states() == {OTHER_LIAISON.id: "refused"}
        assert announced(world, audience=["research"]).deliver()["recipients"] == {"suppressed": 1}
        assert carrier.tries == (1 if done else 2)
    finally:
        world.plain_table.delete(suppression)
