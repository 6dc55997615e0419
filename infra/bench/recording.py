"""Records one life: a notice with a body of 3 KB, for the website only, approved at all three stages."""

import copy
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.response import StreamingBody

from app import app
from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core.aws import Aws
from chalicelib.core.clock import from_text, to_text, utc_now
from chalicelib.core.ids import new_secret
from chalicelib.core.settings import from_environment
from chalicelib.identity.store import put_session
from chalicelib.people.model import Person
from chalicelib.submission.model import STAGES
from infra.bench.tape import DECIDE, OPEN, PUT_ITEM, SUBMIT, Answer, Step, Tape, outcome
from infra.commands.roster import read
from infra.local.clients import REGION
from infra.local.cloud import Cloud
from infra.local.sample_requests import SAMPLES, load

ROSTER = Path(__file__).parents[1] / "local" / "roster.yaml"
SAMPLE = "safety-notice"
WAIT_SCALE = 1000
SESSION = timedelta(hours=1)
PATHS = {
    SUBMIT: "/api/v1/submissions",
    OPEN: "/api/v1/review-links",
    DECIDE: "/api/v1/review-links/decision",
}
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})

Handler = Callable[[Any, Any], Any]


class BrokenLifeError(Exception):
    """A step of the life that is to be measured did not go well."""


class Recorder:
    """Writes down each step and, by listening to the clients of the thread that takes it, AWS's answers."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._thread = threading.local()

    def now(self) -> datetime:
        """The product's clock: it stands still during a step, so that a replay decides alike."""
        at: datetime | None = getattr(self._thread, "at", None)
        return at or from_text(to_text(utc_now()))

    def around(self, name: str, handler: Handler) -> Handler:
        """The handler, with each of its calls recorded as a step of that name."""

        def call(event: Any, context: Any = None) -> Any:  # noqa: ANN401 — as Lambda's
            given, at, answers = copy.deepcopy(event), self.now(), list[Answer]()
            self._thread.at, self._thread.answers = at, answers
            try:
                result = handler(event, context)
            finally:
                del self._thread.at, self._thread.answers
            step = Step(
                name=name, at=to_text(at), event=given, outcome=outcome(name, result), answers=answers
            )
            self.steps.append(step)
            return result

        return call

    def hear(self, operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 — botocore's
        """Take down an answer, if the thread is within a step."""
        answers: list[Answer] | None = getattr(self._thread, "answers", None)
        if answers is None:
            return
        body = response_dict["body"]
        if not isinstance(body, bytes):
            body = body.read()
            response_dict["body"] = StreamingBody(io.BytesIO(body), len(body))
        headers = {
            name: value
            for name, value in response_dict["headers"].items()
            if name.lower() not in _OF_THE_CONNECTION
        }
        answers.append(
            Answer(
                operation=operation_model.name,
                status=response_dict["status_code"],
                headers=headers,
                body=body.decode(),
            )
        )


class _HeardAws(Aws):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__(region=REGION)
        self._recorder = recorder

    def make(self, service: str) -> Any:  # noqa: ANN401 — as its base
        client = super().make(service)
        client.meta.events.register("before-parse", self._recorder.hear)
        return client


def record() -> Tape:
    """Live the life in the laptop's cloud, in this process. Raises BrokenLifeError when it does not end well."""
    recorder = Recorder()
    with _recorded_jobs(recorder), Cloud(app=app, wait_scale=WAIT_SCALE) as cloud:
        parts = Parts(from_environment(cloud.environment), aws=_HeardAws(recorder), now=recorder.now)
        bootstrap.use(parts)
        try:
            _Life(cloud, parts, recorder).live()
        finally:
            bootstrap.use(None)
        return Tape(
            environment=cloud.environment, put_item=_put_item(recorder.steps[0]), steps=recorder.steps
        )


@contextmanager
def _recorded_jobs(recorder: Recorder) -> Iterator[None]:
    """Let every job of the app be recorded; a Cloud finds them in its handler map."""
    before = dict(app.handler_map)
    app.handler_map.update({name: recorder.around(name, handler) for name, handler in before.items()})
    try:
        yield
    finally:
        app.handler_map.update(before)


def _put_item(submitted: Step) -> Step:
    """The yardstick: one item of some 2 KB, written by a client as boto3 makes it."""
    body = json.loads(submitted.event["body"])
    item = {"pk": {"S": "SUBMISSION#1"}, "sk": {"S": "REVISION#1"}, "text": {"S": body["body"][:600]}}
    headers = {"content-type": "application/x-amz-json-1.0"}
    answer = Answer(operation="PutItem", status=200, headers=headers, body="{}")
    return Step(
        name=PUT_ITEM,
        at=submitted.at,
        event={"TableName": "records", "Item": item},
        outcome=200,
        answers=[answer],
    )


class _Life:
    """The people of the life."""

    def __init__(self, cloud: Cloud, parts: Parts, recorder: Recorder) -> None:
        self._cloud = cloud
        self._parts = parts
        self._call = {name: recorder.around(name, app) for name in PATHS}
        roster = read(ROSTER)
        parts.roster_keeper.apply(roster, utc_now())
        parts.website.rebuild(lambda _entry: "")  # as it is after the first life: with all its pages
        self._people = {person.email: person for person in roster.persons}
        self._tokens: dict[str, str] = {}

    def live(self) -> None:
        """From the form to the archive."""
        (sample,) = (sample for sample in load(SAMPLES, utc_now()) if sample.key == SAMPLE)
        form = {**sample.form, "body": sample.form["body"] * 2, "channels": ["website"]}
        form["publish_at"] = utc_now().astimezone(self._parts.settings.center_zone).isoformat("T", "seconds")
        submission = self._post(SUBMIT, form, form["drafter"])["id"]
        for _ in STAGES:
            self._cloud.settle()
            self._review()
        self._cloud.settle(through_waits=True)
        state = self._parts.journal.head(submission).state
        if state != "archived":
            raise BrokenLifeError(f"the life ended as {state}")

    def _review(self) -> None:
        mail = self._cloud.mails()[0]
        reviewer: Person = self._people[mail.to]
        handle = urlsplit(mail.links[0]).fragment
        seen = self._post(OPEN, {"handle": handle}, reviewer.id)
        opinion = {
            "handle": handle,
            "decision": "approve",
            "comment": "内容属实，要点清楚，同意。",
            "checklist": {item["id"]: True for item in seen["checklist"]},
            "content_digest": seen["content_digest"],
        }
        self._post(DECIDE, opinion, reviewer.id)

    def _post(self, name: str, body: object, person: str) -> Any:  # noqa: ANN401 — JSON
        """One request, as API Gateway hands it over."""
        path = PATHS[name]
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._token(person)}"}
        event = {
            "resource": path,
            "path": path,
            "httpMethod": "POST",
            "headers": headers,
            "multiValueHeaders": {key: [value] for key, value in headers.items()},
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "pathParameters": None,
            "stageVariables": None,
            "requestContext": {
                "httpMethod": "POST",
                "resourcePath": path,
                "identity": {"sourceIp": "192.0.2.1"},
                "requestId": "bench",
            },
            "body": json.dumps(body, ensure_ascii=False),
            "isBase64Encoded": False,
        }
        answer = self._call[name](event, None)
        if answer["statusCode"] not in {200, 201}:
            raise BrokenLifeError(f"{name}: {answer['statusCode']} {answer['body']}")
        return json.loads(answer["body"])

    def _token(self, person: str) -> str:
        """The token of a session, as signing in would have made it."""
        if person not in self._tokens:
            token = f"{person}.{new_secret()}"
            self._parts.table.put(put_session(token, person, utc_now() + SESSION))
            self._tokens[person] = token
        return self._tokens[person]
