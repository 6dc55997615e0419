"""What gives way first: each limit, how near a million requests a day come to it, and what avoids it."""

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from chalicelib.identity.model import HANDLES_PER_ADDRESS
from infra.capacity.contention import Outcome, serial_numbers, shared_pages
from infra.capacity.cost import CHALICE, Figures, duration, memory, read_units, write_units
from infra.capacity.load import SERIES, TRIES, Load, Pressure, arrivals, meeting, pressures

WORKFLOWS = Path(__file__).parents[1] / "workflows"
PUBLISHING = ("last_check", "deliver", "archive")
"""The functions that a publication calls, one after the other."""
FEW = 0.01
"""The share of losers that counts as none to speak of."""


@dataclass(frozen=True, kw_only=True)
class Break:
    """A limit and what meets it. `at` is how many requests on a mean day it lasts for."""

    what: str
    limit: str
    load: str
    at: float
    remedy: str


class Capacity:
    """All that follows from the figures and an assumed day."""

    def __init__(self, figures: Figures, load: Load) -> None:
        self.figures = figures
        self.load = load
        self.life = figures.life("website")

    @property
    def peak(self) -> float:
        """Requests per second in the busiest hour."""
        return self.load.rate(self.load.busiest_hour)

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """Of all requests, how many meet at the busiest key of each kind."""
        return meeting(self.load)

    @cached_property
    def publication_seconds(self) -> float:
        """Of Lambda, that one publication takes in all."""
        return sum(duration(self.figures, self.life, name) for name in PUBLISHING)

    @property
    def most_published(self) -> float:
        """Publications per second that Lambda's default concurrency is enough for, if it did nothing else."""
        return float(self.figures.quotas["lambda_concurrency"]) / self.publication_seconds

    @cached_property
    def hour(self) -> list[dict[str, int]]:
        """The busiest hour, second by second."""
        begin = self.load.busiest_hour * 3600
        return arrivals(self.load, range(begin, begin + 3600), self.most_published)

    @cached_property
    def pressures(self) -> list[Pressure]:
        """On the busiest key of each kind in that hour, the hottest first."""
        found = pressures(self.load, self.life["touches"], self.hour, self.shares)
        return sorted(found, key=self.heat, reverse=True)

    @cached_property
    def steady(self) -> list[Pressure]:
        """The same if nothing were planned for a full hour."""
        load = replace(self.load, on_the_hour=0.0)
        begin = load.busiest_hour * 3600
        counts = arrivals(load, range(begin, begin + 3600), self.most_published)
        found = pressures(load, self.life["touches"], counts, self.shares)
        return sorted(found, key=self.heat, reverse=True)

    def heat(self, pressure: Pressure) -> float:
        """How much of what a partition can bear is used in the worst second."""
        quotas = self.figures.quotas
        written = pressure.writes[2] / float(quotas["partition_write_units"])
        return max(written, pressure.reads[2] / float(quotas["partition_read_units"]))

    def lasting(self, where: str) -> float:
        """Requests a day for which the busiest key of an index is enough, but for the full hour."""
        hottest = max(self.heat(each) for each in self.steady if each.where == where)
        return float(self.load.requests) / hottest

    def serial(self, rate: float) -> Outcome:
        """Serial numbers asked for so often per second: reading the counter, then the transaction."""
        latency = self.figures.assumed["latency_ms"]
        cpu = 2 * self.figures.measured["cpu_ms_per_call"] * self._slower("archive")
        return serial_numbers(rate, (latency["BatchGetItem"] + latency["TransactWriteItems"] + cpu) / 1000)

    def pages_window(self, items: int) -> float:
        """Seconds from noting the versions of the shared pages of a site of so many items to writing the last."""
        latency, site = self.figures.assumed["latency_ms"], self.figures.measured["site"]
        query_pages = 1 + items * self.life["kept"]["entry"] // 2**20
        calls = 5 * (latency["HeadObject"] + latency["PutObject"]) + query_pages * latency["Query"]
        cpu = (10 + query_pages) * self.figures.measured["cpu_ms_per_call"] + items * site["cpu_ms_per_item"]
        return float(calls + cpu * self._slower("deliver")) / 1000

    def pages(self, rate: float, items: int = 0) -> Outcome:
        """Publications so often per second, on a site of so many items."""
        return shared_pages(rate, self.pages_window(items))

    def _slower(self, function: str) -> float:
        return max(1.0, float(self.figures.assumed["full_core_mb"]) / memory(function))

    def breaks(self) -> list[Break]:
        """The limits in the order in which they are reached."""
        found = [*self._of_people(), *self._of_design(), *self._of_quotas(), *self._of_keys()]
        return sorted(found, key=lambda each: each.at)

    def _at(self, limit: float, load: float) -> float:
        """Requests a day at which the load is the limit, where one grows with the other."""
        return self.load.requests * limit / load

    def _of_people(self) -> list[Break]:
        assumed, quotas, life = self.figures.assumed, self.figures.quotas, self.life
        readable, requests = assumed["mails_a_person_reads_per_day"], self.load.requests
        mails = life["operations"]["SendEmail"]
        a_day = requests * self.load.month_end * mails
        tries = sum(touch["writes"] for touch in life["touches"] if touch["kind"] == TRIES)
        allowed = HANDLES_PER_ADDRESS.tries / HANDLES_PER_ADDRESS.seconds
        editors = requests / assumed["decisions_per_reviewer_and_day"]
        return [
            Break(
                what="Mails to one center editor",
                limit=f"{readable} a day that a person can look at (assumed)",
                load=f"{requests:,} a day",
                at=readable,
                remedy=(
                    f"**Breaks.** Every editor is mailed every request, and {requests:,} a day need {editors:,.0f} "
                    "editors. Give each request to a few of them, by load or subject, and let opening a stage read "
                    "those and not everybody who ever held a duty."
                ),
            ),
            Break(
                what="SES, mails a day",
                limit=f"{quotas['mails_per_day']:,} to begin with",
                load=f"{a_day:,.0f}, announcements not counted",
                at=self._at(quotas["mails_per_day"], a_day),
                remedy="Ask for more, in time: AWS raises it with good figures of bounces and complaints.",
            ),
            Break(
                what="SES, mails a second",
                limit=f"{quotas['mails_per_second']} to begin with",
                load=f"{self.peak * mails:,.0f}",
                at=self._at(quotas["mails_per_second"], self.peak * mails),
                remedy="As above. What is refused is tried again; links and notices come late.",
            ),
            Break(
                what="Handles offered from one network address",
                limit=f"{HANDLES_PER_ADDRESS.tries:,} in {HANDLES_PER_ADDRESS.seconds // 60} minutes",
                load=f"{self.peak * tries * HANDLES_PER_ADDRESS.seconds:,.0f}",
                at=self._at(allowed, self.peak * tries),
                remedy=(
                    "**Breaks** where a company has one address: reviewers are told to wait. Count a signed-in "
                    "person's tries by person and not by address, or raise `HANDLES_PER_ADDRESS`."
                ),
            ),
        ]

    def _of_design(self) -> list[Break]:
        assumed, requests = self.figures.assumed, self.load.requests
        looked_at = (self.figures.measured["cpu_ms_per_call"] * self._slower("sweep")) + assumed[
            "latency_ms"
        ]["BatchGetItem"]
        timeout = _timeout("sweep")
        at_once = timeout * 1000 / looked_at
        in_flight = requests * assumed["days_in_review"]
        pages = self._most(self.pages)
        serial = self._most(self.serial)
        hottest = self.peak * self.shares[SERIES]
        burst = self.load.rate(self.load.busiest_hour) * 3600 * self.load.on_the_hour
        window = _patience("LastCheck")
        return [
            Break(
                what="Pages that all publications share",
                limit=f"{pages:g} publications a second, one writer at a time",
                load=f"{self.peak:,.0f}",
                at=self._at(pages, self.peak),
                remedy=(
                    "**Breaks.** Each publication writes home page, feed, sitemap, section and year anew. Let one "
                    "writer do that for all that has been published meanwhile, woken by a queue."
                ),
            ),
            Break(
                what="The sweeper",
                limit=f"{at_once:,.0f} requests in flight in the {timeout} s of a run",
                load=f"{in_flight:,.0f}",
                at=self._at(at_once, in_flight),
                remedy=(
                    "**Breaks.** It looks at everything in flight, one by one. Put the instant at which to look again "
                    "into the sort key of `in_flight` and read only what is due; reading tasks by the hundred helps "
                    "many times over at once."
                ),
            ),
            Break(
                what="Publications planned for the same full hour",
                limit=f"{window * self.most_published:,.0f} served within {window:.0f} s of tries",
                load=f"{burst:,.0f} at {self.load.busiest_hour}:00",
                at=self._at(window * self.most_published, burst),
                remedy=(
                    "Nothing is lost: the sweeper takes up what ran out of tries. Spread what is due at one instant "
                    "over a minute or two, and ask for more concurrency."
                ),
            ),
            Break(
                what="Serial numbers of one series",
                limit=f"{serial:g} a second with under {FEW:.0%} losing all tries",
                load=f"{hottest:,.1f}, more on the full hour",
                at=self._at(serial, hottest),
                remedy=(
                    "A series is one counter per department, year and retention term, and the numbers have no gaps, so "
                    "it stays one. Its machine tries again; on the full hour numbers come late."
                ),
            ),
        ]

    def _most(self, outcome: Callable[[float], Outcome]) -> float:
        """The highest rate, in steps of a half and up to a hundred, at which hardly anybody loses."""
        halves = range(1, 201)
        return bisect_left(halves, FEW, key=lambda number: outcome(number / 2).lost) / 2

    def _of_quotas(self) -> list[Break]:
        quotas, life, peak = self.figures.quotas, self.life, self.peak
        done, ran = life["operations"], life["invocations"]
        busy = sum(number * duration(self.figures, life, name) for name, number in ran.items())
        due = sum(touch["writes"] for touch in life["touches"] if touch["phase"] == "published")
        rush = due * self.most_published
        open_now = self.load.requests * self.figures.assumed["days_in_review"]
        by_second = (
            ("Lambda, at once", quotas["lambda_concurrency"], busy, "Ask for more."),
            (
                "API Gateway, requests a second",
                quotas["api_requests_per_second"],
                ran["api_handler"],
                "Ask for more.",
            ),
            (
                "StartExecution a second",
                quotas["start_execution_per_second"],
                done["StartExecution"],
                "Ask for more; the stream waits meanwhile.",
            ),
            (
                "SendTaskSuccess a second",
                quotas["send_task_success_per_second"],
                done["SendTaskSuccess"],
                "Ask for more; the stream waits meanwhile.",
            ),
            (
                "Signatures of KMS a second",
                quotas["kms_signatures_per_second"],
                done["Sign"],
                "Ask for more; until then some decisions are to be sent again.",
            ),
            (
                "State transitions a second",
                quotas["state_transitions_per_second"],
                life["transitions"],
                "Ask for more; in most regions it is 800 to begin with.",
            ),
            (
                "Units of the table a second",
                quotas["table_units_per_second"],
                max(write_units(life), read_units(life)),
                f"Ask for more; warm the table up before a day like that. Just after the full hour it is {rush:,.0f}.",
            ),
        )
        return [
            Break(
                what="Executions open at once",
                limit=f"{quotas['open_executions']:,}",
                load=f"{open_now:,.0f}",
                at=self._at(quotas["open_executions"], open_now),
                remedy=(
                    "**Breaks** as soon as a review takes longer than a day. Waiting can be left to the table and the "
                    "sweeper, so that an execution lives only while something is done; or ask for more."
                ),
            ),
            *(
                Break(
                    what=what,
                    limit=f"{limit:,}",
                    load=f"{peak * each:,.0f}",
                    at=self._at(limit, peak * each),
                    remedy=remedy,
                )
                for what, limit, each, remedy in by_second
            ),
        ]

    def _of_keys(self) -> list[Break]:
        hottest, quotas = self.steady[0], self.figures.quotas
        written = hottest.writes[2] / quotas["partition_write_units"] == self.heat(hottest)
        kind, most = ("write", hottest.writes[2]) if written else ("read", hottest.reads[2])
        limit = quotas[f"partition_{kind}_units"]
        burst = self.load.rate(self.load.busiest_hour) * 3600 * self.load.on_the_hour
        first = self.pressures[0]
        return [
            Break(
                what=f"The hottest key through the hour, `{hottest.kind}`",
                limit=f"{limit:,} {kind} units a second",
                load=f"{most:,.0f} in the worst second",
                at=self._at(limit, most),
                remedy="Count in several shards. See [keys](#keys).",
            ),
            Break(
                what="The hottest key just after the full hour",
                limit=f"some {self.most_published / self.heat(first):,.0f} publications in one second",
                load=f"{self.most_published:,.0f}, as fast as Lambda allows",
                at=self._at(self.most_published / self.heat(first), burst),
                remedy="What is throttled is tried again, within the call and by the machine. Spread it, as below.",
            ),
        ]


def _timeout(function: str) -> int:
    """Seconds that a function may take."""
    config = json.loads(CHALICE.read_bytes())
    return int(config["lambda_functions"][function].get("lambda_timeout", config["lambda_timeout"]))


def _patience(state: str) -> float:
    """Seconds over which a step of the publication machine is tried again, when the function cannot be called."""
    definition = json.loads((WORKFLOWS / "publication.asl.json").read_bytes())
    retry = next(r for r in definition["States"][state]["Retry"] if "States.TaskFailed" in r["ErrorEquals"])
    waits = (retry["IntervalSeconds"] * retry["BackoffRate"] ** n for n in range(retry["MaxAttempts"]))
    return float(sum(min(wait, retry["MaxDelaySeconds"]) for wait in waits))
