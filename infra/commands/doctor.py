"""`imprimatur doctor`: every check, and what to do about what it finds."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from botocore.exceptions import BotoCoreError, ClientError

from infra.commands.deployment import DONE, NOT_DONE, Asked, guarded
from infra.deployment.errors import DeploymentError
from infra.deployment.stacks import stacks_of
from infra.doctor.findings import Check, Finding, Patient, Verdict, warning
from infra.doctor.register import CHECKS

_MARKS = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.WRONG: "✗"}


def examine(asked: Asked, *, as_json: bool) -> int:
    """Look at the environment; answers 1 when something is wrong."""

    def look() -> int:
        deployer = asked.deployer()
        patient = Patient(deployer=deployer, stacks=stacks_of(deployer.environment))
        found = []
        for check, finding in findings(patient, CHECKS):
            found.append(finding)
            if as_json:
                print(json.dumps({"check": check.name, **asdict(finding)}, ensure_ascii=False), flush=True)
            else:
                _print(check, finding)
        if not as_json:
            print(f"\n{_summary(found)}")
        return NOT_DONE if any(finding.verdict is Verdict.WRONG for finding in found) else DONE

    return guarded(look)


def findings(patient: Patient, checks: Sequence[Check]) -> Iterator[tuple[Check, Finding]]:
    """What each check finds. One that AWS does not let look is itself a finding, and stops no other."""
    for check in checks:
        try:
            for finding in check.look(patient):
                yield check, finding
        except (ClientError, BotoCoreError, DeploymentError) as error:
            yield (
                check,
                warning(f"this could not be looked at: {error}", "Look again as somebody who may, or later."),
            )


def _print(check: Check, finding: Finding) -> None:
    print(f"{_MARKS[finding.verdict]} {check.name}: {finding.text}", flush=True)
    if finding.advice:
        print(f"    → {finding.advice}", flush=True)


def _summary(found: Sequence[Finding]) -> str:
    count = {verdict: sum(finding.verdict is verdict for finding in found) for verdict in Verdict}
    return f"{count[Verdict.WRONG]} wrong, {count[Verdict.WARNING]} to look at, {count[Verdict.OK]} well"
