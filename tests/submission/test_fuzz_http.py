"""Forms over HTTP, sound, wrong and hostile: never a 5xx, and nothing stored that the schema refuses.

`make test` sends 500, `make test-fuzz` 10,000. The clock stands still, so that each run sends the same.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core.validation import schema
from chalicelib.identity.store import put_session
from chalicelib.people.roster import parse
from chalicelib.submission.hours import ChannelHours
from tests.attachment.files import put_ready
from tests.faults import FaultyAws
from tests.submission.strategies import (
    ATTACHMENTS,
    DEPARTMENTS,
    DRAFTER,
    NOW,
    SOUND,
    Document,
    Wrong,
    hostile_documents,
    invalid_forms,
    valid_forms,
)
from tests.world import Answer, a_world, call_app

AWS = FaultyAws()
ROSTER = Path(__file__).parents[2] / "infra" / "local" / "roster.yaml"
TOKEN = f"{DRAFTER}.{'t' * 43}"
EDITOR = "p-2wszmjkgshsqbtxa4ifd"
EDITORS_TOKEN = f"{EDITOR}.{'e' * 43}"
VALID, INVALID, HOSTILE = 200, 200, 100
FULL = 20
"""How many times more the long run sends."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The desk at a standing clock."""

    parts: Parts

    def post(self, document: object, path: str = "/api/v1/submissions", token: str = TOKEN) -> Answer:
        AWS.begin()
        return call_app("POST", path, json.dumps(document), {"authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    roster = parse(yaml.safe_load(ROSTER.read_text("utf-8")))
    with a_world(aws=AWS, roster=roster) as world:
        desk = Desk(parts=Parts(world.parts.settings, aws=AWS, now=lambda: NOW))
        vars(desk.parts)["channel_hours"] = ChannelHours()  # when is asked elsewhere
        bootstrap.use(desk.parts)
        for token, person in ((TOKEN, DRAFTER), (EDITORS_TOKEN, EDITOR)):
            desk.parts.table.put(put_session(token, person, NOW + timedelta(days=1)))
        for attachment in ATTACHMENTS:
            put_ready(desk.parts, attachment, department=DEPARTMENTS[0], uploader=DRAFTER, now=NOW)
        yield desk


@pytest.fixture(scope="module")
def reviewed(desk: Desk) -> str:
    """The address of a submission in its initial review."""
    answer = desk.post(SOUND)
    assert answer.status == 201, answer
    return f"/api/v1/submissions/{answer.body['id']}"


def survive_amended(desk: Desk, document: object, reviewed: str) -> None:
    """As an editor's text in the place of another that nobody has seen, and as its drafter's answer."""
    if isinstance(document, dict):
        text = {n: v for n, v in document.items() if n not in {"department", "drafter", "declaration"}}
        document = {"reason": "x", "content_digest": "0" * 64, **text}
    refused = desk.post(document, f"{reviewed}/amendment", EDITORS_TOKEN)
    assert refused.status in {400, 409, 422}, refused
    assert writes() == []
    assert 400 <= desk.post(document, f"{reviewed}/confirmation").status < 500
    assert writes() == []


def writes() -> list[str]:
    """The calls of the last request that could have stored something."""
    return [call for call in AWS.calls if not call.startswith(("BatchGetItem", "Query"))]


def assert_stored(desk: Desk, document: object, answer: Answer) -> None:
    """What was taken in is stored as it was sent, and the schema has nothing against it."""
    assert answer.status == 201, answer
    assert answer.body["state"] == "in_review"
    stored = desk.parts.journal.revision(answer.body["id"], 1).form.document
    assert stored == document
    assert schema("submission").errors(stored) == ()


def refuse(desk: Desk, wrong: Wrong) -> None:
    document, pointers = wrong
    answer = desk.post(document)
    assert answer.status == 422, answer
    assert pointers <= {error["pointer"] for error in answer.body["errors"]}
    assert all(error["message"] and error["code"] for error in answer.body["errors"])
    assert writes() == []


def survive(desk: Desk, document: object) -> None:
    answer = desk.post(document)
    assert answer.status in {201, 400, 403, 422}, answer
    if answer.status == 201:
        assert_stored(desk, document, answer)
    else:
        assert writes() == []
    for path in ("/api/v1/sessions", "/api/v1/review-links/decision"):
        assert 400 <= desk.post(document, path).status < 500


def cases(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@cases(VALID)
@given(form=valid_forms())
def test_a_sound_form_is_taken_in(desk: Desk, form: Document) -> None:
    """Clause 3.1.2: the form in its set format."""
    assert_stored(desk, form, desk.post(form))


@cases(INVALID)
@given(wrong=invalid_forms())
def test_a_wrong_form_is_refused_at_each_of_its_faults_and_not_stored(desk: Desk, wrong: Wrong) -> None:
    """Clause 3.1.2: all errors at once, by field."""
    refuse(desk, wrong)


@cases(HOSTILE)
@given(document=hostile_documents())
def test_whatever_is_sent_is_answered(desk: Desk, reviewed: str, document: object) -> None:
    survive(desk, document)
    survive_amended(desk, document, reviewed)


@pytest.mark.fuzz_full
@cases(VALID * FULL)
@given(form=valid_forms())
def test_every_sound_form_is_taken_in(desk: Desk, form: Document) -> None:
    assert_stored(desk, form, desk.post(form))


@pytest.mark.fuzz_full
@cases(INVALID * FULL)
@given(wrong=invalid_forms())
def test_every_wrong_form_is_refused(desk: Desk, wrong: Wrong) -> None:
    refuse(desk, wrong)


@pytest.mark.fuzz_full
@cases(HOSTILE * FULL)
@given(document=hostile_documents())
def test_whatever_is_sent_again_and_again_is_answered(desk: Desk, reviewed: str, document: object) -> None:
    survive(desk, document)
    survive_amended(desk, document, reviewed)
