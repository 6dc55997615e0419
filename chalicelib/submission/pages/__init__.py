"""Publication requests with a browser: handed in, amended by editors, and sent in vain by departments' systems."""

from chalicelib.submission.pages.amendments import amendment_pages
from chalicelib.submission.pages.refused import refused_pages
from chalicelib.submission.pages.requests import submission_pages

__all__ = ["amendment_pages", "refused_pages", "submission_pages"]
