"""What a freeze is over, until when it counts, and what it has held back (clause 5.1.2)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.core.ids import new_salt
from chalicelib.publication.freeze import (
    SCOPES,
    WHOLE,
    Freeze,
    Freezes,
    Outcome,
    concerned,
    held_back,
    waiting,
)
from chalicelib.submission.model import (
    Channel,
    Revision,
    State,
    Submission,
    form_from_document,
    opened,
    with_revision,
)
from tests.world import PROCEDURE, a_form

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOTH = (Channel.WEBSITE, Channel.EMAIL)


def a_freeze(scope: str = WHOLE, *, until: datetime | None = None) -> Freeze:
    return Freeze(
        scope=scope, reason="演练", by="p-lin", actor="p-lin", since=NOW - 2 * HOUR, seq=1, until=until
    )


def frozen(*freezes: Freeze, **ended: datetime) -> Freezes:
    return Freezes(standing={freeze.scope: freeze for freeze in freezes}, ended=ended)


def a_head(**changes: Any) -> Submission:  # noqa: ANN401 - as in a_form
    """A scheduled submission for website and e-mail: due for an hour, its machine begun two hours ago."""
    form = form_from_document(a_form(NOW, channels=["website", "email"]))
    revision = Revision(submission="s-one", number=1, form=form, salt=new_salt(), created_at=NOW - 3 * HOUR)
    before = opened(submission="s-one", revision=revision, request_digest="", correlation_id="c-test")
    head = replace(
        with_revision(before, revision, "", PROCEDURE), state=State.SCHEDULED, stage=None, due_at=NOW - HOUR
    )
    return replace(head, **({"begun_at": NOW - 2 * HOUR} | changes))


def test_a_freeze_counts_until_its_end_and_not_at_it() -> None:
    freeze = a_freeze(until=NOW)
    assert freeze.holds_at(NOW - timedelta(microseconds=1))
    assert not freeze.holds_at(NOW)
    assert a_freeze().holds_at(NOW + timedelta(days=9999))


def test_the_whole_is_over_every_channel_and_a_channel_over_itself() -> None:
    assert frozen(a_freeze()).held(Channel, NOW) == tuple(Channel)
    assert frozen(a_freeze("email")).held(Channel, NOW) == (Channel.EMAIL,)
    assert len(frozen(a_freeze(), a_freeze("email")).over(Channel.EMAIL, NOW)) == 2
    assert [freeze.scope for freeze in frozen(*map(a_freeze, reversed(SCOPES))).at(NOW)] == list(SCOPES)


@pytest.mark.parametrize(
    ("stands", "wanted", "sooner"),
    [(None, None, False), (None, NOW, True), (NOW, None, False), (NOW, NOW, False), (NOW, NOW - HOUR, True)],
)
def test_an_end_is_sooner_than_none_and_than_a_later_one(
    stands: datetime | None, wanted: datetime | None, *, sooner: bool
) -> None:
    assert a_freeze(until=stands).ends_later_than(wanted) is sooner


def test_a_channel_is_released_when_the_last_freeze_over_it_has_ended_recorded_or_not() -> None:
    freezes = frozen(a_freeze("email", until=NOW - HOUR), all=NOW - 2 * HOUR, website=NOW - 3 * HOUR)
    assert freezes.released_at(Channel.EMAIL, NOW) == NOW - HOUR
    assert freezes.released_at(Channel.WEBSITE, NOW) == NOW - 2 * HOUR
    assert freezes.released_at(Channel.EMAIL, NOW - 2 * HOUR) == NOW - 2 * HOUR, "it had not ended by then"
    assert Freezes().released_at(Channel.EMAIL, NOW) is None


def test_what_cannot_be_served_concerns_a_freeze_only_while_there_is_nothing_else() -> None:
    head = a_head(channels=(Channel.WECHAT, Channel.WEBSITE))
    assert concerned(head, BOTH) == (Channel.WEBSITE,)
    assert concerned(head, (Channel.EMAIL,)) == (Channel.WECHAT, Channel.WEBSITE)


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        ({}, BOTH),
        ({"begun_at": NOW - timedelta(minutes=30)}, BOTH),
        ({"begun_at": NOW}, ()),  # begun again since
        ({"due_at": NOW + timedelta(seconds=30)}, BOTH),  # a check may have met the end of the freeze
        ({"due_at": NOW + timedelta(minutes=2)}, ()),  # its machine waits for its own time
        ({"state": State.PUBLISHING}, BOTH),
        ({"state": State.PUBLISHED}, ()),
        ({"state": State.NEEDS_PERSON}, ()),
        ({"begun_at": None, "updated_at": NOW - HOUR}, BOTH),  # stored before heads said when
    ],
)
def test_held_back_is_what_was_due_when_a_freeze_ended_and_has_not_been_begun_since(
    changes: dict[str, Any], held: tuple[Channel, ...]
) -> None:
    later = NOW + timedelta(minutes=1)
    assert held_back(a_head(**changes), BOTH, frozen(all=NOW), later) == held


def test_only_the_channels_that_were_released_were_held_back() -> None:
    assert held_back(a_head(), BOTH, frozen(email=NOW), NOW + HOUR) == (Channel.EMAIL,)
    assert held_back(a_head(), (Channel.WEBSITE,), frozen(email=NOW), NOW + HOUR) == ()
    assert held_back(a_head(), BOTH, frozen(a_freeze()), NOW) == (), "it has not ended"


@pytest.mark.parametrize(
    ("changes", "left", "outcome"),
    [
        ({}, (), Outcome.GOES_ON),
        ({"due_at": NOW - 49 * HOUR}, (), Outcome.NEEDS_PERSON),
        ({"due_at": NOW - 49 * HOUR, "state": State.PUBLISHING}, (), Outcome.GOES_ON),
        ({}, ("email",), Outcome.PARTLY),
        ({}, ("email", "website"), Outcome.STILL_FROZEN),
        ({"due_at": NOW - 49 * HOUR}, ("email", "website"), Outcome.STILL_FROZEN),
    ],
)
def test_what_becomes_of_what_waits_when_the_whole_is_let_go(
    changes: dict[str, Any], left: tuple[str, ...], outcome: Outcome
) -> None:
    found = waiting(
        a_head(**changes),
        BOTH,
        ending=[a_freeze()],
        left=frozen(*map(a_freeze, left)),
        now=NOW,
        max_lateness=48 * HOUR,
    )
    assert found is not None
    assert (found.channels, found.outcome) == (BOTH, outcome)


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({"due_at": NOW + HOUR}, a_freeze()),
        ({"state": State.IN_REVIEW}, a_freeze()),
        ({}, a_freeze("wechat")),
        ({}, a_freeze(until=NOW - 2 * HOUR)),  # due only after that had ended
    ],
)
def test_what_is_not_due_or_not_concerned_does_not_wait(changes: dict[str, Any], ending: Freeze) -> None:
    assert (
        waiting(a_head(**changes), BOTH, ending=[ending], left=Freezes(), now=NOW, max_lateness=48 * HOUR)
        is None
    )
