"""What the channel does beside publishing once: pictures, what is archived, what is taken back, and what came of it."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from PIL import Image

from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.core.errors import DeliveryParked, DeliveryRefused, OutcomeUnknown
from chalicelib.publication.channels.wechat import pictures
from chalicelib.publication.channels.wechat.adapter import Mode
from chalicelib.publication.model import DeliveryState, Item, TakenBack
from infra.local.wechat.faults import SUBMIT
from tests.attachment.files import a_picture
from tests.publication.deliveries import TAKEN_BACK
from tests.publication.website_builders import elements_of
from tests.publication.wechat.accounts import Loopback
from tests.publication.wechat.posting import Posting

DELETE = "/cgi-bin/freepublish/delete"


def published(server: Loopback, mode: Mode = Mode.PUBLISH) -> tuple[Posting, Item]:
    """What is on the account."""
    due = Posting(server=server, mode=mode)
    assert due.run_until_ended() is DeliveryState.DONE
    return due, due.item()


def a_file(number: int, media_type: MediaType) -> Attachment:
    return Attachment(id=f"a-{number}", name=f"图{number}", media_type=media_type, size=1, sha256="0" * 64)


def test_attached_pictures_are_uploaded_and_the_first_is_the_cover(server: Loopback) -> None:
    """Clause 4.2.2."""
    due = Posting(server=server)
    files = (a_file(1, MediaType.PDF), a_file(2, MediaType.PNG), a_file(3, MediaType.JPEG))
    raw = {"a-2": a_picture(size=(900, 383)), "a-3": a_picture("JPEG")}
    due.put(replace(due.served, picture=lambda _submission, file: raw[file.id]))
    item = due.item()
    facts = due.served.prepare(replace(item, revision=replace(item.revision, attachments=files)))
    (draft,) = due.wechat.drafts[facts["media_id"]]
    shown = [element for element in elements_of(draft["content"]) if element.tag == "img"]
    assert [(each.attributes["src"], each.attributes["alt"]) for each in shown] == list(
        zip(due.wechat.pictures, ("图2", "图3"), strict=True)
    )
    cover = Image.open(io.BytesIO(due.wechat.materials[draft["thumb_media_id"]]))
    assert cover.size == pictures.COVER
    assert cover.getpixel((10, 10)) != cover.getpixel((890, 10)), "it is the first picture's"


def test_a_department_whose_name_is_too_long_signs_as_the_company_or_not_at_all(server: Loopback) -> None:
    due = Posting(server=server)
    due.put(replace(due.served, department_name=lambda _department: "European Service Centre"))
    with pytest.raises(DeliveryRefused, match="wechat_author"):
        due.served.prepare(due.item())
    due.put(replace(due.served, author="澄江精密"))
    facts = due.served.prepare(due.item())
    assert due.wechat.drafts[facts["media_id"]][0]["author"] == "澄江精密"


def test_what_is_archived_is_what_the_account_was_given(server: Loopback) -> None:
    """Clause 3.5.1: what was published."""
    due, item = published(server)
    article = due.wechat.articles["article-1"].content
    assert due.served.rendered(item) == {"wechat/article.html": article["content"].encode()}
    assert article["thumb_media_id"] in due.wechat.materials
    receipt = item.delivery.receipt or {}
    assert receipt["urls"] == [f"{server.url}/s/article-1"]
    assert set(receipt["files"]) == {"article.html"}


@pytest.mark.parametrize(
    ("mode", "left"), [(Mode.PUBLISH, ()), (Mode.MASS_SEND, ("mass_sent_cards",))], ids=str
)
def test_what_is_retracted_is_off_the_account_and_cards_that_were_sent_stay(
    server: Loopback, mode: Mode, left: tuple[str, ...]
) -> None:
    """Clause 3.4.4."""
    due, item = published(server, mode)
    for _ in range(2):
        assert due.served.retract(item, TAKEN_BACK).left == left
        assert not due.wechat.articles["article-1"].is_there
    assert due.wechat.calls[DELETE] == 1


def test_what_a_person_had_published_is_found_and_retracted(server: Loopback) -> None:
    """Clause 3.4.4."""
    due, item = published(server)
    item = replace(item, delivery=replace(item.delivery, receipt={"urls": ["https://mp.weixin.test/s/1"]}))
    assert due.served.retract(item, TAKEN_BACK).receipt == {"article_id": "article-1"}
    assert due.wechat.calls[DELETE] == 1


@pytest.mark.parametrize("fault", [None, "unanswered"], ids=["known by its id", "known by its marker"])
def test_what_is_being_published_is_waited_for_before_it_is_retracted(
    server: Loopback, fault: str | None
) -> None:
    """Clause 3.4.4."""
    due = Posting(server=server)
    if fault is not None:
        due.wechat.faults.unanswered.add(SUBMIT)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            due.run() if due.wechat.jobs == {} else due.served.retract(due.item(), TAKEN_BACK)
    due.passed += timedelta(minutes=1)
    due.wechat.pass_time()
    assert due.served.retract(due.item(), TAKEN_BACK) == TakenBack(receipt={"article_id": "article-1"})
    assert not due.wechat.articles["article-1"].is_there


def test_a_draft_that_was_never_published_is_left_and_said_to_be(server: Loopback) -> None:
    """Clause 3.4.4."""
    due = Posting(server=server, mode=Mode.DRAFT)
    assert due.run_until_ended() is DeliveryState.NEEDS_PERSON
    with pytest.raises(OutcomeUnknown):
        due.served.retract(due.item(), TAKEN_BACK)
    due.passed += timedelta(minutes=30)
    assert due.served.retract(due.item(), TAKEN_BACK) == TakenBack(receipt={}, left=("wechat_draft",))
    due.wechat.drafts.clear()
    with pytest.raises(DeliveryParked, match="wechat_article_unknown"):
        due.served.retract(due.item(), TAKEN_BACK)


def test_what_the_platform_rejected_leaves_nothing(server: Loopback) -> None:
    due = Posting(server=server)
    due.wechat.faults.ends = [4]
    assert due.run_until_ended() is DeliveryState.FAILED
    assert due.served.retract(due.item(), TAKEN_BACK) == TakenBack(receipt={})


def test_the_effect_is_the_last_count_of_the_platforms_own_day(server: Loopback) -> None:
    due, item = published(server)
    assert due.served.effect(item) == {}, "of today it knows nothing"
    due.passed += timedelta(days=1)
    assert due.served.effect(item) == {"reads": 120, "shares": 7}
    assert due.served.effect(replace(item, delivery=replace(item.delivery, receipt={}))) == {}
