"""What S3 refuses of a form that a browser posts: moto takes any size, type and forged policy.

Signature, expiry, every condition of the policy and the digest are looked at as S3 does (API reference, "POST
Policy"), so that a limit which would not hold on AWS does not seem to hold here.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from moto.s3.models import s3_backends
from moto.s3.utils import cors_matches_origin
from moto.sts.models import sts_backends

from infra.local.resources import ACCOUNT

Method = Callable[..., Any]

_FREE = frozenset({"policy", "x-amz-signature", "file"})
"""Form fields that need no condition; so do those that begin with `x-ignore-`."""


class FormError(Exception):
    """S3's refusal: HTTP status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message

    def xml(self) -> str:
        """The body of the answer."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message></Error>"
        )


def policed(original: Method) -> Method:
    """Moto's handler of posts to a bucket, which now takes a form only if S3 would; with CORS headers."""

    def post(response: Any, request: Any, bucket: str) -> tuple[int | str, dict[str, str], str]:  # noqa: ANN401 - moto's
        if "delete" in response.querystring or response.parsed_url.query.startswith("delete"):
            answer: tuple[int | str, dict[str, str], str] = original(response, request, bucket)
            return answer
        allowed = _cors(request.headers.get("Origin"), bucket)
        try:
            check(dict(response.form_data.items()), response.raw_body, bucket, datetime.now(UTC))
        except FormError as refusal:
            return refusal.status, allowed | {"content-type": "application/xml"}, refusal.xml()
        status, headers, body = original(response, request, bucket)
        return status, {**headers, **allowed}, body

    return post


def check(fields: Mapping[str, str], content: bytes, bucket: str, now: datetime) -> None:
    """Raise FormError unless S3 would take this form. Names of fields are compared without regard to case."""
    form = {name.lower(): value for name, value in fields.items()}
    if "policy" not in form:
        raise FormError(403, "AccessDenied", "Access Denied")
    if not hmac.compare_digest(_signature(form), form.get("x-amz-signature", "")):
        raise FormError(403, "SignatureDoesNotMatch", "The signature does not match the policy.")
    policy = json.loads(base64.b64decode(form["policy"]))
    if datetime.fromisoformat(policy["expiration"]) <= now:
        raise FormError(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    subject = form | {"bucket": bucket}
    covered = set(_FREE)
    for condition in policy["conditions"]:
        covered |= set(_held(condition, subject, len(content)))
    strange = [name for name in form if name not in covered and not name.startswith("x-ignore-")]
    if strange:
        message = f"Invalid according to Policy: Extra input fields: {', '.join(sorted(strange))}"
        raise FormError(403, "AccessDenied", message)
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    if form.get("x-amz-checksum-sha256", digest) != digest:
        raise FormError(400, "BadDigest", "The SHA256 you specified did not match the calculated checksum.")


def _signature(form: Mapping[str, str]) -> str:
    """What the policy's signature must be, made with the secret of whoever signed."""
    try:
        access_key, day, region, service, _ = form["x-amz-credential"].split("/")
    except (KeyError, ValueError):
        return "-"
    key = f"AWS4{_secret(access_key)}".encode()
    for part in (day, region, service, "aws4_request", form["policy"]):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def _secret(access_key: str) -> str:
    """An assumed role's own, else the one that the product itself signs with."""
    role = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
    return os.environ["AWS_SECRET_ACCESS_KEY"] if role is None else str(role.secret_access_key)


def _held(condition: Any, form: Mapping[str, str], size: int) -> Iterator[str]:  # noqa: ANN401 - JSON
    """The fields that a condition covers. Raises FormError when it does not hold."""
    wanted: Any
    match condition:
        case ["content-length-range", least, most]:
            if size < least:
                raise FormError(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum.")
            if size > most:
                raise FormError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum.")
            return
        case ["eq" | "starts-with" as relation, str(field), str(wanted)]:
            name = field.removeprefix("$").lower()
        case {**only} if len(only) == 1:
            relation, ((named, wanted),) = "eq", only.items()
            name = str(named).lower()
        case _:
            raise FormError(400, "InvalidPolicyDocument", "Invalid Policy: a condition that means nothing.")
    value = form.get(name, "")
    if not (value == wanted if relation == "eq" else value.startswith(wanted)):
        said = json.dumps(condition)
        raise FormError(403, "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {said}")
    yield name


def _cors(origin: str | None, bucket: str) -> dict[str, str]:
    """What lets a page of that origin read the answer, by the bucket's own rules."""
    known = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    for rule in getattr(known, "cors", None) or ():
        methods = [rule.allowed_methods] if isinstance(rule.allowed_methods, str) else rule.allowed_methods
        if origin and "POST" in methods and cors_matches_origin(origin, rule.allowed_origins):
            return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return {}
