"""Whatever goes wrong at the platform or at the desk: at most one article, and an end that everybody knows."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.errors import OutcomeUnknown
from chalicelib.publication.channels.wechat.adapter import Mode
from chalicelib.publication.channels.wechat.article import Limits
from chalicelib.publication.model import Delivered, DeliveryState
from chalicelib.publication.store import put_delivery
from infra.local.wechat.faults import SEND_TO_ALL, SUBMIT, Faults, Telling
from tests.faults import Mode as Breaking
from tests.publication.wechat.accounts import Loopback
from tests.publication.wechat.posting import Posting

DONE, FAILED, NEEDS_PERSON = DeliveryState.DONE, DeliveryState.FAILED, DeliveryState.NEEDS_PERSON
ADD, COVER = "/cgi-bin/draft/add", "/cgi-bin/material/add_material"
ASK, LIST, DRAFT = "/cgi-bin/freepublish/get", "/cgi-bin/freepublish/batchget", "/cgi-bin/draft/get"
TOKEN, SENT = "/cgi-bin/stable_token", "/cgi-bin/message/mass/get"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What goes wrong, and what comes of it."""

    name: str
    mode: Mode = Mode.PUBLISH
    faults: Callable[[], Faults] = Faults
    account: tuple[tuple[str, Any], ...] = ()
    state: DeliveryState = DONE
    reason: str | None = None
    articles: int = 1
    messages: int = 0

    def begun(self, server: Loopback) -> Posting:
        """The delivery, with this about to happen."""
        due = Posting(server=server, mode=self.mode)
        due.wechat.faults = due.teller.faults = self.faults()
        for name, value in self.account:
            setattr(due.wechat, name, value)
        return due

    def ensure_so(self, due: Posting) -> None:
        """What must be so once it has ended."""
        assert due.delivery.reason == self.reason
        assert (due.wechat.publications, len(due.wechat.messages)) == (self.articles, self.messages)
        assert len(due.told) == 1


def gone_wrong(name: str, *paths: str, **switches: Any) -> list[Case]:  # noqa: ANN401 — as the switches
    """A switch turned for each of these calls, after which all is well in the end."""

    def faults(path: str) -> Callable[[], Faults]:
        turned: dict[str, Any] = {name: {path: 1 if path == SUBMIT else 2} if name == "busy" else {path}}
        return lambda: Faults(**deepcopy({**turned, **switches}))

    return [Case(name=f"{name} {path.rpartition('/')[2]}", faults=faults(path)) for path in paths]


def ending(status: int, **said: Any) -> Case:  # noqa: ANN401 — as a case's
    return Case(name=f"status {status}", faults=lambda: Faults(ends=[status]), **said)


def telling(how: Telling) -> Case:
    return Case(name=f"told {how}", faults=lambda: Faults(telling=how))


def to_all(name: str, *, messages: int = 1, **said: Any) -> Case:  # noqa: ANN401 — as a case's
    return Case(name=f"to all, {name}", mode=Mode.MASS_SEND, messages=messages, **said)


STRAIGHT = (
    Case(name="straight"),
    to_all("straight"),
    Case(
        name="draft only",
        mode=Mode.DRAFT,
        state=NEEDS_PERSON,
        reason="press_publish",
        articles=0,
    ),
)
CASES = (
    *STRAIGHT,
    *gone_wrong("unheard", TOKEN, COVER, ADD, SUBMIT, ASK),
    *gone_wrong("unanswered", TOKEN, COVER, ADD, SUBMIT, ASK),
    *gone_wrong("unanswered", LIST, DRAFT, unheard={SUBMIT}),
    *gone_wrong("busy", TOKEN, COVER, ADD, SUBMIT, ASK),
    *gone_wrong("outdated", COVER, ADD, SUBMIT, ASK),
    ending(2, state=FAILED, reason="wechat_originality", articles=0),
    ending(3, state=NEEDS_PERSON, reason="wechat_failed", articles=0),
    ending(4, state=FAILED, reason="wechat_rejected", articles=0),
    ending(5, state=NEEDS_PERSON, reason="wechat_deleted"),
    ending(6, state=FAILED, reason="wechat_banned"),
    *map(telling, Telling),
    Case(
        name="a stranger's address",
        account=(("allowed", frozenset()),),
        state=NEEDS_PERSON,
        reason="wechat_allow_list",
        articles=0,
    ),
    Case(
        name="a wrong secret",
        account=(("secret", "another"),),
        state=NEEDS_PERSON,
        reason="wechat_secret",
        articles=0,
    ),
    Case(
        name="an unverified account",
        account=(("verified", False),),
        state=NEEDS_PERSON,
        reason="wechat_not_allowed",
        articles=0,
    ),
    Case(
        name="no quota",
        account=(("limits", {SUBMIT: 0}),),
        state=NEEDS_PERSON,
        reason="wechat_quota",
        articles=0,
    ),
    to_all("unheard", faults=lambda: Faults(unheard={SEND_TO_ALL})),
    to_all("unanswered", faults=lambda: Faults(unanswered={SEND_TO_ALL, SENT})),
    to_all("busy", faults=lambda: Faults(busy={SEND_TO_ALL: 2, SENT: 2})),
    to_all("outdated", faults=lambda: Faults(outdated={SEND_TO_ALL})),
    to_all("submit unanswered", faults=lambda: Faults(unanswered={SUBMIT})),
    to_all(
        "none left today",
        messages=0,
        account=(("messages_a_day", 0),),
        state=NEEDS_PERSON,
        reason="wechat_quota",
    ),
    to_all(
        "never confirmed",
        account=(("protected", True),),
        state=NEEDS_PERSON,
        reason="wechat_mass_failed",
    ),
)

BROKEN_OFF = frozenset(
    {"unheard submit", "unanswered submit", "outdated submit", "status 2", "status 5", "draft only"}
    | {"to all, straight", "to all, unanswered", "to all, submit unanswered", "to all, none left today"}
)
"""What goes wrong at the platform while runs break off at the desk as well."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whatever_goes_wrong_at_the_platform_there_is_one_article_at_most(
    server: Loopback, case: Case
) -> None:
    """Clauses 3.4.1 and 4.2.1."""
    due = case.begun(server)
    assert due.run_until_ended() is case.state
    case.ensure_so(due)


def broken_off(server: Loopback, case: Case) -> Iterator[tuple[Posting, DeliveryState]]:
    """How it ends where each call of the table breaks off before it, after it, and is made twice."""
    calm = case.begun(server)
    calm.run_until_ended()
    for number in range(1, calm.table.calls + 1):
        for breaking in Breaking:
            due = case.begun(server)
            due.table.breaks_at = (number, breaking)
            yield due, due.run_until_ended()


def test_wherever_a_run_breaks_off_there_is_one_article(server: Loopback) -> None:
    """Clause 3.4.1."""
    case = STRAIGHT[0]
    for due, state in broken_off(server, case):
        assert state is case.state, due.table.breaks_at
        case.ensure_so(due)


@pytest.mark.crash_full
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in BROKEN_OFF], ids=lambda case: case.name
)
def test_wherever_a_run_breaks_off_while_the_platform_fails_there_is_one_article_at_most(
    server: Loopback, case: Case
) -> None:
    """Clause 3.4.1: a publication that failed unheard may come about when its draft is submitted again."""
    for due, _ in broken_off(server, case):
        assert due.wechat.publications <= 1, due.table.breaks_at
        assert len(due.wechat.messages) <= 1, due.table.breaks_at
        assert len(due.told) == 1, due.table.breaks_at


def test_a_draft_is_never_made_anew_once_it_may_have_been_submitted(server: Loopback) -> None:
    due = Posting(server=server)
    due.wechat.faults.unanswered.add(SUBMIT)
    due.wechat.takes = timedelta(minutes=25)
    assert due.run_until_ended() is DONE
    assert (due.wechat.calls[ADD], due.wechat.calls[SUBMIT], due.wechat.publications) == (1, 1, 1)


def test_the_same_draft_is_submitted_again_only_after_it_has_lain_there_for_long(server: Loopback) -> None:
    due = Posting(server=server)
    due.wechat.faults.unheard.add(SUBMIT)
    begun = due.now()
    assert due.run_until_ended() is DONE
    assert due.now() - begun >= timedelta(minutes=30)
    assert (due.wechat.calls[ADD], due.wechat.calls[SUBMIT]) == (1, 1)


@pytest.mark.parametrize(
    ("switch", "state"), [({"outdated": {SUBMIT}}, DONE), ({"busy": {TOKEN: 1}}, DONE)], ids=["token", "busy"]
)
def test_what_was_not_taken_on_is_called_for_again_with_the_same_draft(
    server: Loopback, switch: dict[str, Any], state: DeliveryState
) -> None:
    due = Posting(server=server)
    due.wechat.faults = Faults(**switch)
    assert due.run_until_ended() is state
    assert (due.wechat.calls[ADD], due.wechat.publications) == (1, 1)


def test_what_a_person_is_asked_about_tells_its_draft(server: Loopback) -> None:
    due = Posting(server=server)
    due.wechat.limits = {SUBMIT: 0}
    assert due.run_until_ended() is NEEDS_PERSON
    receipt = due.delivery.receipt or {}
    assert (receipt["media_id"], receipt["errcode"]) == ("draft-1", 45009)


def test_a_draft_that_somebody_has_removed_is_a_persons(server: Loopback) -> None:
    due = Posting(server=server)
    due.wechat.faults.unheard.add(SUBMIT)
    with pytest.raises(OutcomeUnknown):
        due.run()
    due.wechat.drafts.clear()
    assert due.run_until_ended() is NEEDS_PERSON
    assert (due.delivery.reason, due.wechat.publications) == ("wechat_draft_gone", 0)
    assert (due.delivery.receipt or {})["media_id"] == "draft-1"


def again(due: Posting) -> None:
    """A person has looked, and says that it may be published again."""
    before = due.item().delivery
    after = replace(
        before, state=DeliveryState.PENDING, reason="again", receipt=None, claim=None, called_at=None
    )
    due.table.put(put_delivery(before, after))


def test_after_a_persons_word_a_draft_that_is_gone_is_made_anew_but_never_beside_its_article(
    server: Loopback,
) -> None:
    due = Posting(server=server, mode=Mode.DRAFT)
    assert due.run_until_ended() is NEEDS_PERSON
    due.in_mode(Mode.PUBLISH)
    due.wechat.drafts.clear()
    again(due)
    assert due.run_until_ended() is DONE
    assert (due.wechat.calls[ADD], due.wechat.publications) == (2, 1)
    other = Posting(server=server, mode=Mode.DRAFT)
    assert other.run_until_ended() is NEEDS_PERSON
    other.wechat.press_publish("draft-1")
    other.passed += timedelta(minutes=1)
    other.wechat.pass_time()
    other.in_mode(Mode.PUBLISH)
    again(other)
    assert other.run_until_ended() is NEEDS_PERSON
    assert (other.delivery.reason, other.wechat.publications) == ("wechat_found", 1)


def test_a_publication_that_failed_is_not_asked_about_once_it_is_made_again(server: Loopback) -> None:
    due = Posting(server=server)
    due.wechat.faults.ends = [3]
    assert due.run_until_ended() is NEEDS_PERSON
    due.wechat.faults.unanswered.add(SUBMIT)
    again(due)
    assert due.run_until_ended() is DONE
    assert (due.wechat.calls[ADD], due.wechat.publications) == (1, 1)


def test_what_a_person_publishes_is_found_by_its_marker(server: Loopback) -> None:
    due = Posting(server=server, mode=Mode.DRAFT)
    assert due.run_until_ended() is NEEDS_PERSON
    due.wechat.press_publish("draft-1")
    due.passed += timedelta(minutes=1)
    due.wechat.pass_time()
    found = due.served.reconcile(due.item())
    assert isinstance(found, Delivered)
    assert found.receipt["article_id"] == "article-1"


def test_a_message_to_all_waits_for_the_administrators_word(server: Loopback) -> None:
    due = Posting(server=server, mode=Mode.MASS_SEND)
    due.wechat.protected = True
    for _ in range(5):
        with pytest.raises(OutcomeUnknown):
            due.run()
        due.passed += timedelta(minutes=2)
    assert due.delivery.state is DeliveryState.UNKNOWN
    due.wechat.confirm((due.delivery.facts or {})["msg_id"])
    assert due.run_until_ended() is DONE
    assert len(due.wechat.messages) == 1


def test_a_message_to_all_is_asked_for_again_after_a_minute_at_the_earliest(server: Loopback) -> None:
    due = Posting(server=server, mode=Mode.MASS_SEND)
    due.wechat.faults.unanswered.add(SEND_TO_ALL)
    while not due.wechat.messages:
        with pytest.raises(OutcomeUnknown):
            due.run()
        due.passed += timedelta(seconds=30)
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            due.run()
    assert due.wechat.calls[SEND_TO_ALL] == 2, "one whose answer was lost, one that came too soon"
    assert due.run_until_ended() is DONE
    assert len(due.wechat.messages) == 1


def test_a_text_that_is_too_long_goes_back_and_touches_nothing(server: Loopback) -> None:
    due = Posting(server=server)
    due.put(replace(due.served, limits=Limits(characters=10)))
    assert due.run_until_ended() is FAILED
    assert due.delivery.reason == "wechat_too_long"
    assert sum(due.wechat.calls.values()) == 0


def test_the_end_that_is_told_wakes_the_delivery(server: Loopback) -> None:
    due = Posting(server=server)
    assert due.run_until_ended() is DONE
    assert due.woken == 1
