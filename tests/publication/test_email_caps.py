"""Nobody is written to too often (clause 4.4.2): each is counted once, and what is important goes out anyway."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.mail import Mail
from chalicelib.publication.channels.email.mailing import MailRules, Tally
from chalicelib.publication.store import mailed_key, read_tally
from chalicelib.submission.model import Importance
from tests.publication.mailings import announced
from tests.world import EDITOR, HEAD, LIAISON, PEOPLE, World, a_world

RULES = MailRules(per_day=2, per_week=4, uncounted=frozenset({Importance.URGENT, Importance.IMPORTANT}))
MONDAY = date(2026, 3, 2)
DAY = timedelta(days=1)


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(*PEOPLE, mail_rules=RULES) as world:
        yield world


def tally_of(world: World, person: str) -> Tally:
    return read_tally(world.plain_table.get(mailed_key(person)))


def test_a_day_ends_and_a_week_moves_on() -> None:
    tally = Tally().and_one(MONDAY, "a").and_one(MONDAY, "b").and_one(MONDAY + DAY, "c")
    assert RULES.is_enough(tally, MONDAY)
    assert not RULES.is_enough(tally, MONDAY + DAY)
    full = tally.and_one(MONDAY + 2 * DAY, "d")
    assert RULES.is_enough(full, MONDAY + 6 * DAY)
    assert not RULES.is_enough(full, MONDAY + 7 * DAY)
    assert len(full.and_one(MONDAY + 7 * DAY, "e").entries) == 3, "what is forgotten is not kept"


def test_the_policy_says_how_often_and_for_whom_it_does_not_count() -> None:
    """Clause 4.4.2: no spam; what is urgent or important reaches everybody."""
    rules = MailRules.load(POLICIES / "mail.json")
    assert 1 <= rules.per_day <= rules.per_week
    assert rules.counts(Importance.ROUTINE)
    assert not rules.counts(Importance.IMPORTANT)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"announcements_per_day": 0}, "nobody would get any"),
        ({"uncounted": ["secret"]}, "secret"),
        ({"announcements_per_week": "many"}, "many"),
    ],
)
def test_a_policy_that_cannot_be_is_no_policy(wrong: dict[str, object], why: str, tmp_path: Path) -> None:
    file = tmp_path / "mail.json"
    file.write_text(json.dumps(json.loads((POLICIES / "mail.json").read_bytes()) | wrong))
    with pytest.raises(ValueError, match=why):
        MailRules.load(file)


def test_who_has_had_enough_gets_no_more_that_day_and_the_receipt_says_so(world: World) -> None:
    """Clause 4.4.2: at most so many announcements a person and day, and a week."""
    mine, all_staff = ["marketing"], {"sent": len(PEOPLE)}
    assert announced(world).deliver()["recipients"] == all_staff
    assert announced(world, audience=mine).deliver()["recipients"] == {"sent": 3}
    third = announced(world)
    assert third.deliver()["recipients"] == {"sent": len(PEOPLE) - 3, "capped": 3}
    assert third.envelopes()[LIAISON.email] == 0
    assert announced(world, importance="urgent").deliver()["recipients"] == all_staff
    assert third.deliver()["recipients"]["capped"] == 3, "again: nothing changes"
    assert len(tally_of(world, HEAD.id).entries) == 2, "neither what was held back nor what was urgent"
    world.passed += DAY
    for _ in range(2):
        announced(world, audience=mine).deliver()
    world.passed += DAY
    assert announced(world).deliver()["recipients"] == {"sent": len(PEOPLE) - 3, "capped": 3}, (
        "a week's worth"
    )
    assert tally_of(world, EDITOR.id).lately(world.now().date(), 7) <= RULES.per_week


def test_two_mailings_at_once_count_both_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clause 4.4.2: the second is sent whole after the first has read how often people were written to."""
    once = MailRules(per_day=1, per_week=5, uncounted=frozenset())
    with a_world(*PEOPLE, mail_rules=once) as world:
        first, second = announced(world), announced(world)
        usual = world.parts.mailer

        class Interrupted:
            fresh = True

            def send(self, mail: Mail) -> None:
                if self.fresh:
                    self.fresh = False
                    assert second.deliver()["recipients"] == {"sent": len(PEOPLE) - 1, "capped": 1}
                usual.send(mail)

        monkeypatch.setitem(world.parts.__dict__, "mailer", Interrupted())
        assert first.deliver()["recipients"] == {"sent": 1, "capped": len(PEOPLE) - 1}
        assert first.envelopes() + second.envelopes() == {person.email: 1 for person in PEOPLE}


def test_what_a_person_lets_go_out_again_is_neither_held_back_nor_counted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with a_world(*PEOPLE, mail_rules=RULES, wait_scale=100) as world:
        text = announced(world, audience=["marketing"])

        class Lost:
            def send(self, _mail: Mail) -> None:
                raise TimeoutError

        with monkeypatch.context() as patched:
            patched.setitem(world.parts.__dict__, "mailer", Lost())
            assert text.deliver_until_done()["recipients"] == {"unknown": 3}
        announced(world, audience=["marketing"]).deliver()
        assert text.answer(resend=True).body["settled"] == 3
        text.hear()
        assert text.envelopes()[LIAISON.email] == 1
        assert len(tally_of(world, LIAISON.id).entries) == 2
