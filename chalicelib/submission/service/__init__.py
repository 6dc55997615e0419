"""What can be done with a publication request."""

from chalicelib.submission.service.desk import SubmissionDesk
from chalicelib.submission.service.journal import Journal, resource_of

__all__ = ["Journal", "SubmissionDesk", "resource_of"]
