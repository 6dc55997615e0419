"""The workflow files as AWS gets them; what can be wrong within them `infra/checks/workflows.py` finds."""

import json
import re

from infra.package import ROOT

WORKFLOWS = {
    path.name.removesuffix(".asl.json"): path for path in (ROOT / "infra" / "workflows").glob("*.asl.json")
}


def test_there_are_a_review_and_a_publication() -> None:
    assert WORKFLOWS.keys() == {"review", "publication"}


def test_publication_names_the_errors_that_mean_not_yet() -> None:
    definition = json.loads(WORKFLOWS["publication"].read_bytes())
    assert {"TooEarly", "ChannelsFrozen"} <= set(re.findall(r"\w+", json.dumps(definition)))
