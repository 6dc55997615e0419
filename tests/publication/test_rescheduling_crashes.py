"""Moving a publish time while its write fails, takes effect and fails, or comes twice: moved once (clause 3.4.1)."""

from chalicelib.ledger.model import chain_faults
from tests.faults import Fault, FaultyAws, Mode
from tests.lives import persist
from tests.publication.test_rescheduling import at, move, scheduled
from tests.world import a_world

AWS = FaultyAws()


def test_however_the_write_of_a_move_goes_wrong_it_is_made_once() -> None:
    with a_world(aws=AWS) as world:
        submission, later = scheduled(world), at(world, days=20)
        items = world.items()
        AWS.begin()
        assert move(world, submission, later).status == 200
        (write,) = (point for point in AWS.points() if point.label.startswith("TransactWriteItems"))
        for fault in (Fault(point=write, mode=mode) for mode in Mode):
            world.put_back(items)
            AWS.begin(fault)
            answer = persist(lambda: move(world, submission, later))
            AWS.begin()
            assert (answer.status, answer.body["state"]) == (200, "scheduled"), fault
            events = world.events(submission)
            assert chain_faults(events) == [], fault
            assert [event.type for event in events].count("Rescheduled") == 1, fault
            assert world.plain_journal.head(submission).attempt == 2, fault
        world.kill(submission)
