"""The main job as people do it: with a browser, on a phone and on a desk, and everything looked at on the way."""

import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import FilePayload

from chalicelib.archive.model.verification import verify
from tests.attachment.files import CSV, a_picture
from tests.browser.conftest import Visitors
from tests.browser.visitors import Desk, Visitor

TITLE = "六月安全生产月活动安排"
ZONE = "Asia/Shanghai"
STAGES = (
    ("initial", "center_editor", "center"),
    ("department_head", "department_head", "safety"),
    ("executive", "supervising_executive", "safety"),
)
"""Each stage with the duty of those who decide it."""
PICTURE, TABLE = "集合地点示意图.png", "时间表.csv"
"""The names of the attached files."""
LISTENING = "Blocked script execution in "
"""What Chromium says of Playwright, which listens to its own clicks, in the website's sandbox."""


def attach(liaison: Visitor) -> None:
    """Choose two files on the form, and see each of them become ready."""
    page = liaison.page
    picture = FilePayload(name=PICTURE, mimeType="image/png", buffer=a_picture(size=(640, 400)))
    page.set_input_files("#files", [picture, FilePayload(name=TABLE, mimeType="text/csv", buffer=CSV)])
    for name in (PICTURE, TABLE):
        page.wait_for_selector(f"[data-told] .hint:has-text('{name} · 已附上')")
    liaison.look("attached")
    expect_attached(liaison)


def expect_attached(liaison: Visitor) -> None:
    """The form has both files, and still wants them."""
    rows = liaison.page.locator("[data-files] li")
    assert [row.locator("strong").inner_text() for row in rows.all()] == [PICTURE, TABLE]
    assert rows.locator("input[name=attachments]:checked").count() == 2


def fill_in_wrongly(liaison: Visitor) -> None:
    """Leave much open, and write a title that is too long."""
    page = liaison.page
    page.fill("#title", TITLE * 10)
    page.fill("#body", "## 时间安排\n\n- 六月五日前上报计划\n- 六月二十日集中检查\n")
    page.click("button[value=submit]")
    page.wait_for_selector("#errors")


def correct(liaison: Visitor) -> None:
    """Fill in what is open, due at once."""
    page, now = liaison.page, datetime.now(ZoneInfo(ZONE)) + timedelta(minutes=1)
    page.fill("#title", TITLE)
    page.fill("#summary", "安全生产月期间的检查、培训和演练安排，请各部门按时上报计划。")
    page.fill("#keywords", "安全、演练")
    for name, value in (
        ("category", "notice"),
        ("classification", "internal"),
        ("importance", "routine"),
        ("channels", "website"),
        ("reach", "all"),
    ):
        page.check(f"input[name={name}][value={value}]")
    page.fill("input[name=publish_date]", f"{now:%Y-%m-%d}")
    page.fill("input[name=publish_time]", f"{now:%H:%M}")
    page.select_option("#time_zone", ZONE)
    page.check("#declaration")


def approve(reviewer: Visitor, link: str, name: str) -> None:
    """Open a review link without being signed in, sign in, come back, and approve."""
    reviewer.open(link)
    reviewer.page.wait_for_url("**/sign-in")
    reviewer.sign_in()
    page = reviewer.page
    page.wait_for_selector("#opinion")
    assert TITLE in page.inner_text("article.paper")
    assert page.locator(".files a").all_inner_texts() == [PICTURE, TABLE]
    assert page.locator("form[action='/r/decision'] input:checked").count() == 0
    reviewer.look(f"review-{name}")
    for choice in page.locator("input[value=yes]").all():
        choice.check()
    page.check("input[name=decision][value=approve]")
    page.fill("#comment", "内容属实，同意发布。")
    page.click("button[formaction='/r/account']")
    page.click(f"button:has-text('{reviewer.email}')")
    page.wait_for_url("**/r/again")
    assert page.input_value("#comment") == "内容属实，同意发布。", "what was typed is there again"
    reviewer.look(f"review-{name}-confirmed")
    page.click("#prove button")
    page.wait_for_selector("#recorded")
    reviewer.look(f"reviewed-{name}")
    reviewer.expect_no_complaint()


def hand_in(liaison: Visitor) -> str:
    """From the list, by a form filled in wrongly, a correction and a preview, to the request's own page; its path."""
    page = liaison.page
    page.click("text=新建申请")
    liaison.look("form-empty")
    attach(liaison)
    fill_in_wrongly(liaison)
    liaison.look("form-wrong")
    focused = page.evaluate("document.activeElement.id")
    assert focused == "errors", "who listens to the page hears first what is wrong"
    assert page.locator("[aria-invalid=true]").count() >= 5
    assert page.input_value("#title") == TITLE * 10, "what was typed is kept"
    expect_attached(liaison)
    correct(liaison)
    page.click("button[value=preview]")
    page.wait_for_selector("#preview")
    assert page.inner_text("article.paper .body h2") == "时间安排"
    liaison.look("preview")
    expect_attached(liaison)
    page.check("#declaration")
    page.click("button[value=submit]")
    page.wait_for_url("**/submissions/s-*")
    assert page.locator(".files a").all_inner_texts() == [PICTURE, TABLE]
    liaison.look("handed-in")
    address: str = page.url
    return urlsplit(address).path


def read_on_the_website(liaison: Visitor, folder: Path) -> bytes:
    """From the request's page to what readers see, with the picture shown and the table to be had; the picture."""
    page, request = liaison.page, liaison.page.url
    page.click("main a:has-text('查看页面')")
    page.wait_for_selector("h1:has-text('请先进入内部网站')")
    liaison.expect_no_complaint(but="Failed to load resource: the server responded with a status of 403")
    page.goto(f"{liaison.desk.address}/me")
    page.click("button:has-text('进入内部网站')")
    page.wait_for_selector("text=内部网站已开放")
    liaison.look("entered")
    page.goto(request)
    page.click("main a:has-text('查看页面')")
    page.wait_for_selector("article h1")
    assert page.inner_text("article h1") == TITLE
    shown = page.locator(f".files img[alt='{PICTURE}']")
    shown.scroll_into_view_if_needed()
    width, height = shown.evaluate(
        "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    )
    assert 0 < width <= 640, "as wide as its place, and never wider than it is"
    assert width / height == pytest.approx(640 / 400, rel=0.02)
    liaison.glance("published")
    liaison.expect_no_complaint()
    with page.expect_download() as download:
        page.click(f".files a:has-text('{TABLE}')")
    assert download.value.suggested_filename == TABLE
    download.value.save_as(folder / TABLE)
    assert (folder / TABLE).read_bytes() == CSV
    liaison.expect_no_complaint(but=LISTENING)
    picture: bytes = page.request.get(shown.evaluate("image => image.src")).body()
    return picture


def read_in_the_archive(liaison: Visitor, folder: Path, *files: bytes) -> None:
    """From the request's page to its record, download the package with these files in it, and verify it."""
    page = liaison.page
    page.click("main a[href^='/archive/']")
    page.wait_for_selector("#package")
    liaison.look("archive-entry")
    with page.expect_download() as download:
        page.click("text=下载档案包")
    download.value.save_as(folder / "package.zip")
    sha256 = page.inner_text("#package ~ dl code")
    report = verify((folder / "package.zip").read_bytes(), expected_sha256=sha256)
    assert report.findings == ()
    assert report.catalog_number is not None
    with zipfile.ZipFile(folder / "package.zip") as package:
        packed = {package.read(name) for name in package.namelist()}
    assert packed >= set(files)
    liaison.open("/archive")
    assert TITLE in page.inner_text("main")
    liaison.look("archive")


def test_a_request_goes_from_the_form_to_the_verified_package(
    desk: Desk, visitors: Visitors, tmp_path: Path
) -> None:
    (person, *_) = desk.people("liaison", "safety")
    liaison = visitors(person["email"])
    liaison.open("/")
    liaison.page.wait_for_url("**/sign-in")
    liaison.look("sign-in")
    liaison.sign_in()
    liaison.look("my-requests")
    known = {link for mail in desk.mails() for link in mail["links"]}
    submission = hand_in(liaison)

    for stage, role, department in STAGES:
        (reviewer, *_) = desk.people(role, department)
        address = reviewer["email"]

        def fresh(address: str = address) -> str | None:
            return next((link for link in desk.links(address, "r") if link not in known), None)

        approve(visitors(address), str(desk.wait_for(fresh, f"a review link to {address}")), stage)

    def is_archived() -> bool:
        liaison.open(submission)
        return bool(liaison.page.locator("main a[href^='/archive/']").count())

    desk.wait_for(is_archived, "the archive")
    liaison.look("archived")
    picture = read_on_the_website(liaison, tmp_path)
    liaison.open(submission)
    read_in_the_archive(liaison, tmp_path, picture, CSV)
    liaison.expect_no_complaint()
