"""What the platform tells by itself: heard once, when it is the platform's, recent, and about a publication of ours."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest

from chalicelib.core.errors import BadRequest
from chalicelib.publication.channels.wechat.callback import (
    SUCCESS,
    Callback,
    CallbackKeys,
    read_fields,
    signature_of,
    unsealed,
)
from chalicelib.publication.channels.wechat.store import put_publication
from infra.local.wechat.account import Job
from infra.local.wechat.faults import Faults, Telling
from infra.local.wechat.telling import Teller
from infra.simulation.table import MemoryTable
from tests.publication.wechat.accounts import APP_ID, NOON, Clock

PLAIN = CallbackKeys(app_id=APP_ID, token="the-token")
SEALED = replace(PLAIN, aes_key="abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")
JOB = Job(publish_id="100001", msg_data_id="2247", media_id="draft-1", due=NOON, status=0, article_id="a-1")
ITEMS = [{"idx": 1, "article_url": "https://mmbiz.test/s/a-1?x=1&y=2"}]


@dataclass(kw_only=True)
class Hearing:
    """A desk that hears, and an account that tells."""

    keys: CallbackKeys = PLAIN
    told_by: CallbackKeys | None = None
    clock: Clock = field(default_factory=Clock)
    faults: Faults = field(default_factory=Faults)
    woken: list[tuple[str, int]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table = MemoryTable()
        self.callback = Callback(
            keys=self.keys,
            table=self.table,
            now=self.clock,
            wake=lambda submission, revision: self.woken.append((submission, revision)),
        )
        self.teller = Teller(
            keys=self.told_by or self.keys, now=self.clock, post=self.post, faults=self.faults
        )
        self.table.put(put_publication("100001", "s-1", 2, self.clock()))

    def post(self, query: str, body: bytes) -> str:
        try:
            self.answers.append(self.callback.hear(dict(parse_qsl(query)), body))
        except BadRequest:
            self.answers.append("refused")
        return self.answers[-1]


@pytest.mark.parametrize("keys", [PLAIN, SEALED], ids=["plain", "sealed"])
def test_the_end_of_a_publication_wakes_its_delivery(keys: CallbackKeys) -> None:
    hearing = Hearing(keys=keys)
    hearing.teller(JOB, ITEMS)
    assert (hearing.woken, hearing.answers) == ([("s-1", 2)], [SUCCESS])


@pytest.mark.parametrize("keys", [PLAIN, SEALED], ids=["plain", "sealed"])
def test_told_twice_it_is_heard_once_and_another_status_is_news(keys: CallbackKeys) -> None:
    hearing = Hearing(keys=keys, faults=Faults(telling=Telling.TWICE))
    hearing.teller(JOB, ITEMS)
    assert (hearing.woken, hearing.answers) == ([("s-1", 2)], [SUCCESS, SUCCESS])
    hearing.teller(replace(JOB, status=5), [])
    assert hearing.woken == [("s-1", 2)] * 2


def test_what_is_lost_or_comes_in_another_order_does_no_harm() -> None:
    hearing = Hearing(faults=Faults(telling=Telling.LOST))
    hearing.teller(JOB, ITEMS)
    assert hearing.woken == []
    hearing.faults.telling = Telling.REVERSED
    hearing.table.put(put_publication("100002", "s-2", 1, hearing.clock()))
    for job in (JOB, replace(JOB, publish_id="100002")):
        hearing.teller(job, ITEMS)
    hearing.teller.tell_held()
    assert hearing.woken == [("s-2", 1), ("s-1", 2)]


def test_what_woke_nobody_is_told_again() -> None:
    hearing = Hearing()
    tries = []

    def wake(submission: str, revision: int) -> None:
        tries.append((submission, revision))
        if len(tries) == 1:
            raise BadRequest

    hearing.callback = replace(hearing.callback, wake=wake)
    hearing.teller(JOB, ITEMS)
    assert (len(tries), hearing.answers) == (2, ["refused", SUCCESS])


def test_a_publication_of_somebody_elses_is_answered_and_wakes_nobody() -> None:
    hearing = Hearing()
    hearing.teller(replace(JOB, publish_id="999"), ITEMS)
    assert (hearing.woken, hearing.answers) == ([], [SUCCESS])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (PLAIN, replace(PLAIN, token="another")),
        (SEALED, replace(SEALED, token="another")),
        (SEALED, replace(SEALED, app_id="wx-another")),
        (SEALED, replace(SEALED, aes_key="z" * 43)),
        (SEALED, PLAIN),
    ],
    ids=["token", "token, sealed", "account", "key", "in the clear where it must be sealed"],
)
def test_what_is_not_the_accounts_own_is_refused(ours: CallbackKeys, theirs: CallbackKeys) -> None:
    hearing = Hearing(keys=ours, told_by=theirs)
    hearing.teller(JOB, ITEMS)
    assert (hearing.woken, set(hearing.answers)) == ([], {"refused"})


@pytest.mark.parametrize(("seconds", "heard"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_a_message_is_five_minutes_off_at_most(seconds: int, *, heard: bool) -> None:
    hearing = Hearing()
    query, body = hearing.teller.message(JOB, ITEMS)
    hearing.clock.at += timedelta(seconds=seconds)
    assert (hearing.post(query, body) == SUCCESS) is heard


@pytest.mark.parametrize("at", ["", "now", "-1", "１７", "9" * 13, "1e3"])
def test_a_time_that_is_none_is_refused(at: str) -> None:
    hearing = Hearing()
    query = {"timestamp": at, "nonce": "n", "signature": signature_of(PLAIN.token, at, "n")}
    with pytest.raises(BadRequest):
        hearing.callback.greet({**query, "echostr": "x"})


def test_the_platform_is_greeted_with_its_own_words() -> None:
    at = str(int(NOON.timestamp()))
    signed = {"timestamp": at, "nonce": "n", "signature": signature_of(PLAIN.token, at, "n"), "echostr": "e"}
    for keys in (PLAIN, SEALED):
        assert Hearing(keys=keys).callback.greet(signed) == "e"
    for wrong in ({**signed, "signature": "é"}, {**signed, "nonce": "m"}, {}):
        with pytest.raises(BadRequest):
            Hearing().callback.greet(wrong)


def test_the_platforms_own_example_is_opened() -> None:
    """The message that the platform publishes with its sample code."""
    keys = CallbackKeys(app_id="wx2c2769f8efd9abc2", token="spamtest", aes_key=SEALED.aes_key)
    sealed = (
        "hyzAe4OzmOMbd6TvGdIOO6uBmdJoD0Fk53REIHvxYtJlE2B655HuD0m8KUePWB3+LrPXo87wzQ1QLvbeUgmBM4x6F8PGHQHFVAFm"
        "OD2LdJF9FrXpbUAh0B5GIItb52sn896wVsMSHGuPE328HnRGBcrS7C41IzDWyWNlZkyyXwon8T332jisa+h6tEDYsVticbSnyU8d"
        "KOIbgU6ux5VTjg3yt+WGzjlpKn6NPhRjpA912xMezR4kw6KWwMrCVKSVCZciVGCgavjIQ6X8tCOp3yZbGpy0VxpAe+77TszTfRd5"
        "RJSVO/HTnifJpXgCSUdUue1v6h0EIBYYI1BD1DlD+C0CR8e6OewpusjZ4uBl9FyJvnhvQl+q5rv1ixrcpCumEPo5MJSgM9ehVsNP"
        "fUM669WuMyVWQLCzpu9GhglF2PE="
    )
    signature = "5d197aaffba7e9b25a30732f161a50dee96bd5fa"
    assert signature_of(keys.token, "1409735669", "1320562132", sealed) == signature
    assert read_fields(unsealed(sealed, keys))["Content"] == "abcdteT"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<xml>",
        b"not xml",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><publish_id>&a;</publish_id></xml>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml/>',
        b"<xml>&a;</xml>",
        b"<xml>" + b"x" * 100_000 + b"</xml>",
    ],
    ids=["nothing", "unfinished", "text", "entity", "foreign declaration", "undeclared", "too large"],
)
def test_no_xml_leads_the_parser_astray(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        read_fields(raw)


@pytest.mark.parametrize("sealed", ["", "***", "AAAA", "A" * 43 + "=", "é"])
def test_what_cannot_be_opened_is_refused(sealed: str) -> None:
    with pytest.raises(BadRequest):
        unsealed(sealed, SEALED)
