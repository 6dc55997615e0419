"""What can be done with a publication request."""

from chalicelib.submission.service.amendments import Amendment, Amendments
from chalicelib.submission.service.desk import SubmissionDesk
from chalicelib.submission.service.intake import Intake
from chalicelib.submission.service.journal import Journal, patience, reading, resource_of, restarted, round_of
from chalicelib.submission.service.procedures import Procedures
from chalicelib.submission.service.refusals import RefusedRequests, Shown
from chalicelib.submission.service.reminding import ConfirmationReminders
from chalicelib.submission.service.tidying import Tidying

__all__ = [
    "Amendment",
    "Amendments",
    "ConfirmationReminders",
    "Intake",
    "Journal",
    "Procedures",
    "RefusedRequests",
    "Shown",
    "SubmissionDesk",
    "Tidying",
    "patience",
    "reading",
    "resource_of",
    "restarted",
    "round_of",
]
