"""What operations are told and shown: everything that may go wrong has its alarm, and every alarm its runbook."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]  # it ships none
from chalice.utils import to_cfn_resource_name

from app import app
from chalicelib.core.metrics import METRICS, NAMESPACE
from chalicelib.publication.channels.email.mailing import RecipientState
from chalicelib.publication.model import DeliveryState
from chalicelib.submission.model import IN_FLIGHT, Channel, Reason
from infra.checks.functions import OTHERS
from infra.expanded import Expanded
from infra.local.functions import Functions
from infra.package import ROOT
from infra.templates import load

STACKS = ROOT / "infra" / "stacks"
PREFIX = "imprimatur"
NOT_YET = frozenset({"last_check", "deliver", "archive"})
"""The functions whose errors mean "not yet" as a rule: `infra/workflows/publication.asl.json` tries them again."""
SEARCH = re.compile(r"SEARCH\('\{Imprimatur,([\w,]+)\} MetricName=\"(\w+)\" Desk=\"imprimatur\"', '\w+'\)")


@cache
def template(name: str) -> Expanded:
    return Expanded(STACKS / f"{name}.yaml", Prefix=PREFIX, Department="marketing")


def alarms() -> dict[str, dict[str, Any]]:
    """Every alarm of every stack, by the alarm's name."""
    return {
        alarm["AlarmName"]: alarm
        for path in sorted(STACKS.glob("*.yaml"))
        for alarm in template(path.stem).of("CloudWatch::Alarm").values()
    }


def watched(namespace: str, metric: str, dimension: str) -> set[str]:
    """The values of a dimension of whose metric some alarm tells."""
    return {
        each["Value"]
        for alarm in alarms().values()
        if (alarm["Namespace"], alarm["MetricName"]) == (namespace, metric)
        for each in alarm["Dimensions"]
        if each["Name"] == dimension
    }


def config() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((ROOT / "infra" / "chalice" / "config.json").read_bytes())
    return read


def functions(*names: str) -> set[str]:
    """These functions, or all, as they are named where they run."""
    return {f"{PREFIX}-{name}" for name in names or (*config()["lambda_functions"], *OTHERS)}


def queues() -> dict[str, dict[str, Any]]:
    """Every queue of every stack, by its name."""
    return {
        queue["QueueName"]: queue
        for path in sorted(STACKS.glob("*.yaml"))
        for queue in template(path.stem).of("SQS::Queue").values()
    }


def test_cfn_lint_finds_nothing() -> None:
    text = (STACKS / "watch.yaml").read_text("utf-8")
    assert [str(match) for match in lint(text, regions=["us-east-1"])] == []


def test_there_are_alarms_and_no_two_have_a_name() -> None:
    named = [
        alarm["AlarmName"]
        for path in sorted(STACKS.glob("*.yaml"))
        for alarm in template(path.stem).of("CloudWatch::Alarm").values()
    ]
    assert len(named) == len(set(named)) > 60
    assert all(name.startswith(f"{PREFIX}-") for name in named)


@pytest.mark.parametrize("name", alarms())
def test_an_alarm_tells_the_topic_when_it_begins_and_when_it_ends(name: str) -> None:
    alarm = alarms()[name]
    assert alarm["AlarmActions"] == alarm["OKActions"]
    (topic,) = alarm["AlarmActions"]
    assert topic in {"<Alarms>", f"arn:<AWS::Partition>:sns:<AWS::Region>:<AWS::AccountId>:{PREFIX}-alarms"}


def test_operations_says_how_many_alarms_it_pays_for() -> None:
    told = re.search(r"the (\d+) alarms come to", (ROOT / "docs" / "operations.md").read_text("utf-8"))
    assert told is not None
    assert int(told[1]) == len(template("watch").of("CloudWatch::Alarm"))


def test_the_topic_has_the_name_that_the_departments_alarms_know() -> None:
    (topic,) = template("watch").of("SNS::Topic").values()
    assert topic["TopicName"] == f"{PREFIX}-alarms"


def test_what_is_missing_is_alarming_for_the_sweeper_alone() -> None:
    breaching = {name for name, alarm in alarms().items() if alarm["TreatMissingData"] == "breaching"}
    assert breaching == {f"{PREFIX}-nothing-swept"}
    assert alarms()[f"{PREFIX}-nothing-swept"]["Period"] == 15 * 60


def test_every_function_is_watched_for_errors_and_for_its_time_out() -> None:
    assert watched("AWS/Lambda", "Errors", "FunctionName") == functions() - functions(*NOT_YET)
    assert watched("AWS/Lambda", "Duration", "FunctionName") == functions()
    assert "UnforeseenErrors" in {alarm["MetricName"] for alarm in alarms().values()}
    laptop = Functions(app, PREFIX)
    for name in config()["lambda_functions"].keys() - {"api_handler"}:
        assert laptop.name(name) in functions(), (
            "as on the laptop, so that names mean the same in both places"
        )


def test_an_alarm_about_time_rings_before_the_time_out() -> None:
    for name, own in config()["lambda_functions"].items():
        limit = 1000 * own.get("lambda_timeout", config()["lambda_timeout"])
        assert 0.9 * limit <= int(alarms()[f"{PREFIX}-duration-{name}"]["Threshold"]) < limit


def test_every_reader_of_the_stream_is_watched_for_its_lag() -> None:
    readers = {
        f"{PREFIX}-{name}"
        for name in config()["lambda_functions"]
        for events in [app_events().get(to_cfn_resource_name(name), {})]
        if any(event["Type"] == "DynamoDB" for event in events.values())
    }
    assert len(readers) == 2
    assert watched("AWS/Lambda", "IteratorAge", "FunctionName") == readers


def app_events() -> dict[str, dict[str, Any]]:
    """The event sources of each function, by its resource's name."""
    resources = load(STACKS / "app.yaml")["Resources"]
    return {name: one.get("Properties", {}).get("Events", {}) for name, one in resources.items()}


def test_every_queue_is_watched() -> None:
    """Where messages are read, by their age; where what was given up lies, by its being there."""
    depth = watched("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName")
    age = watched("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName")
    for name, queue in queues().items():
        given_up = "dead-letters" in name or "failures" in name
        assert name in (depth if given_up else age), name
        assert ("RedrivePolicy" in queue) <= (not given_up)
    assert depth | age == queues().keys()


def test_the_age_that_a_queue_may_have_is_less_than_what_it_forgets() -> None:
    for alarm in alarms().values():
        if alarm["MetricName"] == "ApproximateAgeOfOldestMessage":
            queue = queues()[alarm["Dimensions"][0]["Value"]]
            assert int(alarm["Threshold"]) * 2 <= queue["MessageRetentionPeriod"]


def test_a_package_that_is_not_copied_is_told_of_by_the_rule_that_copies() -> None:
    (alarm,) = (one for one in alarms().values() if one["MetricName"] == "OperationsFailedReplication")
    (_, copying, _) = load(STACKS / "data.yaml")["Resources"]["Archive"]["Properties"][
        "ReplicationConfiguration"
    ]["Fn::If"]
    assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == {
        "SourceBucket": template("data").of("S3::Bucket")["Archive"]["BucketName"],
        "DestinationBucket": template("recovery").of("S3::Bucket")["Replica"]["BucketName"],
        "RuleId": copying["Rules"][0]["Id"],
    }


def rules(stack: str) -> dict[str, dict[str, Any]]:
    return {name: rule["EventPattern"] for name, rule in template(stack).of("Events::Rule").items()}


def test_backups_and_copies_that_fail_are_told() -> None:
    told = rules("watch")["BackupFailed"]
    assert told["detail-type"] == ["Backup Job State Change", "Copy Job State Change"]
    assert set(told["detail"]["state"]) == {"FAILED", "ABORTED", "EXPIRED"}


def test_what_guardduty_finds_is_told_whichever_region_it_is_found_in() -> None:
    """Clause 5.2.2."""
    told, sent = rules("watch")["Findings"], rules("recovery")["Findings"]
    assert (told["source"], told["detail-type"]) == (sent["source"], sent["detail-type"])
    (target,) = template("recovery").of("Events::Rule")["Findings"]["Targets"]
    assert target["Arn"] == "arn:<AWS::Partition>:events:<MainRegion>:<AWS::AccountId>:event-bus/default"


def test_the_topic_takes_what_rules_send_it() -> None:
    """With a condition nothing would come: EventBridge tells SNS nothing that one could look at."""
    (policy,) = template("watch").of("SNS::TopicPolicy").values()
    (events,) = (one for one in policy["PolicyDocument"]["Statement"] if one["Sid"] == "Events")
    assert events["Principal"] == {"Service": "events.amazonaws.com"}
    assert "Condition" not in events


def test_every_state_machine_is_watched_for_executions_that_fail_or_time_out() -> None:
    machines = {
        f"arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine:{PREFIX}-"
        + path.name.removesuffix(".asl.json")
        for path in (ROOT / "infra" / "workflows").glob("*.asl.json")
    }
    for metric in ("ExecutionsFailed", "ExecutionsTimedOut"):
        assert watched("AWS/States", metric, "StateMachineArn") == machines


def test_every_operation_that_roles_allow_on_the_table_is_watched() -> None:
    allowed = {
        action.removeprefix("dynamodb:")
        for role in (ROOT / "infra" / "roles").glob("*.json")
        for statement in json.loads(role.read_text("utf-8"))["Statement"]
        for action in statement["Action"]
        if action.startswith("dynamodb:")
    }
    ours = {each for each in allowed if not re.search(r"Stream|Record|Shard", each)} - {"ConditionCheckItem"}
    assert watched("AWS/DynamoDB", "SystemErrors", "Operation") >= ours
    assert watched("AWS/DynamoDB", "ThrottledRequests", "Operation") >= ours


def test_alarms_about_the_desk_ask_for_figures_that_it_emits() -> None:
    own = [alarm for alarm in alarms().values() if alarm["Namespace"] == NAMESPACE]
    assert len(own) > 10
    words = {
        "State": {state.value for state in (*IN_FLIGHT, *DeliveryState)},
        "Channel": {channel.value for channel in Channel},
        "Reason": {reason.value for reason in Reason},
        "Outcome": {state.value for state in RecipientState} | {"not_taken"},
        "Desk": {PREFIX},
    }
    for alarm in own:
        metric = METRICS[alarm["MetricName"]]
        by = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
        assert by.keys() in ({"Desk", *metric.by}, {"Desk"} if metric.also_whole else None)
        assert all(value in words[name] for name, value in by.items()), by


def test_every_channel_on_which_a_delivery_waits_for_a_person_is_told() -> None:
    """Clause 2.3.2."""
    assert watched(NAMESPACE, "Deliveries", "Channel") == {channel.value for channel in Channel}


def test_what_should_have_gone_on_is_watched_in_every_state_of_flight() -> None:
    assert watched(NAMESPACE, "OverdueSeconds", "State") == {state.value for state in IN_FLIGHT}


@cache
def dashboard() -> dict[str, Any]:
    (board,) = template("watch").of("CloudWatch::Dashboard").values()
    read: dict[str, Any] = json.loads(board["DashboardBody"])
    return read


def shown() -> list[tuple[str, ...]]:
    """Every metric that the dashboard names, with its dimensions, the dots of its rows filled in."""
    found: list[tuple[str, ...]] = []
    for widget in dashboard()["widgets"]:
        above: list[str] = []
        for row in widget["properties"].get("metrics", []):
            named = [cell for cell in row if isinstance(cell, str)]
            above = [above[place] if cell == "." else cell for place, cell in enumerate(named)]
            found += [tuple(above)] if above else []
    return found


def test_the_dashboard_shows_every_function_queue_and_machine() -> None:
    """Clause 5.2.2."""
    for metric in ("Errors", "Duration"):
        assert {row[3] for row in shown() if row[:2] == ("AWS/Lambda", metric)} == functions()
    own = {queue["QueueName"] for queue in template("data").of("SQS::Queue").values()}
    waits = [row for row in shown() if row[1:2] == ("ApproximateNumberOfMessagesVisible",)]
    assert {row[3] for row in waits} == own
    machines = {
        row[3].rpartition("-")[2] for row in shown() if row[:2] == ("AWS/States", "ExecutionsStarted")
    }
    assert machines == {path.name.partition(".")[0] for path in (ROOT / "infra" / "workflows").glob("*.json")}


def test_the_dashboard_shows_every_figure_of_the_desk_with_its_dimensions() -> None:
    text = json.dumps(dashboard()).replace('\\"', '"')
    searched = {name: tuple(by.split(",")) for by, name in SEARCH.findall(text)}
    for name, by in searched.items():
        assert by == ("Desk", *METRICS[name].by), name
    named = {row[1]: row for row in shown() if row[0] == NAMESPACE}
    for name, row in named.items():
        assert row[2::2] == ("Desk", *METRICS[name].by), name
    assert searched.keys() | named.keys() | {"Swept"} == METRICS.keys()
    assert text.count("SEARCH('{Imprimatur") == len(SEARCH.findall(text))


def test_widgets_fit_and_each_has_a_title() -> None:
    for widget in dashboard()["widgets"]:
        assert 1 <= widget["width"] <= 24
        assert "title" in widget["properties"] or widget["type"] == "text"


def test_functions_log_json_and_no_log_of_a_machine_holds_what_goes_through_it() -> None:
    whole = load(STACKS / "app.yaml")
    assert whole["Globals"]["Function"]["LoggingConfig"]["LogFormat"] == "JSON"
    for resource in whole["Resources"].values():
        properties = resource.get("Properties", {})
        assert not properties.get("Logging", {}).get("IncludeExecutionData", False), "inputs hold task tokens"
        assert "$context.path" not in str(properties.get("AccessLogSetting", "")), "a path may hold a token"
        named = properties.get("FunctionName")
        if resource["Type"] == "AWS::Serverless::Function" and named is not None:
            assert re.fullmatch(r"\$\{Prefix}-[a-z_]+", named["Fn::Sub"]), (
                "as alarms and the dashboard know it"
            )


def test_a_loop_is_unrolled_with_its_maps(tmp_path: Path) -> None:
    text = """
Parameters: {Prefix: {Type: String, Default: a}}
Mappings: {Names: {One: {Name: first}, Two: {Name: second}}}
Resources:
  Fn::ForEach::Numbers:
    - Number
    - [One, Two]
    - Thing${Number}:
        Type: AWS::X::Y
        Properties: {Name: !Sub ["${Prefix}-${Name}-${!x}", {Name: !FindInMap [Names, !Ref Number, Name]}]}
"""
    (tmp_path / "t.yaml").write_text(text, encoding="utf-8")
    made = Expanded(tmp_path / "t.yaml").of("X::Y")
    assert made == {"ThingOne": {"Name": "a-first-${x}"}, "ThingTwo": {"Name": "a-second-${x}"}}
