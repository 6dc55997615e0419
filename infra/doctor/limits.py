"""What the account may do at a time."""

from collections.abc import Iterator

from infra.doctor.findings import Finding, Patient, ok, warning, wrong

_CONCURRENCY, _FEW = 200, 50
"""Functions at a time. New accounts have 10; a publication to many channels and a full review day take some dozens."""
_RATE = 500
"""Requests a second. Accounts have 10,000, unless they are new or somebody lowered it."""


def functions(patient: Patient) -> Iterator[Finding]:
    """How many functions may run at a time."""
    limit = patient.deployer.clients("lambda", patient.region).get_account_settings()["AccountLimit"]
    free = int(limit["UnreservedConcurrentExecutions"])
    advice = "Ask for more in Service Quotas: AWS Lambda, Concurrent executions; 1,000 is usual. It takes a day or two."
    if free < _FEW:
        yield wrong(f"only {free} functions may run at a time, for everything in the account", advice)
    elif free < _CONCURRENCY:
        yield warning(f"only {free} functions may run at a time, for everything in the account", advice)
    else:
        yield ok(f"{free} functions may run at a time")


def requests(patient: Patient) -> Iterator[Finding]:
    """How many requests API Gateway takes."""
    throttle = (
        patient.deployer.clients("apigateway", patient.region).get_account().get("throttleSettings", {})
    )
    rate = throttle.get("rateLimit")
    if rate is None:
        return
    if rate < _RATE:
        yield warning(
            f"API Gateway takes {rate:.0f} requests a second, for everything in the account",
            "Ask for more in Service Quotas: Amazon API Gateway, Throttle rate.",
        )
    else:
        yield ok(f"API Gateway takes {rate:.0f} requests a second")
