"""Publication requests with a browser: those handed in, and what departments' systems sent in vain."""

from chalicelib.submission.pages.refused import refused_pages
from chalicelib.submission.pages.requests import submission_pages

__all__ = ["refused_pages", "submission_pages"]
