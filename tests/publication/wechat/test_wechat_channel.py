"""What the channel does beside publishing once: pictures, what is archived, what is taken back, and what came of it."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from PIL import Image

from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.core.errors import DeliveryParked, DeliveryRefused
from chalicelib.publication.channels.wechat import pictures
from chalicelib.publication.channels.wechat.adapter import Mode
from chalicelib.publication.model import DeliveryState, Item
from tests.attachment.files import a_picture
from tests.publication.deliveries import TAKEN_BACK
from tests.publication.website_builders import elements_of
from tests.publication.wechat.accounts import Loopback
from tests.publication.wechat.posting import Posting


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
    due, item = published(server, mode)
    for _ in range(2):
        assert due.served.retract(item, TAKEN_BACK).left == left
        assert not due.wechat.articles["article-1"].is_there
    assert due.wechat.calls["/cgi-bin/freepublish/delete"] == 1


def test_what_a_person_had_published_is_retracted_once(server: Loopback) -> None:
    due, item = published(server)
    item = replace(item, delivery=replace(item.delivery, receipt={"urls": ["https://mp.weixin.test/s/1"]}))
    assert due.served.retract(item, TAKEN_BACK).receipt == {"article_id": "article-1"}
    assert due.wechat.calls["/cgi-bin/freepublish/delete"] == 1


def test_what_nobody_has_found_on_the_account_is_a_persons_to_retract(server: Loopback) -> None:
    due = Posting(server=server)
    with pytest.raises(DeliveryParked, match="wechat_article_unknown"):
        due.served.retract(due.item(), TAKEN_BACK)


def test_the_effect_is_the_last_count_of_the_platforms_own_day(server: Loopback) -> None:
    due, item = published(server)
    assert due.served.effect(item) == {}, "of today it knows nothing"
    due.passed += timedelta(days=1)
    assert due.served.effect(item) == {"reads": 120, "shares": 7}
    assert due.served.effect(replace(item, delivery=replace(item.delivery, receipt={}))) == {}
