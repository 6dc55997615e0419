"""What people were told of a submission."""

from typing import Any

from infra.local.mailbox import Sent
from tests.world import HEAD, World


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
