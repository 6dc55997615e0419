"""Publication with a browser: the brake, deliveries that need a person, and announcements."""

from chalicelib.publication.pages.announcements import announcement_pages
from chalicelib.publication.pages.deliveries import delivery_pages
from chalicelib.publication.pages.switch import switch_pages

__all__ = ["announcement_pages", "delivery_pages", "switch_pages"]
