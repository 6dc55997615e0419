"""Signed opinions in a package, verified with public keys alone (clauses 3.3.4 and 1.3.4)."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.archive.model import layout
from chalicelib.archive.model.findings import Code
from chalicelib.archive.model.package import build
from chalicelib.archive.model.verification import Report, verify
from chalicelib.archive.store import object_key
from chalicelib.core.canonical import canonical
from chalicelib.ledger.model import event_from_document
from infra.commands.verify import run
from tests.archive.dossiers import Files, a_short_dossier, event_names, files_of, rechained, repacked
from tests.proving import decide_by_passkey, with_passkey
from tests.world import EDITOR, EXECUTIVE, HEAD, World, a_world

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


@pytest.fixture(scope="module")
def key(world: World) -> bytes:
    return world.parts.signer.public_key().encode()


@pytest.fixture(scope="module")
def package(world: World) -> bytes:
    """Approved by the editor's and the executive's passkeys, and by the head's company account."""
    passkeys = {person.id: with_passkey(world, person) for person in (EDITOR, EXECUTIVE)}
    submission = world.submit()
    for person in (EDITOR, HEAD, EXECUTIVE):
        world.cloud.settle()
        passkey = passkeys.get(person.id)
        answer = decide_by_passkey(world, person, passkey) if passkey else world.decide(person)
        assert answer.status == 200, answer
    world.finish()
    number = world.plain_journal.head(submission).catalog_number
    assert number is not None
    bucket = world.parts.settings.archive_bucket
    return world.plain_s3.get_object(Bucket=bucket, Key=object_key(number))["Body"].read()


def forged(package: bytes, reviewer: str, change: Change) -> bytes:
    """The package with one reviewer's decision changed, chain, opinions and manifests made right again."""
    files: Files = files_of(package)
    (name,) = (n for n in event_names(files) if _decided_by(files[n], reviewer))
    document = json.loads(files[name])
    change(document)
    files[name] = json.dumps(document).encode()
    rechained(files)
    for opinion in [n for n in files if n.startswith("data/opinions/")]:
        del files[opinion]
    number = 0
    for event_name in event_names(files):
        event = json.loads(files[event_name])
        if event["type"] == "Decided":
            number += 1
            _write_opinion(files, number, event)
    folder = files["data/catalog.json"]
    return repacked(files, folder=json.loads(folder)["catalog_number"].replace("·", "_"))


def _decided_by(raw: bytes, reviewer: str) -> bool:
    event = json.loads(raw)
    return bool(event["type"] == "Decided" and event["actor"] == reviewer)


def _write_opinion(files: Files, number: int, event: dict[str, Any]) -> None:
    document = layout.opinion_document(event_from_document(event))
    files[layout.opinion_name(number, event["payload"]["stage"])] = canonical(document)


def found(report: Report) -> set[Code]:
    return {finding.code for finding in report.findings}


def test_a_package_of_signed_opinions_passes_with_the_service_s_key_and_says_so(
    package: bytes, key: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = verify(package, service_keys=[key])
    assert report.ok, report.findings
    assert report.facts is not None
    assert (report.facts.format_version, report.facts.signed_count, report.facts.opinion_count) == (5, 3, 3)
    kept, pem = tmp_path / "package.zip", tmp_path / "service.pem"
    kept.write_bytes(package)
    pem.write_bytes(key)
    assert run(kept, sha256=None, service_keys=[pem], language="en") == 0
    assert "Signed opinions: 3 of 3, checked with the service's public key" in capsys.readouterr().out
    pem.write_bytes(b"no key")
    assert run(kept, sha256=None, service_keys=[pem], language="zh-Hans") == 1
    assert run(kept, sha256=None, service_keys=[tmp_path / "none.pem"], language="en") == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event["payload"].update(comment="同意，无需修改。"),
        lambda event: event["payload"]["checklist"].update(format=False),
        lambda event: event.update(actor="p-somebody-else"),
        lambda event: event["payload"]["proof"].update(nonce="x" * 43),
    ],
)
def test_a_changed_opinion_is_found_though_the_whole_chain_was_made_anew(
    package: bytes, key: bytes, change: Change
) -> None:
    """By the reviewer's own signature even without the service's key, and by both with it."""
    altered = forged(package, EDITOR.id, change)
    assert found(verify(altered)) & {Code.PASSKEY_SIGNATURE, Code.ENROLMENT}
    assert found(verify(altered, service_keys=[key])) >= {Code.SERVICE_SIGNATURE}


def test_what_no_passkey_signed_is_held_by_the_service_s_signature(package: bytes, key: bytes) -> None:
    altered = forged(package, HEAD.id, lambda event: event["payload"].update(comment="我也同意。"))
    assert found(verify(altered)) == set(), "without a key from outside nothing tells"
    assert found(verify(altered, service_keys=[key])) == {Code.SERVICE_SIGNATURE}
    untouched = forged(package, HEAD.id, lambda _event: None)
    assert verify(untouched, service_keys=[key]).ok


def test_signatures_that_were_taken_away_or_swapped_are_missed(package: bytes, key: bytes) -> None:
    def bare(event: dict[str, Any]) -> None:
        for name in ("service_signature", "proof", "decided_at"):
            del event["payload"][name]

    altered = forged(package, EXECUTIVE.id, bare)
    assert found(verify(altered)) == {Code.PROOF}, "the procedure of the round asks for one"
    assert found(verify(altered, service_keys=[key])) == {Code.PROOF, Code.UNSIGNED}

    def later(event: dict[str, Any]) -> None:
        event["at"] = "2031-01-01T00:00:00.000Z"

    altered = forged(package, EXECUTIVE.id, later)
    assert Code.DECIDED_AT in found(verify(altered, service_keys=[key]))

    def by_app(event: dict[str, Any]) -> None:
        event["payload"]["proof"] = {"kind": "sworn"}

    altered = forged(package, EXECUTIVE.id, by_app)
    assert found(verify(altered)) == {Code.PROOF}

    def of_another(event: dict[str, Any]) -> None:
        event["payload"]["proof"]["enrolment"]["event"]["actor"] = "p-editor"

    altered = forged(package, EXECUTIVE.id, of_another)
    assert found(verify(altered)) == {Code.ENROLMENT}


def test_a_package_of_before_signatures_verifies_as_what_it_is(key: bytes) -> None:
    old = build(a_short_dossier())
    report = verify(old)
    assert report.ok
    assert report.facts is not None
    assert (report.facts.format_version, report.facts.signed_count) == (1, 0)
    assert found(verify(old, service_keys=[key])) == {Code.UNSIGNED}
