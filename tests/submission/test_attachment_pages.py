"""Attachments at the pages (clauses 3.1.2, 3.3.1): shown, kept, taken away, and downloaded by those who may read."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from chalicelib.attachment.model import MediaType
from chalicelib.attachment.store import attachment_key
from chalicelib.core.sizes import bytes_in_words
from chalicelib.core.table import Put
from chalicelib.core.validation import schema
from chalicelib.people.model import Person, Role
from chalicelib.submission.filling import Filled, document
from chalicelib.web.static import content_of
from tests.attachment.files import CSV, PDF, attach, begin, keys
from tests.browsing import Browser, Shown
from tests.submission.desk_visits import (
    NEW,
    faults_at,
    fill_in,
    handed_in,
    submissions,
    told_in,
    typed,
    unlabelled,
    words_of,
)
from tests.world import EDITOR, LIAISON, OTHER_LIAISON, PEOPLE, World, a_person, a_world
from tests.xss import VECTORS, harm_in

STRANGER = a_person("stranger", (Role.EMPLOYEE, "research"))
COLLEAGUE = a_person("colleague", (Role.LIAISON, "marketing"))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, STRANGER, COLLEAGUE) as world:
        yield world


def ticked(shown: Shown) -> dict[str, str]:
    """The files that the form lists and would send, with the words beside each."""
    rows = shown.page.all("ul", data_files="")[0].all("li")
    boxes = [(row.all("input", name="attachments")[0], words_of(row.all("strong")[0])) for row in rows]
    return {box.attributes["value"]: name for box, name in boxes if "checked" in box.attributes}


def downloads(shown: Shown) -> list[tuple[str, str]]:
    """The links to files: where they lead, and the name."""
    links = [link for part in shown.page.all("ul", class_="files") for link in part.all("a")]
    return [(link.attributes["href"], link.text) for link in links]


def renamed(world: World, attachment: str, name: str) -> None:
    """Give an upload a name that no upload could be asked for with."""
    record = world.plain_table.get(attachment_key(attachment))
    assert record is not None
    record.facts["file"]["name"] = name
    world.plain_table.put(Put(record=record))


def test_the_form_says_what_may_be_attached_and_has_labels_for_everything(world: World) -> None:
    shown = Browser(world, LIAISON).get(NEW)
    (box,) = shown.page.all("fieldset", id="attachments")
    assert "最多 10 个文件，每个不超过 20 MB，合计不超过 50 MB。" in words_of(box)
    (chooser,) = box.all("input", type="file")
    assert "name" not in chooser.attributes
    assert chooser.attributes["accept"].split(",")[:3] == [".pdf", ".png", ".jpg"]
    assert len(box.all("noscript")) == 1
    assert unlabelled(shown.page) == []
    assert not shown.form(NEW).get("attachments")


def test_a_file_goes_with_its_request_and_can_be_downloaded_from_its_page(world: World) -> None:
    browser, file = Browser(world, LIAISON), attach(world)
    submission = handed_in(world, browser, attachments=[file])
    assert [each["id"] for each in world.record(submission)["attachments"]] == [file]
    shown = browser.get(f"/submissions/{submission}")
    address = f"/submissions/{submission}/attachments/{file}"
    assert downloads(shown) == [(address, "时间表.csv")]
    assert "CSV · 29 B" in words_of(shown.page)
    answer = browser.send("GET", address)
    assert answer.status == 303
    target = urlsplit(answer.headers["location"])
    assert target.path.endswith(f"kept/{submission}/{file}")
    assert "X-Amz-Expires=60" in target.query
    assert "attachment" in target.query
    assert target.netloc not in shown.html


def test_files_stay_over_errors_and_previews_with_their_names(world: World) -> None:
    browser, file = Browser(world, LIAISON), attach(world)
    wrong = fill_in(world, browser, attachments=[file], title="")
    assert wrong.status == 422
    assert ticked(wrong) == {file: "时间表.csv"}
    preview = browser.submit(wrong, NEW, **typed(world, attachments=[file], intent="preview"))
    assert ticked(preview) == {file: "时间表.csv"}
    (named,) = (
        part for part in preview.page.all("ul", class_="files") if "data-files" not in part.attributes
    )
    assert "时间表.csv" in words_of(named)
    assert downloads(preview) == []
    sent = browser.submit(preview, NEW, declaration="2026-1", intent="submit")
    assert sent.status == 200
    assert [each["id"] for each in world.record(sent.path.rpartition("/")[2])["attachments"]] == [file]


def test_files_stay_when_the_session_ends_meanwhile(world: World) -> None:
    browser, file = Browser(world, LIAISON), attach(world)
    form = browser.get(NEW).form(NEW) | typed(world, attachments=[file])
    browser.cookies.clear()
    interrupted = browser.post(NEW, form)
    assert interrupted.status == 401
    assert interrupted.form(NEW)["attachments"] == [file]


def test_a_file_that_is_unticked_does_not_go_with_the_request(world: World) -> None:
    browser, kept, removed = Browser(world, LIAISON), attach(world), attach(world)
    wrong = fill_in(world, browser, attachments=[removed, kept], title="")
    assert list(ticked(wrong)) == [removed, kept]
    sent = browser.submit(wrong, NEW, **typed(world), attachments=[kept])
    submission = sent.path.rpartition("/")[2]
    assert keys(world, f"kept/{submission}/") == [f"kept/{submission}/{kept}"]


def test_a_request_without_files_names_none(world: World) -> None:
    assert "attachments" not in document(Filled(), drafter=LIAISON.id, declaration="x")[0]


@pytest.mark.parametrize("of", [COLLEAGUE, OTHER_LIAISON], ids=["a-colleague", "another-department"])
def test_somebody_elses_upload_is_refused_at_its_field_and_not_named(world: World, of: Person) -> None:
    asked = world.call(
        "POST",
        "/api/v1/attachments",
        {
            "department": of.duties[0].department,
            "name": "秘密名字.csv",
            "media_type": "text/csv",
            "size": 3,
            "sha256": "0" * 64,
        },
        as_=of,
    )
    before, theirs = submissions(world), asked.body["id"]
    shown = fill_in(world, Browser(world, LIAISON), attachments=[theirs])
    assert shown.status == 422
    assert faults_at(shown, "attachments") == [f"{theirs} · 没有这个附件，或它已过期；请重新上传。"]
    assert told_in(shown)[0][0] == "attachments"
    assert "秘密名字" not in shown.html
    assert submissions(world) == before


def test_faults_name_the_file_that_they_are_about(world: World) -> None:
    ready, waiting = attach(world), begin(world, PDF, "application/pdf").body["id"]
    shown = fill_in(world, Browser(world, LIAISON), attachments=[ready, waiting])
    (fault,) = faults_at(shown, "attachments")
    assert fault.startswith("通知.pdf · 附件尚未上传完毕")
    assert ticked(shown) == {ready: "时间表.csv", waiting: "通知.pdf"}


def test_too_many_files_and_what_is_no_id_are_told_and_shown_again(world: World) -> None:
    ids = [f"a-{letter * 20}" for letter in "abcdefghijk"]
    many = fill_in(world, Browser(world, LIAISON), attachments=ids)
    assert faults_at(many, "attachments")
    assert list(ticked(many)) == ids
    strange = fill_in(world, Browser(world, LIAISON), attachments=[*VECTORS[:8], VECTORS[0]])
    assert strange.status == 422
    assert harm_in(strange.page) == []
    assert list(ticked(strange)) == list(VECTORS[:8])


def test_a_revision_begins_with_the_present_files_and_can_change_them(world: World) -> None:
    browser, first, second = Browser(world, LIAISON), attach(world), attach(world, PDF, MediaType.PDF)
    submission = handed_in(world, browser, attachments=[first])
    world.cloud.settle()
    assert world.decide(EDITOR, "request_changes").status == 200
    address = f"/submissions/{submission}/revise"
    with world.later(hours=72):  # the upload itself has expired by then
        shown = browser.get(address)
        assert ticked(shown) == {first: "时间表.csv"}
        wrong = browser.submit(shown, address, title="", intent="submit")
        assert wrong.status == 422
        assert ticked(wrong) == {first: "时间表.csv"}
    sent = browser.submit(browser.get(address), address, **typed(world, attachments=[first, second]))
    assert sent.path == f"/submissions/{submission}"
    assert [name for _, name in downloads(sent)] == ["时间表.csv", "通知.pdf"]
    world.cloud.settle()
    review = Browser(world, EDITOR).post("/r", {"handle": world.links(EDITOR)[0]})
    (changed,) = review.page.all("section", aria_labelledby="changed")
    assert "时间表.csv、通知.pdf" in words_of(changed)
    assert first not in words_of(changed)


def test_reviewers_find_the_files_beside_the_text(world: World) -> None:
    file = attach(world)
    submission = handed_in(world, Browser(world, LIAISON), attachments=[file])
    world.cloud.settle()
    editor = Browser(world, EDITOR)
    shown = editor.post("/r", {"handle": world.links(EDITOR)[0]})
    address = f"/submissions/{submission}/attachments/{file}"
    assert downloads(shown) == [(address, "时间表.csv")]
    assert editor.send("GET", address).status == 303
    assert shown.page.all("img", src=address) == []


def test_only_those_who_may_read_the_request_get_its_files(world: World) -> None:
    file = attach(world)
    hidden = {
        "classification": "confidential",
        "channels": ["email"],
        "reach": "departments",
        "audience": ["marketing"],
    }
    submission = handed_in(world, Browser(world, LIAISON), attachments=[file], **hidden)
    address = f"/submissions/{submission}/attachments/{file}"
    assert Browser(world, LIAISON).send("GET", address).status == 303
    for person in (STRANGER, OTHER_LIAISON):
        refused = Browser(world, person).send("GET", address)
        assert refused.status == 404
        assert "location" not in refused.headers
    unknown = Browser(world).send("GET", address)
    assert (unknown.status, unknown.headers["location"]) == (303, "/sign-in")


def test_a_file_of_another_request_is_not_found(world: World) -> None:
    browser, file = Browser(world, LIAISON), attach(world)
    handed_in(world, browser, attachments=[file])
    other = handed_in(world, browser)
    for attachment in (file, f"a-{'z' * 20}", "nonsense"):
        assert browser.send("GET", f"/submissions/{other}/attachments/{attachment}").status == 404
    assert browser.send("GET", f"/submissions/nonsense/attachments/{file}").status == 404


def test_only_the_form_may_talk_to_the_storage_and_only_to_it(world: World) -> None:
    browser, file = Browser(world, LIAISON), attach(world)
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(begin(world, CSV).body["upload"]["url"]))
    submission = handed_in(world, browser, attachments=[file])
    for path in (NEW, f"/submissions/{submission}", "/", "/archive"):
        policy = browser.get(path).headers["content-security-policy"]
        (connect,) = (part.split() for part in policy.split("; ") if part.startswith("connect-src"))
        assert connect == ["connect-src", "'self'", *([origin] if path == NEW else [])], path


def test_hostile_names_of_files_stay_text(world: World) -> None:
    browser, file = Browser(world, LIAISON), attach(world)
    for vector in VECTORS[::5]:
        renamed(world, file, f"{vector}.csv")
        shown = fill_in(world, browser, attachments=[file], title="")
        assert harm_in(shown.page) == [], vector
        assert list(ticked(shown)) == [file]
    renamed(world, file, f"{VECTORS[0]}.csv")
    submission = handed_in(world, browser, attachments=[file])
    page = browser.get(f"/submissions/{submission}")
    assert harm_in(page.page) == []
    assert downloads(page)[0][1] == f"{VECTORS[0]}.csv"


def test_sizes_are_said_as_people_say_them() -> None:
    said = {0: "0 B", 999: "999 B", 1000: "1 KB", 1540: "1.5 KB", 20_000_000: "20 MB", 1_250_000: "1.2 MB"}
    assert {size: bytes_in_words(size) for size in said} == said


def test_the_script_reads_every_text_from_the_page(world: World) -> None:
    script = (content_of("upload.js") or b"").decode()
    assert "innerHTML" not in script
    (box,) = Browser(world, LIAISON, language="en").get(NEW).page.all("fieldset", id="attachments")
    for name in (
        "reading",
        "sending",
        "checking",
        "ready",
        "slow",
        "failed",
        "first",
        "kind",
        "many",
        "busy",
    ):
        assert f"box.dataset.{name}" in script
        english = box.attributes[f"data-{name}"].replace("…", "")
        assert english.isascii()
        assert english[0].isupper()
    most = schema("submission").rules["properties"]["attachments"]["maxItems"]
    assert int(box.attributes["data-attachments"]) <= most
