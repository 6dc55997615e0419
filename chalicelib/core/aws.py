"""AWS clients, made on first use and kept: importing this needs neither region nor credentials."""

import threading
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient


class Aws:
    """The clients of one process. Endpoint, credentials and, unless given, region come from the usual AWS variables."""

    def __init__(self, region: str | None = None) -> None:
        self._region = region
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:  # noqa: ANN401 — botocore makes its clients' classes at run time
        """The one client of a service."""
        if service not in self._clients:
            with self._lock:  # making a client is not thread-safe in botocore
                if service not in self._clients:
                    self._clients[service] = self.make(service)
        return self._clients[service]

    def make(self, service: str) -> Any:  # noqa: ANN401 — as above
        """A fresh client whose tries, all together, end before the API's function does (29 s).

        S3 is told its signature's version, or presigned addresses come in an older one in some regions; and to put
        the bucket into the host's name, or they lead to the global endpoint, which sends uploads on elsewhere.
        SES has no idempotency key, so there a second try of a call whose answer was lost would be a second mail: it
        gets one. Rendering a poster takes longer than any other call.
        """
        from botocore.config import Config  # noqa: PLC0415 — jobs that touch no AWS must not pay for it
        from botocore.session import get_session  # noqa: PLC0415 — boto3's own session costs a start a tenth more

        from chalicelib.core.service_models import ServiceModels  # noqa: PLC0415 — as above

        if self._session is None:
            self._session = get_session()
            self._session.register_component("data_loader", ServiceModels())
        return self._session.create_client(
            service,
            region_name=self._region,
            config=Config(
                connect_timeout=2,
                read_timeout=60 if service == "lambda" else 5,
                signature_version="s3v4" if service == "s3" else None,
                s3={"addressing_style": "virtual"} if service == "s3" else None,
                retries={"mode": "standard", "total_max_attempts": 1 if service == "sesv2" else 3},
                parameter_validation=False,
                user_agent="imprimatur",  # botocore composes its own twice a call: an eighth of the call's CPU
            ),
        )

    def dynamodb(self) -> "DynamoDBClient":
        """Records."""
        return cast("DynamoDBClient", self.client("dynamodb"))

    def s3(self) -> "S3Client":
        """Site and archive."""
        return cast("S3Client", self.client("s3"))

    def kms(self) -> "KMSClient":
        """The key that the service signs with."""
        return cast("KMSClient", self.client("kms"))

    def lambda_(self) -> "LambdaClient":
        """The renderers."""
        return cast("LambdaClient", self.client("lambda"))

    def sqs(self) -> "SQSClient":
        """Queues."""
        return cast("SQSClient", self.client("sqs"))

    def stepfunctions(self) -> "SFNClient":
        """State machines."""
        return cast("SFNClient", self.client("stepfunctions"))

    def sesv2(self) -> "SESV2Client":
        """Outgoing mail."""
        return cast("SESV2Client", self.client("sesv2"))
