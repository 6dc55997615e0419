"""Deploying, going on after whatever broke off, and going back; CloudFormation is in memory, S3 is moto's."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from infra.deployment.errors import DeclinedError, DeploymentError
from infra.deployment.lock import Lock
from infra.deployment.plans import Plan, from_sources
from infra.deployment.releases import Release, State
from infra.deployment.rollback import roll_back
from infra.deployment.stacks import stacks_of
from tests.infra.formations import ACCOUNT, FUNCTION, STACKS, TABLE, Answering, Yard, a_client, refused
from tests.infra.terminals import a_terminal, said

DATA: dict[str, Any] = {
    "Records": {"Type": TABLE, "DeletionPolicy": "Retain", "Properties": {"Name": "desk-records"}}
}
DEPOT = f"desk-deployments-{ACCOUNT}"


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "deployer")
    with mock_aws():
        yield Yard(terminal=a_terminal(assume_yes=True))


def planned(yard: Yard, folder: Path, version: str, data: dict[str, Any] | None = None) -> list[Plan]:
    """The plans of sources in this version, sent to the depot."""
    app = {
        "Handler": {"Type": FUNCTION, "Properties": {"Version": version}},
        "RestAPI": {"Type": "AWS::ApiGateway::RestApi"},
        "Renderer": {"Type": FUNCTION},
    }
    for name, resources in (("data", DATA if data is None else data), ("app", app)):
        document = {"Parameters": {"Prefix": {"Type": "String"}}, "Resources": resources}
        (folder / f"{name}.json").write_text(json.dumps(document), "utf-8")
    deployer = yard.deployer()
    return from_sources(
        stacks_of(yard.environment, STACKS),
        yard.environment,
        package=folder,
        folder=folder,
        depot=deployer.depot,
        say=yard.terminal.say,
    )


def deployed(yard: Yard, folder: Path, version: str, data: dict[str, Any] | None = None) -> Release:
    """Deploy it."""
    return yard.deployer().deploy(planned(yard, folder, version, data))


def version_of(yard: Yard) -> str:
    return str(yard.formation.stacks["desk-app"].template["Resources"]["Handler"]["Properties"]["Version"])


def states(yard: Yard) -> list[State]:
    return [release.state for release in yard.deployer().releases.all()]


def test_stacks_are_made_in_order_each_once_the_one_before_stands(yard: Yard, tmp_path: Path) -> None:
    release = deployed(yard, tmp_path, "1")
    assert yard.formation.asked == [
        "propose CREATE desk-data",
        "execute desk-data",
        "propose CREATE desk-app",
        "execute desk-app",
    ]
    assert release.state is State.LIVE
    assert (release.by, release.source) == (f"arn:aws:iam::{ACCOUNT}:user/ops", "abc1234")
    assert "desk-app was tried: it answers as it should." in said(yard.terminal)


def test_depot_is_private_encrypted_and_keeps_versions(yard: Yard, tmp_path: Path) -> None:
    planned(yard, tmp_path, "1")
    s3 = a_client("s3", "eu-west-1")
    assert s3.get_bucket_versioning(Bucket=DEPOT)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(Bucket=DEPOT)["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = s3.get_bucket_encryption(Bucket=DEPOT)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (statement,) = json.loads(yard.policies[DEPOT])["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{DEPOT}", f"arn:aws:s3:::{DEPOT}/*"]
    assert s3.get_bucket_location(Bucket=DEPOT)["LocationConstraint"] == "eu-west-1"


def test_deploying_the_same_again_sends_and_changes_nothing(yard: Yard, tmp_path: Path) -> None:
    first = deployed(yard, tmp_path, "1")
    s3 = a_client("s3", "eu-west-1")
    before = kept(s3)
    yard.formation.asked.clear()
    deployed(yard, tmp_path, "1")
    assert not any(call.startswith("execute") for call in yard.formation.asked)
    assert kept(s3) == before
    current = yard.deployer().releases.current()
    assert current is not None
    assert current.id == first.id


def kept(s3: Any) -> list[Any]:  # noqa: ANN401 — botocore makes its clients' classes at run time
    """Every version of what is in the depot, but of the lock."""
    versions = s3.list_object_versions(Bucket=DEPOT)["Versions"]
    return [version for version in versions if version["Key"] != "lock.json"]


def test_declining_takes_the_change_set_back_and_records_nothing(yard: Yard, tmp_path: Path) -> None:
    yard.terminal = a_terminal("n")
    with pytest.raises(DeclinedError):
        deployed(yard, tmp_path, "1")
    assert yard.formation.asked == ["propose CREATE desk-data", "drop desk-data", "delete desk-data"]
    assert states(yard) == []


def test_stack_that_somebody_else_makes_meanwhile_is_not_taken_back(yard: Yard, tmp_path: Path) -> None:
    class Hesitant(StringIO):
        def readline(self, _size: int | None = -1) -> str:  # type: ignore[override]  # as a file's, but for the name
            yard.formation.stacks["desk-data"].status = "CREATE_COMPLETE"
            return "n\n"

    yard.terminal = replace(yard.terminal, assume_yes=False, read=Hesitant())
    with pytest.raises(DeclinedError):
        deployed(yard, tmp_path, "1")
    assert yard.formation.asked == ["propose CREATE desk-data", "drop desk-data"]


def test_change_of_nothing_but_outputs_is_made_too(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    yard.formation.stacks["desk-app"].template["Outputs"] = {"Address": {"Value": "of earlier sources"}}
    yard.formation.asked.clear()
    assert deployed(yard, tmp_path, "1").state is State.LIVE
    assert "execute desk-app" in yard.formation.asked
    assert "Outputs" not in yard.formation.stacks["desk-app"].template
    assert "desk-app would change:\n  nothing but what it puts out for others" in said(yard.terminal)


def test_call_that_comes_twice_because_its_answer_was_lost_happens_once(yard: Yard, tmp_path: Path) -> None:
    yard.formation.loses_answers = True
    test_stacks_are_made_in_order_each_once_the_one_before_stands(yard, tmp_path)
    yard.formation.stacks["desk-app"].status = "UPDATE_ROLLBACK_FAILED"
    yard.formation.stacks["desk-data"].status = "ROLLBACK_COMPLETE"
    yard.formation.stacks["desk-data"].template = {}
    yard.formation.asked.clear()
    deployed(yard, tmp_path, "1")
    assert yard.formation.asked == [
        "delete desk-data",
        "propose CREATE desk-data",
        "execute desk-data",
        "continue desk-app",
        "propose UPDATE desk-app",
        "drop desk-app",
    ]


def test_losing_data_is_asked_about_separately_and_not_answered_by_yes(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    other: dict[str, Any] = {"Others": {"Type": "AWS::SNS::Topic"}}
    with pytest.raises(DeclinedError):
        deployed(yard, tmp_path, "1", other)
    assert "- Records (AWS::DynamoDB::Table) removed" in said(yard.terminal)
    assert "Records" in yard.formation.stacks["desk-data"].template["Resources"]
    yard.terminal = a_terminal("staging", assume_yes=True)
    deployed(yard, tmp_path, "1", other)
    assert "Records" not in yard.formation.stacks["desk-data"].template["Resources"]


def test_stack_that_fails_stops_the_rest_and_the_next_run_goes_on(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    more = {**DATA, "Topic": {"Type": "AWS::SNS::Topic"}}
    yard.formation.outcomes["desk-app"] = [
        [
            "UPDATE_IN_PROGRESS",
            "Handler: no such layer",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE",
        ]
    ]
    with pytest.raises(DeploymentError, match="It is as it was before"):
        deployed(yard, tmp_path, "2", more)
    assert "desk-app: Handler UPDATE_FAILED: no such layer" in said(yard.terminal)
    assert states(yard) == [State.LIVE, State.STOPPED]
    release = deployed(yard, tmp_path, "2", more)
    assert version_of(yard) == "2"
    assert states(yard) == [State.LIVE, State.STOPPED, State.LIVE]
    assert release.before == yard.deployer().releases.all()[1].id


def test_failure_of_the_first_stack_leaves_a_withdrawn_release(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    yard.formation.outcomes["desk-app"] = [["UPDATE_ROLLBACK_COMPLETE"]]
    with pytest.raises(DeploymentError):
        deployed(yard, tmp_path, "2")
    assert states(yard) == [State.LIVE, State.WITHDRAWN]


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"])
def test_first_creation_that_failed_is_cleared_away_with_what_it_left_empty(
    status: str, yard: Yard, tmp_path: Path
) -> None:
    dynamodb = a_client("dynamodb", "eu-west-1")
    a_table(dynamodb)
    yard.formation.standing("desk-data", status, {"Resources": DATA})
    deployed(yard, tmp_path, "1")
    assert yard.formation.asked[0] == "delete desk-data"
    assert yard.formation.stacks["desk-data"].status == "CREATE_COMPLETE"
    assert dynamodb.list_tables()["TableNames"] == []


def test_what_somebody_put_into_a_failed_creation_is_not_cleared_away(yard: Yard, tmp_path: Path) -> None:
    dynamodb = a_client("dynamodb", "eu-west-1")
    a_table(dynamodb)
    dynamodb.put_item(TableName="desk-records", Item={"pk": {"S": "1"}})
    yard.formation.standing("desk-data", "ROLLBACK_COMPLETE", {"Resources": DATA})
    with pytest.raises(DeploymentError, match=r"Records \(desk-records\) has items"):
        deployed(yard, tmp_path, "1")
    assert yard.formation.asked == []
    assert dynamodb.list_tables()["TableNames"] == ["desk-records"]


def test_what_comes_in_while_a_failed_creation_is_cleared_away_is_kept(yard: Yard, tmp_path: Path) -> None:
    dynamodb = a_client("dynamodb", "eu-west-1")
    a_table(dynamodb)
    yard.formation.standing("desk-data", "ROLLBACK_COMPLETE", {"Resources": DATA})
    delete = yard.formation.delete_stack

    def with_a_record(**named: str) -> None:
        dynamodb.put_item(TableName="desk-records", Item={"pk": {"S": "1"}})
        delete(**named)

    yard.formation.delete_stack = with_a_record  # type: ignore[method-assign]
    with pytest.raises(DeploymentError, match=r"meanwhile Records .* has items"):
        deployed(yard, tmp_path, "1")
    assert dynamodb.list_tables()["TableNames"] == ["desk-records"]


def a_table(dynamodb: Any) -> None:  # noqa: ANN401 — botocore makes its clients' classes at run time
    dynamodb.create_table(
        TableName="desk-records",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )


def test_rollback_that_got_stuck_goes_on_first(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    yard.formation.stacks["desk-app"].status = "UPDATE_ROLLBACK_FAILED"
    yard.formation.asked.clear()
    deployed(yard, tmp_path, "2")
    assert yard.formation.asked[1:] == [
        "drop desk-data",
        "continue desk-app",
        "propose UPDATE desk-app",
        "execute desk-app",
    ]
    assert version_of(yard) == "2"


def test_rollback_that_gets_stuck_again_tells_the_reason_and_what_to_do(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    yard.formation.stacks["desk-app"].status = "UPDATE_ROLLBACK_FAILED"
    yard.formation.outcomes["desk-app"] = [
        ["UPDATE_ROLLBACK_IN_PROGRESS", "Handler: the role is gone", "UPDATE_ROLLBACK_FAILED"]
    ]
    with pytest.raises(DeploymentError, match=r"(?s)Handler .*the role is gone.*skip that resource"):
        deployed(yard, tmp_path, "2")


@pytest.mark.parametrize(
    ("status", "words"),
    [("DELETE_FAILED", "run imprimatur destroy again"), ("UPDATE_FAILED", "roll it back there")],
)
def test_stack_that_a_person_must_see_to_is_told_with_what_to_do(
    status: str, words: str, yard: Yard, tmp_path: Path
) -> None:
    yard.formation.standing("desk-data", status)
    with pytest.raises(DeploymentError, match=words):
        deployed(yard, tmp_path, "1")


def test_change_that_somebody_else_makes_is_waited_for(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    known = yard.formation.stacks["desk-app"]
    known.status = "UPDATE_IN_PROGRESS"
    waited = []

    def pause(_seconds: float) -> None:
        waited.append(known.status)
        known.status = "UPDATE_COMPLETE"

    deployer = replace(yard.deployer(), pause=pause)
    deployer.deploy(planned(yard, tmp_path, "2"))
    assert waited == ["UPDATE_IN_PROGRESS"]
    assert version_of(yard) == "2"


def test_only_change_set_of_an_earlier_run_is_no_stack_yet(yard: Yard, tmp_path: Path) -> None:
    yard.formation.standing("desk-data", "REVIEW_IN_PROGRESS")
    deployed(yard, tmp_path, "1")
    assert yard.formation.asked[0] == "propose CREATE desk-data"


def with_topic() -> dict[str, Any]:
    """What the data's stack may get besides."""
    return {**DATA, "Topic": {"Type": "AWS::SNS::Topic"}}


def interrupted(yard: Yard, folder: Path, version: str, stack: str = "app") -> None:
    """Deploy it with more in the data's stack, and break off while a stack changes, which CloudFormation ends alone."""
    changing = f"desk-{stack}"

    def interrupt(_seconds: float) -> None:
        known = yard.formation.stacks[changing]
        if known.status.endswith("_IN_PROGRESS"):
            yard.formation.end(known)
            raise KeyboardInterrupt

    yard.formation.outcomes[changing] = [["UPDATE_IN_PROGRESS"]]
    deployer = replace(yard.deployer(), pause=interrupt)
    with pytest.raises(KeyboardInterrupt):
        deployer.deploy(planned(yard, folder, version, with_topic()))


def test_interrupted_release_stays_open_and_the_next_run_ends_it(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    interrupted(yard, tmp_path, "2")
    assert states(yard) == [State.LIVE, State.APPLYING]
    assert version_of(yard) == "2"
    assert deployed(yard, tmp_path, "2", with_topic()).state is State.LIVE
    assert states(yard) == [State.LIVE, State.APPLYING, State.LIVE]
    roll_back(yard.deployer(), stacks_of(yard.environment, STACKS))
    assert version_of(yard) == "1"


def test_interrupted_release_is_told_as_it_was_to_be(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    interrupted(yard, tmp_path, "2")
    data, app = planned(yard, tmp_path, "2", with_topic())
    current = yard.deployer().releases.current()
    assert current is not None
    assert current.stacks == {"data": data.deployed(), "app": app.deployed()}


@pytest.mark.parametrize("stack", ["data", "app"])
def test_rollback_after_an_interruption_leads_to_the_release_before_it(
    stack: str, yard: Yard, tmp_path: Path
) -> None:
    deployed(yard, tmp_path, "1")
    second = deployed(yard, tmp_path, "2")
    interrupted(yard, tmp_path, "3", stack)
    back = roll_back(yard.deployer(), stacks_of(yard.environment, STACKS))
    assert (version_of(yard), back.restores, back.state) == ("2", second.id, State.LIVE)


def test_rollback_after_a_failure_leads_to_the_release_before_it(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    second = deployed(yard, tmp_path, "2")
    yard.formation.outcomes["desk-app"] = [["UPDATE_ROLLBACK_COMPLETE"]]
    with pytest.raises(DeploymentError):
        deployed(yard, tmp_path, "3", with_topic())
    back = roll_back(yard.deployer(), stacks_of(yard.environment, STACKS))
    assert (version_of(yard), back.restores) == ("2", second.id)


def test_interrupted_rollback_is_brought_to_its_end_by_the_next(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    second = deployed(yard, tmp_path, "2")
    deployed(yard, tmp_path, "3")

    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    execute = yard.formation.execute_change_set
    yard.formation.execute_change_set = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        roll_back(yard.deployer(), stacks_of(yard.environment, STACKS))
    assert version_of(yard) == "3"
    yard.formation.execute_change_set = execute  # type: ignore[method-assign]
    back = roll_back(yard.deployer(), stacks_of(yard.environment, STACKS))
    assert (version_of(yard), back.restores) == ("2", second.id)


def test_app_that_does_not_work_is_never_taken_back_to_an_interrupted_one(yard: Yard, tmp_path: Path) -> None:
    first = deployed(yard, tmp_path, "1")
    interrupted(yard, tmp_path, "2")
    yard.broken.extend([True] * 5)
    with pytest.raises(DeploymentError, match=f"Release {first.id} is back and works"):
        deployed(yard, tmp_path, "3", with_topic())
    assert version_of(yard) == "1"


def test_release_is_withdrawn_only_once_the_one_before_is_back(yard: Yard, tmp_path: Path) -> None:
    first = deployed(yard, tmp_path, "1")
    yard.broken.extend([True] * 5)
    propose = yard.formation.create_change_set

    def until_it_is_taken_back(**asked: Any) -> dict[str, str]:  # noqa: ANN401 — CloudFormation's own
        if version_of(yard) == "2":
            raise KeyboardInterrupt
        return propose(**asked)

    yard.formation.create_change_set = until_it_is_taken_back  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        deployed(yard, tmp_path, "2")
    assert states(yard) == [State.LIVE, State.APPLYING]
    yard.formation.create_change_set = propose  # type: ignore[method-assign]
    back = roll_back(yard.deployer(), stacks_of(yard.environment, STACKS))
    assert (version_of(yard), back.restores) == ("1", first.id)


def test_prod_is_protected_and_another_environment_is_not_any_more(yard: Yard, tmp_path: Path) -> None:
    yard.environment = replace(yard.environment, protected=True)
    deployed(yard, tmp_path, "1")
    assert [known.protected for known in yard.formation.stacks.values()] == [True, True]
    yard.environment = replace(yard.environment, protected=False)
    deployed(yard, tmp_path, "1")
    assert [known.protected for known in yard.formation.stacks.values()] == [False, False]


def test_stacks_are_made_where_they_belong(yard: Yard, tmp_path: Path) -> None:
    yard.environment = replace(yard.environment, stacks={**yard.environment.stacks, "edge-global": {}})
    document = {
        "Parameters": {"Prefix": {"Type": "String"}},
        "Resources": {"Wall": {"Type": "AWS::WAFv2::WebACL"}},
    }
    (tmp_path / "edge.json").write_text(json.dumps(document), "utf-8")
    deployed(yard, tmp_path, "1")
    assert list(yard.formations["us-east-1"].stacks) == ["desk-edge-global"]
    assert "desk-edge-global" not in yard.formations["eu-west-1"].stacks


def test_output_of_a_stack_in_another_region_is_given_as_it_is_then(yard: Yard, tmp_path: Path) -> None:
    edge: dict[str, Any] = {
        "Parameters": {"Prefix": {}},
        "Resources": {"Wall": {"Type": "AWS::WAFv2::WebACL"}},
    }
    edge_is = {**edge, "Outputs": {"AclArn": {"Value": "arn:acl/1"}}}
    (tmp_path / "edge.json").write_text(json.dumps(edge), "utf-8")
    front = {"Parameters": {"Prefix": {}, "Acl": {}}, "Resources": {"Front": {"Type": "AWS::SNS::Topic"}}}
    (tmp_path / "front.json").write_text(json.dumps(front), "utf-8")
    yard.environment = replace(
        yard.environment,
        stacks={
            **yard.environment.stacks,
            "edge-global": {},
            "edge": {"Acl": "{{output:edge-global:AclArn}}"},
        },
    )
    with pytest.raises(DeploymentError, match=r"edge-global puts out no AclArn.*--only edge-global"):
        deployed(yard, tmp_path, "1")
    (tmp_path / "edge.json").write_text(
        json.dumps({**edge_is, "Resources": {"W": edge["Resources"]["Wall"]}})
    )
    release = deployed(yard, tmp_path, "1")
    assert yard.formation.stacks["desk-edge"].parameters == {"Prefix": "desk", "Acl": "arn:acl/1"}
    assert release.stacks["edge"].parameters["Acl"] == "{{output:edge-global:AclArn}}"


def test_app_that_does_not_work_is_taken_back_and_what_keeps_data_stays(yard: Yard, tmp_path: Path) -> None:
    first = deployed(yard, tmp_path, "1")
    yard.broken.extend([True] * 5)
    more = {**DATA, "Topic": {"Type": "AWS::SNS::Topic"}}
    with pytest.raises(DeploymentError, match=f"Release {first.id} is back and works"):
        deployed(yard, tmp_path, "2", more)
    assert "healthz: GET /healthz answers 502 and not 200" in said(yard.terminal)
    assert version_of(yard) == "1"
    assert "Topic" in yard.formation.stacks["desk-data"].template["Resources"]
    assert states(yard) == [State.LIVE, State.WITHDRAWN, State.LIVE]
    current = yard.deployer().releases.current()
    assert current is not None
    assert current.restores == first.id
    assert current.stacks["app"] == first.stacks["app"]
    assert current.stacks["data"] != first.stacks["data"]


def test_app_that_cannot_be_tried_is_taken_back(yard: Yard, tmp_path: Path) -> None:
    first = deployed(yard, tmp_path, "1")
    tries, looks = 5, 4
    yard.formation.refusals.extend([refused("Throttling", "Rate exceeded")] * tries * looks)
    with pytest.raises(DeploymentError, match=f"Release {first.id} is back and works"):
        deployed(yard, tmp_path, "2")
    assert version_of(yard) == "1"


def test_app_that_is_slow_to_be_known_everywhere_is_not_taken_back(yard: Yard, tmp_path: Path) -> None:
    yard.broken.extend([True] * 4)
    assert deployed(yard, tmp_path, "1").state is State.LIVE


def test_desk_that_has_had_enough_of_being_tried_works(yard: Yard, tmp_path: Path) -> None:
    yard.others["apigateway"] = Answering(broken=[], sign_in=429)
    assert deployed(yard, tmp_path, "1").state is State.LIVE
    yard.others["apigateway"] = Answering(broken=[], sign_in=500)
    with pytest.raises(DeploymentError):
        deployed(yard, tmp_path, "2")
    assert "sign-in: POST /api/v1/sign-in answers 500 and not 202" in said(yard.terminal)


def test_first_app_that_does_not_work_stays_and_says_so(yard: Yard, tmp_path: Path) -> None:
    yard.broken.extend([True] * 5)
    with pytest.raises(DeploymentError, match="no release before this one"):
        deployed(yard, tmp_path, "1")
    assert version_of(yard) == "1"
    assert states(yard) == [State.STOPPED]


def test_second_app_that_does_not_work_is_not_taken_back_to_a_first_that_never_did(
    yard: Yard, tmp_path: Path
) -> None:
    for version in ("1", "2"):
        yard.broken.extend([True] * 5)
        with pytest.raises(DeploymentError, match="no release before this one that worked"):
            deployed(yard, tmp_path, version)
    assert version_of(yard) == "2"


def test_app_is_never_taken_back_to_one_that_did_not_work(yard: Yard, tmp_path: Path) -> None:
    first = deployed(yard, tmp_path, "1")
    yard.formation.outcomes["desk-app"] = [["UPDATE_COMPLETE"], ["UPDATE_ROLLBACK_COMPLETE"]]
    yard.broken.extend([True] * 5)
    with pytest.raises(DeploymentError, match="could not be changed"):
        deployed(yard, tmp_path, "2")
    assert (version_of(yard), states(yard)) == ("2", [State.LIVE, State.STOPPED, State.WITHDRAWN])
    yard.broken.extend([True] * 5)
    with pytest.raises(DeploymentError, match=f"Release {first.id} is back and works"):
        deployed(yard, tmp_path, "3")
    assert version_of(yard) == "1"


def test_app_that_stopped_working_by_itself_is_not_taken_back(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    yard.broken.extend([True] * 5)
    with pytest.raises(DeploymentError, match="nothing is taken back"):
        deployed(yard, tmp_path, "1")


def test_release_that_does_not_work_either_when_it_is_back_is_told(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    yard.broken.extend([True] * 10)
    with pytest.raises(DeploymentError, match="does not work either"):
        deployed(yard, tmp_path, "2")
    assert version_of(yard) == "1"


def test_rollback_goes_one_release_back_at_a_time_and_never_touches_data(yard: Yard, tmp_path: Path) -> None:
    stacks = stacks_of(yard.environment, STACKS)
    first = deployed(yard, tmp_path, "1")
    deployed(yard, tmp_path, "2")
    more = {**DATA, "Topic": {"Type": "AWS::SNS::Topic"}}
    deployed(yard, tmp_path, "2", more)
    deployed(yard, tmp_path, "3", more)
    roll_back(yard.deployer(), stacks)
    assert version_of(yard) == "2"
    back = roll_back(yard.deployer(), stacks)
    assert (version_of(yard), back.restores) == ("1", first.id)
    assert "Topic" in yard.formation.stacks["desk-data"].template["Resources"]
    with pytest.raises(DeploymentError, match="no release before"):
        roll_back(yard.deployer(), stacks)


def test_firewall_is_taken_back_though_its_stack_keeps_logs(yard: Yard, tmp_path: Path) -> None:
    yard.environment = replace(yard.environment, stacks={**yard.environment.stacks, "edge-global": {}})
    for limit in (1000, 1):
        wall = {"Type": "AWS::WAFv2::WebACL", "Properties": {"Limit": limit}}
        document = {"Parameters": {"Prefix": {"Type": "String"}}, "Resources": {"Wall": wall}}
        (tmp_path / "edge.json").write_text(json.dumps(document), "utf-8")
        deployed(yard, tmp_path, "1")
    roll_back(yard.deployer(), stacks_of(yard.environment, STACKS))
    edge = yard.formations["us-east-1"].stacks["desk-edge-global"]
    assert edge.template["Resources"]["Wall"]["Properties"]["Limit"] == 1000


def test_rollback_to_a_release_by_its_name(yard: Yard, tmp_path: Path) -> None:
    stacks = stacks_of(yard.environment, STACKS)
    first = deployed(yard, tmp_path, "1")
    deployed(yard, tmp_path, "2")
    deployed(yard, tmp_path, "3")
    roll_back(yard.deployer(), stacks, to=first.id)
    assert version_of(yard) == "1"
    with pytest.raises(DeploymentError, match="nothing to go back to"):
        roll_back(yard.deployer(), stacks, to=first.id)
    with pytest.raises(DeploymentError, match=first.id):
        roll_back(yard.deployer(), stacks, to="yesterday")


def test_rollback_of_what_was_never_deployed_says_what_deploys_it(yard: Yard) -> None:
    with pytest.raises(DeploymentError, match="imprimatur deploy --env staging"):
        roll_back(yard.deployer(), stacks_of(yard.environment, STACKS))


def test_two_are_never_at_it_at_once(yard: Yard, tmp_path: Path) -> None:
    first = deployed(yard, tmp_path, "1")
    deployed(yard, tmp_path, "2")
    told = "user/ops has been changing this environment since 2030-"
    with yard.deployer().alone():
        with pytest.raises(DeploymentError, match=told):
            deployed(yard, tmp_path, "3")
        with pytest.raises(DeploymentError, match=told):
            roll_back(yard.deployer(), stacks_of(yard.environment, STACKS), to=first.id)
    assert version_of(yard) == "2"
    assert deployed(yard, tmp_path, "3").state is State.LIVE


def test_whoever_waits_for_hours_keeps_others_out(yard: Yard, tmp_path: Path) -> None:
    deployed(yard, tmp_path, "1")
    known = yard.formation.stacks["desk-app"]
    known.status = "UPDATE_IN_PROGRESS"
    waits = iter(range(20))

    def pause(_seconds: float) -> None:
        yard.passed += timedelta(minutes=10)
        with pytest.raises(DeploymentError, match="has been changing"), yard.deployer().alone():
            pass
        if next(waits, None) is None:
            known.status = "UPDATE_COMPLETE"

    deployer = replace(yard.deployer(), pause=pause)
    assert deployer.deploy(planned(yard, tmp_path, "2")).state is State.LIVE


def test_whoever_was_out_of_touch_for_too_long_changes_and_records_nothing_more(
    yard: Yard, tmp_path: Path
) -> None:
    deployed(yard, tmp_path, "1")

    class Asleep(StringIO):
        def readline(self, _size: int | None = -1) -> str:  # type: ignore[override]  # as a file's, but for the name
            yard.passed += timedelta(hours=1)
            yard.terminal = a_terminal(assume_yes=True)
            deployed(yard, tmp_path, "3")
            return "y\n"

    plans = planned(yard, tmp_path, "2")
    yard.terminal = replace(yard.terminal, assume_yes=False, read=Asleep())
    with pytest.raises(DeploymentError, match=r"out of touch for too long: meanwhile .*user/ops has"):
        yard.deployer().deploy(plans)
    assert version_of(yard) == "3"
    assert states(yard) == [State.LIVE, State.LIVE]


@pytest.mark.parametrize(
    ("answer", "status", "asked"),
    [("y", "UPDATE_ROLLBACK_FAILED", []), ("n", "CREATE_COMPLETE", ["propose UPDATE desk-data"])],
)
def test_whoever_was_asleep_before_a_question_changes_nothing_whatever_the_answer(
    answer: str, status: str, asked: list[str], yard: Yard, tmp_path: Path
) -> None:
    deployed(yard, tmp_path, "1")

    class Asleep(StringIO):
        def readline(self, _size: int | None = -1) -> str:  # type: ignore[override]  # as a file's, but for the name
            yard.passed += timedelta(hours=1)
            Lock(yard.deployer().depot, "grace", yard.now).take()
            return f"{answer}\n"

    plans = planned(yard, tmp_path, "2", with_topic())
    yard.formation.stacks["desk-data"].status = status
    yard.formation.asked.clear()
    yard.terminal = replace(yard.terminal, assume_yes=False, read=Asleep())
    with pytest.raises(DeploymentError, match="meanwhile grace has been changing"):
        yard.deployer().deploy(plans)
    assert yard.formation.asked == asked


def test_stack_that_the_file_no_longer_names_is_told_until_it_is_gone(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "edge.json").write_text(
        json.dumps(
            {"Parameters": {"Prefix": {"Type": "String"}}, "Resources": {}, "Outputs": {"X": {"Value": ""}}}
        ),
        "utf-8",
    )
    named = yard.environment
    yard.environment = replace(named, stacks={**named.stacks, "edge-global": {}})
    deployed(yard, tmp_path, "1")
    assert "no longer names" not in said(yard.terminal)
    yard.environment = named
    deployed(yard, tmp_path, "2")
    assert "The stack desk-edge-global was deployed, and the environment's file no longer names it" in said(
        yard.terminal
    )
    yard.formations["us-east-1"].stacks["desk-edge-global"].status = "DELETE_COMPLETE"
    yard.terminal = a_terminal(assume_yes=True)
    deployed(yard, tmp_path, "3")
    assert "no longer names" not in said(yard.terminal)


def test_bucket_of_another_account_is_not_used(yard: Yard, tmp_path: Path) -> None:
    yard.account = "210987654321"  # whoever deploys; the bucket is somebody else's
    other = a_client("s3", "us-east-1")
    other.create_bucket(Bucket=f"desk-deployments-{yard.account}")
    with pytest.raises(DeploymentError, match="choose another prefix"):
        planned(yard, tmp_path, "1")
