"""A small app with one handler of every kind, and its workflows: what the laptop's cloud is tested with."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from chalice.app import (
    Blueprint,
    Chalice,
    DynamoDBEvent,
    LambdaFunctionEvent,
    Rate,
    Request,
    Response,
    SQSEvent,
)

from chalicelib.core.errors import TooEarly
from infra.local.cloud import Files

Document = dict[str, Any]

DATA = Files().data

APP_TEMPLATE = """
Resources:
  OnEvent:
    Properties:
      Events:
        OnEventDynamodbEventSource:
          Properties:
            BatchSize: 10
            MaximumRetryAttempts: 2
            FilterCriteria:
              Filters:
                - Pattern: >-
                    {"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "EVENT#"}]}}}}
            FunctionResponseTypes: [ReportBatchItemFailures]
  OnSignIn:
    Properties:
      Events:
        OnSignInSqsEventSource:
          Properties:
            FunctionResponseTypes: [ReportBatchItemFailures]
"""

TOKEN = "arn:aws:states:::lambda:invoke.waitForTaskToken"
INVOKE = "arn:aws:states:::lambda:invoke"


def task(function: str, *, token: bool = False, **more: object) -> Document:
    """A state that calls a function of the tiny app."""
    payload: Document = {"input.$": "$"} | ({"token.$": "$$.Task.Token"} if token else {})
    return {
        "Type": "Task",
        "Resource": TOKEN if token else INVOKE,
        "Parameters": {"FunctionName": f"${{{function}Function}}", "Payload": payload},
        **more,
    }


def chain(**states: Document) -> Document:
    """A machine of these states, one after the other."""
    names = list(states)
    for name, following in pairwise(names):
        states[name].setdefault("Next", following)
    if states[names[-1]]["Type"] != "Succeed":
        states[names[-1]].setdefault("End", True)
    return {"StartAt": names[0], "States": states}


@dataclass
class Seen:
    """What the handlers met, in order; `numbers` are the records'. `on_call` lets a test make a handler fail."""

    calls: list[tuple[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)
    on_call: Callable[[str, Any], Any] = lambda _name, _value: None

    def call(self, name: str, value: object) -> Any:  # noqa: ANN401 - whatever the test lets the handler answer
        self.calls.append((name, value))
        return self.on_call(name, value)

    def of(self, name: str) -> list[Any]:
        return [value for each, value in self.calls if each == name]


def tiny_app(seen: Seen) -> Chalice:
    """The app. Its jobs are in a blueprint, as the real ones are."""
    app = Chalice("tiny")
    app.register_blueprint(_jobs(seen))
    _add_routes(app, seen)
    return app


def _jobs(seen: Seen) -> Blueprint:
    jobs = Blueprint("tests.local.tiny")

    @jobs.lambda_function(name="double")
    def double(event: Document, _context: object) -> Document:
        seen.call("double", event)
        return {"doubled": event["input"]["number"] * 2}

    @jobs.lambda_function(name="ask")
    def ask(event: Document, _context: object) -> None:
        seen.tokens.append(event["token"])
        seen.call("ask", event["input"])

    @jobs.lambda_function(name="refuse")
    def refuse(event: Document, _context: object) -> None:
        seen.call("refuse", event)
        raise TooEarly

    @jobs.on_dynamodb_record("arn:aws:dynamodb:::table/records/stream/now", name="on_event")
    def on_event(event: DynamoDBEvent) -> Any:  # noqa: ANN401 - whatever the test lets it answer
        records = list(event)
        seen.numbers |= {record.keys["sk"]["S"]: record.sequence_number for record in records}
        return seen.call("on_event", [record.keys["sk"]["S"] for record in records])

    @jobs.on_sqs_message(queue="sign-in", batch_size=10, name="on_sign_in")
    def on_sign_in(event: SQSEvent) -> Any:  # noqa: ANN401 - as above
        return seen.call("on_sign_in", event.to_dict()["Records"])

    @jobs.schedule(Rate(5, Rate.MINUTES), name="sweep")
    def sweep(_event: LambdaFunctionEvent) -> None:
        seen.call("sweep", None)

    return jobs


def _add_routes(app: Chalice, seen: Seen) -> None:
    def current() -> Request:
        request = app.current_request
        assert request is not None
        return request

    @app.route("/api/v1/things/{name}", methods=["GET", "POST", "PUT"])
    def thing(name: str) -> Response:
        seen.call("thing", {"name": name, "body": current().raw_body, "context": current().context})
        return Response(
            json.dumps({"name": name}),
            headers={"Content-Type": "application/json", "Set-Cookie": ["a=1; Secure", "b=2"], "X-One": "1"},
        )

    @app.route("/api/{kind}/one")
    def one(kind: str) -> Document:
        return {"kind": kind}

    @app.route("/api/{sort}/two")
    def two(sort: str) -> Document:
        return current().uri_params or {"lost": sort}


def tiny_files(folder: Path, **workflows: Document) -> Files:
    """Write the workflows and the merge template, and say where they are."""
    for name, machine in workflows.items():
        (folder / f"{name}.asl.json").write_text(json.dumps(machine), encoding="utf-8")
    template = folder / "app.yaml"
    template.write_text(APP_TEMPLATE, encoding="utf-8")
    return Files(data=DATA, app=template, workflows=folder)
