"""The unit of work: no state of a submission changes without its event."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from chalicelib.access.model import Action, Resource
from chalicelib.core import logs, metrics
from chalicelib.core.clock import Now, to_text
from chalicelib.core.errors import NotFound
from chalicelib.core.table import Table, Write
from chalicelib.ledger.model import Cause, Draft
from chalicelib.ledger.store import append
from chalicelib.submission.model import Revision, State, Submission, ensure_legal
from chalicelib.submission.store import head_key, put_head, read_head, read_revision, revision_key


class Journal:
    """Reads submissions and commits their steps: head, events and what else belongs to it, together or not at all."""

    def __init__(self, *, table: Table, now: Now) -> None:
        self.table = table
        self.now = now

    def find(self, submission: str) -> Submission | None:
        """The submission as it stands, None where there is none."""
        record = self.table.get(head_key(submission))
        return None if record is None else read_head(record)

    def head(self, submission: str) -> Submission:
        """The submission as it stands. Raises NotFound."""
        head = self.find(submission)
        if head is None:
            raise NotFound
        return head

    def revision(self, submission: str, number: int) -> Revision:
        """One revision. Raises NotFound."""
        record = self.table.get(revision_key(submission, number))
        if record is None:
            raise NotFound
        return read_revision(record)

    def commit(
        self, before: Submission, after: Submission, drafts: Sequence[Draft], also: Sequence[Write] = ()
    ) -> Submission:
        """Commit a step and answer the head with the events appended.

        `before` is the head as it was read. Raises IllegalTransition, or Stale when anything has happened to the
        submission since; then nothing is written.
        """
        logs.note(submission=after.id)
        ensure_legal(before.state, after.state)
        now = self.now()
        (receipt, *more), chain = append(before.chain, drafts, now)
        after = replace(after, seq=chain.seq, last_hash=chain.hash, updated_at=now)
        if _begins(before, after):
            after = replace(after, begun_at=now)
        self.table.transact([put_head(after, expected_seq=before.seq), *more, *also], receipt=receipt)
        if before.seq == 0 or after.state is not before.state:
            metrics.count(metrics.SUBMISSIONS, after.state)
            if after.reason is not None:
                metrics.count(metrics.PERSON_NEEDED, after.reason)
        return after

    def restart(self, head: Submission, actor: str) -> Submission:
        """Raise the attempt, which fences off everything of the older one, and begin where the submission stands."""
        after, draft = restarted(head, Cause(actor=actor, correlation_id=head.correlation_id))
        begun = self.commit(head, after, [draft])
        metrics.count(metrics.RESTARTED)
        return begun


def restarted(head: Submission, cause: Cause) -> tuple[Submission, Draft]:
    """The head with the attempt raised, and the event through which its machine begins where the submission stands."""
    after = replace(head, attempt=head.attempt + 1)
    payload = {
        "revision": after.revision,
        "attempt": after.attempt,
        "stage": after.stage,
        "importance": after.importance,
        "publish_at": to_text(after.publish_at),
    }
    return after, Draft(type="WorkflowRestarted", cause=cause, payload=payload)


def _begins(before: Submission, after: Submission) -> bool:
    """Whether a machine begins with this step."""
    scheduled = before.state is not State.SCHEDULED and after.state is State.SCHEDULED
    return scheduled or before.attempt != after.attempt


def patience(grace: timedelta, head: Submission) -> timedelta:
    """How long a submission may stand still before it is begun again: each time in vain doubles it, up to 128 times."""
    return grace * (1 << min(head.restarts, 7))


def round_of(head: Submission) -> dict[str, object]:
    """What an event that starts a round says of it."""
    return {
        "revision": head.revision,
        "attempt": head.attempt,
        "stage": head.stage,
        "procedure": head.procedure,
        "importance": head.importance,
        "content_digest": head.content_digest,
    }


def reading(head: Submission) -> tuple[Action, ...]:
    """What policy must allow whoever reads a submission: what was published is read by the archive's rules, too."""
    published = head.state in {State.ARCHIVED, State.RETRACTED}
    return (Action.READ, Action.ARCHIVE_READ) if published else (Action.READ,)


def resource_of(head: Submission) -> Resource:
    """The submission as policy sees it."""
    return Resource(
        department=head.department,
        drafter=head.drafter,
        classification=head.classification,
        audience=head.audience,
        co_drafters=head.co_drafters,
        amended_by=head.amended_by,
    )
