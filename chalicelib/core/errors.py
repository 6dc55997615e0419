"""Everything that may go wrong for a reason the caller can act on.

    ImprimaturError
    ├── BadRequest            400  the request cannot be read at all
    ├── NotSignedIn           401  no session, or one that has ended
    ├── NotPermitted          403  policy says no
    │   ├── NotProved              the session has not proved the person to be there, or not lately
    │   └── StaleForm              a page's form from before the present session: it is shown again
    ├── NotFound              404  unknown, expired, or not for this person: one answer for all three
    ├── Conflict              409
    │   ├── IllegalTransition      the state does not allow this now
    │   ├── Stale                  somebody else changed it first: read again
    │   ├── AlreadyDecided         the review stage has its decision
    │   ├── NotFrozen              there is no such freeze to be lifted
    │   └── KeyReused              the same Idempotency-Key came with another body
    ├── UnsupportedMediaType  415  the body says it is something else than JSON
    ├── InvalidInput          422  every wrong field at once, in `errors`
    │   └── InvalidSubmission      the publication request
    ├── RateLimited           429
    ├── AccountRefused        502  signing in with the company's account came to nothing
    └── Unready               (no status: only state machines and queues see it; they try again)
        ├── TooEarly               the due instant has not come
        ├── ChannelsFrozen         publishing is frozen
        ├── DeliveryUnfinished     a channel has not confirmed
        ├── OutcomeUnknown         nobody knows yet whether something went out
        ├── ChannelRefusal         a channel has not taken something, for certain
        │   ├── ChannelBusy             it may later
        │   ├── DeliveryRefused         it never will take this
        │   └── DeliveryParked          only a person can go on
        └── MailRefused            the carrier did not take a mail; it may later
            ├── MailboxBusy             this mailbox takes none just now
            └── RecipientRefused        it never will take this one

State machines match on these class names (`ErrorEquals`), so a rename is a change of the workflow files too.
`core.http` alone turns them into answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One wrong field.

    `pointer` is an RFC 6901 JSON Pointer into the request ("" is the whole), `code` a stable word that programs
    may match, and `params` what the message of that code needs (limits, allowed values).
    """

    pointer: str
    code: str
    params: Mapping[str, object] = field(default_factory=dict)


class ImprimaturError(Exception):
    """The root. `code` is stable; its text in each language is in `core/messages`."""

    status = 500
    code = "internal"

    def __init__(self, code: str | None = None, **params: object) -> None:
        self.code = code or type(self).code
        self.params = params
        super().__init__(self.code, params)


class BadRequest(ImprimaturError):
    """The request cannot be read: not JSON, too large, a header out of shape."""

    status = 400
    code = "bad_request"


class NotSignedIn(ImprimaturError):
    """There is no session, or it has ended."""

    status = 401
    code = "not_signed_in"


class NotPermitted(ImprimaturError):
    """Policy denies it, or policy could not be evaluated."""

    status = 403
    code = "not_permitted"


class NotProved(NotPermitted):
    """This needs a proof that it is the person: a mailbox alone is not enough."""

    code = "not_proved"


class StaleForm(NotPermitted):
    """A posted form carries no mark of the present session; `csrf` is the mark that it should carry."""

    code = "stale_form"

    def __init__(self, csrf: str) -> None:
        super().__init__()
        self.csrf = csrf


class NotFound(ImprimaturError):
    """Unknown, expired or another person's: the same answer, so that it tells nothing."""

    status = 404
    code = "not_found"


class Conflict(ImprimaturError):
    """The request is sound but what it would change does not allow it."""

    status = 409
    code = "conflict"


class IllegalTransition(Conflict):
    """The present state does not allow this."""

    code = "illegal_transition"


class Stale(Conflict):
    """What was read has changed meanwhile; nothing was written."""

    code = "stale"


class AlreadyDecided(Conflict):
    """The stage has its decision and keeps it."""

    code = "already_decided"


class NotFrozen(Conflict):
    """What is to be let go is not held: it never was, was lifted, or its end has come."""

    code = "not_frozen"


class KeyReused(Conflict):
    """An `Idempotency-Key` came a second time with another body."""

    code = "idempotency_key_reused"


class UnsupportedMediaType(ImprimaturError):
    """The request's Content-Type is not JSON."""

    status = 415
    code = "unsupported_media_type"


class InvalidInput(ImprimaturError):
    """The request is readable and wrong; `errors` holds every wrong field."""

    status = 422
    code = "invalid"

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__()
        self.errors = errors


class InvalidSubmission(InvalidInput):
    """The publication request has wrong fields (clause 3.1.2: all at once, by field)."""

    code = "invalid_submission"


class RateLimited(ImprimaturError):
    """Too many tries; `retry_after` is in seconds."""

    status = 429
    code = "rate_limited"

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after=retry_after)
        self.retry_after = retry_after


class AccountRefused(ImprimaturError):
    """The provider of the company's accounts said no, said nothing, or said what proves nothing."""

    status = 502
    code = "account_refused"


class Unready(ImprimaturError):
    """Not yet: the state machine or the queue comes again."""

    code = "unready"


class TooEarly(Unready):
    """The due instant has not come: a wake-up came early."""

    code = "too_early"


class ChannelsFrozen(Unready):
    """Publishing is frozen by operations (clause 5.1.2)."""

    code = "channels_frozen"


class DeliveryUnfinished(Unready):
    """A channel with an adapter has not confirmed its delivery."""

    code = "delivery_unfinished"


class OutcomeUnknown(Unready):
    """Whether something went out is not known yet: its carrier may still tell."""

    code = "outcome_unknown"


class ChannelRefusal(Unready):
    """A channel did not take something, for certain; `reason` is a stable word for why, `facts` what it noted."""

    code = "channel_refusal"

    def __init__(self, reason: str, facts: Mapping[str, object] | None = None) -> None:
        super().__init__(reason=reason)
        self.reason = reason
        self.facts = facts


class ChannelBusy(ChannelRefusal):
    """Nothing has happened, for the channel's sake: later it may."""

    code = "channel_busy"


class DeliveryRefused(ChannelRefusal):
    """The channel will never take this: its content is at fault."""

    code = "delivery_refused"


class DeliveryParked(ChannelRefusal):
    """Only a person can go on."""

    code = "delivery_parked"


class MailRefused(Unready):
    """The carrier did not take a mail, for certain; `reason` is its word for why, without the address."""

    code = "mail_refused"


class MailboxBusy(MailRefused):
    """The carrier did not take this mail just now, for the mailbox's sake: others may well be taken."""

    code = "mailbox_busy"


class RecipientRefused(MailRefused):
    """The carrier did not take a mail and never will: the mailbox or the mail is the reason."""

    code = "recipient_refused"
