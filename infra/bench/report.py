"""What was measured, as ratios beside their goals: for people and for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from infra.bench.starts import BASE, FIRST_ANSWER, IMPORT
from infra.bench.tape import DECIDE, OPEN, SUBMIT, Tape

LIFE = "life"
GOALS: Mapping[str, float] = {SUBMIT: 5, DECIDE: 6, IMPORT: 1.35, FIRST_ANSWER: 1.7}
TITLES: Mapping[str, str] = {
    SUBMIT: "submit ÷ PutItem",
    OPEN: "open ÷ PutItem",
    DECIDE: "decide ÷ PutItem",
    LIFE: "a whole life ÷ PutItem",
    IMPORT: "import app ÷ boto3 client",
    FIRST_ANSWER: "start to first answer ÷ boto3 client",
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Seconds of CPU, and the ratio to what they are compared with; None as a goal where there is none."""

    seconds: float
    ratio: float
    goal: float | None

    @property
    def met(self) -> bool | None:
        """Whether the ratio, as it is told, is within its goal."""
        return None if self.goal is None else round(self.ratio, 3) <= self.goal


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What a kind of step costs each time: seconds of CPU. `calls` are those of all times together, by operation."""

    name: str
    times: int
    seconds: float
    calls: Counter[str]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One run of the bench."""

    put_item: float
    base: float
    figures: Mapping[str, Figure]
    steps: tuple[StepCost, ...]

    def as_json(self) -> dict[str, Any]:
        """One object; times in milliseconds."""
        return {
            "put_item_ms": _ms(self.put_item),
            "base_ms": _ms(self.base),
            "figures": {
                name: {
                    "ms": _ms(figure.seconds),
                    "ratio": round(figure.ratio, 3),
                    "goal": figure.goal,
                    "met": figure.met,
                }
                for name, figure in self.figures.items()
            },
            "steps": [
                {"name": step.name, "times": step.times, "ms": _ms(step.seconds), "calls": dict(step.calls)}
                for step in self.steps
            ],
        }

    def lines(self) -> list[str]:
        """Two aligned tables."""
        figures = [
            (
                TITLES[name],
                f"{_ms(figure.seconds):.1f}",
                f"{figure.ratio:.2f}",
                "" if figure.goal is None else f"≤ {figure.goal:g}",
                {None: "", True: "met", False: "not met"}[figure.met],
            )
            for name, figure in self.figures.items()
        ]
        steps = [
            (
                step.name,
                f"{step.times}",
                f"{_ms(step.seconds):.1f}",
                f"{step.seconds / self.put_item:.1f}",
                f"{step.calls.total() / step.times:g}",
                " ".join(f"{operation} {number}" for operation, number in step.calls.items()),
            )
            for step in self.steps
        ]
        return [
            f"CPU, user and system: {_ms(self.put_item):.2f} ms for a stock boto3 PutItem,",
            f"{_ms(self.base):.0f} ms for boto3 and its client in a fresh interpreter.",
            "",
            *_aligned([("", "ms", "ratio", "goal", ""), *figures]),
            "",
            *_aligned([("one life", "times", "ms each", "÷ PutItem", "AWS calls each", "in all"), *steps]),
        ]


def report(
    tape: Tape,
    *,
    put_item: Sequence[Sequence[float]],
    steps: Sequence[Sequence[float]],
    starts: Mapping[str, Sequence[float]],
) -> Report:
    """Medians over rounds; `put_item` and `steps` hold each round's seconds in the order of the tape."""
    yardstick = median(seconds for spent in put_item for seconds in spent)
    costs = tuple(_cost(tape, name, steps) for name in dict.fromkeys(step.name for step in tape.steps))
    seconds = {cost.name: cost.seconds for cost in costs} | {LIFE: median(map(sum, steps))}
    begun = {name: median(spent) for name, spent in starts.items()}
    figures = {
        name: Figure(seconds=seconds[name], ratio=seconds[name] / yardstick, goal=GOALS.get(name))
        for name in (SUBMIT, OPEN, DECIDE, LIFE)
    } | {
        name: Figure(seconds=begun[name], ratio=begun[name] / begun[BASE], goal=GOALS[name])
        for name in (IMPORT, FIRST_ANSWER)
    }
    return Report(put_item=yardstick, base=begun[BASE], figures=figures, steps=costs)


def _cost(tape: Tape, name: str, rounds: Sequence[Sequence[float]]) -> StepCost:
    places = [place for place, step in enumerate(tape.steps) if step.name == name]
    return StepCost(
        name=name,
        times=len(places),
        seconds=median(sum(spent[place] for place in places) for spent in rounds) / len(places),
        calls=Counter(answer.operation for place in places for answer in tape.steps[place].answers),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns under each other: the first to the left, as the last; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if place in {0, len(row) - 1} else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
