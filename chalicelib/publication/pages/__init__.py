"""Publication with a browser: the brake, and announcements."""

from chalicelib.publication.pages.announcements import announcement_pages
from chalicelib.publication.pages.switch import switch_pages

__all__ = ["announcement_pages", "switch_pages"]
