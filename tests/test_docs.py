"""The documents say what is there: whoever changes the one is told of the other."""

import argparse
import ast
import importlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import MISSING, fields
from itertools import chain
from pathlib import Path

import pytest

from app import app
from chalicelib.core.settings import Settings
from chalicelib.core.table import Record
from chalicelib.submission.model import LEGAL
from infra import cli
from infra.package import RENDERER

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README, ARCHITECTURE, OPERATIONS = ROOT / "README.md", DOCS / "architecture.md", DOCS / "operations.md"
REGULATION, DECISIONS = DOCS / "regulation.md", DOCS / "decisions"
DOCUMENTS = (README, ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")))

CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
REPOSITORY_PATH = re.compile(
    r"(?:app\.py|Makefile|[A-Z]+\.md|pyproject\.toml|(?:\.ci|chalicelib|docs|infra|policies|schemas|tests)/[\w./-]*)"
)
CLAUSE = r"\d\.\d+(?:\.\d+)?"
NAMED_CLAUSES = re.compile(
    rf"clauses? ((?:{CLAUSE}(?:, clause | and clause |, | and | to |/)?)+)", re.IGNORECASE
)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def table_after(document: Path, heading: str, *, number: int = 1) -> list[list[str]]:
    """The rows, without their head, of the n-th table below a heading."""
    _, found, rest = f"\n{text_of(document)}".partition(f"\n{heading}\n")
    assert found, f"{document.name} has no heading {heading}"
    section = re.split(rf"^#{{1,{heading.count('#')}}} ", rest, flags=re.MULTILINE)[0]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    rows = tables[number - 1].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def codes(cell: str) -> list[str]:
    return CODE.findall(cell)


def only(cells: list[str]) -> str:
    (cell,) = cells
    return cell


def repository_paths(document: Path) -> set[str]:
    return {code for code in codes(text_of(document)) if REPOSITORY_PATH.fullmatch(code)}


def clauses_named_in(text: str) -> set[str]:
    return {clause for found in NAMED_CLAUSES.findall(text) for clause in re.findall(CLAUSE, found)}


def docstrings(path: Path) -> str:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text_of(path))) if isinstance(node, documented)]
    return "\n".join(filter(None, map(ast.get_docstring, nodes)))


def clauses_kept() -> dict[str, list[str]]:
    """The rows of what is kept, by clause."""
    rows = table_after(REGULATION, "## Kept now")
    return {row[0].split()[0]: row for row in rows}


def clauses_to_come() -> set[str]:
    return {row[0].split()[0] for row in table_after(REGULATION, "## Not yet")}


@pytest.mark.parametrize("clause", clauses_kept())
def test_a_kept_clause_names_code_that_exists_and_tests_that_name_it(clause: str) -> None:
    _, _, kept_by, proven_by = clauses_kept()[clause]
    assert codes(kept_by)
    assert [path for path in codes(kept_by) if not (ROOT / path).is_file()] == []
    assert codes(proven_by)
    for test in codes(proven_by):
        assert clause in clauses_named_in(docstrings(ROOT / test)), f"{test} does not name clause {clause}"


def test_every_clause_that_a_test_names_is_said_to_be_kept() -> None:
    kept = clauses_kept()
    forgotten = [
        f"{path.relative_to(ROOT)}: clause {clause}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for clause in sorted(clauses_named_in(docstrings(path)))
        if clause not in kept
    ]
    assert forgotten == []


def test_every_clause_that_code_or_data_names_is_in_the_regulation() -> None:
    known = clauses_kept().keys() | clauses_to_come()
    sections = {clause.rpartition(".")[0] for clause in known}
    unknown = [
        f"{path.relative_to(ROOT)}: {clause}"
        for folder in ("chalicelib", "infra", "policies", "schemas")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".json", ".csv", ".yaml"}
        for clause in clauses_named_in(text_of(path))
        if clause not in known | sections
    ]
    assert unknown == []


@pytest.mark.parametrize("heading", ["## Kept now", "## Not yet"])
def test_clauses_are_in_their_order_and_each_is_there_once(heading: str) -> None:
    clauses = [row[0].split()[0] for row in table_after(REGULATION, heading)]
    assert clauses == sorted(set(clauses), key=lambda clause: [int(part) for part in clause.split(".")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_and_link_of_a_document_leads_somewhere(document: Path) -> None:
    links = {link for link in LINK.findall(text_of(document)) if "://" not in link}
    assert [path for path in sorted(repository_paths(document)) if not (ROOT / path).exists()] == []
    assert [link for link in sorted(links) if not (document.parent / link).exists()] == []


def test_every_document_is_found_from_readme_or_architecture() -> None:
    linked = {
        (page.parent / link).resolve()
        for page in (README, ARCHITECTURE, REGULATION)
        for link in LINK.findall(text_of(page))
        if "://" not in link
    }
    assert [
        path for path in DOCUMENTS if not {path, path.parent} & (linked - {DOCS}) and path != README
    ] == []


def test_readme_names_every_target_of_make_and_no_other() -> None:
    makefile = text_of(ROOT / "Makefile")
    targets = set(only(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)).split())
    told = set(re.findall(r"(?:`|^)make\s+([a-z-]+)", text_of(README), re.MULTILINE))
    assert told == targets
    assert set(re.findall(r"^([a-z-]+):.*## \w", makefile, re.MULTILINE)) == targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_no_target_that_make_does_not_have(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"`make\s+([a-z-]+)", text_of(document))) <= targets


def subcommands(parser: argparse.ArgumentParser, name: str = "imprimatur") -> Iterator[str]:
    """Every full command, such as `imprimatur roster apply`."""
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not nested:
        yield name
    for action in nested:
        for word, inner in action.choices.items():
            yield from subcommands(inner, f"{name} {word}")


def test_the_commands_are_those_of_the_command_line() -> None:
    commands = list(subcommands(cli._parser()))
    assert [only(codes(row[0])) for row in table_after(OPERATIONS, "## Commands")] == commands
    told = [only(codes(row[0])) for row in table_after(README, "## The `imprimatur` command")]
    assert [re.sub(r" [A-Z]+$", "", command) for command in told] == commands


def test_the_options_of_a_command_are_those_it_has() -> None:
    for command, options, _ in table_after(OPERATIONS, "## Commands"):
        parser = cli._parser()
        for word in only(codes(command)).split()[1:]:
            (choices,) = (a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
            parser = choices[word]
        known = {option for action in parser._actions for option in action.option_strings}
        assert set(re.findall(r"--[a-z0-9-]+", options)) == known - {"-h", "--help"}, command


def test_the_settings_are_those_that_are_read() -> None:
    told = [
        (only(codes(variable)), "".join(codes(default)))
        for variable, default, _ in table_after(OPERATIONS, "## Settings")
    ]
    assert told == [
        (field.name.upper(), "" if field.default is MISSING else field.default) for field in fields(Settings)
    ]


def test_the_routes_are_those_of_the_app() -> None:
    rows = [table_after(ARCHITECTURE, "## HTTP", number=number) for number in (1, 2)]
    told = [(m, only(codes(route)), only(codes(module))) for m, route, module, _ in chain(*rows)]
    there = [
        (method, route, f"{entry.view_function.__module__.replace('.', '/')}.py")
        for route, methods in app.routes.items()
        for method, entry in methods.items()
    ]
    assert sorted(told) == sorted(there)


def test_the_functions_are_those_that_are_deployed() -> None:
    config = json.loads(text_of(ROOT / "infra" / "chalice" / "config.json"))
    rows = table_after(ARCHITECTURE, "## What each piece of AWS does", number=2)
    assert [only(codes(row[0])) for row in rows] == [*config["lambda_functions"], RENDERER.lower()]


def test_the_order_of_subjects_is_the_one_that_import_linter_proves() -> None:
    section = text_of(ARCHITECTURE).partition("### Subjects in their order")[2].partition("\n###")[0]
    told = re.findall(r"^\d+\. `(\w+)`", section, re.MULTILINE)
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["name"].startswith("Subjects"))
    assert told == [layer.removeprefix("chalicelib.") for layer in reversed(layers)]
    folders = {path.parent.name for path in (ROOT / "chalicelib").glob("*/__init__.py")}
    assert set(told) == folders


def test_the_states_and_what_may_follow_are_those_of_the_model() -> None:
    told = {only(codes(row[0])): set(codes(row[2])) for row in table_after(ARCHITECTURE, "## States")}
    assert told == {state.value: {after.value for after in following} for state, following in LEGAL.items()}


def test_the_kinds_of_items_are_those_that_the_stores_keep() -> None:
    keepers = [
        path
        for path in sorted((ROOT / "chalicelib").rglob("*.py"))
        if path.name == "store.py" or "(Record)" in text_of(path)
    ]
    for path in keepers:
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    kinds = {kind.__name__ for kind in Record.__subclasses__() if kind.__module__.startswith("chalicelib.")}
    rows = table_after(ARCHITECTURE, "## The table")
    assert Counter(only(codes(row[0])) for row in rows) == Counter(kinds)
    sources = "".join(map(text_of, keepers))
    begins = {only(codes(row[1])).partition("#")[0] for row in rows}
    assert [begin for begin in begins if f'"{begin}' not in sources] == []


def test_the_reasons_why_a_person_is_needed_are_words_of_the_code() -> None:
    subjects = ("submission", "review", "publication/service")
    sources = "".join(
        text_of(path) for subject in subjects for path in (ROOT / "chalicelib" / subject).rglob("*.py")
    )
    rows = table_after(OPERATIONS, "## When a submission needs a person")
    told = [only(codes(row[0])) for row in rows]
    assert [reason for reason in told if f'"{reason}"' not in sources] == []
    given = re.findall(r'(?:_ask_person\(head, |reason=|fault = |fault or )"(\w+)"', sources)
    assert set(given) <= set(told)


def test_the_glossary_names_what_is_in_the_code() -> None:
    sources = "".join(text_of(path) for path in (ROOT / "chalicelib").rglob("*.py"))
    words = set(re.findall(r"\w+", sources))
    named = {
        code
        for row in table_after(DOCS / "glossary.md", "# Glossary")
        for cell in row[2:]
        for code in codes(cell)
    }
    assert sorted(code for code in named if re.fullmatch(r"\w+", code) and code not in words) == []


def test_decisions_are_numbered_without_gaps_and_have_the_same_parts() -> None:
    decisions = sorted(DECISIONS.glob("*.md"))
    for number, path in enumerate(decisions, start=1):
        assert path.name.startswith(f"{number:04d}-")
        headings = re.findall(r"^#+ .*$", text_of(path), re.MULTILINE)
        assert headings[0].startswith(f"# {number}. ")
        assert headings[1:] == ["## Context", "## Decision", "## Consequences"]


def test_architecture_has_one_picture() -> None:
    assert text_of(ARCHITECTURE).count("```mermaid") == 1
