"""Reviews with a browser: the desk of a reviewer, and what a link or the desk opens."""

from chalicelib.review.pages.desk import desk_pages
from chalicelib.review.pages.reassigning import reassigning_pages
from chalicelib.review.pages.reviews import review_pages

__all__ = ["desk_pages", "reassigning_pages", "review_pages"]
