"""Hypothesis strategies for publication requests: sound ones, wrong ones, and whatever else JSON can be.

They know the rules apart from the schema on purpose: what the two disagree about is a fault of one of them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

NOW = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
DEPARTMENTS = ("safety", "hr", "hong-kong", "marketing")
DRAFTER = "p-irr7tobwl5tsl5ndxiwg"
ATTACHMENTS = tuple(f"a-{letter * 20}" for letter in "abcdefghi234")
"""The ids that forms may name."""

Document = dict[str, Any]
Wrong = tuple[Document, frozenset[str]]
"""A document, and the pointers that its errors must name at least."""
Fault = tuple[Any, str]
"""A wrong value for a field, and where below the field it is wrong (`""` for the field itself)."""

_CHANNELS = {
    "public": ("website", "wechat", "notice_board", "email", "partners"),
    "internal": ("website", "notice_board", "email"),
    "confidential": ("email",),
}
_ZONES = (
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Kathmandu",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Etc/UTC",
)
_FORBIDDEN = "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\u3164\ufeff"
_ABSENT = object()

_characters = st.sampled_from("中文字体𠮷䶮繁體😀Aé 9，。") | st.characters(
    exclude_categories=["Cc", "Cs"], exclude_characters=_FORBIDDEN
)


def _visible(text: str) -> bool:
    return any(not character.isspace() and character not in _INVISIBLE for character in text)


@cache
def _lines(limit: int) -> st.SearchStrategy[str]:
    short = st.text(_characters, min_size=1, max_size=limit).filter(_visible)
    return short | st.sampled_from("限𠮷x").map(lambda character: character * limit)


@cache
def _lists(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


_bodies = st.lists(_lines(120), min_size=1, max_size=4).map("\n\n\t".join) | st.just("正" * 50_000)
_words = {
    "category": st.sampled_from(["news", "notice", "business", "culture", "rules", "staff"]),
    "classification": st.sampled_from([*_CHANNELS]),
    "importance": st.sampled_from(["routine", "urgent", "important"]),
}
_zones = st.sampled_from(_ZONES)
_waits = st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=299))
_optional: Mapping[str, st.SearchStrategy[Any]] = {
    "wechat_title": _lines(32),
    "keywords": st.lists(_lines(20), max_size=10, unique=True),
    "attachments": st.lists(st.sampled_from(ATTACHMENTS), max_size=10, unique=True),
}


def _telling(title: str) -> str:
    """A title that a mail may have as its subject."""
    return title if sum(map(str.isalnum, title)) >= 4 else f"停电通知{title[:60]}"


@st.composite
def valid_forms(
    draw: st.DrawFn,
    *,
    now: datetime = NOW,
    departments: Sequence[str] = DEPARTMENTS,
    drafter: str = DRAFTER,
) -> Document:
    """Forms of the first department that must be accepted; published one minute to 299 days from now."""
    words = {name: draw(values) for name, values in _words.items()}
    channels = draw(_lists(*_CHANNELS[words["classification"]]))
    listed = words["classification"] == "confidential" or draw(st.booleans())
    zone = draw(_zones)
    document: Document = {
        "title": draw(_lines(64).map(_telling)),
        "summary": draw(_lines(300)),
        "body": draw(_bodies)[: 10_000 if "email" in channels and "website" not in channels else None],
        "department": departments[0],
        "drafter": drafter,
        "channels": channels,
        "publish_at": (now + draw(_waits)).astimezone(ZoneInfo(zone)).isoformat(),
        "time_zone": zone,
        "audience": draw(_lists(*departments)) if listed else "all",
        "declaration": {"accepted": True, "version": "2026-1"},
        **words,
    }
    for name, values in _optional.items():
        due = name == "wechat_title" and "wechat" in channels and len(document["title"]) > 32
        if due or draw(st.booleans()):
            document[name] = draw(values)
    return document


_other_types: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.just({"a": []}) | st.just([[]])
)
_wrong_words = (_other_types | st.sampled_from(["", "News", "secret", "公开"])).map(lambda value: (value, ""))


def _wrong_texts(limit: int, forbidden: str) -> st.SearchStrategy[Fault]:
    texts = st.sampled_from(["", "\u3000 ", "\u200b", "长" * (limit + 1), "长" * (limit * 2)])
    hidden = st.sampled_from(forbidden).map(lambda character: f"字{character}字")
    return (texts | hidden | _other_types).map(lambda value: (value, ""))


def _one_of(*faults: Fault) -> st.SearchStrategy[Fault]:
    return st.sampled_from(faults)


_IN_NO_LINE = f"\x00\t\n\r\x1b\x7f\x85\ud800\udfff{_FORBIDDEN}"
_IN_NO_TEXT = _IN_NO_LINE.replace("\t", "").replace("\n", "")
_MISSING: Fault = (_ABSENT, "")
_REQUIRED = (
    *("title", "summary", "body", "category", "department", "drafter", "channels", "publish_at", "time_zone"),
    *("audience", "classification", "importance", "declaration"),
)

_FAULTS: Mapping[str, st.SearchStrategy[Fault]] = {
    "title": _wrong_texts(64, _IN_NO_LINE),
    "wechat_title": _wrong_texts(32, _IN_NO_LINE),
    "summary": _wrong_texts(300, _IN_NO_LINE),
    "body": _wrong_texts(50_000, _IN_NO_TEXT),
    "category": _wrong_words,
    "department": _one_of(("安全部", ""), ("Safety", ""), ("safety\n", ""), ("d" * 41, ""), (None, "")),
    "drafter": _one_of(("韩雨桐", ""), ("s-abc", ""), ("p-", ""), ("p-a\n", ""), ([], "")),
    "channels": _one_of(
        *(([], ""), ("email", ""), (["email", "email"], "/1"), (["email", "fax"], "/1"), ([["email"]], "/0"))
    ),
    "publish_at": _one_of(
        *((text, "") for text in ("", "明天", "2027-03-01", "2027-03-01T09:00:00", "2027-02-29T09:00:00Z")),
        *(
            (text, "")
            for text in ("2027-03-01T24:00:00Z", "２０２７-03-01T09:00:00Z", "0001-01-01T00:00:00+10:00")
        ),
        (1_800_000_000, ""),
    ),
    "time_zone": _one_of(
        *((text, "") for text in ("", "北京", "UTC+8", "asia/shanghai", "../x", "Asia\x00", 8))
    ),
    "audience": _one_of(("everybody", ""), ([], ""), (["hr", "hr"], "/1"), (["HR"], "/0"), (None, "")),
    "classification": _wrong_words,
    "importance": _wrong_words,
    "keywords": _one_of(
        ("安全", ""), (["", "a"], "/0"), (["长" * 21], "/0"), (["a"] * 2, "/1"), ([*"abcdefghijk"], "")
    ),
    "attachments": _one_of(
        *((["a.pdf"], "/0"), ({}, ""), ([["a-"]], "/0"), (["a-" + "a" * 20] * 2, "/1")),
        ([f"a-{'abcdefghijk'[place] * 20}" for place in range(11)], ""),
    ),
    "declaration": _one_of(
        *((True, ""), ({}, "/version"), ({"accepted": 1, "version": "2026-1"}, "/accepted")),
        ({"accepted": True, "version": "2026-1", "by": ""}, "/by"),
    ),
    "unknown": st.just((1, "")),
    "\ud83d": st.just((1, "")),
}


def _contradictions(document: Document, now: datetime) -> st.SearchStrategy[tuple[Document, str]]:
    """What to change in a valid form so that its fields contradict each other or the calendar, and where."""
    zone = ZoneInfo(document["time_zone"])

    def at(wait: timedelta) -> Document:
        return {"publish_at": (now + wait).astimezone(zone).isoformat()}

    to_list = {"audience": ["hr"]}
    return st.sampled_from(
        [
            (at(-timedelta(minutes=10, seconds=1)), "/publish_at"),
            (at(timedelta(days=300, seconds=1)), "/publish_at"),
            ({"publish_at": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M:%S}-11:37"}, "/publish_at"),
            (
                {"classification": "internal", "channels": ["email", "wechat"], "wechat_title": "题"},
                "/channels/1",
            ),
            ({"classification": "confidential", "channels": ["website"], **to_list}, "/channels/0"),
            ({"classification": "confidential", "channels": ["email"], "audience": "all"}, "/audience"),
            (
                {
                    "classification": "public",
                    "channels": ["wechat"],
                    "title": "题" * 33,
                    "wechat_title": _ABSENT,
                },
                "/wechat_title",
            ),
        ]
    )


_CONTRADICTING = {
    *("title", "wechat_title", "channels", "publish_at", "time_zone", "audience", "classification"),
}


@st.composite
def invalid_forms(
    draw: st.DrawFn,
    *,
    now: datetime = NOW,
    departments: Sequence[str] = DEPARTMENTS,
    drafter: str = DRAFTER,
) -> Wrong:
    """Forms with one to five faults, and the pointers that the answer must name at least."""
    document = draw(valid_forms(now=now, departments=departments, drafter=drafter))
    changes: Document = {}
    pointers = set()
    fields = set(_FAULTS)
    if draw(st.booleans()):
        changes, pointer = draw(_contradictions(document, now))
        pointers.add(pointer)
        fields -= _CONTRADICTING
    least = 0 if pointers else 1
    for name in draw(st.lists(st.sampled_from(sorted(fields)), min_size=least, max_size=4, unique=True)):
        faults = _FAULTS[name] | st.just(_MISSING) if name in _REQUIRED else _FAULTS[name]
        value, below = draw(faults)
        changes = {**changes, name: value}
        pointers.add(f"/{name}{below}".replace("\ud83d", "?"))
    changed = {**document, **changes}
    return {name: value for name, value in changed.items() if value is not _ABSENT}, frozenset(pointers)


SOUND: Document = {
    "title": "关于开展夏季用电安全检查的通知",
    "summary": "六月起对各车间配电设施进行一次全面检查。",
    "body": "## 检查范围\n\n一、二、三号车间。",
    "category": "notice",
    "department": DEPARTMENTS[0],
    "drafter": DRAFTER,
    "channels": ["website"],
    "publish_at": "2026-12-01T09:00:00+08:00",
    "time_zone": "Asia/Shanghai",
    "audience": "all",
    "classification": "internal",
    "importance": "urgent",
    "declaration": {"accepted": True, "version": "2026-1"},
}


def json_values() -> st.SearchStrategy[Any]:
    """Whatever Python's JSON reader can give: odd texts and names, huge and impossible numbers, nesting."""
    texts = st.text(st.characters(), max_size=40)
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats()
        | texts
        | st.sampled_from(
            ["all", "website", "wechat", "public", "2027-03-01T09:00:00+08:00", "Asia/Shanghai"]
        )
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(texts | st.sampled_from(_REQUIRED), inner, max_size=5)
        ),
        max_leaves=20,
    )


def hostile_documents() -> st.SearchStrategy[Any]:
    """Any JSON value, and a form that is sound but for any JSON value in some places."""
    changes = st.dictionaries(st.sampled_from([*_FAULTS]), json_values(), min_size=1, max_size=6)
    return json_values() | changes.map(lambda changed: {**SOUND, **changed})
