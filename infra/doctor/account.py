"""Who calls, where, and by which clock."""

from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime

from botocore.exceptions import BotoCoreError, ClientError

from infra.deployment.stacks import region_of
from infra.doctor.findings import Finding, Patient, ok, warning, wrong

_SKEW, _REFUSED = 60, 300
"""Seconds: from the second on AWS refuses signatures."""


def account(patient: Patient) -> Iterator[Finding]:
    """Whether it is certain which account is meant."""
    caller, environment = patient.deployer.caller, patient.deployer.environment
    if environment.account is None:
        yield warning(
            f"{caller.arn} in account {caller.account}; the environment's file names no account",
            f'Put "account": "{caller.account}" into it, so that nobody deploys into another one by mistake.',
        )
    else:
        yield ok(f"{caller.arn} in account {caller.account}")


def regions(patient: Patient) -> Iterator[Finding]:
    """Whether the account may use every region that a stack is in."""
    environment = patient.deployer.environment
    for region in sorted({region_of(stack, environment) for stack in patient.stacks}):
        try:
            patient.deployer.clients("sts", region).get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            yield wrong(
                f"{region} does not answer: {error}", "Enable the region for the account, or choose another."
            )
        else:
            yield ok(region)


def clock(patient: Patient) -> Iterator[Finding]:
    """Whether this machine's clock agrees with AWS's."""
    answer = patient.deployer.clients("sts", patient.region).get_caller_identity()
    theirs = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)
    seconds = round(abs((patient.deployer.now() - theirs).total_seconds()))
    advice = "Let this machine set its clock by the network (NTP)."
    if seconds >= _REFUSED:
        yield wrong(
            f"this machine's clock is {seconds} s away from AWS's, which will refuse signatures", advice
        )
    elif seconds >= _SKEW:
        yield warning(f"this machine's clock is {seconds} s away from AWS's", advice)
    else:
        yield ok("this machine's clock agrees with AWS's")
