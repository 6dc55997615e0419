"""Visiting a desk over HTTP, as people do: requests, the mailbox, signing in.

The laptop's desk tells who is who and shows everybody's mails; of another one both must be known otherwise.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from chalicelib.core.ids import new_id
from infra.local.account import sign_in_with_account

MAIL_PAUSE = 0.5
RETRY_PAUSE = 0.2
PROVED_FOR = 300
"""Seconds for which a session's proof is used before it is made anew: well within `policies/proofs.json`."""
CALL_TIMEOUT = 30
"""Seconds."""

Mails = Callable[[], Iterable[Mapping[str, Any]]]
"""Every mail that was sent, newest first: `to` and the `links` of each."""


class AstrayError(Exception):
    """A step did not go as it should. `status` is that of the HTTP answer, 0 if there was none."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Site:
    """The desk's address, spoken to in JSON over plain HTTP."""

    def __init__(self, base_url: str, *, deadline: float) -> None:
        """`deadline` is an instant of `time.monotonic`."""
        self.base_url = base_url.rstrip("/")
        self._deadline = deadline

    def pause(self, seconds: float, waiting_for: str) -> None:
        """Wait a little. Raises AstrayError when that would pass the deadline."""
        if time.monotonic() + seconds > self._deadline:
            raise AstrayError(f"timed out waiting for {waiting_for}")
        time.sleep(seconds)

    def give_up(self) -> None:
        """Let the deadline be now."""
        self._deadline = time.monotonic()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        key: str | None = None,
    ) -> Any:  # noqa: ANN401 — whatever JSON the answer holds
        """The JSON of the answer; `key` is an Idempotency-Key.

        Comes again when told to (too many tries, changed meanwhile). Raises AstrayError on any other refusal.
        """
        headers = {"Accept-Language": "en", "Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        payload = None if body is None else json.dumps(body).encode()
        while True:
            status, retry_after, raw = _exchange(method, self.base_url + path, payload, headers)
            answer = _json(raw)
            if status < HTTPStatus.MULTIPLE_CHOICES:
                return answer
            code = answer.get("code") if isinstance(answer, dict) else None
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                self.pause(retry_after, f"leave to {method} {path} again")
            elif code == "stale":
                self.pause(RETRY_PAUSE, f"{method} {path} to find things unchanged")
            else:
                raise AstrayError(f"{method} {path}: {status} {_reason(answer)}", status)

    def download(self, url: str) -> bytes:
        """The bytes at a presigned address. Raises AstrayError when there are none."""
        status, _, raw = _exchange("GET", url, None, {})
        if status != HTTPStatus.OK:
            raise AstrayError(f"download: {status}", status)
        return raw

    def post_form(self, url: str, fields: Mapping[str, str], content: bytes) -> None:
        """Post a file with a form's fields, as a browser does. Raises AstrayError when it is not taken."""
        boundary = new_id("boundary")
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'
        body = b"".join([*parts, head.encode(), content, f"\r\n--{boundary}--\r\n".encode()])
        kind = f"multipart/form-data; boundary={boundary}"
        status, _, raw = _exchange("POST", url, body, {"Content-Type": kind})
        if status != HTTPStatus.NO_CONTENT:
            raise AstrayError(f"upload: {status} {raw.decode(errors='replace')}", status)


def _exchange(
    method: str, url: str, payload: bytes | None, headers: Mapping[str, str]
) -> tuple[int, float, bytes]:
    """Status, seconds of `Retry-After` and body."""
    where = urlsplit(url)
    if where.scheme != "http" or where.hostname is None:
        raise AstrayError(f"{url}: only plain http, as the laptop speaks it")
    connection = HTTPConnection(where.hostname, where.port, timeout=CALL_TIMEOUT)
    target = where.path + (f"?{where.query}" if where.query else "")
    try:
        connection.request(method, target, payload, dict(headers))
        response = connection.getresponse()
        return response.status, float(response.headers.get("Retry-After", "1")), response.read()
    except (OSError, HTTPException) as error:
        raise AstrayError(f"no answer from {where.scheme}://{where.netloc}: {error!r}") from error
    finally:
        connection.close()


def _json(raw: bytes) -> Any:  # noqa: ANN401 — whatever JSON it holds
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _reason(answer: object) -> str:
    if not isinstance(answer, dict):
        return "without a reason"
    wrong = [f"{error['pointer']} {error['message']}" for error in answer.get("errors", ())]
    return "; ".join([str(answer.get("detail", answer)), *wrong])


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail with a link. `page` is the link's path, `handle` what follows its #."""

    to: str
    page: str
    handle: str


class Mailbox:
    """Everybody's mailbox, shared by all threads: each new letter is taken by one."""

    def __init__(self, site: Site, mails: Mails | None = None) -> None:
        """Without `mails` those of the laptop. What lies there already belongs to somebody else."""
        self._site = site
        self._mails = mails or (lambda: site.call("GET", "/_local/mail"))
        self._lock = threading.Lock()
        self._letters: list[Letter] = []
        self._known: set[str] = set()
        self._read_at = 0.0
        self._read()
        self._letters.clear()

    def find(self, wanted: Callable[[Letter], bool]) -> Letter | None:
        """Take out the newest such letter, if there is one."""
        with self._lock:
            if time.monotonic() - self._read_at > MAIL_PAUSE:
                self._read()
            for place, letter in enumerate(self._letters):
                if wanted(letter):
                    return self._letters.pop(place)
        return None

    def take(self, wanted: Callable[[Letter], bool], waiting_for: str) -> Letter:
        """Wait for such a letter and take it out."""
        while (letter := self.find(wanted)) is None:
            self._site.pause(MAIL_PAUSE, waiting_for)
        return letter

    def _read(self) -> None:
        fresh = []
        for mail in self._mails():
            for link in map(urlsplit, mail["links"]):
                if link.fragment and link.fragment not in self._known:
                    self._known.add(link.fragment)
                    fresh.append(Letter(to=mail["to"], page=link.path, handle=link.fragment))
        self._letters = fresh + self._letters
        self._read_at = time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Due:
    """A review that somebody has to make."""

    submission: str
    revision: int
    stage: str


@dataclass(frozen=True, kw_only=True)
class Review:
    """A reviewer's open link: who may decide with which handle, and what about."""

    reviewer: str
    handle: str
    checklist: tuple[str, ...]
    content_digest: str


class Desk:
    """The site, its mailbox, its people and their sessions. Raises AstrayError when nothing answers."""

    def __init__(
        self,
        site: Site,
        *,
        people: Iterable[Mapping[str, Any]] | None = None,
        mails: Mails | None = None,
        prove: Callable[[str], str] | None = None,
    ) -> None:
        """Without `people` (`id`, `name`, `email` of each) and `mails` those of the laptop.

        `prove` makes a session in which a person, by id, has just been proved; without it, the company's account does.
        """
        self.site = site
        self.mailbox = Mailbox(site, mails)
        known = site.call("GET", "/_local/people") if people is None else people
        self._people = {person["id"]: person for person in known}
        self._ids = {person["email"]: person["id"] for person in self._people.values()}
        self._reviews: dict[Due, Review] = {}
        self._tokens: dict[str, str] = {}
        self._proven: dict[str, tuple[str, float]] = {}
        self._prove = prove or partial(sign_in_with_account, site.base_url)
        self._locks = {person: threading.Lock() for person in self._people}

    def name(self, person: str) -> str:
        """What the person is called."""
        return str(self._people[person]["name"])

    def token(self, person: str) -> str:
        """The token of the person's session, signing in at the first time."""
        if person not in self._people:
            raise AstrayError(f"the roster has no person {person}")
        with self._locks[person]:
            if person not in self._tokens:
                self._tokens[person] = self._sign_in(self._people[person]["email"])
            return self._tokens[person]

    def proven_token(self, person: str) -> str:
        """The token of a session in which the person has proved to be there lately: who decides needs one."""
        if person not in self._people:
            raise AstrayError(f"the roster has no person {person}")
        with self._locks[person]:
            made = self._proven.get(person)
            if made is None or time.monotonic() - made[1] > PROVED_FOR:
                made = self._proven[person] = (self._prove(person), time.monotonic())
            return made[0]

    def attach(self, person: str, department: str, name: str, media_type: str, content: bytes) -> str:
        """Upload a file, wait until it has been checked, and answer its id."""
        token = self.token(person)
        form = {
            "department": department,
            "name": name,
            "media_type": media_type,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        asked = self.site.call("POST", "/api/v1/attachments", form, token=token)
        self.site.post_form(asked["upload"]["url"], asked["upload"]["fields"], content)
        path, seen = f"/api/v1/attachments/{asked['id']}", asked
        while seen["state"] == "awaiting_upload":
            self.site.pause(RETRY_PAUSE, f"the check of {name}")
            seen = self.site.call("GET", path, token=token)
        if seen["state"] != "ready":
            raise AstrayError(f"{name}: {seen['message']}")
        return str(seen["id"])

    def review(self, due: Due) -> Review:
        """Wait until a reviewer's link for it has come.

        Only opening a link tells what it is for, so whoever waits opens whichever has come, for all who wait.
        """
        while due not in self._reviews:
            letter = self.mailbox.find(lambda letter: letter.page == "/r" and letter.to in self._ids)
            if letter is None:
                self.site.pause(MAIL_PAUSE, f"a reviewer's mail ({due.stage})")
            else:
                self._open(letter)
        return self._reviews[due]

    def _open(self, letter: Letter) -> None:
        reviewer = self._ids[letter.to]
        body = {"handle": letter.handle}
        try:
            seen = self.site.call("POST", "/api/v1/review-links", body, token=self.token(reviewer))
        except AstrayError as error:
            if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                return  # of an earlier round, or decided by a colleague
            raise
        shown = seen["submission"]
        due = Due(submission=shown["id"], revision=shown["revision"], stage=seen["stage"])
        self._reviews.setdefault(
            due,
            Review(
                reviewer=reviewer,
                handle=letter.handle,
                checklist=tuple(item["id"] for item in seen["checklist"]),
                content_digest=seen["content_digest"],
            ),
        )

    def _sign_in(self, email: str) -> str:
        self.site.call("POST", "/api/v1/sign-in", {"email": email})
        letter = self.mailbox.take(
            lambda letter: letter.to == email and letter.page == "/s", f"a sign-in mail to {email}"
        )
        session = self.site.call("POST", "/api/v1/sessions", {"handle": letter.handle, "bearer": True})
        return str(session["token"])
