"""The crash matrix: every AWS call in the life of a submission goes wrong in every way, and nothing is lost or doubled.

Each run must come to the same end as an undisturbed one after at most two sweeps: published once, archived once, the
chain intact, no gap in the catalogue numbers; everybody told, and no announcement twice in a mailbox.
"""

import random
import re
from collections.abc import Callable
from functools import cache

import pytest

from tests.faults import Fault, FaultyAws, Mode, Point
from tests.lives import (
    AmendedLife,
    AnnouncedLife,
    AnsweredLife,
    AttachedLife,
    DeclinedLife,
    FrozenLife,
    HandedOverLife,
    Life,
    PasskeyLife,
    RetractedLife,
)
from tests.world import World, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
TENTH = 10
PARTS = 8
ANNOUNCEMENT = "SendEmail announcement"
ALIKE = re.compile(r"Query in-flight-(?!00)")
"""The sixteen keys of the index of what is in flight are read alike: one will do."""

Story = Callable[[Life], None]


def live(
    story: Story, fault: Fault | None = None, prepare: Callable[[World], None] = lambda _world: None
) -> Life:
    kind = LIVES.get(story, Life)
    with a_world(*kind.people, aws=AWS) as world:
        AWS.begin(fault)
        prepare(world)
        life = kind(world)
        story(life)
        AWS.fault, life.points = None, AWS.points()
        assert fault is None or AWS.struck, f"{fault} never came"
        life.ensure_well(told_again=fault is not None and leaves_a_notice_open(fault))
        return life


def leaves_a_notice_open(fault: Fault) -> bool:
    """Whether nobody can know of a notice if it went out: its mail failed, or what is recorded around it."""
    return fault.point.label == "SendEmail" or fault.point.label.startswith("PutItem NOTICE")


def straight(life: Life) -> None:
    """Approved at once."""
    life.end()


def returned(life: Life) -> None:
    """Returned by the department head, changed, approved."""
    life.return_and_hand_in_again()
    life.end()


def attached(life: Life) -> None:
    """With a file, approved at once."""
    life.end()


def announced(life: Life) -> None:
    """By mail, too, with a bounce, and one mail that a person lets go out again."""
    life.end()


def frozen(life: Life) -> None:
    """Due while publishing is frozen, and let go."""
    life.end()


def amended(life: Life) -> None:
    """Amended by an editor, confirmed by its drafter, approved by others."""
    assert isinstance(life, AmendedLife)
    life.amend_and_answer()
    life.end()


def declined(life: Life) -> None:
    """Amended by an editor, put back by its drafter, approved by others."""
    amended(life)


def handed_over(life: Life) -> None:
    """Given to a reviewer, handed over, refused, and the refusal taken back."""
    life.end()


def signed(life: Life) -> None:
    """Decided by a passkey."""
    life.end()


def taken_back(life: Life) -> None:
    """Approved at once, and taken back once it is archived."""
    life.end()


def answered_for(life: Life) -> None:
    """Approved at once, and published again after its archive, as a person answers for its page."""
    life.end()


STORIES: tuple[Story, ...] = (
    *(straight, returned, attached, announced, frozen),
    *(amended, handed_over, signed, taken_back, answered_for),
)
LIVES: dict[Story, type[Life]] = {
    attached: AttachedLife,
    announced: AnnouncedLife,
    frozen: FrozenLife,
    amended: AmendedLife,
    declined: DeclinedLife,
    handed_over: HandedOverLife,
    signed: PasskeyLife,
    taken_back: RetractedLife,
    answered_for: AnsweredLife,
}
DECIDED = Point(label="TransactWriteItems Decided", nth=1)
"""In every life, and in one of them with a passkey's use in it."""


@cache
def undisturbed(story: Story) -> Life:
    """A life in which nothing goes wrong; each of its calls is a point where something can."""
    return live(story)


@cache
def every_fault() -> list[tuple[Story, Fault]]:
    """Each call of an undisturbed life of each story, in each way, but none twice that lives have in common.

    Of a returned life that is what follows the first that is new; with a file, mails, a freeze or an amendment, what
    these bring, and an amendment begins a second round as a return does; with a passkey also the decision it signs.

    The client never repeats the `SendEmail` of an announcement (tests/core/test_mail.py), so nor does a fault.
    """
    of = {story: undisturbed(story).points for story in STORIES}
    for story in LIVES.keys() & of.keys():
        known = {*of[straight], *(of[returned] if story is amended else ())}
        of[story] = [point for point in of[story] if point not in known and not ALIKE.match(point.label)]
    parting = next(
        n for n, pair in enumerate(zip(of[straight], of[returned], strict=False)) if len({*pair}) > 1
    )
    of[returned] = of[returned][parting:]
    of[signed] = [*of[signed], DECIDED]
    return [
        (story, Fault(point=point, mode=mode))
        for story in STORIES
        for point in of[story]
        for mode in Mode
        if (point.label, mode) != (ANNOUNCEMENT, Mode.TWICE)
    ]


def disturbed(faults: list[tuple[Story, Fault]]) -> None:
    failures = []
    for story, fault in faults:
        try:
            live(story, fault)
        except Exception as error:  # noqa: BLE001 - all of them are wanted in one run
            where = f"{story.__name__}: {fault.mode} {fault.point.label} #{fault.point.nth}"
            failures.append(f"{where}: {type(error).__name__} {error}")
    assert not failures, "\n".join(failures)


def test_undisturbed_lives_need_no_sweep() -> None:
    assert [undisturbed(story).sweeps for story in STORIES] == [0] * len(STORIES)


@pytest.mark.parametrize("part", range(2))
def test_a_tenth_of_all_crashes_ends_like_an_undisturbed_life(part: int, record_property: Record) -> None:
    faults = every_fault()
    chosen = random.Random(2026).sample(faults, len(faults) // TENTH)  # noqa: S311 - a choice of tests
    record_property("figure", f"crash matrix: {len(chosen)} of {len(faults)} crash points")
    disturbed(chosen[part::2])


NEEDED = {
    attached: ("CopyObject", "HeadObject", "GetObject", "PutObject", "ATTACHMENT"),
    announced: (
        ANNOUNCEMENT,
        "MAILING LIST",
        "HEAD MAILING RECIPIENT",
        "SUPPRESSION SUPPRESSION",
        "PERSON SESSION",
        "RecipientsChanged",
        "EVENT HEAD",
    ),
    amended: ("Amended", "AmendmentConfirmed", "REVISION"),
}
"""What a story is there for: of mails to fix the list, send, hear, suppress, let a person answer, and send again."""


def test_the_matrix_has_the_calls_that_files_mails_and_amendments_bring() -> None:
    """Clause 3.5.2: what is attached arrives once, in site and package, whatever fails on the way."""
    for story, needed in NEEDED.items():
        about = [fault.point.label for each, fault in every_fault() if each is story]
        missing = [part for part in needed if not any(part in label for label in about)]
        assert missing == [], about


def test_an_amendment_and_its_answer_are_survived_however_they_fail() -> None:
    """Clause 2.1.3: one text, one amendment, one answer, whatever happens to the calls that write them."""
    writing = {
        point: story
        for story in (declined, amended)
        for point in undisturbed(story).points
        if point.label.startswith("TransactWriteItems Amend")
    }
    assert {point.label.partition(" ")[2] for point in writing} == {
        "Amended",
        "AmendmentConfirmed",
        "AmendmentDeclined+Resubmitted",
    }
    disturbed([(story, Fault(point=point, mode=mode)) for point, story in writing.items() for mode in Mode])


def test_the_matrix_has_the_calls_that_a_freeze_brings_and_each_that_writes_is_survived() -> None:
    """Clause 5.1.2: what a freeze holds back is neither lost nor doubled, whatever fails on the way."""
    faults = [(story, fault) for story, fault in every_fault() if story is frozen]
    about = " ".join(fault.point.label for _, fault in faults)
    for needed in (
        "ALL",
        "PublishingFrozen",
        "PublishingUnfrozen",
        "WorkflowRestarted",
        "Query in-flight-00",
    ):
        assert needed in about, about
    disturbed([each for each in faults if "Publishing" in each[1].point.label])


def test_an_opinion_that_a_passkey_signs_is_recorded_once_whatever_fails() -> None:
    """Clause 3.3.4: challenge and sign count are used up with the opinion, and the same POST again finds it."""
    faults = [(story, fault) for story, fault in every_fault() if story is signed]
    assert any("CHALLENGE" in fault.point.label for _, fault in faults), faults
    disturbed([(story, fault) for story, fault in faults if fault.point == DECIDED])


@pytest.mark.crash_full
@pytest.mark.parametrize("part", range(PARTS))
def test_every_crash_ends_like_an_undisturbed_life(part: int, record_property: Record) -> None:
    faults = every_fault()
    record_property("figure", f"crash matrix: all {len(faults)} crash points")
    disturbed(faults[part::PARTS])


@pytest.mark.parametrize(
    ("story", "seed"), [(returned, 0), (returned, 1), (returned, 2), (announced, 3), (declined, 4)]
)
def test_every_record_and_message_may_come_twice_and_out_of_order(story: Story, seed: int) -> None:
    def unkind(world: World) -> None:
        world.cloud.pumps.duplicate = True
        world.cloud.pumps.shuffle = random.Random(seed)  # noqa: S311 - an order for a test

    live(story, prepare=unkind)
