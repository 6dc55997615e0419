"""What a reviewer does with a link: look, and decide once (clauses 3.2.3, 3.3.1 to 3.3.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.access.model import Action, Resource, service_subject, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core import metrics
from chalicelib.core.clock import to_text
from chalicelib.core.errors import (
    AlreadyDecided,
    Conflict,
    FieldError,
    IllegalTransition,
    NotFound,
    NotPermitted,
    Stale,
)
from chalicelib.core.retry import again_when_stale
from chalicelib.core.signing import Signer
from chalicelib.core.table import Found, Write
from chalicelib.identity.model import ProofKind, SessionProof
from chalicelib.identity.service.proving import Asked, Offered, Prover, Trial, missing
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person
from chalicelib.people.store import unchanged
from chalicelib.review.model import (
    Decision,
    Opinion,
    ReviewLink,
    ReviewTask,
    approved_stages,
    ensure_complete,
    recorded,
    statement_of,
)
from chalicelib.review.service.asking import Asking
from chalicelib.review.service.links import Links, ensure_current
from chalicelib.review.service.posts import head_and_round
from chalicelib.review.store import (
    put_open_task,
    put_used_link,
    read_task,
    task_key,
    tasks_of,
)
from chalicelib.submission.differences import difference
from chalicelib.submission.model import Reason, Revision, State, Submission
from chalicelib.submission.procedure import Stage
from chalicelib.submission.service import Journal, Procedures, resource_of
from chalicelib.submission.store import head_key, read_head, read_revision, revision_key


@dataclass(frozen=True, kw_only=True)
class OpenedLink:
    """What a reviewer sees of a stage. `changes` compares with the revision before.

    `before` is the revision that it is compared with, None for a first one.
    `revision` is None for a reviewer whose duty has ended since: only the recorded decision is still shown.
    """

    reviewer: str
    head: Submission
    stage: Stage
    task: ReviewTask
    revision: Revision | None
    changes: list[dict[str, Any]] | None
    before: Revision | None = None
    may_decide: bool = False
    confirmed: Opinion | None = None
    """What the reviewer said before, where so little has changed since that it can be said again in one step."""

    @property
    def opinions(self) -> tuple[Opinion, ...]:
        """What is recorded: every opinion once nobody is waited for, until then the reviewer's own.

        Who has not spoken speaks unswayed by those who have.
        """
        own = self.task.opinion_of(self.reviewer)
        if self.task.is_closed:
            return self.task.opinions
        return () if own is None else (own,)

    @property
    def is_asked(self) -> bool:
        """Whether the reviewer has still to speak."""
        spoke = self.task.opinion_of(self.reviewer) is not None
        waits = self.head.state is State.IN_REVIEW and self.head.stage == self.task.stage
        is_due = waits and self.head.revision == self.task.revision and not self.task.is_closed
        return self.may_decide and is_due and not spoke


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Looking and deciding. `max_lateness` is how late an item may still be published without asking a person."""

    journal: Journal
    links: Links
    access: AccessControl
    asking: Asking
    procedures: Procedures
    prover: Prover
    signer: Signer
    scale: float
    max_lateness: timedelta

    def open(self, person: Person, handle: str, found: Found) -> OpenedLink:
        """Show what is to be reviewed; changes nothing.

        Raises NotFound alike for an unknown, expired, superseded or another person's handle, and NotPermitted when
        the reviewer's duty has ended before a decision.
        """
        return self.show(person, self.links.own(person, handle, found))

    def show(self, person: Person, link: ReviewLink) -> OpenedLink:
        """As `open`, for the person's own link."""
        revision_keys = [revision_key(link.submission, link.revision)]
        earlier = task_key(link.submission, link.revision - 1, link.stage)
        if link.revision > 1:
            revision_keys.append(revision_key(link.submission, link.revision - 1))
        where = task_key(link.submission, link.revision, link.stage)
        found = self.journal.table.batch(head_key(link.submission), where, earlier, *revision_keys)
        head_record, task_record = found.get(head_key(link.submission)), found.get(where)
        revisions = [read_revision(record) for record in map(found.get, revision_keys) if record is not None]
        if head_record is None or task_record is None or not revisions:
            raise NotFound
        head, task = read_head(head_record), read_task(task_record)
        ensure_current(head, task, link)
        stage = self.procedures.version(task.procedure)[task.stage]
        seen = OpenedLink(reviewer=person.id, head=head, stage=stage, task=task, revision=None, changes=None)
        post = self.asking.post(head, stage, task)
        seen = replace(seen, may_decide=post.is_open_to(person))
        if not seen.may_decide and not replace(post, delegations=()).is_open_to(person):
            if task.opinion_of(person.id) is None:
                raise NotPermitted
            return seen
        before = revisions[1] if len(revisions) > 1 else None
        changes = None if before is None else difference(before.form, revisions[0].form)
        seen = replace(seen, revision=revisions[0], changes=changes, before=before)
        record = found.get(earlier)
        return seen if record is None else replace(seen, confirmed=_confirmed(seen, read_task(record)))

    def history(self, opened: OpenedLink) -> tuple[ReviewTask, ...]:
        """The stages that were decided before the one that a reviewer sees, in every round, in their order."""
        seen = (opened.task.revision, opened.task.place)
        return tuple(
            task
            for task in tasks_of(self.journal.table, opened.head.id)
            if task.opinions and (task.revision, task.place) < seen
        )

    def open_tasks(self, heads: Iterable[Submission]) -> dict[str, ReviewTask]:
        """With whom those submissions lie that wait for a decision, and until when: their open tasks, by submission.

        One call for up to a hundred. None is there for one whose stage has not been opened yet.
        """
        keys = {head.id: task_key(head.id, head.revision, head.stage) for head in heads if head.stage}
        found = self.journal.table.batch(*keys.values())
        tasks = {name: read_task(record) for name, key in keys.items() if (record := found.get(key))}
        return {name: task for name, task in tasks.items() if not task.is_closed}

    def decide(
        self,
        person: Person,
        handle: str,
        form: Mapping[str, Any],
        found: Found,
        *,
        session: SessionProof | None,
        correlation_id: str,
    ) -> Submission:
        """Record a reviewer's one opinion, and move the submission on when it is the last that the stage needs.

        `session` is what the session has proved. The same POST again answers the same, whatever it proved. Raises
        NotFound as `open` does, InvalidInput for an incomplete checklist and for a missing or wrong proof, Conflict
        `content_changed` when another text was seen, AlreadyDecided when the reviewer said something else or nobody
        is waited for any more, NotPermitted by policy.
        """
        link = self.links.own(person, handle, found)
        opinion = self._opinion(person, form)
        offered = Offered(passkey=form.get("passkey"), code=form.get("code"), session=session)
        trial = self.prover.trial(person, offered)
        return again_when_stale(lambda: self._decided(person, link, opinion, trial, correlation_id))

    def challenge(
        self, person: Person, handle: str, form: Mapping[str, Any], found: Found, *, correlation_id: str
    ) -> dict[str, Any]:
        """What a passkey of the reviewer is asked so that it signs this very opinion; raises as `decide` would.

        Of what stands, nothing changes.
        """
        link = self.links.own(person, handle, found)
        opinion = self._opinion(person, form)
        where = task_key(link.submission, link.revision, link.stage)
        keys = self.prover.keys(person.id, link.fingerprint)
        found = self.journal.table.batch(head_key(link.submission), where, *keys)
        head_record, task_record = found.get(head_key(link.submission)), found.get(where)
        if head_record is None or task_record is None:
            raise NotFound
        head, task = read_head(head_record), read_task(task_record)
        ensure_current(head, task, link)
        self._ensure_asked(head, task, opinion)
        stage = self.procedures.of(head)[task.stage]
        ensure_complete(opinion, stage.items)
        post = self.asking.post(head, stage, task)
        post.ensure_asks(person)
        self.access.grant(subject_of(person, post.now), Action.REVIEW, post.resource)
        asked = self._asked(head, stage, link, opinion, correlation_id)
        return self.prover.challenge(person, asked.about, asked.statement, found)

    def lacking_proof(
        self,
        opened: OpenedLink,
        *,
        passkey: Mapping[str, Any] | None,
        code: str | None,
        session: SessionProof | None,
    ) -> tuple[FieldError, ...]:
        """What is to be told where nothing is offered as proof, beside whatever else is wrong."""
        accepted = accepted_for(opened.stage, opened.head)
        offered = Offered(passkey=passkey, code=code, session=session)
        return missing(accepted).errors if self.prover.is_missing(accepted, offered) else ()

    def _opinion(self, person: Person, form: Mapping[str, Any]) -> Opinion:
        return Opinion(
            reviewer=person.id,
            decision=Decision(form["decision"]),
            comment=form.get("comment", ""),
            checklist=form["checklist"],
            content_digest=form["content_digest"],
            at=self.journal.now(),
        )

    @staticmethod
    def _asked(
        head: Submission, stage: Stage, link: ReviewLink, opinion: Opinion, correlation_id: str
    ) -> Asked:
        return Asked(
            accepted=accepted_for(stage, head),
            about=link.fingerprint,
            statement=lambda nonce: statement_of(link, opinion, nonce),
            recorded={"submission": link.submission, "revision": link.revision, "stage": link.stage},
            correlation_id=correlation_id,
        )

    @staticmethod
    def _ensure_asked(head: Submission, task: ReviewTask, opinion: Opinion) -> None:
        """Raise Conflict unless the stage waits for this reviewer's opinion, about this very text."""
        if task.opinion_of(opinion.reviewer) is not None or task.is_closed:
            raise AlreadyDecided
        if head.state is not State.IN_REVIEW or head.stage != task.stage:
            raise IllegalTransition(state=head.state.value)
        if opinion.content_digest != head.content_digest:
            raise Conflict("content_changed")

    def _decided(
        self, person: Person, link: ReviewLink, opinion: Opinion, trial: Trial, correlation_id: str
    ) -> Submission:
        proofs = self.prover.keys(person.id, link.fingerprint)
        head, tasks, found = head_and_round(
            self.journal.table, self.procedures, link.submission, link.revision, *proofs
        )
        task = next((each for each in tasks if each.stage == link.stage), None)
        if head is None or task is None:
            raise NotFound
        ensure_current(head, task, link)
        _ensure_whole(head, task)
        said = task.opinion_of(person.id)
        if said is not None and said.same_as(opinion):
            return head  # recorded by the same POST, perhaps unheard: whatever it proved is used up by now
        self._ensure_asked(head, task, opinion)
        stage = self.procedures.of(head)[task.stage]
        asked = self._asked(head, stage, link, opinion, correlation_id)
        lacking = missing(asked.accepted).errors if trial.is_missing(asked) else ()
        ensure_complete(opinion, stage.items, also=lacking)
        post = self.asking.post(head, stage, task)
        post.ensure_asks(person)
        grant = self.access.grant(subject_of(person, post.now), Action.REVIEW, post.resource)
        proven = trial.prove(asked, found)
        opinion = replace(opinion, instead_of=post.instead_of(person))
        if opinion.seat in {each.seat for each in task.opinions}:
            raise AlreadyDecided  # the absent has spoken, or somebody else has for the same person
        decided = replace(task, opinions=(*task.opinions, opinion))
        cause = Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id)
        payload = _payload(decided, opinion, proven.document)
        payload["service_signature"] = self.signer.sign(recorded(link, opinion, payload))
        drafts = [Draft(type="Decided", cause=cause, payload=payload)]
        after = self._after(head, decided, opinion)
        if after.state is State.SCHEDULED:
            approved = approved_stages(
                [*(each for each in tasks if each is not task), decided], head.content_digest
            )
            drafts.append(self._scheduled(after, approved, correlation_id))
        elif after.state is State.NEEDS_PERSON:
            cause = Cause(actor="service:review", correlation_id=correlation_id)
            payload = {"revision": head.revision, "stage": None, "reason": after.reason}
            drafts.append(Draft(type="PersonNeeded", cause=cause, payload=payload))
        rests_on = {each.id: each for each in (person, *post.named)}.values()
        also: list[Write] = [
            put_open_task(decided),
            put_used_link(link, opinion.at),
            *map(unchanged, rests_on),
        ]
        after = self.journal.commit(head, after, drafts, [*also, *proven.writes])
        if decided.is_closed:
            metrics.emit({metrics.STAGE_SECONDS: (opinion.at - task.opened_at).total_seconds()}, link.stage)
        return after

    def instead_of(self, person: Person, stage: Stage, task: ReviewTask, head: Submission) -> str | None:
        """For whom a person decides now, who could not in the own name."""
        return self.asking.post(head, stage, task).instead_of(person)

    def may(self, person: Person, stage: Stage, task: ReviewTask, head: Submission) -> bool:
        """Whether policy lets a person decide a stage now."""
        return self.asking.post(head, stage, task).is_open_to(person)

    def _after(self, head: Submission, task: ReviewTask, opinion: Opinion) -> Submission:
        """Where the submission stands once the opinion counts."""
        if opinion.decision is Decision.REQUEST_CHANGES:
            return replace(head, state=State.CHANGES_REQUESTED, stage=None)
        if opinion.decision is Decision.REJECT:
            return replace(head, state=State.REJECTED, stage=None)
        if not task.is_approved:
            return head
        following = self.procedures.of(head).following(task.stage)
        if following is not None:
            return replace(head, stage=following, first_attempt=head.attempt)
        now = self.journal.now()
        if now - head.publish_at > self.max_lateness:
            return replace(head, state=State.NEEDS_PERSON, stage=None, reason=Reason.TOO_LATE)
        wait = (max(head.publish_at, now + self.procedures.of(head).recall) - now) / self.scale
        return replace(head, state=State.SCHEDULED, stage=None, due_at=now + wait)

    def _scheduled(self, head: Submission, approved: tuple[str, ...], correlation_id: str) -> Draft:
        required, recall = self.procedures.of(head).ids, self.procedures.of(head).recall
        settled = self.journal.now() + recall
        resource: Resource = replace(resource_of(head), required_stages=required, approved_stages=approved)
        grant = self.access.grant(service_subject("review"), Action.SCHEDULE, resource)
        return Draft(
            type="Scheduled",
            cause=Cause(actor="service:review", policy=grant.policy, correlation_id=correlation_id),
            payload={
                "revision": head.revision,
                "attempt": head.attempt,
                "publish_at": to_text(head.publish_at),
                "time_zone": head.time_zone,
                "due_at": to_text(head.due_at or head.publish_at),
                **({"waits_until": to_text(settled)} if recall and settled > head.publish_at else {}),
            },
        )


def _confirmed(seen: OpenedLink, earlier: ReviewTask) -> Opinion | None:
    """The reviewer's approval of the revision before, where nothing but what the stage lets pass has changed since."""
    opinion = earlier.opinion_of(seen.reviewer)
    if opinion is None or opinion.decision is not Decision.APPROVE or not earlier.is_approved:
        return None
    changed = {str(change["field"]) for change in seen.changes or ()}
    same_items = set(opinion.checklist) == seen.stage.items
    return opinion if changed <= seen.stage.reconfirm and same_items else None


def _ensure_whole(head: Submission, task: ReviewTask) -> None:
    """Raise Stale when head and task were read on either side of a decision: a batch read is no snapshot."""
    if head.revision != task.revision:
        return
    waits = head.state is State.IN_REVIEW and head.stage == task.stage
    passed = head.state not in {State.WITHDRAWN, State.NEEDS_PERSON} and not waits
    if (waits and task.is_closed) or (passed and not task.is_closed):
        raise Stale


def accepted_for(stage: Stage, head: Submission) -> frozenset[ProofKind]:
    """Which proofs are enough to decide a stage of a submission."""
    return stage.accepted(head.classification)


def _payload(task: ReviewTask, opinion: Opinion, proof: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "revision": task.revision,
        "stage": task.stage,
        "decision": opinion.decision,
        "comment": opinion.comment,
        "checklist": dict(opinion.checklist),
        "content_digest": opinion.content_digest,
        **({"awaited": task.awaited} if task.awaited else {}),
        **({"instead_of": opinion.instead_of} if opinion.instead_of else {}),
        "decided_at": to_text(opinion.at),
        "proof": dict(proof),
    }
