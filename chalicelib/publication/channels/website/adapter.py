"""The website as a channel: an approved text becomes an entry, and the entry becomes pages."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.publication.channels.website.entry import PREFIXES, Entry
from chalicelib.publication.channels.website.render import item_page
from chalicelib.publication.channels.website.site import Website
from chalicelib.publication.model import Delivery
from chalicelib.submission.model import Form, Submission


@dataclass(frozen=True, kw_only=True)
class WebsiteChannel:
    """Delivers to the website, which is made when it is needed.

    `record` keeps an entry under a prefix, `department_name` names a department.
    """

    website: Callable[[], Website]
    record: Callable[[str, Entry], None]
    department_name: Callable[[str], str]

    def deliver(self, head: Submission, form: Form, delivery: Delivery) -> Mapping[str, Any]:
        """Write the item's page, record it, bring the indexes up to date; the receipt holds the pages' URLs."""
        entry = self._entry(head, form, delivery)
        prefixes = PREFIXES[form.classification]
        self.website().write_item(entry, form.body, prefixes)
        for prefix in prefixes:
            self.record(prefix, entry)
        urls = self.website().publish(entry, form.body, prefixes)
        page = hashlib.sha256(item_page(entry, form.body)).hexdigest()
        return {"urls": list(urls), "files": {"index.html": page}}

    def rendered(self, head: Submission, form: Form, delivery: Delivery) -> Mapping[str, bytes]:
        """The item's page as it stands on the site, whatever the templates say by now."""
        return {"website/index.html": self.website().delivered_page(self._entry(head, form, delivery))}

    def _entry(self, head: Submission, form: Form, delivery: Delivery) -> Entry:
        return Entry(
            submission=head.id,
            revision=delivery.revision,
            title=form.title,
            summary=form.summary,
            category=form.category,
            department_name=self.department_name(form.department),
            published_at=delivery.started_at,
            time_zone=form.time_zone,
            keywords=form.keywords,
            classification=form.classification,
        )
