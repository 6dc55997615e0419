"""What the doctor finds, and that it finds nothing where all is well."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.bootstrap import POLICIES
from chalicelib.core.calendar import read_calendar
from chalicelib.publication.channels.partners import Partner
from infra.commands.doctor import findings
from infra.deployment.environment import HOSTS, Environment
from infra.deployment.releases import State
from infra.deployment.remains import BUCKET, QUEUE, TABLE
from infra.deployment.stacks import TEMPLATES, stacks_of
from infra.doctor import account, data, limits, mail, partners, policies, stacks, wechat, work
from infra.doctor.findings import Check, Finding, Look, Patient, Verdict
from infra.doctor.register import CHECKS
from infra.package import ROOT
from infra.templates import load
from tests.infra.formations import ACCOUNT, STACKS, Yard, a_client, refused

APP = {"MailFrom": "Imprimatur <desk@mail.example.com>", "MailIdentity": "example.com"}


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "doctor")
    with mock_aws():
        yield Yard(
            environment=Environment(
                name="staging",
                prefix="desk",
                region="eu-west-1",
                account=ACCOUNT,
                stacks={"data": {}, "app": APP},
            )
        )


def examined(yard: Yard, look: Look) -> list[Finding]:
    patient = Patient(deployer=yard.deployer(), stacks=stacks_of(yard.environment, STACKS))
    return list(look(patient))


def verdicts(yard: Yard, look: Look) -> list[Verdict]:
    found = examined(yard, look)
    assert all(finding.advice for finding in found if finding.verdict is not Verdict.OK)
    return [finding.verdict for finding in found]


@dataclass
class Says:
    """A client that answers every call with what its operation is given here."""

    answers: dict[str, Any]

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation not in self.answers:
            raise AttributeError(operation)
        answer = self.answers[operation]

        def call(**_: object) -> Any:  # noqa: ANN401 — whatever AWS would
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def test_account_that_the_file_does_not_name_is_worth_a_word(yard: Yard) -> None:
    assert verdicts(yard, account.account) == [Verdict.OK]
    yard.environment = replace(yard.environment, account=None)
    (found,) = examined(yard, account.account)
    assert found.verdict is Verdict.WARNING
    assert f'"account": "{ACCOUNT}"' in found.advice


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0, Verdict.OK), (59, Verdict.OK), (61, Verdict.WARNING), (-301, Verdict.WRONG), (301, Verdict.WRONG)],
)
def test_clock_is_compared_with_awss(seconds: int, verdict: Verdict, yard: Yard) -> None:
    theirs = datetime(2030, 1, 1, 0, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    answer = {"ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(theirs, usegmt=True)}}}
    yard.others["sts"] = Says({"get_caller_identity": answer})
    assert verdicts(yard, account.clock) == [verdict]


@pytest.mark.parametrize(
    ("days", "verdict"), [(-365, Verdict.OK), (-31, Verdict.OK), (-29, Verdict.WARNING), (0, Verdict.WARNING)]
)
def test_calendar_that_ends_before_a_deadline_may_is_told(days: int, verdict: Verdict, yard: Yard) -> None:
    known = read_calendar(POLICIES)
    last = datetime(known.last_year + 1, 1, 1, tzinfo=known.zone)
    patient = Patient(deployer=replace(yard.deployer(), now=lambda: last + timedelta(days=days)), stacks=())
    (found,) = policies.calendar(patient)
    assert found.verdict is verdict
    assert (str(known.last_year + 1) in found.advice) is (verdict is Verdict.WARNING)


def test_region_that_does_not_answer_is_wrong(yard: Yard) -> None:
    assert verdicts(yard, account.regions) == [Verdict.OK]
    yard.others["sts"] = Says({"get_caller_identity": refused("AuthFailure", "not enabled")})
    assert verdicts(yard, account.regions) == [Verdict.WRONG]


@pytest.mark.parametrize(
    ("free", "verdict"), [(10, Verdict.WRONG), (100, Verdict.WARNING), (1000, Verdict.OK)]
)
def test_few_functions_at_a_time_are_told(free: int, verdict: Verdict, yard: Yard) -> None:
    limit = {"AccountLimit": {"UnreservedConcurrentExecutions": free}}
    yard.others["lambda"] = Says({"get_account_settings": limit})
    assert verdicts(yard, limits.functions) == [verdict]


@pytest.mark.parametrize(
    ("throttle", "expected"),
    [
        ({"throttleSettings": {"rateLimit": 100.0}}, [Verdict.WARNING]),
        ({"throttleSettings": {"rateLimit": 10000.0}}, [Verdict.OK]),
        ({}, []),
    ],
)
def test_few_requests_a_second_are_told(throttle: Any, expected: list[Verdict], yard: Yard) -> None:  # noqa: ANN401 — API Gateway's own
    yard.others["apigateway"] = Says({"get_account": throttle})
    assert verdicts(yard, limits.requests) == expected


SENDING = {
    "SendingEnabled": True,
    "EnforcementStatus": "HEALTHY",
    "ProductionAccessEnabled": True,
    "SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 10.0},
}


@pytest.mark.parametrize(
    ("account_says", "expected"),
    [
        ({}, [Verdict.OK]),
        ({"ProductionAccessEnabled": False}, [Verdict.WRONG, Verdict.OK]),
        ({"SendingEnabled": False}, [Verdict.WRONG, Verdict.OK]),
        ({"EnforcementStatus": "PROBATION"}, [Verdict.WRONG, Verdict.OK]),
        ({"SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0}}, [Verdict.WARNING]),
        (
            {"SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 45000.0}},
            [Verdict.WARNING],
        ),
    ],
)
def test_sandbox_and_quotas_of_ses_are_told(
    account_says: dict[str, Any], expected: list[Verdict], yard: Yard
) -> None:
    yard.others["sesv2"] = Says({"get_account": {**SENDING, **account_says}})
    assert verdicts(yard, mail.sending) == expected


@pytest.mark.parametrize(
    ("given", "answer", "expected"),
    [
        ({}, {"VerifiedForSendingStatus": True, "DkimAttributes": {"Status": "SUCCESS"}}, [Verdict.OK]),
        ({}, {"VerifiedForSendingStatus": True, "DkimAttributes": {"Status": "FAILED"}}, [Verdict.WARNING]),
        ({}, {"VerifiedForSendingStatus": False}, [Verdict.WRONG]),
        ({}, refused("NotFoundException", "no such identity"), [Verdict.WRONG]),
        ({"MailIdentity": "example.org"}, {"VerifiedForSendingStatus": True}, [Verdict.WRONG]),
        ({"MailIdentity": "desk@mail.example.com"}, {"VerifiedForSendingStatus": True}, [Verdict.OK]),
        ({"MailFrom": ""}, {"VerifiedForSendingStatus": True}, [Verdict.WRONG]),
    ],
)
def test_sender_must_be_a_verified_identity(
    given: dict[str, str],
    answer: Any,  # noqa: ANN401 — SES's own
    expected: list[Verdict],
    yard: Yard,
) -> None:
    yard.environment = replace(yard.environment, stacks={"data": {}, "app": {**APP, **given}})
    yard.others["sesv2"] = Says({"get_email_identity": answer})
    assert verdicts(yard, mail.identity) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, Verdict.WARNING), ({"MailReplyTo": "center@example.com"}, Verdict.OK)],
)
def test_replies_should_reach_somebody(given: dict[str, str], expected: Verdict, yard: Yard) -> None:
    """Clause 4.4.4: what people reply is read."""
    yard.environment = replace(yard.environment, stacks={"data": {}, "app": {**APP, **given}})
    assert verdicts(yard, mail.replies) == [expected]


def test_ses_does_not_matter_where_mails_go_out_by_smtp(yard: Yard) -> None:
    yard.environment = replace(yard.environment, stacks={"data": {}, "app": {"MailCarrier": "smtp"}})
    assert verdicts(yard, mail.sending) == [Verdict.OK]
    assert verdicts(yard, mail.identity) == []


WECHAT = {
    "WechatAppId": "wx1",
    "WechatSecret": "desk/wechat",
    "EgressSubnets": "subnet-1",
    "EgressSecurityGroups": "sg-1",
}
WHOLE = {"app_secret": "s", "callback_token": "t", "callback_key": "k" * 43}


@pytest.mark.parametrize(
    ("given", "secret", "expected"),
    [
        ({"WechatAppId": ""}, WHOLE, [Verdict.OK]),
        ({}, WHOLE, [Verdict.OK]),
        ({"EgressSubnets": ""}, WHOLE, [Verdict.WRONG, Verdict.OK]),
        ({"WechatSecret": ""}, WHOLE, [Verdict.WRONG]),
        ({}, {"app_secret": "s"}, [Verdict.WRONG]),
        ({}, {**WHOLE, "app_secret": ""}, [Verdict.WRONG]),
        ({}, {**WHOLE, "callback_key": "short"}, [Verdict.WRONG]),
        ({}, {**WHOLE, "callback_key": ""}, [Verdict.OK]),
        ({}, {**WHOLE, "callback_token": ""}, [Verdict.WARNING]),
    ],
)
def test_a_wechat_account_needs_its_secret_and_a_fixed_address(
    given: dict[str, str], secret: dict[str, str], expected: list[Verdict], yard: Yard
) -> None:
    yard.environment = replace(yard.environment, stacks={"data": {}, "app": {**APP, **WECHAT, **given}})
    yard.others["secretsmanager"] = Says({"get_secret_value": {"SecretString": json.dumps(secret)}})
    assert verdicts(yard, wechat.account) == expected


def test_a_wechat_secret_that_is_not_there_is_told(yard: Yard) -> None:
    yard.environment = replace(yard.environment, stacks={"data": {}, "app": {**APP, **WECHAT}})
    yard.others["secretsmanager"] = Says({"get_secret_value": refused("ResourceNotFoundException", "none")})
    assert verdicts(yard, wechat.account) == [Verdict.WRONG]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("CREATE_COMPLETE", Verdict.OK),
        ("UPDATE_ROLLBACK_COMPLETE", Verdict.WARNING),
        ("UPDATE_IN_PROGRESS", Verdict.WARNING),
        ("UPDATE_ROLLBACK_FAILED", Verdict.WRONG),
        ("ROLLBACK_COMPLETE", Verdict.WRONG),
    ],
)
def test_state_of_a_stack_is_told(status: str, verdict: Verdict, yard: Yard) -> None:
    yard.formation.standing("desk-data", status)
    assert verdicts(yard, stacks.statuses) == [verdict, Verdict.WARNING]  # the app is not there


def test_stack_of_a_protected_environment_must_be_protected(yard: Yard) -> None:
    yard.environment = replace(yard.environment, protected=True)
    yard.formation.standing("desk-data", "CREATE_COMPLETE")
    yard.formation.standing("desk-app", "CREATE_COMPLETE").protected = True
    assert verdicts(yard, stacks.statuses) == [Verdict.WRONG, Verdict.OK]


def test_release_that_did_not_come_to_its_end_is_told(yard: Yard) -> None:
    assert verdicts(yard, stacks.release) == [Verdict.WARNING]
    deployer = yard.deployer()
    deployer.depot.make()
    assert verdicts(yard, stacks.release) == [Verdict.WARNING]
    release = deployer.releases.record(deployer.begin())
    assert verdicts(yard, stacks.release) == [Verdict.WARNING]
    deployer.releases.record(replace(release, state=State.LIVE))
    assert verdicts(yard, stacks.release) == [Verdict.OK]


def test_parameters_are_held_against_the_templates_of_the_sources(yard: Yard) -> None:
    yard.environment = replace(
        yard.environment, hosts=dict.fromkeys(HOSTS, "example.com"), stacks={"data": {}, "app": {}}
    )
    patient = Patient(deployer=yard.deployer(), stacks=stacks_of(yard.environment))
    data_is, app_is = stacks.parameters(patient)
    assert (data_is.verdict, app_is.verdict) == (Verdict.OK, Verdict.WRONG)
    assert "stacks.app.MailFrom: is missing" in app_is.text


def test_drift_is_told_with_what_differs(yard: Yard) -> None:
    yard.formation.standing("desk-data", "CREATE_COMPLETE")
    assert verdicts(yard, stacks.drift) == [Verdict.OK]
    yard.formation.drifted = ["Records"]
    (found,) = examined(yard, stacks.drift)
    assert found.verdict is Verdict.WARNING
    assert "Records (modified)" in found.text


def with_resource(yard: Yard, kind: str, name: str, logical: str = "Held") -> None:
    held = {logical: {"Type": kind, "Properties": {"Name": name}}}
    known = yard.formation.stacks.get("desk-data") or yard.formation.standing("desk-data", "CREATE_COMPLETE")
    known.template.setdefault("Resources", {}).update(held)


def test_table_must_be_restorable_forget_and_wake_jobs(yard: Yard) -> None:
    dynamodb = a_client("dynamodb", "eu-west-1")
    dynamodb.create_table(
        TableName="desk-records",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    with_resource(yard, TABLE, "desk-records")
    assert len(examined(yard, data.tables)) == 3
    yard.environment = replace(yard.environment, protected=True)
    assert verdicts(yard, data.tables) == [Verdict.WRONG] * 4
    dynamodb.update_continuous_backups(
        TableName="desk-records", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    dynamodb.update_time_to_live(
        TableName="desk-records", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
    )
    dynamodb.update_table(
        TableName="desk-records",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        DeletionProtectionEnabled=True,
    )
    assert verdicts(yard, data.tables) == [Verdict.OK]


def test_bucket_must_keep_versions_be_closed_and_encrypted_and_the_archive_locked(yard: Yard) -> None:
    s3 = a_client("s3", "eu-west-1")
    place: Any = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="desk-site", CreateBucketConfiguration=place)
    s3.create_bucket(Bucket="desk-vault", CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True)
    with_resource(yard, BUCKET, "desk-site", "Archive")
    texts = [finding.text for finding in examined(yard, data.buckets)]
    assert [text.removeprefix("desk-site ").split()[0] for text in texts] == ["does", "can", "is", "does"]
    with_resource(yard, BUCKET, "desk-vault", "Archive")
    s3.put_public_access_block(
        Bucket="desk-vault",
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_encryption(
        Bucket="desk-vault",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    assert verdicts(yard, data.buckets) == [Verdict.OK]


def test_every_bucket_that_a_template_locks_is_looked_at() -> None:
    locked = {
        name
        for path in TEMPLATES.glob("*.yaml")
        for name, one in load(path)["Resources"].items()
        if isinstance(one, dict)  # a loop is a list
        and one["Type"] == BUCKET
        and one["Properties"].get("ObjectLockEnabled")
    }
    assert locked == data.LOCKED


@pytest.mark.parametrize("logical", ["Replica", "Heads"])
def test_copies_and_heads_must_be_locked_too(logical: str, yard: Yard) -> None:
    s3 = a_client("s3", "eu-west-1")
    s3.create_bucket(Bucket="desk-copies", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with_resource(yard, BUCKET, "desk-copies", logical)
    assert "desk-copies does not lock what it holds" in [one.text for one in examined(yard, data.buckets)]


def test_only_queues_of_what_was_given_up_must_be_empty(yard: Yard) -> None:
    sqs = a_client("sqs", "eu-west-1")
    dead = sqs.create_queue(QueueName="desk-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    work_queue = sqs.create_queue(QueueName="desk-work", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    with_resource(yard, QUEUE, dead, "Dead")
    with_resource(yard, QUEUE, work_queue, "Work")
    sqs.send_message(QueueUrl=work_queue, MessageBody="to be done")
    assert [finding.text for finding in examined(yard, work.dead_letters)] == ["desk-dead is empty"]
    sqs.send_message(QueueUrl=dead, MessageBody="given up")
    (found,) = examined(yard, work.dead_letters)
    assert found.verdict is Verdict.WARNING
    assert "desk-dead holds 1 messages" in found.text
    (manual,) = re.findall(r"docs/\S+\.md", found.advice)
    assert "`sign-in-dead-letters`" in (ROOT / manual).read_text("utf-8")


@pytest.mark.parametrize(
    ("ago", "verdict"), [(timedelta(hours=1), Verdict.WARNING), (timedelta(days=9), Verdict.OK)]
)
def test_machine_that_failed_lately_is_told(ago: timedelta, verdict: Verdict, yard: Yard) -> None:
    with_resource(yard, "AWS::StepFunctions::StateMachine", "arn:aws:states:x:y:stateMachine:desk-review")
    execution = {"name": "s-1.1.1", "startDate": datetime(2030, 1, 1, tzinfo=UTC) - ago}
    yard.others["stepfunctions"] = Says({"list_executions": {"executions": [execution]}})
    assert verdicts(yard, work.executions) == [verdict]


def test_check_that_may_not_look_is_a_finding_and_stops_no_other(yard: Yard) -> None:
    def forbidden(_patient: Patient) -> Iterator[Finding]:
        raise refused("AccessDenied", "not authorized")
        yield

    patient = Patient(deployer=yard.deployer(), stacks=stacks_of(yard.environment, STACKS))
    checks = [Check(name="forbidden", look=forbidden), Check(name="account", look=account.account)]
    found = list(findings(patient, checks))
    assert [(check.name, finding.verdict) for check, finding in found] == [
        ("forbidden", Verdict.WARNING),
        ("account", Verdict.OK),
    ]
    assert "not authorized" in found[0][1].text


def test_each_partner_of_the_register_needs_a_key_and_no_key_is_told(yard: Yard) -> None:
    def register(_file: Path) -> dict[str, Partner]:
        return {name: Partner(id=name, name=name, url="") for name in ("daily", "weekly")}

    def told() -> list[Finding]:
        return examined(yard, lambda patient: partners.keys(patient, register))

    assert verdicts(yard, partners.keys) == [Verdict.OK], "nobody is in the shipped register"
    assert [each.verdict for each in told()] == [Verdict.WRONG], "there are no keys"
    place = {"PartnerKeys": "desk/partners:SecretString:keys"}
    yard.environment = replace(yard.environment, stacks={"data": {}, "app": {**APP, **place}})
    assert [each.verdict for each in told()] == [Verdict.WRONG], "there is no such secret"
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    document = json.dumps({"keys": f"daily={secret} weekly=whsec_eA=="})
    yard.client("secretsmanager", "eu-west-1").create_secret(Name="desk/partners", SecretString=document)
    assert [(each.verdict, each.text) for each in told()] == [
        (Verdict.OK, "daily has a key"),
        (Verdict.WRONG, "weekly has no key that can be used"),
    ]
    assert all(secret not in f"{each.text} {each.advice}" for each in told())
    place = {"PartnerKeys": "desk/partners:SecretString:other"}
    yard.environment = replace(yard.environment, stacks={"data": {}, "app": {**APP, **place}})
    assert [each.verdict for each in told()] == [Verdict.WRONG]


def test_a_register_that_cannot_be_read_is_told(yard: Yard) -> None:
    def register(file: Path) -> dict[str, Partner]:
        raise ValueError(f"{file.name}: /partners/0/url bad_address")

    (found,) = examined(yard, lambda patient: partners.keys(patient, register))
    assert (found.verdict, found.text) == (
        Verdict.WRONG,
        "policies/partners.json: /partners/0/url bad_address",
    )


def test_every_check_of_every_module_is_registered() -> None:
    here = {
        look
        for module in (account, data, limits, mail, partners, policies, stacks, wechat, work)
        for name, look in vars(module).items()
        if callable(look) and not name.startswith("_") and getattr(look, "__module__", "") == module.__name__
    }
    assert {check.look for check in CHECKS} == here
    assert len({check.name for check in CHECKS}) == len(CHECKS)
