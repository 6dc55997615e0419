"""The article: the same words as were approved, in elements that carry their looks, and nothing that could do harm."""

import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chalicelib.core.errors import DeliveryRefused
from chalicelib.core.ids import new_salt
from chalicelib.core.markdown import TAGS, to_html
from chalicelib.publication.channels.wechat import pictures
from chalicelib.publication.channels.wechat.article import (
    BY_CLASS,
    STYLES,
    WHOLE,
    Limits,
    Picture,
    article_of,
    is_marked,
    marker_of,
    shortened,
)
from chalicelib.submission.model import Revision, form_from_document
from tests.attachment.files import a_picture, written
from tests.browsing import read_page
from tests.publication.website_builders import elements_of, text_of
from tests.publication.wechat.accounts import NOON
from tests.world import a_form
from tests.xss import VECTORS, harm_in

WORDS = st.text(alphabet="停电检修通知安全 abcXYZ019，。", min_size=1, max_size=12).filter(str.strip)
SHAPES = ("{}", "## {}", "- {}", "1. {}", "> {}", "**{}**", "`{}`", "| {} | x |\n|:-:|---|\n| y | z |")
LOOKS = {None, WHOLE, *STYLES.values(), *BY_CLASS.values()} | {
    f"{STYLES[tag]};{BY_CLASS[side]}" for tag in ("th", "td") for side in ("center", "right")
}
ATTRIBUTES = {"style", "href", "title", "rel", "start", "src", "alt"}


def a_revision(body: str = "八时至十八时停电。", **changes: Any) -> Revision:  # noqa: ANN401 — as a form's
    form = form_from_document(
        a_form(NOON, body=body, channels=["wechat"], classification="public", **changes)
    )
    return Revision(submission="s-1", number=2, form=form, salt=new_salt(), created_at=NOON)


def an_article(revision: Revision, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 — as article_of's
    given = {"author": "市场部", "address": "https://site.test/items/s-1", "cover": "cover-1", **changes}
    return article_of(revision, **given)


def content_of(body: str, **changes: Any) -> str:  # noqa: ANN401 — as above
    return str(an_article(a_revision(body), **changes)["content"])


def words(html: str) -> str:
    """What a reader reads, whatever white space lies between."""
    return "".join(text_of(html).split())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(VECTORS) | st.text(max_size=12), max_size=8).map("\n\n".join))
def test_the_articles_text_is_the_approved_text_whatever_it_is(body: str) -> None:
    """Clause 3.4.1: exactly as approved; what could do harm is text, or is not there."""
    content = content_of(body)
    assert words(content) == words(to_html(body))
    assert [harm for harm in harm_in(read_page(content)) if " style=" not in harm] == []
    for element in elements_of(content):
        assert element.tag in {*TAGS, "section"}
        assert set(element.attributes) <= ATTRIBUTES
        assert element.attributes.get("style") in LOOKS


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(SHAPES), WORDS), min_size=1, max_size=6))
def test_every_approved_word_is_there_in_its_order(parts: list[tuple[str, str]]) -> None:
    body = "\n\n".join(shape.format(text.strip()) for shape, text in parts)
    said, place = words(content_of(body)), 0
    for _, text in parts:
        wanted = "".join(text.split())
        place = said.index(wanted, place) + len(wanted)


def test_looks_are_in_the_elements_and_lists_have_no_white_space_between_their_points() -> None:
    content = content_of("# 一\n\n- a\n- b\n\n| x |\n|--:|\n| 1 |\n\n    d\n\n    e")
    assert "class=" not in content
    assert "</li><li>" in content
    assert "text-align:right" in content
    assert " d\n\n" not in content
    assert "d\n\ne" in content


def test_looks_are_given_up_before_the_text_is() -> None:
    body = "\n\n".join(["停电"] * 400)
    long = content_of(body)
    assert "style=" in long
    limits = Limits(characters=len(long))
    plain = content_of(body, limits=limits)
    assert "style=" not in plain
    assert words(plain) == words(long)
    with pytest.raises(DeliveryRefused, match="wechat_too_long"):
        content_of(body, limits=Limits(characters=len(plain)))
    with pytest.raises(DeliveryRefused, match="wechat_too_long"):
        content_of(body, limits=Limits(bytes=2_000))


@pytest.mark.parametrize(
    ("revision", "changes", "fault"),
    [
        (a_revision(title="题" * 33), {}, "wechat_title"),
        (a_revision(), {"author": "者" * 17}, "wechat_author"),
        (a_revision(), {"address": f"https://site.test/{'x' * 1024}"}, "wechat_address"),
    ],
    ids=["title", "author", "address"],
)
def test_what_is_too_long_is_told_and_never_cut(
    revision: Revision, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(DeliveryRefused, match=fault):
        an_article(revision, **changes)


def test_a_long_title_gives_way_to_the_one_for_wechat_and_a_long_summary_is_shortened() -> None:
    article = an_article(a_revision(title="题" * 40, wechat_title="短题" * 16, summary="要" * 200))
    assert article["title"] == "短题" * 16
    assert article["digest"] == "要" * 127 + "…"
    assert shortened("要" * 128, 128) == "要" * 128


def test_it_carries_its_marker_and_no_others() -> None:
    revision = a_revision()
    source = an_article(revision)["content_source_url"]
    assert source == f"https://site.test/items/s-1?{marker_of('s-1', 2)}"
    assert is_marked(f"{source}&from=timeline#wechat", "s-1", 2)
    for address in (f"{source}2", "https://site.test/?x=pub=s-1.2", "https://site.test/#pub=s-1.2", ""):
        assert not is_marked(address, "s-1", 2)
    assert not is_marked(source, "s-1", 1)
    assert an_article(replace(revision, number=3))["content_source_url"] != source


def test_pictures_follow_the_text_with_their_names() -> None:
    """Clause 4.2.2."""
    shown = Picture(url="https://mmbiz.test/1", name='"><script>')
    content = content_of("文", pictures=[shown])
    (picture,) = (element for element in elements_of(content) if element.tag == "img")
    assert (picture.attributes["src"], picture.attributes["alt"]) == ("https://mmbiz.test/1", '"><script>')


def opened(raw: bytes) -> Image.Image:
    return Image.open(io.BytesIO(raw))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_every_kind_of_picture_becomes_one_that_the_platform_takes(kind: str) -> None:
    for raw in (pictures.for_article(a_picture(kind)), pictures.cover_of(a_picture(kind))):
        assert opened(raw).format == "JPEG"


def test_a_cover_is_the_pictures_middle_and_the_plain_one_is_always_the_same() -> None:
    assert opened(pictures.cover_of(a_picture(size=(60, 60)))).size == pictures.COVER
    assert opened(pictures.plain_cover()).size == pictures.COVER
    assert pictures.plain_cover() == pictures.plain_cover()


def test_a_picture_too_large_for_the_platform_is_made_smaller() -> None:
    noise = written(Image.effect_noise((700, 500), 200).convert("RGB"), "PNG")
    raw = pictures.for_article(noise, most_bytes=100_000)
    assert len(raw) < 100_000
    assert opened(raw).size == (320, 229)


def test_what_shines_through_is_white() -> None:
    clear = written(Image.new("RGBA", (4, 4), (255, 0, 0, 0)), "PNG")
    assert opened(pictures.for_article(clear)).getpixel((1, 1)) == (255, 255, 255)
