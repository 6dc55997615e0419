"""Whom a stage asks, as policy sees it, and a round as it stands."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.access.model import Resource
from chalicelib.core.table import Found, Key, Table
from chalicelib.review.model import ReviewTask
from chalicelib.review.store import read_task, task_key
from chalicelib.submission.model import Submission
from chalicelib.submission.procedure import Stage
from chalicelib.submission.service import Procedures, resource_of
from chalicelib.submission.store import head_key, read_head


def resource_at(head: Submission, stage: Stage, *, raised: bool) -> Resource:
    """The submission at a stage that asks its reviewers or, when it was raised, their superiors."""
    post = stage.superior if raised and stage.superior else stage.reviewers
    return replace(resource_of(head), asked=post.duty(head.department))


def head_and_round(
    table: Table, procedures: Procedures, submission: str, revision: int, *also: Key[Any]
) -> tuple[Submission | None, tuple[ReviewTask, ...], Found]:
    """A submission, the tasks of a round in their order, and what lies at the other keys.

    One call, two where the round keeps a former procedure.
    """
    stages = procedures.present.ids
    found = table.batch(head_key(submission), *also, *_keys(submission, revision, stages))
    record = found.get(head_key(submission))
    head = None if record is None else read_head(record)
    if head is not None and procedures.of(head).ids != stages:
        stages = procedures.of(head).ids
        tasks = table.batch(*_keys(submission, revision, stages))
        return head, _tasks(tasks, submission, revision, stages), found
    return head, _tasks(found, submission, revision, stages), found


def _keys(submission: str, revision: int, stages: Sequence[str]) -> list[Key[Any]]:
    return [task_key(submission, revision, stage) for stage in stages]


def _tasks(found: Found, submission: str, revision: int, stages: Sequence[str]) -> tuple[ReviewTask, ...]:
    records = map(found.get, _keys(submission, revision, stages))
    return tuple(read_task(record) for record in records if record is not None)
