"""Asking for a check joins the crash matrix: S3's word of an upload is lost, and then each AWS call goes wrong."""

from collections.abc import Callable

from tests.attachment.files import CSV, begin, keys, post_form, shown, stored
from tests.faults import Fault, FaultyAws, Mode, Point
from tests.senders import SQS
from tests.world import LIAISON, World, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
SCALE = 10_000
"""A message that fails comes again at once."""


def lose_the_event(world: World) -> None:
    """Take out of the queue what S3 has said of an upload."""
    url = world.parts.settings.uploads_queue_url
    (message,) = SQS().receive_message(QueueUrl=url)["Messages"]
    SQS().delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    world.cloud.settle()


def live(world: World, fault: Fault | None) -> list[Point]:
    """Upload a file of which nobody hears, ask for its check until that is answered; the calls that this takes."""
    asked = begin(world, CSV).body
    assert post_form(asked["upload"], CSV).status_code == 204
    lose_the_event(world)
    assert shown(world, asked["id"])["state"] == "awaiting_upload"
    AWS.begin(fault)
    path = f"/api/v1/attachments/{asked['id']}/check"
    answers = (world.call("POST", path, as_=LIAISON) for _ in range(3))
    assert next(answer.status for answer in answers if answer.status < 500) == 202
    world.cloud.settle()
    AWS.fault, points = None, AWS.points()
    assert fault is None or AWS.struck, f"{fault} never came"
    ready = shown(world, asked["id"])
    assert ready["state"] == "ready", fault
    (checked,) = keys(world, f"checked/{asked['id']}/")
    assert stored(world, checked) == CSV
    return points


def test_whatever_call_fails_or_repeats_the_file_is_ready_in_the_end(record_property: Record) -> None:
    with a_world(aws=AWS, wait_scale=SCALE) as world:
        faults = [Fault(point=point, mode=mode) for point in live(world, None) for mode in Mode]
        assert len(faults) == 6 * len(Mode), faults
        record_property("figure", f"asking for a check: all {len(faults)} crash points")
        for fault in faults:
            live(world, fault)
