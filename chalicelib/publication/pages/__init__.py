"""Publication with a browser: the brake, deliveries that need a person, taking back, and announcements."""

from chalicelib.publication.pages.announcements import announcement_pages
from chalicelib.publication.pages.deliveries import delivery_pages
from chalicelib.publication.pages.retracting import retraction_pages
from chalicelib.publication.pages.switch import switch_pages

__all__ = ["announcement_pages", "delivery_pages", "retraction_pages", "switch_pages"]
