"""A day's load, and how it falls on the table's partitions: by the key functions of the stores themselves.

The day is one at a month's end. Requests come by a day's profile, departments by Zipf's law. What each step of a
request writes and reads is measured (`lives`); simulated is how many of them meet at one key in the same second.
"""

import itertools
import math
import random
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import quantiles
from typing import Any

from chalicelib.archive.model.catalog import CatalogRules
from chalicelib.archive.store import listing_key as archive_listing_key
from chalicelib.archive.store import series_key
from chalicelib.core.ids import derived_id
from chalicelib.identity.model import HANDLES_PER_ADDRESS
from chalicelib.identity.store import counter_partition, proofs_key
from chalicelib.ledger.store import partition_key
from chalicelib.people.model import CENTER
from chalicelib.people.store import department_key, person_key
from chalicelib.publication.channels.website.entry import PREFIXES
from chalicelib.publication.store import (
    FREEZES_KEY,
    channel_key,
    mailed_key,
    site_partition,
    subscription_key,
)
from chalicelib.review.store import desk_partition
from chalicelib.submission.model import Category, Channel, Classification
from chalicelib.submission.procedure import Procedure, read_procedure
from chalicelib.submission.store import (
    IN_FLIGHT_INDEX,
    PLANNED_INDEX,
    listing_key,
    planned_key,
    procedure_key,
    shard_of,
)
from infra.capacity.meter import TABLE

POLICIES = Path(__file__).parents[2] / "policies"
LISTING = "listing"
ADDRESS = "192.0.2.1"
"""The one network address from which a company reaches the desk."""
Place = tuple[str, str]
"""The table or an index, and a partition key."""

SUBMISSION = "SUBMISSION#<submission>"
CENTER_PERSON, OWN_PERSON, RECIPIENT = (
    "PERSON#<of the center>",
    "PERSON#<of the department>",
    "PERSON#<recipient>",
)
CENTER_DESK, OWN_DESK = "DESK#<of the center>", "DESK#<of the department>"
CENTER_PROOFS, OWN_PROOFS = "PROOFS#<of the center>", "PROOFS#<of the department>"
PROCEDURE = "PROCEDURE#<version>"
DEPARTMENTS, FREEZE = "DEPARTMENTS", "FREEZE"
TRIES = "RATE#<handles of an address>"
SERIES = "SERIES#<series>"
SITE, CHANNEL = "SITE#<prefix>", "CHANNEL#<channel>#<shard>"
DEPARTMENT, ARCHIVE, SHARD = "DEPARTMENT#<department>", "ARCHIVE#<department>", "in-flight-<shard>"
PLANNED = "planned-<shard>"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the keys of a request follow from. `center`, `own` and `recipients` are persons' ids."""

    submission: str
    department: str
    department_code: str
    category: Category
    classification: Classification
    year: int
    center: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()


def keys_of(request: Request) -> dict[str, set[Place]]:
    """Where the request's steps write and read, by kind of key, but for keys that are a step's own and random."""
    series = _rules().series(
        category=request.category, department_code=request.department_code, year=request.year
    )
    return {
        SUBMISSION: {(TABLE, partition_key(request.submission))},
        CENTER_PERSON: {(TABLE, person_key(person).pk) for person in request.center},
        OWN_PERSON: {(TABLE, person_key(person).pk) for person in request.own},
        CENTER_DESK: {(TABLE, desk_partition(person)) for person in request.center},
        OWN_DESK: {(TABLE, desk_partition(person)) for person in request.own},
        CENTER_PROOFS: {(TABLE, proofs_key(person).pk) for person in request.center},
        OWN_PROOFS: {(TABLE, proofs_key(person).pk) for person in request.own},
        RECIPIENT: {(TABLE, person_key(person).pk) for person in request.recipients},
        "SUBSCRIPTION#<recipient>": {(TABLE, subscription_key(person).pk) for person in request.recipients},
        "MAILED#<recipient>": {(TABLE, mailed_key(person).pk) for person in request.recipients},
        DEPARTMENTS: {(TABLE, department_key(department).pk) for department in (request.department, CENTER)},
        PROCEDURE: {(TABLE, procedure_key(_procedure().version).pk)},
        FREEZE: {(TABLE, FREEZES_KEY.pk)},
        TRIES: {(TABLE, counter_partition(HANDLES_PER_ADDRESS, ADDRESS))},
        SERIES: {(TABLE, series_key(series).pk)},
        SITE: {(TABLE, site_partition(prefix)) for prefix in PREFIXES[request.classification]},
        DEPARTMENT: {(LISTING, listing_key(request.department))},
        ARCHIVE: {(LISTING, archive_listing_key(request.department))},
        CHANNEL: {(TABLE, channel_key(Channel.WEBSITE, request.submission).pk)},
        SHARD: {(IN_FLIGHT_INDEX, shard_of(request.submission))},
        PLANNED: {(PLANNED_INDEX, planned_key(request.submission))},
    }


@cache
def _procedure() -> Procedure:
    return read_procedure(POLICIES)


@cache
def _rules() -> CatalogRules:
    return CatalogRules(POLICIES)


def kind_of(where: str, key: str, kinds: Mapping[Place, str]) -> str:
    """The kind of a key; what no request's facts lead to is a key of its own, such as a link's."""
    return kinds.get((where, key)) or f"{key.partition('#')[0]}#<its own>"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is assumed of a year's busiest day."""

    requests: int = 1_000_000
    """On a mean day."""
    month_end: float = 2.0
    """How many times as many come on the last day of a month."""
    hours: tuple[float, ...] = (
        *(0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.6, 2.5),
        *(9.0, 15.0, 12.0, 8.0, 4.0, 6.0, 11.0, 11.0),
        *(9.0, 6.0, 2.0, 1.2, 0.8, 0.6, 0.3, 0.2),
    )
    """How the day's requests are spread over its hours, in per cent."""
    departments: int = 400
    exponent: float = 1.0
    """Of Zipf's law over departments."""
    categories: tuple[tuple[Category, float], ...] = (
        (Category.NOTICE, 0.45),
        (Category.NEWS, 0.2),
        (Category.BUSINESS, 0.15),
        (Category.STAFF, 0.1),
        (Category.CULTURE, 0.05),
        (Category.RULES, 0.05),
    )
    on_the_hour: float = 0.5
    """The share of publications planned for a full hour, spread over the hours as requests are."""
    seed: int = 2026

    @property
    def busiest_hour(self) -> int:
        """From 0 to 23."""
        return max(range(24), key=lambda hour: self.hours[hour])

    def rate(self, hour: int) -> float:
        """Requests per second in an hour of the busiest day."""
        return self.requests * self.month_end * self.hours[hour] / sum(self.hours) / 3600

    def department_weights(self) -> list[float]:
        """Zipf's law; they sum to 1."""
        raw = [rank**-self.exponent for rank in range(1, self.departments + 1)]
        return [weight / sum(raw) for weight in raw]


PHASES = ("submitted", "reviewed", "published")
"""Each request is in each of them once; what happens in one counts as one second's work."""


def arrivals(load: Load, seconds: Sequence[int], most_published: float) -> list[dict[str, int]]:
    """How many requests are in which phase, second by second of the day.

    `most_published` is how many can be published in a second; what is due waits its turn.
    """
    rng = random.Random(load.seed)  # noqa: S311 — a made-up day
    counts, backlog = [], 0
    for second in seconds:
        rate = load.rate(second // 3600)
        backlog += _poisson(rng, rate * (1 - load.on_the_hour))
        if second % 3600 == 0:
            backlog += _poisson(rng, rate * load.on_the_hour * 3600)
        published = min(backlog, math.floor(most_published))
        backlog -= published
        counts.append(
            {"submitted": _poisson(rng, rate), "reviewed": _poisson(rng, rate), "published": published}
        )
    return counts


def _poisson(rng: random.Random, mean: float) -> int:
    """A Poisson variate; beyond a mean of 50 the normal one that is as good as it."""
    if mean > 50:  # noqa: PLR2004 — as said
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, number = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        number += 1
    return number


class Crowd:
    """Draws requests: departments by Zipf's law, categories by their shares."""

    def __init__(self, load: Load) -> None:
        self._rng = random.Random(load.seed + 1)  # noqa: S311 — a made-up day
        self._departments = list(itertools.accumulate(load.department_weights()))
        self._categories = [category for category, _ in load.categories]
        self._shares = list(itertools.accumulate(share for _, share in load.categories))
        self._numbers = itertools.count(1)

    def draw(self) -> Request:
        """One request."""
        rank = bisect(self._departments, self._rng.random() * self._departments[-1])
        category = bisect(self._shares, self._rng.random() * self._shares[-1])
        name = f"d{rank:03d}"
        return Request(
            submission=derived_id("s", str(next(self._numbers))),
            department=name,
            department_code=f"D{rank:03d}",
            category=self._categories[category],
            classification=Classification.INTERNAL,
            year=2026,
            center=("p-editor",),
            own=(f"p-head-{name}",),
        )


SAMPLE = 20_000
"""Requests that are drawn to see how many of them meet at a key."""


@cache
def meeting(load: Load, sample: int = SAMPLE) -> dict[str, float]:
    """The share of all requests that meet at the busiest key of each kind; 0 for a request's own keys."""
    crowd, met = Crowd(load), defaultdict[str, Counter[Place]](Counter)
    for _ in range(sample):
        for kind, places in keys_of(crowd.draw()).items():
            met[kind].update(places)
    shares = {kind: max(places.values(), default=0) / sample for kind, places in met.items()}
    return {kind: 0.0 if share <= 1 / sample else min(share, 1.0) for kind, share in shares.items()}


@dataclass(frozen=True, kw_only=True)
class Pressure:
    """Units per second on the busiest key of a kind: p50, p99 and the most in any second.

    `share` is that of all requests which meet at this key; 0 where each request has a key of its own.
    """

    where: str
    kind: str
    share: float
    writes: tuple[float, float, float]
    reads: tuple[float, float, float]


Touches = Sequence[Mapping[str, Any]]
"""What a measured life touches: phase, where, kind, over how many keys, write and read units."""


def pressures(
    load: Load, touches: Touches, counts: Sequence[Mapping[str, int]], shares: Mapping[str, float]
) -> list[Pressure]:
    """What the busiest key of each kind bears, second by second: how many meet there is drawn for each second."""
    found = []
    for (where, kind), of_phase in sorted(_by_kind(touches).items()):
        rng = random.Random(f"{load.seed} {where} {kind}")  # noqa: S311 — a made-up day
        share = shares.get(kind, 0.0)
        writes, reads = [], []
        for count in counts:
            # On a key of its own a request is alone.
            meet = {
                phase: _binomial(rng, count[phase], share) if share else min(1, count[phase])
                for phase in of_phase
            }
            writes.append(
                sum(meet[phase] * each["writes"] / each["keys"] for phase, each in of_phase.items())
            )
            reads.append(sum(meet[phase] * each["reads"] / each["keys"] for phase, each in of_phase.items()))
        found.append(_pressure(where, kind, share, writes, reads))
    return found


def one_by_one(load: Load, touches: Touches, counts: Sequence[Mapping[str, int]]) -> list[Pressure]:
    """The same by drawing every single request and asking the stores for its keys: `pressures` must come to it."""
    crowd, by_kind = Crowd(load), _by_kind(touches)
    seen: dict[Place, dict[Place, tuple[dict[int, float], dict[int, float]]]] = {
        kind: defaultdict(lambda: (defaultdict(float), defaultdict(float))) for kind in by_kind
    }
    for second, count in enumerate(counts):
        for phase in PHASES:
            for _ in range(count[phase]):
                places = keys_of(crowd.draw())
                for (where, kind), of_phase in by_kind.items():
                    if phase in of_phase and kind in places:
                        for place in places[kind]:
                            writes, reads = seen[where, kind][place]
                            writes[second] += of_phase[phase]["writes"] / of_phase[phase]["keys"]
                            reads[second] += of_phase[phase]["reads"] / of_phase[phase]["keys"]
    found = []
    for (where, kind), of_place in seen.items():
        if of_place:
            writes, reads = max(
                of_place.values(), key=lambda each: sum(each[0].values()) + sum(each[1].values())
            )
            lists = [
                [of_second.get(second, 0.0) for second in range(len(counts))] for of_second in (writes, reads)
            ]
            found.append(_pressure(where, kind, 0.0, *lists))
    return found


def _by_kind(touches: Touches) -> dict[Place, dict[str, Mapping[str, Any]]]:
    by_kind: dict[Place, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for touch in touches:
        by_kind[touch["where"], touch["kind"]][touch["phase"]] = touch
    return by_kind


def _pressure(
    where: str, kind: str, share: float, writes: Sequence[float], reads: Sequence[float]
) -> Pressure:
    return Pressure(
        where=where, kind=kind, share=share, writes=_percentiles(writes), reads=_percentiles(reads)
    )


def _percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    cut = quantiles(values, n=100, method="inclusive")
    return cut[49], cut[98], max(values)


def _binomial(rng: random.Random, number: int, share: float) -> int:
    """How many of so many meet: exact for few, normal for many."""
    if share >= 1:
        return number
    spread = math.sqrt(number * share * (1 - share))
    if spread > 3:  # noqa: PLR2004 — the usual rule
        return min(number, max(0, round(rng.gauss(number * share, spread))))
    return sum(rng.random() < share for _ in range(number))
