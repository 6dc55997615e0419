"""What a measured life costs at list prices, service by service."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.capacity.meter import INDEXES, TABLE

HERE = Path(__file__).parent
CHALICE = HERE.parent / "chalice" / "config.json"
_GB = 1e9
Life = Mapping[str, Any]
"""What `lives.measure` answers."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All that the page is made of: measurements, list prices, quotas and assumptions."""

    measured: Mapping[str, Any]
    prices: Mapping[str, Any]
    quotas: Mapping[str, Any]
    assumed: Mapping[str, Any]

    @classmethod
    def read(cls) -> "Figures":
        """As they are checked in."""
        names = ("measured", "prices", "quotas", "assumptions")
        measured, prices, quotas, assumed = (
            json.loads((HERE / f"{name}.json").read_bytes()) for name in names
        )
        return cls(measured=measured, prices=prices, quotas=quotas, assumed=assumed)

    def life(self, kind: str) -> Life:
        """The measured life of a kind."""
        life: Life = self.measured["lives"][kind]
        return life


@dataclass(frozen=True, kw_only=True)
class Line:
    """A service's part of one life: how much of what, and dollars."""

    service: str
    quantity: float
    unit: str
    dollars: float


def memory(function: str) -> int:
    """Megabytes of a function."""
    config = json.loads(CHALICE.read_bytes())
    own = config["lambda_functions"][function].get("lambda_memory_size", config["lambda_memory_size"])
    return int(own)


def call_ms(figures: Figures, life: Life) -> float:
    """How long a call of AWS takes on average in that life, on the wire."""
    latency, calls = figures.assumed["latency_ms"], life["operations"]
    own = {name: number for name, number in calls.items() if name in latency}
    return float(sum(latency[name] * number for name, number in own.items()) / sum(own.values()))


def duration(figures: Figures, life: Life, function: str) -> float:
    """Seconds of one invocation: CPU as the bench measures it, longer on a part of a core, and calls on the wire.

    Warm: a cold start comes to it now and then.
    """
    calls = life["calls"].get(function, 0) / life["invocations"][function]
    slower = max(1.0, figures.assumed["full_core_mb"] / memory(function))
    cpu = figures.measured["cpu_ms_per_call"] * slower
    return float(max(1, calls) * cpu + calls * call_ms(figures, life)) / 1000


def write_units(life: Life) -> float:
    """Of the table and its indexes."""
    return float(sum(life["units"].get(f"{where} writes", 0) for where in (TABLE, *INDEXES)))


def read_units(life: Life) -> float:
    """Likewise."""
    return float(sum(life["units"].get(f"{where} reads", 0) for where in (TABLE, *INDEXES)))


def lines(figures: Figures, kind: str) -> list[Line]:
    """What one life of a kind costs."""
    life, price = figures.life(kind), figures.prices["per_unit"]
    ran, done = life["invocations"], life["operations"]
    gb_seconds = sum(
        number * duration(figures, life, name) * memory(name) / 1024 for name, number in ran.items()
    )
    messages = sum(life["messages"].values())
    consumed = (
        ("CloudFront", "requests", ran["api_handler"], "cloudfront_request"),
        ("WAF", "requests", ran["api_handler"], "waf_request"),
        ("API Gateway", "requests", ran["api_handler"], "api_gateway_request"),
        ("Lambda, invocations", "invocations", sum(ran.values()), "lambda_invocation"),
        ("Lambda, duration", "GB-seconds", gb_seconds, "lambda_gb_second"),
        ("DynamoDB, writes", "units", write_units(life), "dynamodb_write_unit"),
        ("DynamoDB, reads", "units", read_units(life), "dynamodb_read_unit"),
        ("Step Functions", "transitions", life.get("transitions", 0), "step_functions_transition"),
        ("S3, writes", "requests", _sum(done, "PutObject", "CopyObject", "PostObject"), "s3_write"),
        ("S3, reads", "requests", _sum(done, "GetObject", "HeadObject"), "s3_read"),
        # Each message is sent, received and deleted.
        ("SQS", "requests", 3 * messages, "sqs_request"),
        ("SNS", "publications", life["messages"].get("mail_events", 0), "sns_publication"),
        ("SES", "mails", done.get("SendEmail", 0), "ses_mail"),
        ("KMS", "signatures", done.get("Sign", 0), "kms_signature"),
        ("CloudWatch Logs", "GB", _log_gb(figures, life), "logs_gb"),
    )
    return [
        Line(service=service, unit=unit, quantity=float(quantity), dollars=quantity * price[name])
        for service, unit, quantity, name in consumed
    ]


def _sum(done: Mapping[str, int], *names: str) -> int:
    return sum(done.get(name, 0) for name in names)


def _log_gb(figures: Figures, life: Life) -> float:
    """Our own lines, and those that Lambda writes around each invocation."""
    around = sum(life["invocations"].values()) * figures.assumed["log_bytes_per_invocation"]
    return float(life["log_bytes"] + around) / _GB


def kept_per_month(figures: Figures, kind: str) -> float:
    """Dollars a month for what one life of a kind leaves: the table's recovery and the copy of the package included."""
    kept, price = figures.life(kind)["kept"], figures.prices["per_month"]
    in_buckets = 2 * kept["packages"] + kept["pages"] + kept["files"]
    in_table = kept["table"] * (price["dynamodb_gb"] + price["dynamodb_recovery_gb"])
    return float(in_table + in_buckets * price["s3_gb"]) / _GB


def idle_per_month(figures: Figures, queues: int, resources: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Dollars a month while nothing is handed in, by what they are for; `resources` are those of all stacks."""
    unit, month, assumed = figures.prices["per_unit"], figures.prices["per_month"], figures.assumed
    minutes = 30 * 24 * 60
    polls = minutes * assumed["polls_per_queue_and_minute"] * unit["sqs_request"]
    there = Counter(resource["Type"] for resource in resources)
    rules = sum(len(r["Properties"].get("Rules", ())) for r in resources if r["Type"] == "AWS::WAFv2::WebACL")
    metrics = {name for life in figures.measured["lives"].values() for name in life["figures"]}
    firewalls, alarms = there["AWS::WAFv2::WebACL"], there["AWS::CloudWatch::Alarm"]
    keys, secrets = there["AWS::KMS::Key"], there["AWS::SecretsManager::Secret"]
    return {
        f"{firewalls} firewalls with {rules} rules": firewalls * month["waf_acl"] + rules * month["waf_rule"],
        f"{len(metrics)} figures as metrics, and more as more happens": len(metrics) * month["metric"],
        f"{alarms} alarms, a dashboard": alarms * month["alarm"] + month["dashboard"],
        f"{keys} KMS keys, {secrets} secrets": keys * month["kms_key"] + secrets * month["secret"],
        f"Lambda's polls of {queues} queues": queues * polls,
    }
