import json

import pytest

from infra.local.functions import MAX_PAYLOAD, Functions
from tests.local.tiny import Seen, tiny_app


@pytest.fixture
def functions(seen: Seen) -> Functions:
    return Functions(tiny_app(seen), "tiny")


def payload(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "name", ["tiny-double", "double", "arn:aws:lambda:us-east-1:123456789012:function:tiny-double"]
)
def test_function_is_called_by_name_and_by_arn(functions: Functions, name: str) -> None:
    answer = functions.invoke(name, payload({"input": {"number": 4}}))
    assert (answer.failed, answer.value()) == (False, {"doubled": 8})


def test_exception_becomes_an_error_with_its_class_name(functions: Functions) -> None:
    answer = functions.invoke("tiny-refuse", payload({}))
    assert answer.failed
    assert answer.value()["errorType"] == "TooEarly"


def test_handler_gets_and_gives_json_not_objects(functions: Functions, seen: Seen) -> None:
    handed = {"Records": [{"body": "x"}]}
    seen.on_call = lambda _name, _value: {"when": object()}
    functions.invoke("tiny-on_sign_in", payload(handed))
    assert seen.of("on_sign_in")[0] == handed["Records"]
    assert functions.invoke("tiny-on_sign_in", payload(handed)).value()["errorType"] == "TypeError"


def test_answer_over_what_lambda_carries_is_an_error(functions: Functions, seen: Seen) -> None:
    seen.on_call = lambda _name, _value: "x" * (MAX_PAYLOAD + 1)
    answer = functions.invoke("tiny-on_sign_in", payload({"Records": []}))
    assert answer.failed
    assert answer.value()["errorType"] == "Function.ResponseSizeTooLarge"


def test_unknown_function_is_named_with_those_there_are(functions: Functions) -> None:
    with pytest.raises(KeyError, match=r"no handler triple; it has .*double"):
        functions.invoke("tiny-triple", payload({}))


def test_invocations_are_counted_while_they_run_and_no_longer(functions: Functions, seen: Seen) -> None:
    during: list[int] = []
    seen.on_call = lambda _name, _value: during.append(functions.in_flight)
    functions.invoke("tiny-refuse", payload({}))
    functions.invoke("tiny-double", payload({"input": {"number": 1}}))
    assert during == [1, 1]
    assert functions.in_flight == 0


def test_workflows_may_name_every_handler(functions: Functions) -> None:
    substitutions = functions.substitutions()
    assert substitutions["OnSignInFunction"] == "tiny-on_sign_in"
    assert substitutions["DoubleFunction"] == "tiny-double"
