"""Records one life (`infra.bench.life`): for the website only, approved at all three stages."""

import copy
import io
import json
import threading
from datetime import datetime
from typing import Any

from botocore.response import StreamingBody

from app import app
from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core.clock import from_text, to_text, utc_now
from chalicelib.core.settings import from_environment
from infra.bench import life
from infra.bench.life import WAIT_SCALE, Company, Handler, HeardAws, Story, jobs
from infra.bench.tape import DECIDE, OPEN, PUT_ITEM, SUBMIT, Answer, Step, Tape, outcome
from infra.local.cloud import Cloud

STORY = Story(audience="all")
"""An audience of departments would be looked up, which is a call more than a submission must make."""
PATHS = {SUBMIT: life.SUBMIT, OPEN: life.OPEN, DECIDE: life.DECIDE}
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})


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


def record() -> Tape:
    """Live the life in the laptop's cloud, in this process. Raises BrokenLifeError when it does not end well."""
    recorder = Recorder()
    handlers = {path: recorder.around(name, app) for name, path in PATHS.items()}
    with jobs(recorder.around), Cloud(app=app, wait_scale=WAIT_SCALE) as cloud:
        aws = HeardAws(lambda client: client.meta.events.register("before-parse", recorder.hear))
        parts = Parts(from_environment(cloud.environment), aws=aws, now=recorder.now)
        bootstrap.use(parts)
        try:
            people = Company(
                cloud,
                parts,
                lambda method, path, body, token: _called(handlers[path], method, path, body, token),
            )
            people.finish(people.submit(STORY), STORY)
        finally:
            bootstrap.use(None)
        return Tape(
            environment=cloud.environment, put_item=_put_item(recorder.steps[0]), steps=recorder.steps
        )


def _called(handler: Handler, method: str, path: str, body: object, token: str | None) -> tuple[int, str]:
    """One request, as API Gateway hands it over."""
    resource = f"/api/v1/{path}"
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    event = {
        "resource": resource,
        "path": resource,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {key: [value] for key, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "identity": {"sourceIp": "192.0.2.1"},
            "requestId": "bench",
        },
        "body": json.dumps(body, ensure_ascii=False),
        "isBase64Encoded": False,
    }
    answer = handler(event, None)
    return answer["statusCode"], answer["body"]


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
