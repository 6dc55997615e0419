"""What can be done with a publication request."""

from chalicelib.submission.service.desk import SubmissionDesk
from chalicelib.submission.service.journal import Journal, patience, resource_of

__all__ = ["Journal", "SubmissionDesk", "patience", "resource_of"]
