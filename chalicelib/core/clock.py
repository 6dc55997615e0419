"""The only source of now.

All instants are timezone-aware UTC; the zone a person chose is kept beside the instant, never instead of it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """The present instant in UTC, to the microsecond."""
    return datetime.now(UTC)


def to_text(instant: datetime) -> str:
    """RFC 3339 in UTC with `Z`, milliseconds cut off: sorts as text in time's order."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def to_second_text(instant: datetime) -> str:
    """RFC 3339 in UTC with `Z`, rounded up to a whole second: what a Step Functions `Wait` reads."""
    if instant.microsecond:
        instant = instant.replace(microsecond=0) + timedelta(seconds=1)
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_text(text: str) -> datetime:
    """Read RFC 3339 with any offset; the answer is in UTC. Raises ValueError when there is no offset."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"no offset: {text}")
    return instant.astimezone(UTC)
