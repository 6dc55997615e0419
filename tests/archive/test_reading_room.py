"""The reading room: who finds what in the archive, and a download that works for a minute."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.test import Client

from chalicelib.archive.model.record import ArchiveRecord
from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import put_archived
from chalicelib.core.ids import derived_id
from chalicelib.people.model import Person, Role
from chalicelib.submission.model import Category, Classification
from tests.world import (
    ARCHIVIST,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    OTHER_LIAISON,
    PEOPLE,
    Answer,
    World,
    a_person,
    a_world,
)

COLLEAGUE = a_person("colleague", (Role.LIAISON, "marketing"))
EMPLOYEE = a_person("employee", (Role.EMPLOYEE, "research"))
STRANGER = a_person("stranger")
ADMINISTRATOR = a_person("administrator", (Role.ADMINISTRATOR, "marketing"))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, COLLEAGUE, EMPLOYEE, STRANGER, ADMINISTRATOR) as world:
        yield world


def number_of(world: World, **changes: object) -> str:
    """Publish a form and answer its catalogue number."""
    return str(world.record(world.publish(**changes))["catalog_number"])


@pytest.fixture(scope="module")
def for_all(world: World) -> str:
    """A notice to everybody."""
    return number_of(world, title="全员通知")


@pytest.fixture(scope="module")
def for_marketing(world: World) -> str:
    """News for the marketing department only."""
    return number_of(world, title="市场部内部新闻", category="news", audience=["marketing"])


@pytest.fixture(scope="module")
def confidential(world: World) -> str:
    """A confidential notice to two departments."""
    return number_of(
        world,
        title="收购蓝鲸公司",
        classification="confidential",
        channels=["email"],
        audience=["marketing", "research"],
    )


@pytest.fixture(scope="module", autouse=True)
def shelves(for_all: str, for_marketing: str, confidential: str) -> dict[str, str]:
    """Everything that is archived, by a name."""
    return {"for all": for_all, "for marketing": for_marketing, "confidential": confidential}


READS, MAY_NOT, KNOWS_NOTHING = (200, 200), (200, 403), (404, 404)
"""What the entry answers, and what its package does."""
RIGHTS: dict[str, tuple[Person, dict[str, tuple[int, int]]]] = {
    "its drafter": (
        LIAISON,
        {"for all": READS, "for marketing": READS, "confidential": READS},
    ),
    "the drafter's colleague": (
        COLLEAGUE,
        {"for all": MAY_NOT, "for marketing": MAY_NOT, "confidential": MAY_NOT},
    ),
    "the department head": (
        HEAD,
        {"for all": READS, "for marketing": READS, "confidential": READS},
    ),
    "the executive": (
        EXECUTIVE,
        {"for all": READS, "for marketing": READS, "confidential": READS},
    ),
    "the archivist": (
        ARCHIVIST,
        {"for all": READS, "for marketing": READS, "confidential": READS},
    ),
    "a center editor": (
        EDITOR,
        {"for all": READS, "for marketing": READS, "confidential": KNOWS_NOTHING},
    ),
    "a liaison of another department": (
        OTHER_LIAISON,
        {"for all": MAY_NOT, "for marketing": KNOWS_NOTHING, "confidential": MAY_NOT},
    ),
    "an employee of the audience": (
        EMPLOYEE,
        {"for all": MAY_NOT, "for marketing": KNOWS_NOTHING, "confidential": MAY_NOT},
    ),
    "an administrator": (
        ADMINISTRATOR,
        {"for all": MAY_NOT, "for marketing": MAY_NOT, "confidential": KNOWS_NOTHING},
    ),
    "a person without any duty": (
        STRANGER,
        {"for all": KNOWS_NOTHING, "for marketing": KNOWS_NOTHING, "confidential": KNOWS_NOTHING},
    ),
}


def ask(world: World, person: Person | None, path: str = "", **query: str) -> Answer:
    return world.call("GET", f"/api/v1/archive{path}", as_=person, query=query or None)


def listed(world: World, person: Person, **query: str) -> list[dict[str, Any]]:
    """Every entry that a person finds, page after page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        answer = ask(world, person, **query, **({"cursor": cursor} if cursor else {}))
        assert answer.status == 200, answer
        found += answer.body["items"]
        cursor = answer.body["cursor"]
        if cursor is None:
            return found


@pytest.mark.parametrize(("person", "rights"), RIGHTS.values(), ids=RIGHTS)
def test_each_finds_reads_and_downloads_what_policy_allows_and_knows_of_nothing_else(
    world: World, shelves: dict[str, str], person: Person, rights: dict[str, tuple[int, int]]
) -> None:
    """Clauses 2.4.3 and 5.3.2: access by classification; only authorised people reach a resource."""
    answered = {
        name: tuple(ask(world, person, f"/{number}{rest}").status for rest in ("", "/package"))
        for name, number in shelves.items()
    }
    assert answered == rights
    finds = {entry["catalog_number"] for entry in listed(world, person, department="marketing")}
    assert finds == {shelves[name] for name, statuses in rights.items() if statuses != KNOWS_NOTHING}


def test_what_may_not_be_known_of_looks_like_what_is_not_there(world: World, confidential: str) -> None:
    hidden = ask(world, EDITOR, f"/{confidential}")
    absent = ask(world, EDITOR, "/Z109-WS·2020-Y-XXZ-0001")
    nonsense = ask(world, EDITOR, "/nonsense")
    endless = ask(world, EDITOR, "/" + "x" * 4000)
    for answer in (hidden, absent, nonsense, endless):
        answer.body.pop("correlation_id")
    assert (hidden.status, hidden.body) == (404, absent.body)
    assert (nonsense.status, nonsense.body) == (404, absent.body)
    assert (endless.status, endless.body) == (404, absent.body)


@pytest.mark.parametrize("rest", ["", "/package"])
def test_a_number_too_long_for_any_key_is_said_not_to_exist(world: World, rest: str) -> None:
    assert ask(world, EDITOR, f"/{'Z' * 3000}{rest}").status == 404


@pytest.mark.parametrize("department", ["", "Marketing", "m" * 3000])
def test_what_cannot_be_a_department_is_a_wrong_field(world: World, department: str) -> None:
    answer = ask(world, EDITOR, department=department)
    assert answer.status == 422
    assert [(each["pointer"], each["code"]) for each in answer.body["errors"]] == [("/department", "bad_id")]


@pytest.mark.parametrize("rest", ["", "/{number}", "/{number}/package"])
def test_the_archive_opens_for_nobody_without_a_session(world: World, for_all: str, rest: str) -> None:
    assert ask(world, None, rest.format(number=for_all)).status == 401


def test_an_entry_says_what_it_is_and_what_its_package_must_be(world: World, for_all: str) -> None:
    """Clause 3.5.3: a clear catalogue."""
    entry = ask(world, ARCHIVIST, f"/{for_all}").body
    package = download(ask(world, ARCHIVIST, f"/{for_all}/package").body["url"])
    assert entry["title"] == "全员通知"
    assert (entry["category"], entry["department"], entry["classification"]) == (
        "notice",
        "marketing",
        "internal",
    )
    assert (entry["sha256"], entry["size"]) == (hashlib.sha256(package).hexdigest(), len(package))


def download(url: str) -> bytes:
    """The bytes at a presigned address."""
    where = urlsplit(url)
    answer = Client(create_backend_app("s3")).get(
        f"{where.path}?{where.query}", base_url=f"{where.scheme}://{where.netloc}"
    )
    assert answer.status_code == 200, answer.text
    return answer.get_data()


def test_a_download_works_for_a_minute_at_most_and_only_for_the_archived_version(
    world: World, for_all: str
) -> None:
    """Clause 3.5.2: the package anybody can check."""
    answer = ask(world, HEAD, f"/{for_all}/package")
    query = parse_qs(urlsplit(answer.body["url"]).query)
    assert (query["X-Amz-Expires"], answer.body["expires_in"]) == (["60"], 60)
    submission = str(ask(world, HEAD, f"/{for_all}").body["submission"])
    assert query["versionId"] == [world.events(submission, "Archived")[0].payload["version_id"]]
    assert answer.headers["Cache-Control"] == "no-store"
    report = verify(download(answer.body["url"]), expected_sha256=answer.body["sha256"])
    assert report.ok
    assert report.catalog_number == for_all


def test_the_catalogue_is_found_by_category_department_and_year(world: World, for_marketing: str) -> None:
    """Clause 3.5.3: by category and publish time; easy to find."""
    now = world.now().astimezone(world.parts.settings.center_zone)
    assert [entry["catalog_number"] for entry in listed(world, HEAD, category="news")] == [for_marketing]
    assert listed(world, HEAD, category="culture") == []
    assert len(listed(world, HEAD, year=str(now.year), department="marketing")) == 3
    assert listed(world, HEAD, year="1999") == []
    assert listed(world, HEAD, department="research") == []
    assert listed(world, HEAD, category="news", year=str(now.year), department="marketing") != []


def test_a_year_is_one_of_the_centers_calendar_and_pages_follow_newest_first(world: World) -> None:
    midnight = datetime(2025, 12, 31, 15, 59, tzinfo=UTC)
    entries = [an_entry(serial, midnight + timedelta(minutes=serial)) for serial in range(1, 26)]
    for entry in entries:
        world.plain_table.put(put_archived(entry))
    first = ask(world, ARCHIVIST, department="center")
    assert len(first.body["items"]) == 20
    assert first.body["cursor"] is not None
    found = [entry["catalog_number"] for entry in listed(world, ARCHIVIST, department="center")]
    assert found == [entry.catalog_number for entry in reversed(entries)]
    assert len(listed(world, ARCHIVIST, department="center", year="2026")) == 25
    assert listed(world, ARCHIVIST, department="center", year="2025") == []


def test_wrong_filters_are_told_all_at_once_by_field(world: World) -> None:
    answer = ask(world, HEAD, category="gossip", department="x" * 3000, year="２０２６")
    assert answer.status == 422
    assert [(wrong["pointer"], wrong["code"]) for wrong in answer.body["errors"]] == [
        ("/category", "not_one_of"),
        ("/department", "bad_id"),
        ("/year", "bad_format"),
    ]


@pytest.mark.parametrize("cursor", ["nonsense", "!", "%00", "bm90aGluZw"])
def test_a_cursor_that_is_not_ours_is_refused(world: World, cursor: str) -> None:
    answer = ask(world, HEAD, cursor=cursor)
    assert (answer.status, answer.body["code"]) == (400, "bad_cursor")


def an_entry(serial: int, published_at: datetime) -> ArchiveRecord:
    """An entry of the center's, as if it had been archived long ago."""
    return ArchiveRecord(
        catalog_number=f"Z109-WS·2026-D10-XXZ-{serial:04d}",
        submission=derived_id("s", str(serial)),
        revision=1,
        title=f"第 {serial} 号通知",
        category=Category.NOTICE,
        department="center",
        drafter=LIAISON.id,
        classification=Classification.INTERNAL,
        audience=None,
        published_at=published_at,
        sha256="0" * 64,
        size=1,
        version_id="-",
    )
