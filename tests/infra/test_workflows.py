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


def test_a_freeze_is_not_tried_again_but_ends_what_it_holds_back() -> None:
    definition = json.loads(WORKFLOWS["publication"].read_bytes())
    deliver = definition["States"]["Publish"]["ItemProcessor"]["States"]
    found = {**definition["States"], **deliver}
    for name, following in (("LastCheck", "Frozen"), ("Deliver", "Undelivered"), ("Archive", "Frozen")):
        assert found[name]["Retry"][0] == {"ErrorEquals": ["ChannelsFrozen"], "MaxAttempts": 0}, name
        assert [way["Next"] for way in found[name]["Catch"]] == [following]
    assert found["Frozen"]["Type"] == "Succeed"
