"""The website as a channel: an approved text becomes an entry, and the entry becomes pages."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.publication.channels.website.entry import PREFIXES, Entry, attached_files, retracted
from chalicelib.publication.channels.website.pictures import picture_from_document
from chalicelib.publication.channels.website.site import Website
from chalicelib.publication.model import Delivered, Item, Retraction, TakenBack


@dataclass(frozen=True, kw_only=True)
class WebsiteChannel:
    """Delivers to the website, which is made when it is needed.

    `record` keeps an entry under a prefix, `department_name` names a department, `views` says how often an item was
    looked at.
    """

    website: Callable[[], Website]
    record: Callable[[str, Entry], None]
    department_name: Callable[[str], str]
    views: Callable[[str], int]

    repeatable = True
    patience = timedelta(0)

    def prepare(self, item: Item) -> Mapping[str, Any]:
        """Write the item's files and its own page, to which nothing leads yet; notes what its pictures are."""
        form = item.revision.form
        entry = self.website().write_item(self._entry(item), form.body, PREFIXES[form.classification])
        return {"pictures": [picture.document() for picture in entry.pictures]}

    def deliver(self, item: Item) -> Delivered:
        """Record it and bring the indexes up to date; the receipt says what is where."""
        form, entry = item.revision.form, self._entry(item)
        prefixes = PREFIXES[form.classification]
        for prefix in prefixes:
            self.record(prefix, entry)
        urls = self.website().publish(entry, prefixes)
        page = hashlib.sha256(self.website().delivered_page(entry)).hexdigest()
        receipt: dict[str, Any] = {"urls": list(urls), "files": {"index.html": page}}
        if entry.attachments:
            receipt["attachments"] = {path: file.sha256 for path, file in attached_files(entry).items()}
        return Delivered(receipt=receipt)

    def reconcile(self, item: Item) -> Delivered:
        """Delivering again ends the same."""
        return self.deliver(item)

    def effect(self, item: Item) -> Mapping[str, int]:
        """How often its page was looked at."""
        return {"views": self.views(item.head.id)}

    def retract(self, item: Item, retraction: Retraction) -> TakenBack:
        """Take it off: its pages say when and why, and no index shows it any more (clause 3.4.4).

        Of what no index has shown yet, readers are not told the title now.
        """
        website, entry = self.website(), self._entry(item)
        for prefix in PREFIXES[entry.classification]:
            shown = [each for each in website.entries(prefix) if each.submission == entry.submission]
            entry = retracted(
                shown[0] if shown else entry,
                at=retraction.at,
                reason=retraction.reason,
                title_withheld=retraction.title_withheld or not shown,
            )
            self.record(prefix, entry)
        return TakenBack(receipt={"urls": list(website.retract(entry))})

    def rendered(self, item: Item) -> Mapping[str, bytes]:
        """The item's page as it stands on the site, whatever the templates say by now."""
        return {"website/index.html": self.website().delivered_page(self._entry(item))}

    def _entry(self, item: Item) -> Entry:
        revision, delivery = item.revision, item.delivery
        form = revision.form
        return Entry(
            submission=item.head.id,
            revision=delivery.revision,
            title=form.title,
            summary=form.summary,
            category=form.category,
            department_name=self.department_name(form.department),
            published_at=delivery.started_at,
            time_zone=form.time_zone,
            keywords=form.keywords,
            classification=form.classification,
            attachments=revision.attachments,
            pictures=tuple(map(picture_from_document, item.facts.get("pictures", ()))),
        )
