"""Whether every partner can be signed to: one without a key leaves each delivery to a person."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from botocore.exceptions import ClientError

from chalicelib.bootstrap import POLICIES
from chalicelib.publication.channels.partners import Partner, keys_of, load_register
from infra.deployment.stacks import APP
from infra.doctor.findings import Finding, Patient, ok, wrong

_WRITE = "docs/operations.md (Partners) says how keys are written; put it right, then imprimatur deploy --only app."


def keys(
    patient: Patient, register: Callable[[Path], Mapping[str, Partner]] = load_register
) -> Iterator[Finding]:
    """Whether each partner of the register has a key that can be used."""
    try:
        partners = register(POLICIES / "partners.json")
    except ValueError as error:
        yield wrong(f"policies/{error}", "Put the register right and deploy.")
        return
    if not partners:
        yield ok("no partner is in the register")
        return
    place = patient.deployer.environment.stacks.get(APP, {}).get("PartnerKeys", "")
    known = _known(patient, place)
    if known is None:
        yield wrong(f"{len(partners)} partners and no keys: {place or 'PartnerKeys is empty'}", _WRITE)
        return
    for partner in partners:
        if keys_of(partner, known):
            yield ok(f"{partner} has a key")
        else:
            yield wrong(f"{partner} has no key that can be used", _WRITE)


def _known(patient: Patient, place: str) -> str | None:
    """All keys, as the functions get them; None when there are none where they should be."""
    name, _, rest = place.partition(":SecretString:")
    if not name:
        return None
    client = patient.deployer.clients("secretsmanager", patient.region)
    try:
        secret: str = client.get_secret_value(SecretId=name)["SecretString"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
    member = rest.partition(":")[0]
    if not member:
        return secret
    try:
        return str(json.loads(secret)[member])
    except (ValueError, KeyError, TypeError):
        return None
