"""The notice board as a channel: sheets to print and a slide are made, then the item is on the board (clause 4.3.1)."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.attachment.model import Attachment
from chalicelib.core.clock import Now, to_text
from chalicelib.core.renderers import Renderers
from chalicelib.publication.channels.notice_board.board import (
    POSTER,
    SLIDE,
    BoardItem,
    BoardRules,
    Showing,
    planned,
)
from chalicelib.publication.channels.notice_board.screens import Screens
from chalicelib.publication.channels.notice_board.sheet import (
    content_of,
    pictures_of,
    poster_ask,
    slide_ask,
)
from chalicelib.publication.channels.website.entry import INTERNAL, PUBLIC, item_path
from chalicelib.publication.model import Delivered, Item, Retraction, TakenBack
from chalicelib.submission.model import Channel, Classification

_DAY = timedelta(days=1)
PRINTED = "printed_poster"
"""What no program takes off the wall."""


@dataclass(frozen=True, kw_only=True)
class NoticeBoardChannel:
    """Delivers to the board. `record` keeps an item, `recorded` gives it; `attached` gives a file's approved bytes.

    `site_urls` are the absolute URLs of the website's parts, to which a poster leads.
    """

    screens: Callable[[], Screens]
    renderers: Renderers
    rules: BoardRules
    record: Callable[[BoardItem], None]
    recorded: Callable[[str], BoardItem | None]
    attached: Callable[[str, Attachment], bytes]
    department_name: Callable[[str], str]
    site_urls: Mapping[str, str]
    now: Now

    repeatable = True
    patience = timedelta(0)

    def prepare(self, item: Item) -> Mapping[str, Any]:
        """Make poster and slide and write them, which nothing refers to yet; what is there already stays.

        Raises DeliveryRefused for what cannot be shown whole, with what is wrong.
        """
        form, revision, at = item.revision.form, item.delivery.revision, item.delivery.started_at
        content = content_of(
            form,
            section=self.rules.section_of(form.category),
            department=self.department_name(form.department),
            published_at=at,
            display_days=self.rules.display // _DAY,
            address=self._address(item),
        )
        files = [
            (file, self.attached(item.head.id, file)) for file in item.revision.attachments if file.is_image
        ]
        pictures = pictures_of(files)
        poster = self.renderers.ask(poster_ask(content, pictures, self.rules, at))
        slide = self.renderers.ask(slide_ask(content, pictures, at))
        made = {POSTER: base64.b64decode(poster["pdf"]), SLIDE: base64.b64decode(slide["png"])}
        kept = {name: self.screens().keep(item.head.id, revision, name, raw) for name, raw in made.items()}
        return {
            "sheets": poster["sheets"],
            "paper": self.rules.paper,
            "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in kept.items()},
        }

    def deliver(self, item: Item) -> Delivered:
        """Record that it is on the board, and tell the screens. The receipt says from when to when, and what hangs.

        A correction takes the place of what it corrects, and its days go on; what was taken off stays so.
        """
        form, delivery = item.revision.form, item.delivery
        former = self.recorded(item.head.id)
        is_again = former is not None and former.revision == delivery.revision
        goes_on = former is not None and (is_again or former.removed_at is None)
        self.record(
            BoardItem(
                submission=item.head.id,
                revision=delivery.revision,
                department=form.department,
                since=former.since if former is not None and goes_on else delivery.started_at,
                display=self.rules.display,
                duration=self.rules.slide,
                priority=self.rules.priorities[form.importance],
                sha256=item.facts["files"][SLIDE],
                removed_at=former.removed_at if former is not None and is_again else None,
                confirmed=former.confirmed if former is not None and is_again else (),
            )
        )
        self.screens().refresh()
        if former is not None and not is_again:
            self.screens().remove(item.head.id, former.revision)
        showing = self._showing(item.head.id)
        shown = {"shown_from": to_text(showing.start), "shown_until": to_text(showing.end)}
        folder = f"{item.head.id}/{delivery.revision}"
        address = f"{self.site_urls[INTERNAL].rstrip('/')}/board/{folder}/{POSTER}"
        return Delivered(receipt={**item.facts, **shown, "urls": [address]})

    def reconcile(self, item: Item) -> Delivered:
        """Delivering again ends the same."""
        return self.deliver(item)

    def retract(self, item: Item, retraction: Retraction) -> TakenBack:
        """Take it off the screens at once, and its files away. The paper is for a person to take down."""
        former = self.recorded(item.head.id)
        if former is None:
            self.screens().remove(item.head.id, item.delivery.revision)  # prepared, and never delivered
            return TakenBack(receipt={})
        if former.removed_at is None:
            former = replace(former, removed_at=retraction.at)
            self.record(former)
        self.screens().refresh()
        self.screens().remove(item.head.id, former.revision)
        return TakenBack(receipt={"removed_at": to_text(former.removed_at or retraction.at)}, left=(PRINTED,))

    def effect(self, item: Item) -> Mapping[str, int]:
        """How many hours it has been on the screens, and how often a person has seen the paper hang."""
        recorded = self.recorded(item.head.id)
        if recorded is None:
            return {"hours_shown": 0, "confirmations": 0}
        showing = self._showing(item.head.id)
        shown = max(min(self.now(), showing.end) - showing.start, timedelta(0))
        return {"hours_shown": shown // timedelta(hours=1), "confirmations": len(recorded.confirmed)}

    def rendered(self, item: Item) -> Mapping[str, bytes]:
        """Poster and slide as they were written."""
        files = self.screens().poster_and_slide(item.head.id, item.delivery.revision)
        return {f"notice_board/{name}": raw for name, raw in files.items()}

    def _showing(self, submission: str) -> Showing:
        showings = planned(self.screens().items(), self.rules.slots)
        return next(each for each in showings if each.item.submission == submission)

    def _address(self, item: Item) -> str | None:
        """Where it can be read on: on the public site if it is there, or else inside the company."""
        form = item.revision.form
        if Channel.WEBSITE not in form.channels or form.classification is Classification.CONFIDENTIAL:
            return None
        part = PUBLIC if form.classification is Classification.PUBLIC else INTERNAL
        return f"{self.site_urls[part].rstrip('/')}/{item_path(item.head.id, item.delivery.revision)}"
