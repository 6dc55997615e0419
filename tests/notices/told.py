"""What people were told of a submission."""

from collections import Counter
from typing import Any

from chalicelib.core import messages
from chalicelib.notices.model import NoticeState
from chalicelib.notices.store import notice_key
from infra.local.mailbox import Sent
from tests.world import EDITOR, HEAD, LIAISON, World


def about(world: World, submission: str) -> list[Sent]:
    """The notices about a submission, newest first: they alone lead to its page."""
    return [mail for mail in world.cloud.mails() if f"/submissions/{submission}" in mail.text]


def returned(world: World, *, comment: str = "请补充联系电话。\n并核对日期。", **changes: Any) -> str:  # noqa: ANN401
    """A submission that the head of department has returned, and its drafter was told of."""
    submission = world.submit(**changes)
    world.approve("initial")
    world.cloud.settle()
    assert world.decide(HEAD, "request_changes", comment=comment).status == 200
    world.cloud.settle()
    return submission


_TOLD = {
    ("Amended", None): "amended",
    ("AmendmentDeclined", None): "amendment_declined",
    ("Published", None): "published",
    ("Retracted", None): "retracted",
    ("Decided", "request_changes"): "returned",
    ("Decided", "reject"): "rejected",
    ("DecisionRecalled", "request_changes"): "recalled",
    ("DecisionRecalled", "reject"): "recalled",
}
"""What must be told of an event, as `mail.<kind>` says it, by its type and decision."""
_TOLD_TO = {"AmendmentDeclined": (EDITOR,), "Retracted": (LIAISON, EDITOR)}
"""Who is told, where it is not the drafter alone."""


def ensure_told(world: World, submission: str, *, again: bool = False) -> None:
    """The liaison, who drafted it, was told of everything that a drafter is told of, once each, and it is recorded.

    So was the editor of what the liaison declined, and of what was taken back.

    With `again` nobody may have known of one whether it had gone out: it may have come twice.
    """
    expected = Counter[tuple[str, str]]()
    for event in world.events(submission):
        kind = _TOLD.get((event.type, event.payload.get("decision")))
        if kind is not None:
            title = world.plain_journal.revision(submission, event.payload["revision"]).form.title
            subject = messages.text(f"mail.{kind}.subject", "zh-Hans", {"title": title})
            for told_to in _TOLD_TO.get(event.type, (LIAISON,)):
                expected[told_to.email, subject] += 1
                record = world.plain_table.get(notice_key(event.id, told_to.id))
                assert record is not None, f"nobody was to be told of {event.type}"
                assert record.state == NoticeState.SENT, f"{event.type}: {record.state}"
    told = Counter((mail.to, mail.subject) for mail in about(world, submission))
    assert expected, "there is nothing to tell of"
    assert told.keys() == expected.keys(), told
    more = told - expected
    assert more.total() <= again, more
