"""Counts what AWS would, of a request of each kind that lives its life (`infra.bench.life`) on the laptop's cloud."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from app import app
from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core.clock import utc_now
from chalicelib.core.logs import write_to
from chalicelib.core.settings import from_environment
from chalicelib.submission.store import put_procedure
from infra.bench.life import (
    CODES,
    FILES,
    LIAISON,
    REVIEWERS,
    STAFF,
    STAGES,
    STORIES,
    WAIT_SCALE,
    Company,
    Handler,
    HeardAws,
    jobs,
)
from infra.capacity.load import ADDRESS, PHASES, Request, keys_of, kind_of
from infra.capacity.meter import Count, Meter, size
from infra.local.cloud import Cloud

SUBMITTED, REVIEWED, PUBLISHED = PHASES
WHEN_DUE = ("last_check", "deliver", "archive", "send_notices", "mail_events")
"""The functions whose work comes when the text is due, whenever the last opinion was given."""


def _request(submission: str, parts: Parts) -> Request:
    """What the keys of that request follow from."""
    head = parts.journal.head(submission)
    return Request(
        submission=submission,
        department=head.department,
        department_code=CODES[head.department],
        category=head.category,
        classification=head.classification,
        year=utc_now().astimezone(parts.settings.center_zone).year,
        center=tuple(person.id for person in REVIEWERS["initial"]),
        own=(LIAISON.id, *(person.id for s in STAGES[1:] for person in REVIEWERS[s])),
        recipients=tuple(person.id for person in STAFF),
    )


@contextmanager
def _written(stream: TextIO) -> Iterator[None]:
    """The log goes into this stream, in the lines that it would have on AWS."""
    loggers = [logging.getLogger(name) for name in (None, *logging.root.manager.loggerDict)]
    levels, handlers = [(each, each.level) for each in loggers], logging.root.handlers[:]
    write_to(stream)
    try:
        yield
    finally:
        logging.root.handlers[:] = handlers
        for logger, level in levels:
            logger.setLevel(level)


@contextmanager
def _at_work() -> Iterator[tuple[Company, Cloud, Meter, Parts]]:
    meter = Meter(dict.fromkeys(WHEN_DUE, PUBLISHED))

    def around(name: str, handler: Handler) -> Handler:
        def call(event: Any, context: Any) -> Any:  # noqa: ANN401 — as Lambda's
            with meter.within(name, event):
                return handler(event, context)

        return call

    with jobs(around), _written(meter.log), Cloud(app=app, wait_scale=WAIT_SCALE) as cloud:

        def call(method: str, path: str, body: object, token: str | None) -> tuple[int, str]:
            with meter.within("api_handler", {}):
                answer = cloud.http.open(
                    f"/api/v1/{path}",
                    method=method,
                    json=body,
                    headers={"authorization": f"Bearer {token}"} if token else {},
                    environ_overrides={"REMOTE_ADDR": ADDRESS},
                )
            return answer.status_code, answer.text

        parts = Parts(from_environment(cloud.environment), aws=HeardAws(meter.listen_to))
        bootstrap.use(parts)
        try:
            yield Company(cloud, parts, call), cloud, meter, parts
        finally:
            bootstrap.use(None)


def measure(name: str) -> dict[str, Any]:
    """Live one life of that kind, and answer what it consumes as JSON."""
    with _at_work() as (people, cloud, meter, parts):
        if name == "sign_in":
            meter.begin()
            people.sign_in()
            return _report(meter.count, meter, touches=[])
        story = STORIES[name]
        files = FILES if story.attached else ()
        parts.table.put(put_procedure(parts.procedures.present))  # its first request kept it, long ago
        before = {(item["pk"]["S"], item["sk"]["S"]) for item in meter.kept()}
        people.arrive()
        meter.begin()
        meter.phase = SUBMITTED
        submission = people.submit(story)
        meter.phase = REVIEWED
        people.finish(submission, story)
        count = meter.count
        if files:
            count.operations["PostObject"] += len(files)
        kinds = {key: kind for kind, keys in keys_of(_request(submission, parts)).items() for key in keys}
        ran = cloud.executions()
        kept = [item for item in meter.kept() if (item["pk"]["S"], item["sk"]["S"]) not in before]
        return _report(count, meter, touches=_by_kind(count, kinds)) | {
            "transitions": sum(each.entries for each in ran),
            "executions": len(ran),
            "longest_history": max(each.events for each in ran),
            "largest_input": max(each.largest_input for each in ran),
            "kept": {
                "table": sum(map(size, kept)),
                "packages": count.stored[parts.settings.archive_bucket],
                "pages": count.stored[parts.settings.site_bucket],
                # S3 has copied them by itself to where they stay.
                "files": sum(len(content) for _, _, content in files),
                "entry": max(size(item) for item in kept if item["pk"]["S"].startswith("SITE#")),
            },
        }


def _report(count: Count, meter: Meter, *, touches: list[dict[str, Any]]) -> dict[str, Any]:
    where = Counter[str]()
    for _, touch in count.touches:
        where[f"{touch.where} writes"] += touch.writes  # type: ignore[assignment]
        where[f"{touch.where} reads"] += touch.reads  # type: ignore[assignment]
    return {
        "invocations": dict(sorted(count.invocations.items())),
        "calls": dict(sorted(count.calls.items())),
        "messages": {name: number for name, number in sorted(count.messages.items()) if number},
        "operations": dict(sorted(count.operations.items())),
        "log_bytes": meter.logged(),
        "figures": sorted(meter.figures()),
        "units": {name: number for name, number in sorted(where.items()) if number},
        "touches": touches,
    }


def _by_kind(count: Count, kinds: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Units by phase and kind of key, and over how many keys they are spread."""
    found: dict[tuple[str, str, str], tuple[float, float, set[str]]] = {}
    for phase, touch in count.touches:
        kind = kind_of(touch.where, touch.key, kinds)
        writes, reads, keys = found.get((phase, touch.where, kind), (0.0, 0.0, set()))
        found[phase, touch.where, kind] = writes + touch.writes, reads + touch.reads, keys | {touch.key}
    return [
        {"phase": p, "where": w, "kind": k, "keys": len(keys), "writes": writes, "reads": reads}
        for (p, w, k), (writes, reads, keys) in sorted(found.items())
    ]
