"""The WeChat official account as a channel: a draft, and one call that has it published.

The platform has no key by which a repeat is known for one. So the draft is made before, and carries a marker in the
address that it says it comes from; the call is made once; and what became of it is found out by the publication's id,
or by the marker among the account's articles. Only a draft that is still in its box after a while may be submitted
again: the same, never another.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.attachment.model import Attachment
from chalicelib.core.clock import Now, from_text, to_text
from chalicelib.core.errors import (
    ChannelBusy,
    ChannelRefusal,
    DeliveryParked,
    DeliveryRefused,
    OutcomeUnknown,
    Stale,
)
from chalicelib.core.events import report
from chalicelib.core.table import Table
from chalicelib.publication.channels.website.entry import PREFIXES, PUBLIC, item_path
from chalicelib.publication.channels.wechat import pictures
from chalicelib.publication.channels.wechat.article import AUTHOR, Limits, Picture, article_of, is_marked
from chalicelib.publication.channels.wechat.client import PAGE, Job, Listed, WeChatClient
from chalicelib.publication.channels.wechat.store import put_article, put_publication, read_article
from chalicelib.publication.model import (
    Delivered,
    DeliveryState,
    Item,
    NotDelivered,
    Retraction,
    TakenBack,
    Underway,
)
from chalicelib.publication.store import FREEZES_KEY, read_freezes
from chalicelib.submission.model import Channel, State
from chalicelib.submission.store import head_key, read_head

GRACE = timedelta(minutes=30)
"""How long a draft must lie in its box after a call of unknown outcome: longer than any publication takes."""
PATIENCE = timedelta(hours=3)
"""How long it is asked what became of a publication; the account's administrator alone may take half an hour."""
RESEND = timedelta(hours=23)
"""For so long the platform knows a message to all for the one that it has sent; it says 24 hours."""
MINUTE = timedelta(minutes=1)
MOST_PAGES = 10
"""Of the account's articles, the newest first, in which a marker is looked for."""
MASS_SENT = "mass_sent_cards"
"""What of a retracted article stays with those to whom it was sent."""
DRAFT_LEFT = "wechat_draft"
"""What stays where nothing was published: only a person removes a draft."""
ARTICLE = "wechat/article.html"
ZONE = ZoneInfo("Asia/Shanghai")
"""The platform's days."""

RUNNING, PUBLISHED = 1, 0
_REFUSED: Mapping[int, str] = {2: "wechat_originality", 4: "wechat_rejected", 6: "wechat_banned"}
"""Statuses of a publication whose content is at fault, with the word for each."""
_PARKED: Mapping[int, str] = {3: "wechat_failed", 5: "wechat_deleted"}
"""Those in which a person has to look."""
AGAIN = "again"
"""The reason of a delivery of which a person has said that it may be made again."""
PRESS_PUBLISH = "press_publish"
"""Why a person is asked where only a person may publish: the draft is ready."""


class Mode(StrEnum):
    """What the desk may do on the account."""

    DRAFT = "draft"
    """Drafts only: a person presses publish. What unverified accounts may do."""
    PUBLISH = "publish"
    """Articles appear on the account, and nobody is told."""
    MASS_SEND = "mass_send"
    """And then every follower is."""


@dataclass(frozen=True, kw_only=True)
class WeChatChannel:
    """Publishes on one account. `client` is made when it is needed, `scale` shortens every wait.

    `picture` reads an attached file of a submission, `department_name` names a department, who is the author; `author`
    is who signs where that name is too long, if anybody does. `site_url` is where the site's public part is read.
    """

    client: Callable[[], WeChatClient]
    mode: Mode
    table: Table
    picture: Callable[[str, Attachment], bytes]
    department_name: Callable[[str], str]
    author: str
    site_url: str
    now: Now
    scale: float
    limits: Limits

    repeatable = False
    patience = PATIENCE

    def prepare(self, item: Item) -> Mapping[str, Any]:
        """Upload pictures and cover and make the draft; one that was made before is taken again.

        A draft that was made and is gone may have been published. Another is made only once a person has found that it
        was not, and the account shows no article with its marker either.
        """
        with _noting(item):
            made = item.facts.get("media_id")
            if made is not None:
                if self.client().has_draft(made):
                    return {"media_id": made, "files": item.facts["files"]}
                if self._marked(item) is not None:
                    raise DeliveryParked(reason="wechat_found")
                if item.delivery.reason != AGAIN:
                    raise DeliveryParked(reason="wechat_draft_gone")
            article = self._article(item)
            digest = hashlib.sha256(article["content"].encode()).hexdigest()
            self.table.put(put_article(item.head.id, item.delivery.revision, digest, article, self.now()))
            return {"media_id": self.client().add_draft(article), "files": {"article.html": digest}}

    def deliver(self, item: Item) -> Underway:
        """Have the draft published. That the platform has taken it on says nothing of what becomes of it."""
        with _noting(item):
            if self.mode is Mode.DRAFT:
                raise DeliveryParked(reason=PRESS_PUBLISH)
            accepted = self.client().submit(item.facts["media_id"])
            self._note_whose(item, accepted.publish_id)
            noted = {"publish_id": accepted.publish_id, "msg_data_id": accepted.msg_data_id}
            return Underway(facts={**item.facts, **noted})

    def reconcile(self, item: Item) -> Delivered | Underway | NotDelivered:
        """Find out what became of it, and where followers are to be told, have them told once it is published."""
        with _noting(item):
            facts = dict(item.facts)
            if "article_id" in facts:
                return self._told(item, facts)
            if "publish_id" in facts:
                job = self.client().job(facts["publish_id"])
                if job.status == RUNNING:
                    return Underway(facts=facts)
                _ensure_published(job)
                return self._published(facts, job.article_id, job.urls)
            has_draft = "media_id" in facts and self.client().has_draft(facts["media_id"])
            found = self._marked(
                item
            )  # only now: what is published meanwhile is found, or its draft was still there
            if found is not None:
                return self._published(facts, found.article_id, found.urls)
            return self._not_found(item, has_draft=has_draft)

    def retract(self, item: Item, _retraction: Retraction) -> TakenBack:
        """Take the article off the account (clause 3.4.4). What may still appear there is waited for first.

        Cards that followers have been sent stay, and a draft stays in its box. Raises OutcomeUnknown, ChannelBusy and
        DeliveryParked.
        """
        told = dict(item.delivery.receipt or item.facts)
        article_id = told.get("article_id") or self._appeared(item, told)
        if article_id is None:
            return TakenBack(receipt={}, left=self._left(item))
        if self._is_there(told, article_id):
            self.client().remove(article_id)
        unfinished = item.delivery.state is not DeliveryState.DONE
        may_be_sent = "msg_id" in told or (self.mode is Mode.MASS_SEND and unfinished)
        return TakenBack(receipt={"article_id": article_id}, left=(MASS_SENT,) if may_be_sent else ())

    def effect(self, item: Item) -> Mapping[str, int]:
        """How many people have read and passed it on, by the platform's last count; of today it knows nothing."""
        told = item.delivery.receipt or item.facts
        published = told.get("published_at")
        wanted = {told[name] for name in ("msg_data_id", "mass_msg_data_id") if told.get(name)}
        if published is None or not wanted:
            return {}
        day = from_text(published).astimezone(ZONE).date()
        if day >= self.now().astimezone(ZONE).date():
            return {}
        figures = {"reads": 0, "shares": 0}
        for entry in self.client().figures(day):
            details = sorted(entry.get("detail_list", ()), key=lambda each: str(each["stat_date"]))
            if str(entry["msgid"]).partition("_")[0] in wanted and details:
                figures["reads"] += int(details[-1].get("read_user", 0))
                figures["shares"] += int(details[-1].get("share_user", 0))
        return figures

    def rendered(self, item: Item) -> Mapping[str, bytes]:
        """The article's content as it was handed over. Raises RuntimeError when it is gone before it was archived."""
        digest = (item.delivery.receipt or item.facts)["files"][ARTICLE.rpartition("/")[2]]
        article = read_article(self.table, item.head.id, item.delivery.revision, digest)
        if article is None:
            raise RuntimeError(f"the article of {item.head.id} is gone")
        return {ARTICLE: article["content"].encode()}

    def _article(self, item: Item) -> dict[str, Any]:
        """The article, whose pictures are uploaded by then. What is wrong with the text is said before that."""
        revision, client = item.revision, self.client()
        written = partial(
            article_of,
            revision,
            author=self._signed(self.department_name(revision.form.department)),
            address=self._address(item),
            limits=self.limits,
        )
        written(cover="")
        shown, cover = list[Picture](), b""
        for file in filter(lambda each: each.is_image, revision.attachments):
            raw = self.picture(item.head.id, file)
            cover = cover or pictures.cover_of(raw)
            url = client.upload_picture(f"{file.id}.jpg", pictures.for_article(raw))
            shown.append(Picture(url=url, name=file.name))
        cover_id = client.add_cover("cover.jpg", cover or pictures.plain_cover())
        return written(cover=cover_id, pictures=shown)

    def _signed(self, name: str) -> str:
        return name if len(name) <= AUTHOR or not self.author else self.author

    def _address(self, item: Item) -> str:
        """Where the article says it comes from: the item's own page, if it has one, or the site."""
        form = item.revision.form
        on_site = Channel.WEBSITE in form.channels and PUBLIC in PREFIXES[form.classification]
        path = item_path(item.head.id, item.delivery.revision) if on_site else ""
        return f"{self.site_url}/{path}"

    def _marked(self, item: Item) -> Listed | None:
        """The article that carries this revision's marker."""
        for listed in self._listed():
            if any(is_marked(source, item.head.id, item.delivery.revision) for source in listed.sources):
                return listed
        return None

    def _listed(self) -> Iterator[Listed]:
        for page in range(MOST_PAGES):
            articles = self.client().articles(page * PAGE)
            yield from articles
            if len(articles) < PAGE:
                return

    def _not_found(self, item: Item, *, has_draft: bool) -> NotDelivered:
        """What follows where no article is there. Raises OutcomeUnknown as long as one may appear."""
        if self.mode is Mode.DRAFT and has_draft:
            raise DeliveryParked(reason=PRESS_PUBLISH)
        if self.now() < _called_at(item) + GRACE / self.scale:
            raise OutcomeUnknown
        if not has_draft:
            raise DeliveryParked(reason="wechat_draft_gone")
        return NotDelivered()

    def _published(
        self, facts: Mapping[str, Any], article_id: str, urls: Sequence[str]
    ) -> Delivered | Underway:
        """It is on the account. Followers are told in a step of its own, after this is noted."""
        known = {**facts, "article_id": article_id, "urls": list(urls), "published_at": to_text(self.now())}
        return Underway(facts=known) if self.mode is Mode.MASS_SEND else Delivered(receipt=known)

    def _told(self, item: Item, facts: dict[str, Any]) -> Delivered | Underway:
        """Have followers told, or find out what became of that. Whatever is refused now, the article is published."""
        try:
            if "msg_id" not in facts:
                return self._sent_to_all(item, facts)
            match self.client().sending(facts["msg_id"]):
                case "SEND_SUCCESS":
                    return Delivered(receipt=facts)
                case "SENDING":
                    return Underway(facts=facts)
                case "DELETE":
                    raise DeliveryParked(reason="wechat_mass_deleted")
            raise DeliveryParked(reason="wechat_mass_failed")
        except DeliveryRefused as refused:
            raise DeliveryParked(reason="wechat_mass_refused", facts=refused.facts) from refused

    def _note_whose(self, item: Item, publish_id: str) -> None:
        """Note whose publication it is, for when the platform tells of it.

        Where that fails the platform is asked all the same: by its id, which must not be lost over this.
        """
        try:
            self.table.put(put_publication(publish_id, item.head.id, item.delivery.revision, self.now()))
        except Exception as error:  # noqa: BLE001 — as said
            report(error, "note of a publication")

    def _sent_to_all(self, item: Item, facts: dict[str, Any]) -> Underway:
        """Have followers told, under one name: what is asked again within a day is the message that was sent.

        Asked again within a minute the platform answers nothing, so after a busy answer a minute is waited.
        """
        now = self.now()
        if now >= from_text(facts["published_at"]) + RESEND:
            raise DeliveryParked(reason="wechat_mass_unknown")
        if "not_before" in facts and now < from_text(facts["not_before"]):
            return Underway(facts=facts)
        self._ensure_wanted(item)
        try:
            sent = self.client().send_to_all(facts["media_id"], f"{item.head.id}.{item.delivery.revision}")
        except ChannelBusy:
            return Underway(facts={**facts, "not_before": to_text(now + MINUTE / self.scale)})
        return Underway(facts={**facts, "msg_id": sent[0], "mass_msg_data_id": sent[1]})

    def _ensure_wanted(self, item: Item) -> None:
        """Raise ChannelsFrozen during a freeze, and Stale once the item has been taken back: followers are not told."""
        key = head_key(item.head.id)
        found = self.table.batch(FREEZES_KEY, key)
        read_freezes(found.get(FREEZES_KEY)).ensure_free(Channel.WECHAT, self.now())
        record = found.get(key)
        if record is None or read_head(record).state is State.RETRACTED:
            raise Stale

    def _appeared(self, item: Item, told: Mapping[str, Any]) -> str | None:
        """The article that a call has led to, None if there is none. Raises OutcomeUnknown while one may appear."""
        if "publish_id" in told:
            job = self.client().job(told["publish_id"])
            if job.status == RUNNING:
                raise OutcomeUnknown
            return job.article_id or None
        found = self._marked(item)
        if found is None and self.now() < _called_at(item) + GRACE / self.scale:
            raise OutcomeUnknown
        return None if found is None else found.article_id

    def _left(self, item: Item) -> tuple[str, ...]:
        """What stays where no article was found. Raises DeliveryParked where a person may have published it."""
        made = item.facts.get("media_id")
        if made is None or "publish_id" in item.facts:
            return ()
        if not self.client().has_draft(made):
            raise DeliveryParked(reason="wechat_article_unknown")
        return (DRAFT_LEFT,)

    def _is_there(self, told: Mapping[str, Any], article_id: str) -> bool:
        """Whether the article is still on the account."""
        if "publish_id" in told:
            return self.client().job(told["publish_id"]).status == PUBLISHED
        return any(listed.article_id == article_id for listed in self._listed())


def _called_at(item: Item) -> datetime:
    return item.delivery.called_at or item.delivery.started_at


def _ensure_published(job: Job) -> None:
    """Raise what follows from a publication that has not come about, or that is no longer there."""
    if job.status in _REFUSED:
        raise DeliveryRefused(_REFUSED[job.status])
    if job.status != PUBLISHED:
        raise DeliveryParked(_PARKED.get(job.status, "wechat_error"), {"publish_status": job.status})


@contextmanager
def _noting(item: Item) -> Iterator[None]:
    """Let a refusal keep what was known before: by that the draft is found again."""
    try:
        yield
    except ChannelRefusal as refusal:
        raise type(refusal)(refusal.reason, {**item.facts, **(refusal.facts or {})}) from refusal
