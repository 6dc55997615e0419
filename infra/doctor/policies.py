"""Whether what the center decides by data reaches far enough."""

from collections.abc import Iterator
from datetime import timedelta

from chalicelib.bootstrap import POLICIES
from chalicelib.core.calendar import read_calendar
from infra.doctor.findings import Finding, Patient, ok, warning

_AHEAD = timedelta(days=30)
"""How far the deadline of a stage that opens now may lie ahead, holidays included."""


def calendar(patient: Patient) -> Iterator[Finding]:
    """Whether the calendar knows the holidays of the weeks to come."""
    known = read_calendar(POLICIES)
    needed = (patient.deployer.now() + _AHEAD).astimezone(known.zone).year
    told = f"the calendar knows the holidays up to the end of {known.last_year}"
    if known.last_year < needed:
        yield warning(
            told, f"Put {needed} into policies/calendar.yaml, as the State Council arranged it, and deploy."
        )
    else:
        yield ok(told)
