"""Whether a deployed app works at all: a few harmless requests, as API Gateway and a caller of functions make them.

They go through API Gateway's own test call, and so neither need a name in DNS nor pass the firewall, both of which
may be made only afterwards.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.deployment.clients import Client
from infra.deployment.formation import Formation, Pause
from infra.package import RENDERER

_PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries: it takes AWS some until every part of it knows a new role."""
_API = "RestAPI"
"""What Chalice calls it."""
_NOBODY = "smoke-test@imprimatur.invalid"
"""An address that nobody can have: the answer is the same, and no mail goes out."""


class NotWorking(Exception):
    """The message says what does not work."""


@dataclass(frozen=True, kw_only=True)
class Smoke:
    """`stack` is CloudFormation's name of the app's stack."""

    clients: Client
    formation: Formation
    region: str
    stack: str
    pause: Pause = time.sleep

    def faults(self) -> list[str]:
        """What does not work, in words; nothing when all is well."""
        checks: Mapping[str, Callable[[], None]] = {
            "healthz": self._healthz,
            "openapi.json": self._openapi,
            "sign-in": self._sign_in,
            "renderers": self._renderers,
        }
        left = dict(checks)
        for seconds in (*_PAUSES, None):
            found = {name: _fault(check) for name, check in left.items()}
            faults = [f"{name}: {fault}" for name, fault in found.items() if fault is not None]
            if not faults or seconds is None:
                return faults
            left = {name: check for name, check in left.items() if found[name] is not None}
            self.pause(seconds)
        raise AssertionError  # the last try has returned

    def _healthz(self) -> None:
        if self._ask("GET", "/healthz", {200}).get("status") != "ok":
            raise NotWorking("it does not say that it is well")

    def _openapi(self) -> None:
        if not self._ask("GET", "/openapi.json", {200}).get("paths"):
            raise NotWorking("it describes no route")

    def _sign_in(self) -> None:
        # 429: several deployments within minutes. The desk has counted them, so it works.
        self._ask("POST", "/api/v1/sign-in", {202, 429}, {"email": _NOBODY})

    def _ask(self, method: str, path: str, expected: set[int], body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 — whatever JSON it answers
        api = self.formation.physical(self.stack, _API)
        answer = self.clients("apigateway", self.region).test_invoke_method(
            restApiId=api,
            resourceId=self._resource(api, path),
            httpMethod=method,
            pathWithQueryString=path,
            headers={"Accept": "application/json", "Content-Type": "application/json"},
            body="" if body is None else json.dumps(body),
        )
        if answer["status"] not in expected:
            raise NotWorking(
                f"{method} {path} answers {answer['status']} and not {min(expected)}: {answer['body'][:500]}"
            )
        try:
            return json.loads(answer["body"])
        except ValueError as error:
            raise NotWorking(f"{method} {path} answers no JSON: {answer['body'][:500]}") from error

    def _resource(self, api: str, path: str) -> str:
        pages = self.clients("apigateway", self.region).get_paginator("get_resources").paginate(restApiId=api)
        for page in pages:
            for one in page["items"]:
                if one["path"] == path:
                    return str(one["id"])
        raise NotWorking(f"API Gateway knows no {path}")

    def _renderers(self) -> None:
        answer = self.clients("lambda", self.region).invoke(
            FunctionName=self.formation.physical(self.stack, RENDERER),
            Payload=json.dumps({"ask": "versions"}),
        )
        said = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise NotWorking(f"{said.get('errorType')}: {said.get('errorMessage')}")
        if not said.get("renderers"):
            raise NotWorking(f"it does not say its version but {said}")


def _fault(check: Callable[[], None]) -> str | None:
    try:
        check()
    except (NotWorking, ClientError, BotoCoreError) as error:
        return str(error)
    return None
