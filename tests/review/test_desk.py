"""The reviewer's desk: all that waits, the most pressing first (clause 1.3.2), and what one has decided."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.core.errors import RecipientRefused
from chalicelib.core.mail import UNKNOWN_MAILBOX, Mail, Mailer
from chalicelib.people.model import Duty, Person, Role
from chalicelib.people.store import put_department, put_person
from tests.browsing import Browser, Shown
from tests.faults import FaultyAws
from tests.world import EDITOR, HEAD, LIAISON, LONG_AGO, MISSED, PEOPLE, World, a_person, a_roster, a_world

AWS = FaultyAws()
SECOND = a_person("second", (Role.CENTER_EDITOR, "center"))
DEPUTY = a_person("deputy", (Role.EMPLOYEE, "research"))
SECRET: dict[str, Any] = {
    "classification": "confidential",
    "channels": ["email"],
    "audience": ["marketing"],
}


@pytest.fixture(scope="module")
def present() -> Iterator[World]:
    with a_world(aws=AWS) as world:
        for person in (*PEOPLE, SECOND, DEPUTY):
            world.token(person)
        yield world


@pytest.fixture
def world(present: World) -> Iterator[World]:
    """A world that forgets what the test has done."""
    before = present.items()
    yield present
    present.cloud.settle()
    for submission in {pk.removeprefix("SUBMISSION#") for pk, _ in present.items().keys() - before.keys()}:
        present.kill(submission)
    present.put_back(before)


def submitted(world: World, **changes: Any) -> str:  # noqa: ANN401 — a form's fields have many shapes
    submission = world.submit(**changes)
    world.cloud.settle()
    return submission


def at_the_head(world: World, **changes: Any) -> str:  # noqa: ANN401 — as above
    submission = submitted(world, **changes)
    world.approve("initial")
    world.cloud.settle()
    return submission


def tasks(world: World, person: Person, section: str | None = None, **query: str) -> list[dict[str, Any]]:
    """A page of a person's desk, by program."""
    asked = query | ({} if section is None else {"section": section})
    answer = world.call("GET", "/api/v1/tasks", as_=person, query=asked)
    assert answer.status == 200, answer
    items: list[dict[str, Any]] = answer.body["items"]
    return items


def title_of(row: dict[str, Any]) -> str:
    return str(row["title"])


def titles(rows: list[dict[str, Any]]) -> list[str]:
    return list(map(title_of, rows))


def opened(browser: Browser, shown: Shown, nth: int = 0) -> Shown:
    """Open what stands at that place of a page that offers tasks."""
    form = shown.page.all("form", action="/tasks")[nth]
    fields = {e.attributes["name"]: e.attributes["value"] for e in form.all("input", type="hidden")}
    return browser.post("/tasks", fields)


def approved(browser: Browser, shown: Shown) -> Shown:
    items = {e.attributes["name"] for e in shown.page.all("input", type="radio")} - {"decision"}
    passed = dict.fromkeys(sorted(items), "yes")
    return browser.submit(shown, "/r/decision", decision="approve", comment="同意。", **passed)


def test_work_is_ordered_by_importance_and_then_by_deadline(world: World) -> None:
    """Clause 1.3.2."""
    for title, changes in {
        "一般": {},
        "重要": {"importance": "important"},
        "保密事项": SECRET,
        "紧急": {"importance": "urgent"},
    }.items():
        submitted(world, title=title, **changes)
    rows = tasks(world, EDITOR)
    assert titles(rows) == ["紧急", "重要", "保密事项", "一般"], "what is confidential has a shorter term"
    assert [round(row["working_seconds_left"] / 3600) for row in rows] == [2, 12, 12, 24]
    assert {(row["stage"], row["state"], row["late"], row["decision"]) for row in rows} == {
        ("initial", "in_review", False, None)
    }
    assert tasks(world, HEAD) == tasks(world, LIAISON) == []
    shown = Browser(world, EDITOR).get("/tasks")
    listed = [row.all("h2")[0].text for row in shown.page.all("li", class_="task")]
    assert [title[:2] for title in listed] == ["紧急", "重要", "保密", "一般"]
    assert re.search(r"初审：还有 (1\.9|2) 个工作小时", shown.html)


def test_one_is_opened_after_another_each_on_its_own_page_and_no_handle_is_in_an_address(
    world: World,
) -> None:
    first, second = (submitted(world, title=title) for title in ("第一份", "第二份"))
    browser = Browser(world, EDITOR)
    AWS.begin()
    desk = browser.get("/tasks")
    assert len(AWS.calls) <= 5, AWS.calls
    review = opened(browser, desk)
    assert (review.status, review.path) == (200, "/tasks")
    assert "第一份" in review.html
    assert world.events(first, "Decided") == [], "opening decides nothing"
    done = approved(browser, review)
    assert "审核意见已记录" in done.html
    (following,) = done.page.all("section", aria_labelledby="following")
    assert "第二份" in following.text
    last = approved(browser, opened(browser, done))
    assert "没有其他等待您审核的申请" in last.html
    for submission in (first, second):
        (decided,) = world.events(submission, "Decided")
        assert decided.actor == EDITOR.id
    assert "没有等待您审核的申请" in browser.get("/tasks").html
    rows = tasks(world, EDITOR, "decided")
    assert {row["submission"] for row in rows} == {first, second}
    assert {row["decision"]["decision"] for row in rows} == {"approve"}
    recorded = opened(browser, browser.get("/tasks?section=decided"))
    assert "已记录的决定" in recorded.html


def test_a_program_opens_what_lies_on_its_persons_desk_and_nobody_elses(world: World) -> None:
    submitted(world)
    (row,) = tasks(world, EDITOR)
    asked = {"task": row["task"]}
    made = world.call("POST", "/api/v1/tasks/links", asked, as_=EDITOR)
    assert made.status == 201
    links = {key for key in world.items() if key[0].startswith("LINK#")}
    assert world.open_link(made.body["handle"], EDITOR).status == 200
    assert world.open_link(made.body["handle"], HEAD).status == 404
    for person, task in ((HEAD, row["task"]), (EDITOR, row["task"].replace("0001", "0002")), (EDITOR, "x")):
        refused = world.call("POST", "/api/v1/tasks/links", {"task": task}, as_=person)
        assert refused.status == 404, (person, task)
    assert world.call("POST", "/api/v1/tasks/links", asked).status == 401
    assert {key for key in world.items() if key[0].startswith("LINK#")} >= links
    made_up = f"{row['task'].partition('#')[0]}#{row['submission']}#0001#executive"
    assert world.call("POST", "/api/v1/tasks/links", {"task": made_up}, as_=EDITOR).status == 404


def test_a_page_opens_only_for_its_own_session(world: World) -> None:
    submitted(world)
    shown = Browser(world, EDITOR).get("/tasks")
    (form,) = shown.page.all("form", action="/tasks")
    fields = {e.attributes["name"]: e.attributes["value"] for e in form.all("input", type="hidden")}
    links = len([pk for pk, _ in world.items() if pk.startswith("LINK#")])
    stranger, other = Browser(world), Browser(world, HEAD)
    assert stranger.get("/tasks").path == "/sign-in"
    assert stranger.send("POST", "/tasks", fields).status == 401
    assert other.send("POST", "/tasks", fields).status == 403, "the mark is another session's"
    assert Browser(world, EDITOR).send("POST", "/tasks", fields, sec_fetch_site="cross-site").status == 403
    for name in ("", fields["task"] + "x" * 5000, f"9999-99-99{fields['task'][10:]}", "#" * 3):
        assert Browser(world, EDITOR).send("POST", "/tasks", {**fields, "task": name}).status == 404
    assert len([pk for pk, _ in world.items() if pk.startswith("LINK#")]) == links


def test_whose_duty_has_ended_sees_the_own_decisions_and_no_text(world: World) -> None:
    """Clause 5.3.2: policy is asked again each time."""
    decided, waiting = (submitted(world, title=f"机密之{number}", **SECRET) for number in (1, 2))
    (row,) = (row for row in tasks(world, EDITOR) if row["submission"] == decided)
    browser = Browser(world, EDITOR)
    (place,) = (
        n for n, e in enumerate(browser.get("/tasks").page.all("li", class_="task")) if "之1" in e.text
    )
    approved(browser, opened(browser, browser.get("/tasks"), place))
    ended = tuple(replace(duty, until=world.now() - timedelta(seconds=1)) for duty in EDITOR.duties)
    kept = Duty(role=Role.EMPLOYEE, department="research", since=LONG_AGO)
    world.plain_table.put(put_person(replace(EDITOR, duties=(*ended, kept), version=2)))
    assert tasks(world, EDITOR) == []
    (own,) = tasks(world, EDITOR, "decided")
    assert (own["submission"], own["title"], own["decision"]["comment"]) == (decided, None, "同意。")
    page = browser.get("/tasks?section=decided")
    assert "机密" not in page.html
    assert "/tasks" not in {link.attributes["href"] for link in page.page.all("nav")[0].all("a")}
    recorded = opened(browser, page)
    assert "已记录的决定" in recorded.html
    assert "机密" not in recorded.html
    (other,) = (entry for entry in world.items() if entry[0] == f"DESK#{EDITOR.id}" and waiting in entry[1])
    assert world.call("POST", "/api/v1/tasks/links", {"task": other[1]}, as_=EDITOR).status == 403
    assert row["task"] == own["task"]


def test_what_another_editor_has_decided_or_its_department_withdrawn_waits_no_more(world: World) -> None:
    world.plain_table.put(put_person(SECOND))
    center = next(d for d in a_roster(*PEOPLE, SECOND).departments if d.id == "center")
    world.plain_table.put(put_department(center))
    submitted(world, title="定了")
    withdrawn = submitted(world, title="撤回")
    assert titles(tasks(world, SECOND)) == ["定了", "撤回"]
    assert world.withdraw(withdrawn).status == 200
    assert titles(tasks(world, SECOND)) == ["定了"]
    browser = Browser(world, EDITOR)
    stale = Browser(world, SECOND)
    seen = opened(stale, stale.get("/tasks"))
    approved(browser, opened(browser, browser.get("/tasks")))
    beaten = approved(stale, seen)
    assert beaten.status == 409
    assert "没有其他等待您审核的申请" in beaten.html
    assert [tasks(world, SECOND, section) for section in ("waiting", "decided", "substitute")] == [[], [], []]


def test_a_substitute_sees_for_whom_and_one_added_at_a_reminder_has_all_on_the_desk(world: World) -> None:
    """Clause 3.3.4: substitutes."""
    older, newer = (at_the_head(world, title=title) for title in ("先来", "后到"))
    taken_over = tuple(replace(duty, instead_of=HEAD.id) for duty in HEAD.duties)
    deputy = replace(DEPUTY, duties=(*DEPUTY.duties, *taken_over))
    world.plain_table.put(put_person(deputy))
    department = next(d for d in a_roster(*PEOPLE, deputy).departments if d.id == "marketing")
    world.plain_table.put(put_department(department))
    for submission in (older, newer):
        work = world.lying(submission)
        world.parts.rounds.remind(work)
        world.parts.rounds.open_stage(work, "another-token")
    reminders = [mail for mail in world.cloud.mails() if mail.to == deputy.email]
    assert len(reminders) == 1, "one a day"
    waiting = tasks(world, deputy)
    assert titles(waiting) == ["先来", "后到"]
    for_the_head = tasks(world, deputy, "substitute")
    assert sorted(for_the_head, key=title_of) == sorted(waiting, key=title_of)
    assert {row["instead_of"] for row in waiting} == {HEAD.id}
    assert {row["instead_of"] for row in tasks(world, HEAD)} == {None}, "who is absent may come back"
    browser = Browser(world, deputy)
    desk = browser.get("/tasks")
    assert f"代{HEAD.name}" in desk.html
    assert f"代{HEAD.name}" in approved(browser, opened(browser, desk)).html
    (decided,) = tasks(world, deputy, "decided")
    assert (decided["submission"], decided["instead_of"]) == (older, HEAD.id)
    assert {row["submission"] for row in tasks(world, deputy, "substitute")} == {older, newer}
    assert tasks(world, HEAD, "decided") == []


def test_what_is_late_lies_there_once_however_often_its_deadline_was_renewed(world: World) -> None:
    submission = submitted(world, title="拖延")
    for _ in range(MISSED + 1):
        work = world.lying(submission)
        world.parts.rounds.remind(work)
        world.parts.rounds.open_stage(work, "another-token")
    fresh = submitted(world, title="新的")
    assert titles(tasks(world, EDITOR)) == ["拖延", "新的"], "though its new deadline is later"
    assert world.withdraw(fresh).status == 200
    laid = [sk for pk, sk in world.items() if pk == f"DESK#{EDITOR.id}"]
    laid = [name for name in laid if submission in name]
    assert len(laid) == 3, "the first deadline, and each that took its place"
    (row,) = tasks(world, EDITOR)
    assert row["late"]
    assert row["task"] == max(laid)
    assert "已逾期" in Browser(world, EDITOR).get("/tasks").html
    oldest = world.call("POST", "/api/v1/tasks/links", {"task": min(laid)}, as_=EDITOR)
    assert world.open_link(oldest.body["handle"], EDITOR).status == 200, "an old page opens it as well"
    with world.later(days=30):
        assert tasks(world, EDITOR) == [], "a machine that stands still for a week has asked a person before"
    browser = Browser(world, EDITOR)
    assert approved(browser, opened(browser, browser.get("/tasks"))).status == 200
    (decided,) = tasks(world, EDITOR, "decided")
    assert decided["task"] == max(laid)
    cursor = world.call("GET", "/api/v1/tasks", as_=EDITOR, query={"section": "decided"}).body["cursor"]
    assert cursor is None


def test_a_mailbox_that_refuses_keeps_nothing_from_the_desk(world: World) -> None:
    class Refusing:
        def send(self, _mail: Mail) -> None:
            raise RecipientRefused(reason=UNKNOWN_MAILBOX)

    invitations = world.parts.rounds.invitations
    usual: Mailer = invitations.mailer
    object.__setattr__(invitations, "mailer", Refusing())
    try:
        submission = world.submit(title="无信")
        world.cloud.settle()
    finally:
        object.__setattr__(invitations, "mailer", usual)
    assert world.stage_open(submission) is None, "nobody was mailed"
    assert titles(tasks(world, EDITOR)) == ["无信"]
    browser = Browser(world, EDITOR)
    assert "已记录" in approved(browser, opened(browser, browser.get("/tasks"))).html


def test_long_desks_come_by_pages_in_one_order_and_a_page_stays_where_it_was(world: World) -> None:
    submission = submitted(world, title="多份")
    copies = {copied(world, submission, number, hours=number % 7) for number in range(44)}
    browser = Browser(world, EDITOR)
    seen: list[dict[str, Any]] = []
    cursor: str | None = ""
    pages = 0
    AWS.begin()
    while cursor is not None:
        query = {"cursor": cursor} if cursor else {}
        answer = world.call("GET", "/api/v1/tasks", as_=EDITOR, query=query)
        seen += answer.body["items"]
        cursor, pages = answer.body["cursor"], pages + 1
    assert pages == 3
    assert len(AWS.calls) <= 4 * pages, AWS.calls
    assert {row["submission"] for row in seen} == copies | {submission}
    assert len(seen) == 45
    order = [(row["deadline"], row["opened_at"], row["submission"]) for row in seen]
    assert order == sorted(order)
    shown = browser.get("/tasks")
    assert len(shown.page.all("li", class_="task")) == 20
    (further,) = shown.page.all("a", rel="next")
    assert len(browser.get(further.attributes["href"]).page.all("li", class_="task")) == 20
    for nonsense in ("x", "eA", "LS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tI3g"):
        for section in ("waiting", "decided"):
            query = {"cursor": nonsense, "section": section}
            assert world.call("GET", "/api/v1/tasks", as_=EDITOR, query=query).status in {200, 400}
    unknown = world.call("GET", "/api/v1/tasks", as_=EDITOR, query={"section": "all"})
    assert unknown.status == 422
    assert unknown.body["errors"][0]["pointer"] == "/section"


def copied(world: World, submission: str, number: int, *, hours: int) -> str:
    """Another submission that stands where this one does, due so many hours later."""
    other = f"s-{number:020d}".translate(str.maketrans("0123456789", "abcdefghij"))
    before = f"SUBMISSION#{submission}"
    for (pk, sk), item in world.items().items():
        if pk == before and (sk == "HEAD" or sk.startswith("TASK#")):
            moved = dict(item) | {"pk": {"S": f"SUBMISSION#{other}"}}
            if sk != "HEAD":
                due = datetime.fromisoformat(item["deadline"]["S"]) + timedelta(hours=hours)
                moved["deadline"] = {"S": text(due)}
                world.put_raw(
                    {
                        "pk": {"S": f"DESK#{EDITOR.id}"},
                        "sk": {"S": f"{text(due)}#{other}#0001#initial"},
                        "v": {"N": "1"},
                    }
                )
            world.put_raw(moved)
    return other


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
