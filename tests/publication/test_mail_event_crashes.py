"""What the carrier says while a mailing is still open joins the crash matrix.

What it says of a closed one is in the life `announced` of tests/test_crash_matrix.py.
"""

import random
from collections.abc import Callable

import pytest

from chalicelib.core.errors import OutcomeUnknown
from chalicelib.core.mail import Mail, Mailer
from chalicelib.publication.store import suppression_key
from tests.faults import Fault, FaultyAws, Mode
from tests.lives import BOUNCER
from tests.publication.mailings import Announced, announced
from tests.world import EXECUTIVE, HEAD, LIAISON, PEOPLE, World, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
TENTH = 10


class Unheard:
    """Hands mails on, and never answers for those to one address."""

    def __init__(self, mailer: Mailer, *, to: str) -> None:
        self._mailer = mailer
        self._to = to

    def send(self, mail: Mail) -> None:
        self._mailer.send(mail)
        if mail.to == self._to:
            raise TimeoutError


def half_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> Announced:
    """A mailing of four: one address bounces, what became of another mail is not known yet, one is not written to."""
    world.plain_table.delete(suppression_key(BOUNCER.email))
    text = announced(world, audience=["marketing"])
    with monkeypatch.context() as patched:
        patched.setitem(world.parts.__dict__, "mailer", Unheard(world.parts.mailer, to=HEAD.email))
        with pytest.raises(OutcomeUnknown):
            text.deliver()
    assert sorted(text.states().values()) == ["pending", "sent", "sent", "unknown"]
    return text


def live(world: World, fault: Fault | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hear of the first half, then send the rest; everybody is counted as what became of them."""
    text = half_sent(world, monkeypatch)
    AWS.begin(fault)
    text.hear()
    AWS.fault = None
    assert fault is None or AWS.struck, f"{fault} never came"
    heard = {EXECUTIVE.id: "sent", HEAD.id: "sent", BOUNCER.id: "bounced"}
    assert text.states() == heard | {LIAISON.id: "pending"}, fault
    suppressed = world.plain_table.get(suppression_key(BOUNCER.email))
    assert suppressed is not None, fault
    assert suppressed.reason == "bounce"
    assert text.deliver()["recipients"] == {"sent": 3, "bounced": 1}, fault
    text.hear()
    assert text.states() == heard | {LIAISON.id: "sent"}, fault
    assert text.envelopes() == {person.email: 1 for person in (LIAISON, HEAD, EXECUTIVE, BOUNCER)}, fault


def hear(share: int, record_property: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live undisturbed, then with one in so many faults."""
    with a_world(*PEOPLE, BOUNCER, aws=AWS) as world:
        text = half_sent(world, monkeypatch)
        AWS.begin()
        text.hear()
        faults = [Fault(point=point, mode=mode) for point in AWS.points() for mode in Mode]
        assert len(faults) >= 9 * len(Mode), faults
        chosen = random.Random(2026).sample(faults, len(faults) // share)  # noqa: S311 - a choice of tests
        record_property("figure", f"mail events: {len(chosen)} of {len(faults)} crash points")
        for fault in [None, *chosen]:
            live(world, fault, monkeypatch)


def test_a_tenth_of_all_broken_off_events_is_heard_in_the_end(
    record_property: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clause 4.4.4: a permanent bounce suppresses the address, whatever fails on the way."""
    hear(TENTH, record_property, monkeypatch)


@pytest.mark.crash_full
def test_every_broken_off_event_is_heard_in_the_end(
    record_property: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear(1, record_property, monkeypatch)
