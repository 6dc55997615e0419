"""Whose calls of AWS are whose, as IAM sees them: each function signs with credentials of its own.

Clients of `OwnRoleAws` sign with those of the function that is at work. The emulated AWS notes what each function asks
for, action by action and resource by resource as IAM names them, and refuses what its file in `infra/roles/` does not
allow: in every test. Within `enforced` every function has assumed its role, and moto's own IAM decides as well.

moto names DynamoDB's and Step Functions' resources `*`, and a transaction by its call instead of by its writes; it
leaves out conditions and presigned addresses. What is asked for is therefore read from the request here (`_needs`).
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

import botocore.session
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import ClientError
from chalice.app import Chalice
from moto.core.authorization import ActionAuthenticatorMixin, enable_iam_authentication
from moto.core.exceptions import AccessDeniedError
from moto.dynamodb.responses import DynamoHandler
from moto.kms.responses import KmsResponse
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeKey
from moto.s3.responses import S3Response
from moto.sesv2.responses import SESV2Response
from moto.sqs.responses import SQSResponse
from moto.stepfunctions.responses import StepFunctionResponse

from app import app
from chalicelib.core.aws import Aws
from infra.local import subscriptions
from infra.local.clients import CREDENTIALS, REGION, Clients
from infra.local.cloud import PREFIX
from infra.local.mends import Method, replace
from infra.local.resources import ACCOUNT
from infra.package import ROOT

FILES = {path.stem: path for path in (ROOT / "infra" / "roles").glob("*.json")}
"""The policy of each function."""
HTTP = "api_handler"
"""The function of all routes."""
ANY = "*"
"""The resource of actions that know none."""
_NAMES = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "Prefix": PREFIX,
    "MailIdentity": "desk@imprimatur.test",
}
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
_KEYS = {
    f"{PREFIX}-{name}": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{PREFIX}-{name}" for name in ("signing", "site")
}
"""What the keys of these aliases are called here: KMS makes up the ends of their names."""
_HANDED = {
    f"{{{{resolve:ssm:/{PREFIX}/data/{alias.removeprefix(f'{PREFIX}-')}-key-arn}}}}": key
    for alias, key in _KEYS.items()
}
"""What only another stack knows."""
_SIGNED = re.compile(r"Credential=([^,]+)")


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that a call needs to be allowed. `partition` begins the partition key that it writes, up to a `#`."""

    action: str
    resource: str
    partition: str | None = None


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One action that a role allows, on one pattern of resources; of the table only under these partition keys."""

    action: str
    resource: str
    partitions: tuple[str, ...] | None = None

    def covers(self, need: Need) -> bool:
        """Whether it allows what is needed."""
        return (
            self.action == need.action
            and fnmatchcase(need.resource, self.resource)
            and (
                self.partitions is None or any(fnmatchcase(need.partition or "", p) for p in self.partitions)
            )
        )

    def by_partition(self) -> Iterator["Grant"]:
        """The same as grants that name one partition key each."""
        for partition in self.partitions or (None,):
            only = None if partition is None else (partition,)
            yield Grant(action=self.action, resource=self.resource, partitions=only)


def policy(function: str) -> dict[str, Any]:
    """What a function's role allows in the emulated account."""
    document: dict[str, Any] = json.loads(FILES[function].read_bytes())
    for statement in document["Statement"]:
        if statement["Resource"] != ANY:
            statement["Resource"] = _substituted(statement["Resource"]["Fn::Sub"])
    return document


def _substituted(text: str) -> str:
    named = re.sub(r"\$\{([\w:]+)}", lambda found: _NAMES[found[1]], text)
    return _HANDED.get(named, named)


def grants(function: str) -> list[Grant]:
    """What a function's role allows, one by one."""
    return [
        Grant(action=action, resource=statement["Resource"], partitions=_partitions(statement))
        for statement in policy(function)["Statement"]
        for action in statement["Action"]
    ]


def _partitions(statement: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The one condition that roles know: under which partition keys."""
    if "Condition" not in statement:
        return None
    assert statement["Condition"].keys() == {"ForAllValues:StringLike"}, statement["Sid"]
    (named,) = statement["Condition"].values()
    assert named.keys() == {"dynamodb:LeadingKeys"}, statement["Sid"]
    return tuple(named["dynamodb:LeadingKeys"])


def of_lambda(function: str) -> set[Grant]:
    """What Lambda itself does with a function's role: it writes log and traces, and reads what wakes the function.

    After the managed policies AWSLambdaBasicExecutionRole (the stacks make the log's group), AWSXRayDaemonWriteAccess,
    AWSLambdaSQSQueueExecutionRole and AWSLambdaDynamoDBExecutionRole; what a stream's reader gives up goes to its
    destination on failure.
    """
    log = _arn("logs", f"log-group:/aws/lambda/{PREFIX}-{function}:*")
    own = {("logs:CreateLogStream", log), ("logs:PutLogEvents", log)}
    own |= {("xray:PutTraceSegments", ANY), ("xray:PutTelemetryRecords", ANY)}
    for queue in _queues_of(function):
        own |= {
            (f"sqs:{action}", _arn("sqs", f"{PREFIX}-{queue}"))
            for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        }
    if function in _streamed():
        stream = _arn("dynamodb", f"table/{PREFIX}-records/stream/*")
        own |= {
            (f"dynamodb:{action}", stream) for action in ("DescribeStream", "GetRecords", "GetShardIterator")
        }
        own |= {("dynamodb:ListStreams", ANY), ("sqs:SendMessage", _arn("sqs", f"{PREFIX}-stream-failures"))}
    return {Grant(action=action, resource=resource) for action, resource in own}


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _queues_of(function: str) -> set[str]:
    """The queues that wake a function; those of departments have stacks of their own."""
    named = {
        each.queue
        for each in subscriptions.of(app)
        if isinstance(each, subscriptions.Queue) and each.handler == function
    }
    return named | ({"submissions-*"} if function == "take_in_submissions" else set())


def _streamed() -> set[str]:
    return {each.handler for each in subscriptions.of(app) if isinstance(each, subscriptions.Stream)}


def function_at_work() -> str | None:
    """The function under which the present call stands, if it stands under any."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        code = frame.f_code
        if code is Chalice.__call__.__code__:  # whatever the route, be it JSON or a page
            return HTTP
        if code.co_name in FILES and code.co_filename.endswith("jobs.py"):
            return code.co_name
        frame = frame.f_back
    return None


class _OwnCredentials(Credentials):
    """Credentials of the function at work, asked for whenever something is signed."""

    def __init__(self) -> None:
        super().__init__(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return _account.keys[function_at_work() or NOBODY]


class _Provider:
    """Where a botocore session finds them."""

    @staticmethod
    def load_credentials() -> Credentials:
        return _OwnCredentials()


NOBODY = "nobody"
"""Signs what no function calls but the product's own clients do: a test that builds, or looks, by itself."""


class _Account:
    """The emulated account: whose keys are whose, what was asked for, what was refused."""

    def __init__(self) -> None:
        self.asked: dict[str, set[Need]] = defaultdict(set)
        self.refused: list[tuple[str, Need]] = []
        self.keep_keys({})

    def keep_keys(self, assumed: Mapping[str, ReadOnlyCredentials]) -> None:
        """Keys of assumed roles; for whom there are none, keys that say only whose they are, with moto's own secret."""
        plain = {name: ReadOnlyCredentials(f"KEY-{name}", "FOOBARSECRET", None) for name in (*FILES, NOBODY)}
        self.keys = {**plain, **assumed}
        self.owners = {keys.access_key: name for name, keys in self.keys.items()}
        self.assumed = bool(assumed)


_account = _Account()


class OwnRoleAws(Aws):
    """Clients that sign with the credentials of the function at work."""

    def __init__(self) -> None:
        super().__init__(region=REGION)
        self._session = botocore.session.get_session()
        self._session.register_component("credential_provider", _Provider())
        _apply()


def refused() -> list[tuple[str, Need]]:
    """Which function was refused what since the last time this was asked."""
    told, _account.refused = _account.refused, []
    return told


@contextmanager
def noted() -> Iterator[Mapping[str, set[Need]]]:
    """What each function asks for within the block, `NOBODY` included."""
    before, _account.asked = _account.asked, defaultdict(set)
    try:
        yield _account.asked
    finally:
        _account.asked = before


@contextmanager
def enforced(without: tuple[str, Grant] | None = None) -> Iterator[None]:
    """Every function has assumed its role, less a grant of one of them, and moto's IAM decides. It needs a cloud."""
    _account.keep_keys(_assumed(without))
    try:
        with enable_iam_authentication():
            yield
    finally:
        _account.keep_keys({})


def _assumed(without: tuple[str, Grant] | None) -> dict[str, ReadOnlyCredentials]:
    iam, sts = _clients()("iam"), _clients()("sts")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    keys = {}
    for function in FILES:
        document = policy(function)
        if without is not None and without[0] == function:
            document = _less(document, without[1])
        role = f"{PREFIX}-{function}"
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=json.dumps(document))
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        given = sts.assume_role(RoleArn=arn, RoleSessionName=function)["Credentials"]
        keys[function] = ReadOnlyCredentials(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        )
    return keys


def _less(document: Mapping[str, Any], grant: Grant) -> dict[str, Any]:
    """The policy without the statement's action that the grant is."""
    statements = [
        {**statement, "Action": [action for action in statement["Action"] if (action, where) != taken]}
        for statement in document["Statement"]
        for where in [(statement["Resource"], _partitions(statement))]
        for taken in [(grant.action, (grant.resource, grant.partitions))]
    ]
    return {**document, "Statement": [statement for statement in statements if statement["Action"]]}


@cache
def _clients() -> Clients:
    return Clients()


@cache
def _apply() -> None:
    """Let moto's IAM heed what each function asks for; whatever no function signed is the cloud's own work."""
    replace(ActionAuthenticatorMixin, "_authenticate_and_authorize_action", _authorized)


def _authorized(_original: Method) -> Method:
    def authorize(response: Any, iam_request: Callable[..., Any], resource: str = "*") -> None:  # noqa: ANN401 — moto's
        signed = _signed(response)
        function = _account.owners.get(signed.get("x-amz-credential", "").partition("/")[0])
        if function is None:
            return
        if function == NOBODY:
            _account.asked[NOBODY].add(Need(action=str(response._get_action()), resource=resource))
            return
        for need in _needs(response, resource):
            _account.asked[function].add(need)
            try:
                _ensure_allowed(function, need)
                if _account.assumed:
                    _ensure_by_moto(response, iam_request, signed, need)
            except (AccessDeniedError, S3ClientError):
                _account.refused.append((function, need))
                raise

    return authorize


def ask(operation: str, pk: str | None, index: str | None) -> None:
    """What the table in memory asks before each operation: the same as above, of the function at work.

    Raises ClientError where DynamoDB would for want of a right.
    """
    function = function_at_work()
    if function is None:
        return
    need = _of_memory(operation, pk, index)
    _account.asked[function].add(need)
    if not _is_allowed(function, need):
        _account.refused.append((function, need))
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": str(need)}}, operation)


def _ensure_allowed(function: str, need: Need) -> None:
    """Raise AccessDeniedError unless the role's file allows it, its conditions included."""
    if not _is_allowed(function, need):
        raise AccessDeniedError(user_arn=function, action=need.action)


@cache
def _is_allowed(function: str, need: Need) -> bool:
    return any(grant.covers(need) for grant in grants(function))


def _ensure_by_moto(
    response: Any,  # noqa: ANN401 — moto's
    iam_request: Callable[..., Any],
    signed: Mapping[str, str],
    need: Need,
) -> None:
    """Let moto's IAM look at signature and policy; it knows no signatures of addresses and forms."""
    headers = dict(response.headers)
    in_header = "Authorization" in headers
    if not in_header:
        headers["Authorization"] = f"Credential={signed['x-amz-credential']},"
        headers["X-Amz-Security-Token"] = signed["x-amz-security-token"]
    request = iam_request(
        account_id=ACCOUNT,
        method=response.method,
        path="?".join(filter(None, (response.raw_path, urlsplit(response.uri).query))),
        data=response.data,
        body=response.raw_body,
        headers=headers,
        action=need.action.partition(":")[2],
    )
    if in_header:
        request.check_signature()
    request.check_action_permitted(need.resource)


def _signed(response: Any) -> Mapping[str, str]:  # noqa: ANN401 — moto's
    """Who signed, in a header, in an address or in a form: fields by their names in small letters."""
    in_header = _SIGNED.search(response.headers.get("Authorization", ""))
    if in_header:
        return {"x-amz-credential": in_header[1]}
    asked = {name.lower(): str(values[0]) for name, values in dict(response.querystring).items()}
    return asked | {name.lower(): str(value) for name, value in dict(response.form_data).items()}


def _needs(response: Any, resource: str) -> Iterator[Need]:  # noqa: ANN401 — moto's
    """What a request needs to be allowed, as IAM names it. `resource` is moto's own idea of it."""
    operation = response._get_action()
    match response:
        case DynamoHandler():
            yield from _of_dynamodb(operation, response.body)
        case S3Response():
            yield from _of_s3(response, operation, resource)
        case KmsResponse():
            key = json.loads(response.body)["KeyId"]
            named = {
                response.kms_backend.get_key_id_from_alias(f"alias/{alias}"): resource
                for alias, resource in _KEYS.items()
            }
            resource = named.get(key.rpartition("/")[2], key)
            yield Need(action=f"kms:{operation}", resource=resource)
        case SQSResponse():
            yield Need(action=f"sqs:{operation}", resource=resource)
        case SESV2Response():
            yield from _of_mail(json.loads(response.body))
        case StepFunctionResponse():
            # SendTask* names the machine whose token it is, although the reference knows no resource of it.
            machine = json.loads(response.body).get("stateMachineArn", _machine("review"))
            yield Need(action=f"states:{operation}", resource=machine)
        case _ if type(response).__name__ == "LambdaResponse":  # by name: loading it takes as long as a test
            function = unquote(response.path.rsplit("/", 2)[-2])
            yield Need(action="lambda:InvokeFunction", resource=_arn("lambda", f"function:{function}"))
        case _:
            raise AssertionError(f"nobody knows what {type(response).__name__} needs")


def _of_dynamodb(operation: str, request: Mapping[str, Any]) -> Iterator[Need]:
    """A transaction needs what its writes need."""
    if operation == "TransactWriteItems":
        for member in request["TransactItems"]:
            for kind, one in member.items():
                yield from _of_dynamodb(
                    "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item", one
                )
        return
    if operation == "BatchGetItem":
        for table in request["RequestItems"]:
            yield Need(action="dynamodb:BatchGetItem", resource=_table(table))
        return
    if operation == "BatchWriteItem":
        for table, puts in request["RequestItems"].items():
            for put in puts:
                yield Need(
                    action="dynamodb:BatchWriteItem",
                    resource=_table(table),
                    partition=_partition("PutItem", put["PutRequest"]),
                )
        return
    index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
    yield Need(
        action=f"dynamodb:{operation}",
        resource=_table(request["TableName"]) + index,
        partition=_partition(operation, request),
    )


def _partition(operation: str, request: Mapping[str, Any]) -> str | None:
    """Where a write goes; roles do not tell apart where a read looks."""
    if operation not in _WRITES:
        return None
    key = request.get("Key") or request["Item"]
    return _begin(key["pk"]["S"])


def _begin(pk: str) -> str:
    begin, mark, _ = pk.partition("#")
    return begin + mark


def _of_memory(operation: str, pk: str | None, index: str | None) -> Need:
    """As `_of_dynamodb`, of what the table in memory asks."""
    return Need(
        action=f"dynamodb:{operation}",
        resource=_table(f"{PREFIX}-records") + (f"/index/{index}" if index else ""),
        partition=_begin(pk) if pk is not None and operation in {*_WRITES, "BatchWriteItem"} else None,
    )


def _table(name: str) -> str:
    return _arn("dynamodb", f"table/{name}")


def _machine(name: str) -> str:
    return _arn("states", f"stateMachine:{PREFIX}-{name}")


def _of_s3(response: Any, operation: str, resource: str) -> Iterator[Need]:  # noqa: ANN401 — moto's
    """Reading and copying need the right to read; without the right to list, what is not there is forbidden."""
    bucket, _, key = resource.rpartition(":")[2].partition("/")
    key = key or response.form_data.get("key", "")  # a form has its key elsewhere
    if not key:
        yield Need(action=f"s3:{operation}", resource=resource)
        return
    action = {"HeadObject": "GetObject"}.get(operation, operation)
    yield Need(action=f"s3:{action}", resource=f"arn:aws:s3:::{bucket}/{key}")
    read = [(bucket, key)] if action == "GetObject" else []
    source = response.headers.get("x-amz-copy-source")
    if source:
        origin, _, copied = unquote(source).lstrip("/").partition("/")
        yield Need(action="s3:GetObject", resource=f"arn:aws:s3:::{origin}/{copied}")
        read.append((origin, copied))
    for where, what in read:
        if not isinstance(response.backend.buckets[where].keys.get(what), FakeKey):  # gone, or marked so
            yield Need(action="s3:ListBucket", resource=f"arn:aws:s3:::{where}")


def _of_mail(request: Mapping[str, Any]) -> Iterator[Need]:
    """Raw MIME needs both rights, on the identity and on the configuration set, if one is named."""
    (_, _, address) = request["FromEmailAddress"].rpartition("<")
    resources = [f"identity/{address.rstrip('>')}"]
    if request.get("ConfigurationSetName"):
        resources.append(f"configuration-set/{request['ConfigurationSetName']}")
    for resource in resources:
        for action in ("SendEmail", "SendRawEmail"):
            yield Need(action=f"ses:{action}", resource=_arn("ses", resource))


def unused(function: str, needs: Iterable[Need]) -> set[Grant]:
    """What a role allows and its function does not ask for, one partition key at a time."""
    needed = tuple(needs)
    return {
        grant
        for each in grants(function)
        for grant in each.by_partition()
        if not any(grant.covers(need) for need in needed)
    }
