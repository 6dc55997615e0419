"""`imprimatur demo`: the main job over HTTP, as people do it.

For each sample request somebody signs in, posts it, waits for mails, follows their links, decides, waits for
the publication, downloads the package and verifies it. All samples run at once; each person signs in once. It
reads the laptop's mailbox and so runs against `make run` only.
"""

import json
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chalicelib.archive.model.verification import verify
from chalicelib.core.clock import utc_now
from chalicelib.core.ids import new_id
from chalicelib.submission.model import State
from infra.local.sample_requests import Decide, Resubmit, Sample, Withdraw, load
from infra.local.visitor import AstrayError, Desk, Due, Site

ARRIVED, ASTRAY, UNUSABLE = 0, 1, 2
"""Exit statuses: everything ended where it should; something did not; the demo could not begin."""

STATE_PAUSE = 1.0
"""Seconds."""

RESTING = frozenset({State.ARCHIVED, State.REJECTED, State.WITHDRAWN, State.NEEDS_PERSON, State.RETRACTED})
"""States that no machine leaves."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Where a sample ended. `seconds` count from the beginning; `problem` is None when all is well."""

    sample: str
    name: str
    submission: str | None
    state: str | None
    catalog_number: str | None
    seconds: float
    problem: str | None


def run(
    desk: AbstractContextManager[str], *, as_json: bool, samples: Path, only: str | None, timeout: float
) -> int:
    """Play every sample of the folder, or `only` the one of that file stem, at a desk that gives its address.

    The desk is opened once it is known what to play. `timeout` is in seconds, for everything together. Prints
    progress and a table, or with `as_json` an object a line. The answer is the exit status: 0 only if each ended
    where it should and each package proved sound.
    """
    chosen = [sample for sample in load(samples, utc_now()) if only in (None, sample.key)]
    if not chosen:
        print(f"There is no sample {only!r} in {samples}.", file=sys.stderr)
        return UNUSABLE
    with desk as base_url:
        return _play(base_url, chosen, as_json=as_json, timeout=timeout)


def _play(base_url: str, chosen: Sequence[Sample], *, as_json: bool, timeout: float) -> int:
    try:
        desk = Desk(Site(base_url, deadline=time.monotonic() + timeout))
    except AstrayError as error:
        print(f"The demo cannot begin: {error}", file=sys.stderr)
        return UNUSABLE
    began = time.monotonic()

    def say(line: str) -> None:
        if not as_json:
            _print(f"{time.monotonic() - began:6.1f}s  {line}")

    outcomes = []
    for outcome in _play_all(desk, chosen, say):
        outcomes.append(outcome)
        if as_json:
            _print(json.dumps(asdict(outcome), ensure_ascii=False))
    if not as_json:
        order = {sample.key: place for place, sample in enumerate(chosen)}
        _print("\n" + table(sorted(outcomes, key=lambda outcome: order[outcome.sample])))
    return ASTRAY if any(outcome.problem for outcome in outcomes) else ARRIVED


def _print(text: str) -> None:
    """One write, so that lines of several threads don't mix."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _play_all(desk: Desk, samples: Sequence[Sample], say: Say) -> Iterator[Outcome]:
    """Play all at once; outcomes come as they happen. When interrupted, nobody waits on."""
    with ThreadPoolExecutor(max_workers=len(samples)) as pool:
        try:
            for done in as_completed([pool.submit(play, desk, sample, say) for sample in samples]):
                yield done.result()
        except KeyboardInterrupt:
            desk.site.give_up()
            raise


def play(desk: Desk, sample: Sample, say: Say) -> Outcome:
    """Take one sample all the way; what goes wrong is in the outcome."""
    began = time.monotonic()
    visit = Visit(desk, sample, say)
    try:
        visit.post()
        for step in sample.story:
            match step:
                case Decide():
                    visit.decide(step)
                case Resubmit():
                    visit.resubmit(step)
                case Withdraw():
                    visit.withdraw(step)
        visit.arrive()
    except AstrayError as error:
        visit.problem = str(error)
        visit.tell(f"✗ {error}")
    return Outcome(
        sample=sample.key,
        name=sample.name,
        submission=visit.submission,
        state=visit.state,
        catalog_number=visit.catalog_number,
        seconds=round(time.monotonic() - began, 1),
        problem=visit.problem,
    )


class Visit:
    """One sample on its way, and how far it has come."""

    def __init__(self, desk: Desk, sample: Sample, say: Say) -> None:
        self._desk = desk
        self._sample = sample
        self._say = say
        self._form: Mapping[str, Any] = sample.form
        self._drafter: str = sample.form["drafter"]
        self._revision = 0
        self.submission: str | None = None
        self.state: str | None = None
        self.catalog_number: str | None = None
        self.problem: str | None = None

    def tell(self, text: str) -> None:
        """Say what happened to this sample."""
        self._say(f"{pad(self._sample.name, 24)} {text}")

    def post(self) -> None:
        """The drafter uploads what is to be attached, and hands it in."""
        token = self._desk.token(self._drafter)
        for file in self._sample.files:
            department = self._form["department"]
            known = self._desk.attach(self._drafter, department, file.name, file.media_type, file.content)
            self._form = {**self._form, "attachments": [*self._form["attachments"], known]}
            self.tell(f"{self._desk.name(self._drafter)} attaches {file.name}")
        receipt = self._desk.site.call(
            "POST", "/api/v1/submissions", self._form, token=token, key=new_id("demo")
        )
        self.submission = str(receipt["id"])
        self._note(receipt)
        self.tell(f"{self._desk.name(self._drafter)} submits {self.submission}")

    def decide(self, step: Decide) -> None:
        """A reviewer follows the link and decides."""
        due = Due(submission=str(self.submission), revision=self._revision, stage=step.stage)
        review = self._desk.review(due)
        answer = self._desk.site.call(
            "POST",
            "/api/v1/review-links/decision",
            {
                "handle": review.handle,
                "decision": step.decision,
                "comment": step.comment,
                "checklist": {item: item not in step.failed for item in review.checklist},
                "content_digest": review.content_digest,
            },
            token=self._desk.proven_token(review.reviewer),
        )
        self.state = str(answer["state"])
        self.tell(f"{self._desk.name(review.reviewer)} ({step.stage}): {step.decision} → {self.state}")

    def resubmit(self, step: Resubmit) -> None:
        """The drafter hands in a new revision."""
        self._form = {**self._form, **step.changes}
        receipt = self._desk.site.call(
            "POST",
            f"/api/v1/submissions/{self.submission}/revisions",
            self._form,
            token=self._desk.token(self._drafter),
            key=new_id("demo"),
        )
        self._note(receipt)
        self.tell(f"{self._desk.name(self._drafter)} resubmits: revision {self._revision}")

    def withdraw(self, step: Withdraw) -> None:
        """The drafter takes it back."""
        path = f"/api/v1/submissions/{self.submission}/withdrawal"
        receipt = self._desk.site.call(
            "POST", path, {"reason": step.reason}, token=self._desk.token(self._drafter)
        )
        self._note(receipt)
        self.tell(f"{self._desk.name(self._drafter)} withdraws → {self.state}")

    def _note(self, receipt: Mapping[str, Any]) -> None:
        self._revision, self.state = int(receipt["revision"]), str(receipt["state"])

    def arrive(self) -> None:
        """Wait until it rests where it should, then verify the package, if there is one."""
        ends = self._sample.ends
        while self.state not in RESTING:
            self._desk.site.pause(STATE_PAUSE, f"{ends}; it is {self.state}")
            self._look()
        if self.state != ends:
            raise AstrayError(f"ended as {self.state} instead of {ends}")
        if ends is State.ARCHIVED:
            self._verify()

    def _look(self) -> None:
        before = self.state
        record = self._desk.site.call(
            "GET", f"/api/v1/submissions/{self.submission}", token=self._desk.token(self._drafter)
        )
        self.state, self.catalog_number = str(record["state"]), record["catalog_number"]
        if self.state not in {before, State.ARCHIVED}:
            self.tell(f"→ {self.state}")

    def _verify(self) -> None:
        number = str(self.catalog_number)
        offer = self._desk.site.call(
            "GET", f"/api/v1/archive/{quote(number, safe='')}/package", token=self._desk.token(self._drafter)
        )
        package = self._desk.site.download(offer["url"])
        report = verify(package, expected_sha256=offer["sha256"])
        if not report.ok:
            faults = [f"{finding.where} {finding.message('en')}" for finding in report.findings]
            raise AstrayError(f"package {number}: {'; '.join(faults)}")
        self.tell(f"✓ archived as {number}, package of {len(package):,} bytes verified")


HEADINGS = ("submission", "name", "state", "catalogue number", "seconds")


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as aligned columns, and a last line that says how many arrived."""
    rows = [
        (
            outcome.submission or "-",
            outcome.name,
            outcome.state or "-",
            outcome.catalog_number or "-",
            f"{outcome.seconds:.1f}",
        )
        for outcome in outcomes
    ]
    widths = [max(map(width, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = [_line(HEADINGS, widths), "  ".join("─" * size for size in widths)]
    lines += [_line(row, widths) for row in rows]
    lines += [f"✗ {outcome.name}: {outcome.problem}" for outcome in outcomes if outcome.problem]
    arrived = sum(outcome.problem is None for outcome in outcomes)
    return "\n".join([*lines, "", f"{arrived} of {len(outcomes)} ended where they should."])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    *texts, seconds = cells
    *text_widths, last = widths
    padded = [pad(cell, size) for cell, size in zip(texts, text_widths, strict=True)]
    return "  ".join([*padded, seconds.rjust(last)])


def pad(text: str, size: int) -> str:
    """The text filled with spaces to so many terminal columns."""
    return text + " " * (size - width(text))


def width(text: str) -> int:
    """Terminal columns: two for a wide East Asian character, none for a combining or invisible one."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
