"""Pictures in the sizes that screens need: made from what was approved, beside it, and again the same."""

import hashlib
import io
import random
from dataclasses import replace

import pytest
from PIL import Image

from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.publication.channels.website.entry import PREFIXES, Entry, gone_files
from chalicelib.publication.channels.website.pictures import Picture, measured, scaled
from chalicelib.publication.channels.website.render import item_page
from chalicelib.publication.channels.website.site import Website
from chalicelib.publication.store import entries_under, put_entry
from chalicelib.submission.model import Classification
from infra.simulation.table import MemoryTable
from tests.attachment.files import written
from tests.publication.website_builders import (
    BASES,
    BODY,
    BUCKET,
    DESK,
    URL,
    VIEWS,
    MemoryBucket,
    a_correction,
    a_retraction,
    an_entry,
    elements_of,
)


def a_wide_photo(width: int = 1200, height: int = 40) -> Image.Image:
    """Something with so much in it that no size of it is cheaper than a smaller one."""
    return Image.frombytes("RGB", (width, height), random.Random(1).randbytes(3 * width * height))  # noqa: S311 — no secret


JPEG = written(a_wide_photo(), "JPEG", quality=90)
PNG = written(a_wide_photo(600).convert("RGB"), "PNG")
WEBP = written(a_wide_photo(), "WEBP", quality=90)
SMALL = written(a_wide_photo(400), "JPEG")


def a_file(name: str, content: bytes) -> Attachment:
    kind = {"jpg": MediaType.JPEG, "png": MediaType.PNG, "webp": MediaType.WEBP, "gif": MediaType.GIF}
    return Attachment(
        id=f"a-{name}",
        name=name,
        media_type=kind[name.rpartition(".")[2]],
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


FILES = {"现场.jpg": JPEG, "图.png": PNG, "报.webp": WEBP, "小.jpg": SMALL, "坏.png": b"no picture"}
ENTRY = replace(
    an_entry(classification=Classification.INTERNAL),
    attachments=tuple(a_file(name, content) for name, content in FILES.items()),
)


@pytest.fixture(scope="module")
def published() -> tuple[MemoryBucket, Entry, Website]:
    bucket, recorded = MemoryBucket(), list[Entry]()
    website = Website(
        s3=bucket,  # type: ignore[arg-type] # it keeps what is asked of it
        bucket=BUCKET,
        entries=lambda prefix: [entry for entry in recorded if prefix in PREFIXES[entry.classification]],
        base_urls=BASES,
        attached=lambda _entry, file: FILES[file.name],
        desk_url=DESK,
    )
    recorded.append(website.write_item(ENTRY, BODY, ("internal",)))
    website.publish(recorded[0], ("internal",))
    return bucket, recorded[0], website


def test_pictures_stand_beside_the_approved_file_in_two_sizes(
    published: tuple[MemoryBucket, Entry, Website],
) -> None:
    """Proves clause 4.1.1."""
    bucket, _, _ = published
    files = {key.rpartition("/")[2]: each for key, each in bucket.objects.items() if "/files/" in key}

    assert sorted(files) == sorted(
        [
            "1.jpg",
            "1-480.jpg",
            "1-960.jpg",
            "2.png",
            "2-480.png",
            "3.webp",
            "3-480.webp",
            "3-960.webp",
            "4.jpg",
            "5.png",
        ]
    )
    for name, content in zip(("1.jpg", "2.png", "3.webp", "4.jpg", "5.png"), FILES.values(), strict=True):
        assert files[name]["Body"] == content, "the digest of the original is the approved one"
        assert files[name]["Metadata"] == {"sha256": hashlib.sha256(content).hexdigest()}
    for name, size in (("1-480.jpg", (480, 16)), ("1-960.jpg", (960, 32)), ("2-480.png", (480, 32))):
        with Image.open(io.BytesIO(files[name]["Body"])) as picture:
            assert picture.size == size
        assert (files[name]["ContentType"], files[name]["ContentDisposition"]) == (
            "image/png" if name.endswith("png") else "image/jpeg",
            "inline",
        )


def test_the_page_lets_the_browser_choose_and_keeps_the_place_free(
    published: tuple[MemoryBucket, Entry, Website],
) -> None:
    bucket, _, _ = published
    page = bucket.bodies()["internal/s-first/1/index.html"]
    photo, _, _, small, broken = [element.attributes for element in elements_of(page) if element.tag == "img"]

    assert photo["srcset"] == "files/1-480.jpg 480w, files/1-960.jpg 960w, files/1.jpg 1200w"
    assert photo["sizes"] == "min(92vw, 44rem, 1200px)", "never larger than it is"
    assert (photo["src"], photo["width"], photo["height"]) == ("files/1.jpg", "1200", "40")
    assert ("srcset" in small, small["width"]) == (False, "400")
    assert "width" not in broken


def test_wiping_and_rendering_again_gives_the_same_pictures(
    published: tuple[MemoryBucket, Entry, Website],
) -> None:
    """Proves clause 4.1.1."""
    bucket, entry, website = published
    before = {key: body for key, body in bucket.bodies().items() if key.startswith("internal/s-first")}
    bucket.objects.clear()
    website.rebuild(lambda _: BODY)

    assert {
        key: body for key, body in bucket.bodies().items() if key.startswith("internal/s-first")
    } == before
    assert entry.pictures[0] == Picture(path="files/1.jpg", width=1200, height=40, widths=(480, 960))


def test_an_item_that_was_written_before_there_were_sizes_gets_none_by_rendering_again() -> None:
    bucket = MemoryBucket()
    Website(
        s3=bucket,  # type: ignore[arg-type] # as above
        bucket=BUCKET,
        entries=lambda prefix: [ENTRY] if prefix == "internal" else [],
        base_urls=BASES,
        attached=lambda _entry, file: FILES[file.name],
        desk_url=DESK,
    ).rebuild(lambda _: BODY)

    assert sum("/files/" in key for key in bucket.objects) == len(FILES)
    assert bucket.bodies()["internal/s-first/1/index.html"] == item_page(
        ENTRY, BODY, URL.replace("site.", "intranet."), VIEWS
    )


def test_what_is_known_of_pictures_is_read_as_it_was_written(
    published: tuple[MemoryBucket, Entry, Website],
) -> None:
    _, entry, _ = published
    table = MemoryTable()
    table.put(put_entry("internal", entry))

    assert list(entries_under(table, "internal")) == [entry]


def test_sizes_go_with_their_item(published: tuple[MemoryBucket, Entry, Website]) -> None:
    _, entry, _ = published
    lain = {key.removeprefix("internal/") for key in published[0].objects if "/files/" in key}

    assert set(gone_files(a_retraction(entry))) == lain
    assert set(gone_files(a_correction(entry, attachments=(), pictures=()))) == lain


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_pictures_of_every_kind_can_be_made_smaller(mode: str) -> None:
    content = written(a_wide_photo(600).convert(mode), "PNG")
    file = a_file("图.png", content)

    assert measured("files/1.png", file, content) is not None
    with Image.open(io.BytesIO(scaled(file, content, (480,))[480])) as picture:
        assert picture.size == (480, 32)


def test_a_size_that_would_be_no_smaller_is_left_out() -> None:
    flat = written(Image.new("P", (600, 40)), "PNG", optimize=True)

    picture = measured("files/1.png", a_file("图.png", flat), flat)
    assert picture == Picture(path="files/1.png", width=600, height=40)
