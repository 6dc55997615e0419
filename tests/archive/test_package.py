"""The archive package: one dossier, one spelling."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import bagit
import pytest

from chalicelib.archive.model.container import is_name, read, write
from chalicelib.archive.model.package import Dossier, build
from chalicelib.archive.model.verification import verify
from tests.archive.dossiers import (
    FOLDER,
    FORM,
    NUMBER,
    RENDERED,
    a_chain,
    a_dossier,
    a_revision,
    a_short_dossier,
    files_of,
    the_steps,
)

FROZEN = "155fd04884d2d7ae85ab0cfe18286159aae5c7a48252d59b81e3b0be926711ac"


def test_the_same_dossier_gives_the_same_bytes_whatever_order_its_parts_come_in() -> None:
    dossier = a_dossier()
    reordered = replace(
        dossier,
        rendered=dict(reversed(RENDERED.items())),
        revisions=tuple(reversed(dossier.revisions)),
        deliveries=tuple(dict(reversed(each.items())) for each in reversed(dossier.deliveries)),
    )
    assert build(reordered) == build(dossier)


def test_the_format_is_frozen() -> None:
    """A package built years ago must still be what the builder builds: this digest never changes."""
    assert hashlib.sha256(build(a_dossier())).hexdigest() == FROZEN


@pytest.mark.parametrize("dossier", [a_dossier(), a_short_dossier()])
def test_what_is_built_verifies(dossier: Dossier) -> None:
    assert verify(build(dossier)).findings == ()


def test_form_content_opinions_publication_record_and_outputs_are_in_it() -> None:
    """Clause 3.5.2."""
    dossier = a_dossier()
    files = files_of(build(dossier))
    form = json.loads(files["data/form.json"])
    assert form["form"] == FORM
    assert hashlib.sha256(files["data/form.json"]).hexdigest() == dossier.revisions[1].content_digest
    assert files["data/content.md"].decode() == FORM["body"]
    assert [name for name in files if name.startswith("data/opinions/")] == [
        "data/opinions/0001-initial.json",
        "data/opinions/0002-department_head.json",
        "data/opinions/0003-initial.json",
        "data/opinions/0004-department_head.json",
        "data/opinions/0005-executive.json",
    ]
    returned = json.loads(files["data/opinions/0002-department_head.json"])
    assert returned["comment"] == "请写明封闭的是东门。"
    deliveries = json.loads(files["data/deliveries.json"])["deliveries"]
    assert {each["channel"]: each["state"] for each in deliveries} == {
        "notice_board": "waiting_for_adapter",
        "website": "delivered",
    }
    assert files["data/rendered/website/index.html"] == RENDERED["website/index.html"]
    assert json.loads(files["data/revisions/0001.json"])["content"]["form"]["body"] == "三号车间行车检修。\n"
    assert json.loads(files["data/catalog.json"])["catalog_number"] == NUMBER


def test_every_event_is_in_it_as_it_was_hashed() -> None:
    """Clause 1.3.4."""
    dossier = a_dossier()
    files = files_of(build(dossier))
    for event in dossier.events:
        raw = files[f"data/events/{event.seq:06d}.json"]
        assert hashlib.sha256(raw).hexdigest() == event.hash


@pytest.mark.filterwarnings("ignore:'count' is passed:DeprecationWarning:bagit")  # bagit 1.9 on Python 3.13
def test_another_bag_reader_accepts_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(build(a_dossier()))) as container:
        container.extractall(tmp_path)
    bag = bagit.Bag(str(tmp_path / FOLDER))
    bag.validate()
    assert bag.version_info == (1, 0)
    assert bag.info["External-Identifier"] == NUMBER
    assert bag.info["Bagging-Date"] == "2026-03-04"


def test_another_zip_reader_finds_sorted_uncompressed_entries_without_any_metadata_of_their_own() -> None:
    with zipfile.ZipFile(io.BytesIO(build(a_dossier()))) as container:
        assert container.testzip() is None
        entries = container.infolist()
        assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
        shared = {
            (e.date_time, e.compress_type, e.external_attr, e.create_system, e.flag_bits, e.extra, e.comment)
            for e in entries
        }
        assert shared == {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 0o100644 << 16, 3, 0, b"", b"")}
        assert container.comment == b""


def test_rendered_files_need_ascii_names() -> None:
    with pytest.raises(ValueError, match="not a name"):
        build(replace(a_dossier(), rendered=RENDERED | {"notice_board/图.png": b""}))


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.b", "a\\b", "a b", "a\n", "a" * 256]
)
def test_a_name_that_could_lead_astray_is_no_name(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ValueError, match="not a name"):
        write({name: b""})


def test_the_container_gives_back_what_was_put_in() -> None:
    entries = {"top/b": b"\x00\xff" * 500, "top/a": b"", "top/a/_c.-1": "𠮷".encode()}
    contents = read(write(entries))
    assert contents.findings == ()
    assert contents.entries == entries


def test_a_container_of_too_many_entries_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one package can hold"):
        write({f"top/{number}": b"" for number in range(65_535)})


def _without(event_type: str) -> Callable[[Dossier], dict[str, Any]]:
    def change(dossier: Dossier) -> dict[str, Any]:
        steps = [step for step in the_steps(*dossier.revisions) if step[0] != event_type]
        return {"events": a_chain(steps)}

    return change


CONTRADICTIONS: dict[str, Callable[[Dossier], dict[str, Any]]] = {
    "another catalogue number than in the ledger": lambda _: {"catalog_number": "Z109-WS·2026-D10-AQB-0008"},
    "another department than in the form": lambda _: {"department": "office"},
    "another publication time": lambda d: {"published_at": d.published_at + timedelta(seconds=1)},
    "another approved revision": lambda _: {"approved_revision": 1},
    "an approved revision that is missing": lambda _: {"approved_revision": 3},
    "a missing revision": lambda d: {"revisions": d.revisions[1:]},
    "another submission's revision": lambda d: {
        "revisions": (replace(d.revisions[0], submission="s-other"), d.revisions[1])
    },
    "a revision nobody handed in": lambda d: {"revisions": (*d.revisions, a_revision(3))},
    "a text that was not approved": lambda d: {"revisions": (d.revisions[0], a_revision(2, body="别的"))},
    "a missing opinion": lambda d: {"opinions": d.opinions[:-1]},
    "an opinion without a stage": lambda d: {"opinions": ({}, *d.opinions[1:])},
    "a missing delivery": lambda d: {"deliveries": d.deliveries[1:]},
    "a gap in the chain": lambda d: {"events": (*d.events[:6], *d.events[7:])},
    "an event twice": lambda d: {"events": (*d.events[:6], d.events[5], *d.events[6:])},
    "events after the publication": lambda d: {"events": (*d.events, d.events[-1])},
    "no publication": _without("Published"),
    "no decisions": _without("Decided"),
    "rendered files that were not delivered": lambda _: {"rendered": RENDERED | {"website/more.html": b""}},
}


@pytest.mark.parametrize("contradiction", CONTRADICTIONS)
def test_a_dossier_that_contradicts_itself_is_not_built(contradiction: str) -> None:
    dossier = a_dossier()
    with pytest.raises(ValueError, match=dossier.submission):
        build(replace(dossier, **CONTRADICTIONS[contradiction](dossier)))


def test_the_refusal_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"data/catalog\.json: .* differs .*: department"):
        build(replace(a_dossier(), department="office"))
