"""The archive with a browser (clauses 2.4.1, 3.5.3, 5.3.1): found by filters, read and fetched by those who may."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.test import Client

from chalicelib.archive.model.record import ArchiveRecord
from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import catalog_key, put_archived
from chalicelib.core.listing import MOST_EXAMINED
from chalicelib.people.model import Person, Role
from chalicelib.submission.model import Category, Classification
from infra import cli
from tests.browsing import Browser, Element, Shown
from tests.world import ARCHIVIST, EDITOR, HEAD, LIAISON, OTHER_LIAISON, PEOPLE, World, a_person, a_world
from tests.xss import VECTORS, harm_in, skeleton

COLLEAGUE = a_person("colleague", (Role.LIAISON, "marketing"))
EMPLOYEE = a_person("employee", (Role.EMPLOYEE, "research"))
STRANGER = a_person("stranger")
NUMBER = "Z109-WS·2026-D10-XXZ-0001"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, COLLEAGUE, EMPLOYEE, STRANGER) as world:
        yield world


@pytest.fixture(scope="module")
def published(world: World) -> str:
    """The number of what really went the whole way: a notice of the marketing department to everybody."""
    submission = world.publish(title="全员通知", audience=["marketing", "research"])
    return str(world.record(submission)["catalog_number"])


def put(world: World, serial: int = 1, **changes: object) -> str:
    """Put an entry into the catalogue, as if it had been archived long ago, and answer its number."""
    facts = {
        "catalog_number": f"Z109-WS·2026-D10-XXZ-{serial:04d}",
        "submission": f"s-{serial:020d}",
        "revision": 2,
        "title": f"第 {serial} 号",
        "category": Category.NOTICE,
        "department": "center",
        "drafter": LIAISON.id,
        "classification": Classification.INTERNAL,
        "audience": None,
        "published_at": datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=serial),
        "sha256": "5e" * 32,
        "size": 1234567,
        "version_id": "-",
    }
    entry = ArchiveRecord(**(facts | changes))  # type: ignore[arg-type]  # a builder with defaults
    world.plain_table.put(put_archived(entry))
    return entry.catalog_number


@pytest.fixture(scope="module")
def shelf(world: World) -> list[str]:
    """Twenty-five entries of the center, in their order."""
    return [put(world, serial) for serial in range(1, 26)]


def address(number: str, rest: str = "") -> str:
    return f"/archive/{quote(number)}{rest}"


def catalogue(world: World, person: Person = ARCHIVIST, query: str = "") -> Shown:
    return Browser(world, person).get(f"/archive{query}")


def entry(world: World, number: str, person: Person = ARCHIVIST, *, language: str = "zh-CN") -> Shown:
    return Browser(world, person, language=language).get(address(number))


def titles(shown: Shown) -> list[str]:
    assert shown.status == 200
    return [link.text for row in shown.page.all("ul", class_="rows") for link in row.all("a")]


def facts(shown: Shown) -> dict[str, str]:
    assert shown.status == 200
    names, values = shown.page.all("dt"), shown.page.all("dd")
    return {
        name.text: (value.all("time") or [value])[0].text for name, value in zip(names, values, strict=True)
    }


def links(shown: Shown) -> list[str]:
    (main,) = shown.page.all("main")
    return [link.attributes["href"] for link in main.all("a")]


def field(shown: Shown, name: str) -> Element:
    (found,) = (e for e in shown.page.walk() if e.attributes.get("id") == name)
    return found


def told_at(shown: Shown, name: str) -> str:
    """What is said to be wrong at a field."""
    described = field(shown, name).attributes.get("aria-describedby", "").split()
    return "".join(field(shown, each).text for each in described)


def test_the_catalogue_lists_what_each_entry_is_newest_first(world: World, shelf: list[str]) -> None:
    shown = catalogue(world, query="?department=center")
    assert titles(shown) == [f"第 {serial} 号" for serial in range(25, 5, -1)]
    first = shown.page.all("ul", class_="rows")[0].all("li")[0]
    for fact in (shelf[-1], "2026-03-01 08:25", "Center", "通知", "内部"):
        assert fact in first.text
    assert first.all("a")[0].attributes["href"] == address(shelf[-1])


def test_older_entries_are_a_link_away_with_the_same_filters(world: World, shelf: list[str]) -> None:
    browser = Browser(world, ARCHIVIST)
    first = browser.get("/archive?department=center&category=notice&year=2026")
    (older,) = (link.attributes["href"] for link in first.page.all("a", rel="next"))
    second = browser.get(older)
    assert titles(second) == [f"第 {serial} 号" for serial in range(5, 0, -1)]
    assert not second.page.all("a", rel="next")
    assert "/archive?category=notice&department=center&year=2026" in links(second)
    kept = second.form("/archive")
    assert kept == {"category": ["notice"], "department": ["center"], "year": ["2026"]}


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("department=research", 0),
        ("category=culture&department=center", 0),
        ("year=1999&department=center", 0),
        ("category=notice&department=center&year=2026", 20),
        ("category=&department=center&year=", 20),
        ("category=&department=center&year=%202026%20", 20),
    ],
)
def test_the_catalogue_is_found_by_category_department_and_year(
    world: World, shelf: list[str], query: str, number: int
) -> None:
    assert len(titles(catalogue(world, query=f"?{query}"))) == number


def test_wrong_filters_are_told_at_their_fields_and_the_rest_is_kept(world: World, shelf: list[str]) -> None:
    shown = catalogue(world, query="?category=gossip&department=center&year=20x6")
    assert shown.status == 422
    assert told_at(shown, "category") == "没有这一项，请从列表中选择。"
    assert told_at(shown, "year") == "格式不对，应为四位数字的年份，例如 2026。"
    assert told_at(shown, "department") == ""
    assert [
        field(shown, name).attributes.get("aria-invalid") for name in ("category", "department", "year")
    ] == [
        "true",
        None,
        "true",
    ]
    assert shown.form("/archive") == {"category": [""], "department": ["center"], "year": ["20x6"]}
    assert not shown.page.all("ul", class_="rows")


@pytest.mark.parametrize("department", ["nowhere", "x" * 3000, "DEPARTMENTS#"])
def test_a_department_that_does_not_exist_is_told(world: World, department: str) -> None:
    shown = catalogue(world, query=f"?department={quote(department)}")
    assert shown.status == 422
    assert told_at(shown, "department") == "没有这一项，请从列表中选择。"


def test_a_cursor_that_is_not_ours_is_told(world: World) -> None:
    assert catalogue(world, query="?cursor=nonsense").status == 400


def test_where_nothing_is_found_the_page_says_what_to_do(world: World, shelf: list[str]) -> None:
    filtered = catalogue(world, query="?year=1999")
    assert "请放宽筛选条件" in filtered.html
    assert "/archive" in links(filtered)
    assert "这里还没有您可以查看的档案" in catalogue(world, STRANGER).html


@pytest.fixture
def confidential(world: World) -> Iterator[None]:
    """For a test, the newest entries are confidential: one more than are looked at for a page."""
    newest = datetime(2027, 1, 1, tzinfo=UTC)
    secret = {"classification": Classification.CONFIDENTIAL, "audience": ("marketing",)}
    numbers = [
        put(world, serial, department="marketing", published_at=newest + timedelta(minutes=serial), **secret)
        for serial in range(1001, 1002 + MOST_EXAMINED)
    ]
    yield
    for number in numbers:
        world.plain_table.delete(catalog_key(number))


def test_a_page_of_which_nothing_may_be_seen_leads_on_to_older_ones(
    world: World, shelf: list[str], confidential: None
) -> None:
    hidden = catalogue(world, EDITOR)
    assert titles(hidden) == []
    assert "请往后翻" in hidden.html
    (older,) = (link.attributes["href"] for link in hidden.page.all("a", rel="next"))
    assert "第 25 号" in titles(Browser(world, EDITOR).get(older))


def test_choosing_a_language_keeps_the_filters(world: World, shelf: list[str]) -> None:
    shown = catalogue(world, query="?department=center&language=en")
    assert shown.page.all("h1")[0].text == "Catalogue"
    assert shown.page.all("html")[0].attributes["lang"] == "en"
    (hant,) = (link.attributes["href"] for link in shown.page.all("a", hreflang="zh-Hant"))
    assert hant == "?department=center&language=zh-Hant"


def test_an_entry_says_everything_that_the_catalogue_knows(world: World, shelf: list[str]) -> None:
    assert facts(entry(world, shelf[0])) == {
        "档号": NUMBER,
        "申请部门": "Center",
        "类别": "通知",
        "密级": "内部",
        "发布时间": "2026-03-01 08:01",
        "发布版次": "第 2 版",
        "保管期限": "10 年",
        "大小": "1,234,567 字节",
        "SHA-256": "5e" * 32,
    }


@pytest.mark.parametrize(("language", "told"), [("zh-TW", "如何驗證"), ("en", "How to verify")])
def test_an_entry_speaks_the_readers_language(
    world: World, shelf: list[str], language: str, told: str
) -> None:
    shown = entry(world, shelf[0], language=language)
    assert shown.page.all("h3")[0].text == told


def test_the_command_to_verify_with_is_one_that_there_is(world: World, shelf: list[str]) -> None:
    command = entry(world, shelf[0]).page.all("pre")[0].all("code")[0].text.split()
    assert command[0] == "imprimatur"
    options = cli._parser().parse_args(command[1:])
    assert (str(options.package), options.sha256) == ("Z109-WS_2026-D10-XXZ-0001.zip", "5e" * 32)


RIGHTS: dict[str, tuple[Person, bool, bool]] = {
    "its drafter": (LIAISON, True, True),
    "the department head": (HEAD, True, True),
    "the archivist": (ARCHIVIST, True, True),
    "a colleague of the drafter": (COLLEAGUE, False, True),
    "an employee of the audience": (EMPLOYEE, False, False),
    "a liaison of the audience": (OTHER_LIAISON, False, False),
}


@pytest.mark.parametrize(("person", "downloads", "reads"), RIGHTS.values(), ids=RIGHTS)
def test_each_is_offered_what_policy_allows_and_nothing_else(
    world: World, published: str, person: Person, *, downloads: bool, reads: bool
) -> None:
    """Clause 5.3.1: the same rights with a browser as over JSON."""
    shown = entry(world, published, person)
    assert (address(published, "/download") in links(shown)) is downloads
    assert any(link.startswith("/submissions/s-") for link in links(shown)) is reads
    assert ("只有相关部门和档案管理人员可以下载" in shown.html) is not downloads
    status = Browser(world, person).send("GET", address(published, "/download")).status
    assert status == (303 if downloads else 403)


@pytest.mark.parametrize("rest", ["", "/download"])
def test_what_may_not_be_known_of_looks_like_what_is_not_there(
    world: World, published: str, rest: str
) -> None:
    hidden, absent, nonsense, endless = (
        Browser(world, STRANGER).get(address(number, rest))
        for number in (published, "Z109-WS·2020-Y-XXZ-0001", "nonsense", "x" * 4000)
    )
    assert hidden.status == 404
    assert published not in hidden.html
    assert {shown.html for shown in (absent, nonsense, endless)} == {hidden.html}
    assert Browser(world).send("GET", address("nonsense", rest)).headers["location"] == "/sign-in"
    assert titles(catalogue(world, STRANGER)) == []


def test_the_way_to_the_submission_is_that_of_the_entry(world: World, shelf: list[str]) -> None:
    assert f"/submissions/s-{1:020d}" in links(entry(world, shelf[0]))


def test_the_package_is_fetched_and_verifies(world: World, published: str) -> None:
    """Clause 3.5.3: found with a browser, and proven with what the page says."""
    browser = Browser(world, HEAD)
    shown = browser.get(address(published))
    sent = browser.send("GET", next(link for link in links(shown) if link.endswith("/download")))
    assert sent.status == 303
    where = urlsplit(sent.headers["location"])
    query = parse_qs(where.query)
    assert query["X-Amz-Expires"] == ["60"]
    fetched = Client(create_backend_app("s3")).get(
        f"{where.path}?{where.query}", base_url=f"{where.scheme}://{where.netloc}"
    )
    package = fetched.get_data()
    expected = facts(shown)["SHA-256"]
    report = verify(package, expected_sha256=expected)
    assert report.ok
    assert (report.catalog_number, hashlib.sha256(package).hexdigest()) == (published, expected)
    assert facts(shown)["大小"] == f"{len(package):,} 字节"


def test_the_address_of_a_package_is_in_no_page_and_is_kept_nowhere(world: World, published: str) -> None:
    sent = Browser(world, HEAD).send("GET", address(published, "/download"))
    assert sent.html == ""
    assert sent.headers["cache-control"] == "no-store"
    assert sent.headers["referrer-policy"] == "no-referrer"
    assert "X-Amz" not in entry(world, published, HEAD).html


@pytest.mark.parametrize("rest", ["", "/{number}", "/{number}/download"])
def test_who_is_not_signed_in_is_asked_to_and_comes_back(world: World, published: str, rest: str) -> None:
    path = "/archive" + rest.format(number=quote(published))
    browser = Browser(world)
    sent = browser.send("GET", path)
    assert (sent.status, sent.headers["location"]) == (303, "/sign-in")
    browser.get("/sign-in")
    browser.post("/sign-in", {"email": HEAD.email})
    world.cloud.settle()
    signed_in = browser.send("POST", "/s", {"handle": world.links(HEAD, "s")[0]})
    assert signed_in.headers["location"] == path


def test_text_that_would_be_more_stays_text_in_the_catalogue_and_its_entries(world: World) -> None:
    browser, when = (
        Browser(world, ARCHIVIST),
        datetime(2019, 5, 1, tzinfo=UTC),
    )  # after all of the other tests
    plain = put(world, 2000, title="x", category=Category.CULTURE, published_at=when)
    expected = skeleton(browser.get(address(plain)).page)
    for serial, vector in enumerate(VECTORS, start=2001):
        later = when + timedelta(minutes=serial)
        number = put(world, serial, title=vector, category=Category.CULTURE, published_at=later)
        shown = browser.get(address(number))
        assert shown.status == 200, vector
        page = shown.page
        assert harm_in(page) == [], vector
        assert skeleton(page) == expected, vector
        assert page.all("h1")[0].text == vector
    found: list[str] = []
    pages = ["/archive?category=culture"]
    for path in pages:
        listed = browser.get(path)
        assert harm_in(listed.page) == []
        found += titles(listed)
        pages += [link.attributes["href"] for link in listed.page.all("a", rel="next")]
    assert found == [*reversed(VECTORS), "x"]


def test_what_is_typed_into_a_filter_stays_text(world: World) -> None:
    browser = Browser(world, ARCHIVIST)
    expected = skeleton(browser.get("/archive?year=x&category=x&department=x").page)
    for vector in VECTORS:
        typed = quote(vector, safe="")
        shown = browser.get(f"/archive?year={typed}&category={typed}&department={typed}")
        assert shown.status == 422, vector
        page = shown.page
        assert harm_in(page) == [], vector
        assert skeleton(page) == expected, vector
        assert shown.form("/archive")["year"] == [vector.strip()]
