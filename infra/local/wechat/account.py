"""One official account: tokens, drafts, publications, messages to all, with the limits that the platform documents.

Where the platform drops something without a word (scripts, classes, pictures from elsewhere) this one refuses it, so
that nobody relies on it. What the platform does not say is as bad here as it may be: a draft that is submitted twice
before it has left its box is published twice.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from infra.local.wechat.faults import SEND_TO_ALL, SUBMIT, Faults, happens

TOKEN_LIFE, OVERLAP = timedelta(seconds=7200), timedelta(minutes=5)
FORCED_APART, FORCED_A_DAY = timedelta(seconds=30), 20
DAY = timedelta(days=1)
RESEND = timedelta(seconds=60)
"""How soon at the earliest the same message to all may be asked for again."""
CONFIRMING = timedelta(minutes=30)
"""How long the administrator has to confirm a message to all."""
_MOST_PICTURE, _MOST_MATERIAL = 1_000_000, 10_000_000
_MOST_CHARACTERS, _MOST_BYTES = 20_000, 1_000_000
_PAGE = 20
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_ESCAPED = re.compile(rb"\\u(?!00[0-7])[0-9a-fA-F]{4}")
RUNNING, PUBLISHED, DELETED, BANNED = 1, 0, 5, 6
_ONCE_PUBLISHED = frozenset({PUBLISHED, DELETED, BANNED})

_READ_AT_ONCE, _READ_LATER = {"read_user": 100, "share_user": 5}, {"read_user": 120, "share_user": 7}
"""The figures of every article: on its day, and by the day after."""

Document = dict[str, Any]


class No(Exception):
    """An answer that says no; `also` goes with it."""

    def __init__(self, code: int, **also: object) -> None:
        super().__init__(code)
        self.code, self.also = code, also


class Lost(Exception):
    """No answer: the connection ends."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A call as it came."""

    path: str
    query: Mapping[str, str]
    raw: bytes = b""
    media: bytes | None = None
    address: str = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A publication under way, or ended."""

    publish_id: str
    msg_data_id: str
    media_id: str
    due: datetime
    status: int = RUNNING
    article_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Article:
    """What is on the account, or was."""

    article_id: str
    msg_data_id: str
    media_id: str
    content: Document
    published_at: datetime
    is_there: bool = True


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message to all followers."""

    msg_id: str
    msg_data_id: str
    media_id: str
    known_as: str
    sent_at: datetime
    status: str


@dataclass(kw_only=True)
class Account:
    """An account. `now` is its clock; `tell` posts to the desk, given a publication that has ended.

    `verified` accounts may publish; `protected` ones ask their administrator before a message goes to all. `takes` is
    how long a publication is under way.
    """

    app_id: str
    secret: str
    now: Callable[[], datetime]
    tell: Callable[[Job, Sequence[Document]], None] = lambda _job, _items: None
    base: str = "https://mmbiz.test"
    allowed: frozenset[str] = frozenset({"127.0.0.1"})
    verified: bool = True
    protected: bool = False
    takes: timedelta = timedelta(seconds=20)
    limits: Mapping[str, int] = field(default_factory=lambda: {SUBMIT: 100, SEND_TO_ALL: 100})
    messages_a_day: int = 1
    faults: Faults = field(default_factory=Faults)
    tokens: dict[str, datetime] = field(default_factory=dict)
    forced: list[datetime] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    materials: dict[str, bytes] = field(default_factory=dict)
    drafts: dict[str, list[Document]] = field(default_factory=dict)
    spent: dict[str, list[Document]] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    articles: dict[str, Article] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    counted_on: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def publications(self) -> int:
        """How many articles have ever appeared."""
        return len(self.articles)

    def answer(self, asked: Asked) -> Document:
        """What the account answers. Raises Lost where it answers nothing."""
        with self.lock:
            if happens(self.faults.unheard, asked.path):
                raise Lost
            try:
                said = self._answered(asked)
            except No as no:
                said = {"errcode": no.code, "errmsg": f"stand-in: {no.code}", **no.also}
            if happens(self.faults.unanswered, asked.path):
                raise Lost
            return said

    def pass_time(self) -> None:
        """End what is due, and tell of it."""
        with self.lock:
            ended = [self._end(job) for job in self.jobs.values() if self._is_due(job)]
            for message in list(self.messages.values()):
                self.messages[message.msg_id] = replace(message, status=self._status(message))
            told = [(job, self._items(job)) for job in ended]
        for job, items in told:
            self.tell(job, items)

    def press_publish(self, media_id: str) -> None:
        """Publish a draft as a person does on the platform's own page."""
        with self.lock:
            self._begin(media_id)

    def confirm(self, msg_id: str) -> None:
        """Confirm a message to all as the administrator does."""
        with self.lock:
            self.messages[msg_id] = replace(self.messages[msg_id], status="SENDING")

    def _answered(self, asked: Asked) -> Document:
        if asked.address not in self.allowed:
            raise No(40164)
        if self.faults.is_busy(asked.path):
            raise No(-1)
        if asked.path == "/cgi-bin/stable_token":
            return self._token(_document(asked.raw))
        if happens(self.faults.outdated, asked.path):
            self.tokens = dict.fromkeys(self.tokens, self.now())
        self._check(asked.query.get("access_token", ""))
        self._count(asked.path)
        match asked.path:
            case "/cgi-bin/media/uploadimg":
                return self._picture(asked.media)
            case "/cgi-bin/material/add_material":
                return self._material(asked)
        calls: Mapping[str, Callable[[Document], Document]] = {
            "/cgi-bin/draft/add": self._add_draft,
            "/cgi-bin/draft/get": lambda said: {"news_item": self._draft(said["media_id"])},
            SUBMIT: self._submit,
            "/cgi-bin/freepublish/get": self._job,
            "/cgi-bin/freepublish/batchget": self._list,
            "/cgi-bin/freepublish/delete": self._delete,
            SEND_TO_ALL: self._send,
            "/cgi-bin/message/mass/get": lambda said: self._message(said["msg_id"]),
            "/cgi-bin/openapi/quota/get": self._quota,
            "/datacube/getarticletotaldetail": self._figures,
        }
        if asked.path not in calls:
            raise No(40066)
        return {"errcode": 0, "errmsg": "ok", **calls[asked.path](_document(asked.raw))}

    def _token(self, said: Document) -> Document:
        if said.get("appid") != self.app_id:
            raise No(40013)
        if said.get("secret") != self.secret:
            raise No(40125)
        now = self.now()
        if said.get("force_refresh"):
            lately = [at for at in self.forced if now - at < DAY]
            if lately and now - lately[-1] < FORCED_APART:
                raise No(45011)
            if len(lately) >= FORCED_A_DAY:
                raise No(45009)
            self.forced, self.tokens = [*lately, now], dict.fromkeys(self.tokens, now)
        for token, end in self.tokens.items():
            if end - now > OVERLAP:
                return {"access_token": token, "expires_in": int((end - now).total_seconds())}
        token = f"token-{len(self.tokens) + 1}-{'x' * 100}"
        self.tokens[token] = now + TOKEN_LIFE
        return {"access_token": token, "expires_in": int(TOKEN_LIFE.total_seconds())}

    def _check(self, token: str) -> None:
        if token not in self.tokens:
            raise No(40001)
        if self.tokens[token] <= self.now():
            raise No(42001)

    def _count(self, path: str) -> None:
        today = self.now().date().isoformat()
        if self.counted_on != today:
            self.calls, self.counted_on = Counter(), today
        if self.calls[path] >= self.limits.get(path, 100_000):
            raise No(45009)
        self.calls[path] += 1

    def _picture(self, media: bytes | None) -> Document:
        if media is None or not media.startswith(_PICTURES):
            raise No(40005)
        if len(media) >= _MOST_PICTURE:
            raise No(40009)
        url = f"{self.base}/pictures/{len(self.pictures) + 1}"
        self.pictures[url] = media
        return {"url": url}

    def _material(self, asked: Asked) -> Document:
        if asked.query.get("type") != "image":
            raise No(40004)
        if asked.media is None or not asked.media.startswith(_PICTURES):
            raise No(40005)
        if len(asked.media) > _MOST_MATERIAL:
            raise No(40009)
        media_id = f"material-{len(self.materials) + 1}"
        self.materials[media_id] = asked.media
        return {"media_id": media_id, "url": f"{self.base}/materials/{media_id}"}

    def _add_draft(self, said: Document) -> Document:
        for article in said["articles"]:
            self._ensure_sound(article)
        media_id = f"draft-{len(self.drafts) + len(self.spent) + 1}"
        self.drafts[media_id] = said["articles"]
        return {"media_id": media_id}

    def _ensure_sound(self, article: Document) -> None:
        limits = {"title": (32, 45003), "author": (16, 45110), "digest": (128, 45004)}
        for name, (most, code) in limits.items():
            if len(article.get(name, "")) > most or (name == "title" and not article.get(name)):
                raise No(code)
        if len(article.get("content_source_url", "").encode()) > 1024:  # noqa: PLR2004 — 1 KB
            raise No(45005)
        content = article["content"]
        if len(content) >= _MOST_CHARACTERS or len(content.encode()) >= _MOST_BYTES:
            raise No(45002)
        if article["thumb_media_id"] not in self.materials:
            raise No(40007)
        looked = _Look()
        looked.feed(content)
        if looked.lost:
            raise No(47001)
        if looked.pictures - set(self.pictures):
            raise No(53402)

    def _draft(self, media_id: str) -> list[Document]:
        if media_id not in self.drafts:
            raise No(40007)
        return self.drafts[media_id]

    def _submit(self, said: Document) -> Document:
        if not self.verified:
            raise No(48001)
        job = self._begin(said["media_id"])
        return {"publish_id": job.publish_id, "msg_data_id": job.msg_data_id}

    def _begin(self, media_id: str) -> Job:
        self._draft(media_id)
        number = len(self.jobs) + 1
        job = Job(
            publish_id=str(100_000 + number),
            msg_data_id=str(2_247_000_000 + number),
            media_id=media_id,
            due=self.now() + self.takes,
        )
        self.jobs[job.publish_id] = job
        return job

    def _is_due(self, job: Job) -> bool:
        return job.status == RUNNING and job.due <= self.now()

    def _end(self, job: Job) -> Job:
        status = self.faults.ends.pop(0) if self.faults.ends else PUBLISHED
        if status in _ONCE_PUBLISHED:
            article_id = f"article-{len(self.articles) + 1}"
            content = self.drafts.pop(job.media_id, None) or self.spent[job.media_id]
            self.spent[job.media_id] = content
            self.articles[article_id] = Article(
                article_id=article_id,
                msg_data_id=job.msg_data_id,
                media_id=job.media_id,
                content=content[0],
                published_at=self.now(),
                is_there=status == PUBLISHED,
            )
            job = replace(job, article_id=article_id)
        self.jobs[job.publish_id] = replace(job, status=status)
        return self.jobs[job.publish_id]

    def _items(self, job: Job) -> list[Document]:
        return [{"idx": 1, "article_url": f"{self.base}/s/{job.article_id}"}] if job.article_id else []

    def _job(self, said: Document) -> Document:
        job = self.jobs.get(str(said["publish_id"]))
        if job is None:
            raise No(53500)
        told: Document = {"publish_id": job.publish_id, "publish_status": job.status, "fail_idx": []}
        if job.status == PUBLISHED:
            items = self._items(job)
            told |= {"article_id": job.article_id, "article_detail": {"count": 1, "item": items}}
        return told

    def _list(self, said: Document) -> Document:
        offset, count = said["offset"], said["count"]
        if not 1 <= count <= _PAGE:
            raise No(47001)
        sent = {message.media_id for message in self.messages.values()}
        there = [each for each in self.articles.values() if each.is_there and each.media_id not in sent]
        shown = list(reversed(there))[offset : offset + count]
        items = [
            {
                "article_id": each.article_id,
                "content": {"news_item": [self._shown(each, without=bool(said.get("no_content")))]},
                "update_time": int(each.published_at.timestamp()),
            }
            for each in shown
        ]
        return {"total_count": len(there), "item_count": len(items), "item": items}

    def _shown(self, article: Article, *, without: bool) -> Document:
        document = {**article.content, "url": f"{self.base}/s/{article.article_id}", "is_deleted": False}
        return {name: value for name, value in document.items() if not (without and name == "content")}

    def _delete(self, said: Document) -> Document:
        article = self.articles.get(said["article_id"])
        if article is None or not article.is_there:
            raise No(53600)
        self.articles[article.article_id] = replace(article, is_there=False)
        for job in self.jobs.values():
            if job.article_id == article.article_id:
                self.jobs[job.publish_id] = replace(job, status=DELETED)
        return {}

    def _send(self, said: Document) -> Document:
        if not self.verified:
            raise No(48001)
        now, media_id, known_as = self.now(), said["mpnews"]["media_id"], said.get("clientmsgid", "")
        if len(known_as.encode()) > 64:  # noqa: PLR2004 — as documented
            raise No(47001)
        lately = [message for message in self.messages.values() if now - message.sent_at < DAY]
        for message in lately:
            if known_as and message.known_as == known_as:
                if now - message.sent_at < RESEND:
                    raise No(45066)
                raise No(45065, msg_id=message.msg_id, msg_data_id=message.msg_data_id)
        if media_id not in {*self.drafts, *self.spent}:
            raise No(40007)
        if len(lately) >= self.messages_a_day:
            raise No(45028)
        number = len(self.messages) + 1
        message = Message(
            msg_id=str(30_000 + number),
            msg_data_id=str(2_248_000_000 + number),
            media_id=media_id,
            known_as=known_as,
            sent_at=now,
            status="CONFIRMING" if self.protected else "SENDING",
        )
        self.messages[message.msg_id] = message
        return {"msg_id": message.msg_id, "msg_data_id": message.msg_data_id}

    def _status(self, message: Message) -> str:
        """What has become of a message by now."""
        if message.status == "SENDING":
            return "SEND_SUCCESS"
        is_late = message.status == "CONFIRMING" and self.now() - message.sent_at >= CONFIRMING
        return "SEND_FAIL" if is_late else message.status

    def _message(self, msg_id: str) -> Document:
        message = self.messages.get(str(msg_id))
        if message is None:
            raise No(47001)
        status = "SENDING" if message.status == "CONFIRMING" else message.status
        return {"msg_id": message.msg_id, "msg_status": status}

    def _quota(self, said: Document) -> Document:
        path = said["cgi_path"]
        limit = self.limits.get(path, 100_000)
        used = self.calls[path]
        return {"quota": {"daily_limit": limit, "used": used, "remain": limit - used}}

    def _figures(self, said: Document) -> Document:
        if not said["begin_date"] <= said["end_date"] < self.now().date().isoformat():
            raise No(61501)
        listed = [
            {
                "ref_date": each.published_at.date().isoformat(),
                "msgid": f"{each.msg_data_id}_1",
                "publish_type": 1,
                "detail_list": [
                    {"stat_date": (each.published_at + DAY).date().isoformat(), **_READ_LATER},
                    {"stat_date": each.published_at.date().isoformat(), **_READ_AT_ONCE},
                ],
            }
            for each in self.articles.values()
            if said["begin_date"] <= each.published_at.date().isoformat() <= said["end_date"]
        ]
        return {"list": listed, "is_delay": False}


class _Look(HTMLParser):
    """What of a content would be lost, and which pictures it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.lost, self.pictures = False, set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        handlers = any(name.startswith("on") for name in given)
        self.lost = self.lost or handlers or "class" in given or tag in {"script", "style", "link", "iframe"}
        if tag == "img":
            self.pictures.add(given.get("src") or "")


def _document(raw: bytes) -> Document:
    if _ESCAPED.search(raw):
        raise No(47001)
    try:
        document: Document = json.loads(raw)
    except ValueError as error:
        raise No(47001) from error
    return document
