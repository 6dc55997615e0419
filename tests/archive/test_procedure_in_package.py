"""The procedure of review in a package: who reads it years later sees how many had to approve, and that they did."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from chalicelib.archive.model.findings import Code
from chalicelib.archive.model.package import build
from chalicelib.archive.model.verification import verify
from chalicelib.core.canonical import canonical
from tests.archive.dossiers import (
    EDITOR,
    EXECUTIVE,
    HEAD,
    a_dossier,
    a_dossier_under,
    edited,
    files_of,
    repacked,
)

OTHER = "p-othereditor"
TWO_OF_THEM: Mapping[str, Any] = {
    "stages": [
        {"id": "initial", "quorum": 2},
        {"id": "department_head", "quorum": 1},
        {"id": "legal_2", "quorum": "all"},
    ]
}
APPROVED = [("initial", EDITOR), ("initial", OTHER), ("department_head", HEAD), ("legal_2", EXECUTIVE)]


def a_package(approvals: Sequence[tuple[str, str]] = APPROVED) -> bytes:
    return build(a_dossier_under(TWO_OF_THEM, approvals, asked={"legal_2": [EXECUTIVE]}))


def test_a_package_with_its_procedure_is_sound_and_of_the_third_format() -> None:
    """Clause 2.2.1, clause 3.5.2."""
    report = verify(a_package())
    assert report.ok, report.findings
    assert report.facts is not None
    assert report.facts.format_version == 3
    assert [approval.stage for approval in report.facts.approvals] == [stage for stage, _ in APPROVED]


@pytest.mark.parametrize(
    "approvals",
    [
        APPROVED[1:],
        APPROVED[:-1],
        [APPROVED[0], APPROVED[0], *APPROVED[2:]],
        [APPROVED[0], ("initial", OTHER), ("initial", HEAD), *APPROVED[2:]],
        [APPROVED[0], APPROVED[2], APPROVED[1], APPROVED[3]],
        [*APPROVED, ("other", OTHER)],
        [*APPROVED[:-1], ("legal_2", OTHER)],
    ],
    ids=[
        "one of two",
        "a stage less",
        "one person twice",
        "one too many",
        "out of order",
        "of no stage",
        "not the asked",
    ],
)
def test_approvals_that_do_not_pass_the_procedure_are_found(approvals: list[tuple[str, str]]) -> None:
    """Clause 3.3.1."""
    with pytest.raises(ValueError, match="lacks the approvals of its procedure"):
        a_package(approvals)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            lambda files: edited(
                files, "data/procedure.json", lambda said: said["stages"][0].update(quorum=1)
            ),
            Code.PROCEDURE,
        ),
        (lambda files: files.pop("data/procedure.json"), Code.MISSING_FILE),
        (lambda files: files.update({"data/procedure.json": b"{}"}), Code.PROCEDURE),
        (lambda files: files.update({"data/procedure.json": b"{ }"}), Code.NOT_CANONICAL),
    ],
)
def test_another_procedure_than_the_rounds_is_found(
    change: Callable[[dict[str, bytes]], object], code: Code
) -> None:
    files = files_of(a_package())
    change(files)
    assert code in {finding.code for finding in verify(repacked(files)).findings}


def test_a_procedure_that_no_event_names_is_found() -> None:
    files = files_of(build(a_dossier()))
    files["data/procedure.json"] = canonical(TWO_OF_THEM)
    assert Code.PROCEDURE in {finding.code for finding in verify(repacked(files)).findings}
