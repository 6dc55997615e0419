"""Publication with a browser: the brake, deliveries and what becomes of them, the calendar, and announcements."""

from chalicelib.publication.pages.announcements import announcement_pages
from chalicelib.publication.pages.calendar import calendar_pages
from chalicelib.publication.pages.deliveries import delivery_pages
from chalicelib.publication.pages.display import display_pages
from chalicelib.publication.pages.rescheduling import rescheduling_pages
from chalicelib.publication.pages.retracting import retraction_pages
from chalicelib.publication.pages.switch import switch_pages
from chalicelib.publication.pages.wechat import wechat_pages

__all__ = [
    "announcement_pages",
    "calendar_pages",
    "delivery_pages",
    "display_pages",
    "rescheduling_pages",
    "retraction_pages",
    "switch_pages",
    "wechat_pages",
]
