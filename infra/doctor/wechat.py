"""Whether the WeChat account can be called: without its secret or a fixed address every delivery waits for a person."""

import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from infra.deployment.stacks import APP
from infra.doctor.findings import Finding, Patient, ok, warning, wrong

_SAYS = "docs/operations.md (The WeChat account) says how; put it right, then imprimatur deploy --only app."
_MEMBERS = ("app_secret", "callback_token", "callback_key")
_KEY_LENGTH = 43


def account(patient: Patient) -> Iterator[Finding]:
    """Whether all is there that an account needs, where there is one."""
    given = patient.deployer.environment.stacks.get(APP, {})
    if not given.get("WechatAppId"):
        yield ok("there is no WeChat account")
        return
    if not (given.get("EgressSubnets") and given.get("EgressSecurityGroups")):
        yield wrong("the function that delivers has no fixed address, and WeChat lets in no other", _SAYS)
    secret = _secret(patient, given.get("WechatSecret", ""))
    if secret is None:
        yield wrong(f"WechatSecret names no secret with {', '.join(_MEMBERS)}", _SAYS)
    elif not secret["app_secret"]:
        yield wrong("the WeChat account's app_secret is empty", _SAYS)
    elif secret["callback_key"] and len(secret["callback_key"]) != _KEY_LENGTH:
        yield wrong(f"the WeChat account's callback_key has not {_KEY_LENGTH} characters", _SAYS)
    elif not secret["callback_token"]:
        yield warning("the WeChat account tells nothing by itself: there is no callback_token", _SAYS)
    else:
        yield ok("the WeChat account has its secret")


def _secret(patient: Patient, name: str) -> dict[str, str] | None:
    """What the functions get, None when it is not there or a part of it is missing."""
    if not name:
        return None
    client = patient.deployer.clients("secretsmanager", patient.region)
    try:
        said = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
    except ValueError:
        return None
    is_whole = isinstance(said, dict) and all(isinstance(said.get(member), str) for member in _MEMBERS)
    return said if is_whole else None
