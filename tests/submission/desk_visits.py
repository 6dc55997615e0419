"""What a liaison does at the pages of the desk, and how a test reads them."""

from collections.abc import Sequence

from tests.browsing import Browser, Element, Shown
from tests.world import World

Fields = dict[str, str | Sequence[str]]
NEW = "/submissions/new"
TITLE = "关于五一期间办公区停电检修的通知"
BODY = "## 时间\n\n**五月一日** 8:00—18:00。\n\n1. 保存数据；\n2. 关闭电脑。"


def typed(world: World, **changes: str | Sequence[str]) -> Fields:
    """What a liaison types and ticks for a valid request, due now."""
    now = world.now()
    fields: Fields = {
        "title": TITLE,
        "summary": "五月一日八时至十八时，A 座停电检修，请提前保存数据。",
        "body": BODY,
        "keywords": "停电、检修",
        "category": "notice",
        "classification": "internal",
        "importance": "routine",
        "channels": ["website"],
        "publish_date": f"{now:%Y-%m-%d}",
        "publish_time": f"{now:%H:%M}",
        "time_zone": "Etc/UTC",
        "reach": "all",
        "declaration": "2026-1",
        "intent": "submit",
    }
    return fields | changes


def fill_in(world: World, browser: Browser, **changes: str | Sequence[str]) -> Shown:
    """Open the form of a new request, fill it in and send it."""
    return browser.submit(browser.get(NEW), NEW, **typed(world, **changes))


def handed_in(world: World, browser: Browser, **changes: str | Sequence[str]) -> str:
    """The id of a request that was handed in."""
    shown = fill_in(world, browser, **changes)
    assert shown.status == 200, told_in(shown)
    return shown.path.rpartition("/")[2]


def submissions(world: World) -> set[str]:
    return {pk for pk, sk in world.items() if sk == "HEAD"}


def told_in(shown: Shown) -> list[tuple[str, str]]:
    """What the summary of errors says: the field that each leads to, and the text."""
    (summary,) = shown.page.all("div", id="errors")
    return [(link.attributes["href"].removeprefix("#"), link.text) for link in summary.all("a")]


def faults_at(shown: Shown, field: str) -> list[str]:
    """The texts beside a field."""
    return [
        element.text
        for element in shown.page.all("p", class_="fault")
        if element.attributes["id"].rpartition("-fault")[0] == field
    ]


def steps_of(shown: Shown) -> list[tuple[str, str]]:
    """The steps of the progress: their marks and texts, one space between words."""
    (steps,) = shown.page.all("ol", class_="steps")
    return [(step.attributes["class"], words_of(step)) for step in steps.all("li")]


def words_of(element: Element) -> str:
    return " ".join(element.text.split())


def unlabelled(page: Element) -> list[str]:
    """The controls without a label."""
    labels = page.all("label")
    named = {label.attributes["for"] for label in labels if "for" in label.attributes}
    inside = {id(element) for label in labels for element in label.walk()}
    return [
        element.attributes.get("name", element.tag)
        for element in page.walk()
        if element.tag in {"input", "textarea", "select"}
        and element.attributes.get("type") != "hidden"
        and element.attributes.get("id") not in named
        and id(element) not in inside
    ]


def rows_of(shown: Shown) -> list[str]:
    return [
        row.all("a")[0].attributes["href"].rpartition("/")[2]
        for row in shown.page.all("ul", class_="rows")[0].all("li")
    ]
