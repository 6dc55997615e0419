"""The two small functions that run in CloudFront, run as they stand in the template."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from chalicelib.core.http import VIEWER_ADDRESS
from infra.checks.templates import of_type
from infra.checks.tree import EDGE, Tree

NODE = shutil.which("node")
FUNCTIONS = of_type(Tree().stacks[EDGE], "AWS::CloudFront::Function")

pytestmark = pytest.mark.skipif(NODE is None, reason="make check asks for Node")


def answer(function: str, uri: str, **headers: str) -> dict[str, Any]:
    """What a function makes of a request from 203.0.113.7, as CloudFront hands it over."""
    request = {
        "method": "GET",
        "uri": uri,
        "headers": {name: {"value": value} for name, value in headers.items()},
    }
    event = {"viewer": {"ip": "203.0.113.7"}, "request": request}
    code = (
        f"{FUNCTIONS[function]['FunctionCode']}\nconsole.log(JSON.stringify(handler({json.dumps(event)})));"
    )
    ran = subprocess.run((str(NODE), "-e", code), check=True, capture_output=True, text=True)  # noqa: S603 — ours
    answered: dict[str, Any] = json.loads(ran.stdout)
    return answered


def test_a_visitor_cannot_choose_the_address_to_be_counted_under() -> None:
    """Clause 5.2.1."""
    for headers in ({}, {VIEWER_ADDRESS: "198.51.100.1"}):
        assert answer("ViewerAddress", "/", **headers)["headers"][VIEWER_ADDRESS] == {"value": "203.0.113.7"}


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("/", "/index.html"),
        ("/news/", "/news/index.html"),
        ("/s-1/1/index.html", "/s-1/1/index.html"),
        ("/s-1/1/files/1.pdf", "/s-1/1/files/1.pdf"),
    ],
)
def test_a_folder_is_its_index_page(uri: str, key: str) -> None:
    assert answer("FolderIndex", uri)["uri"] == key
