"""AWS clients for the `imprimatur` command: any service, any region, AWS itself or an endpoint that stands for it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.deployment.errors import DeploymentError

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)


Client = Callable[[str, str], Any]
"""Gives the client of a service in a region."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls AWS."""

    account: str
    arn: str

    @property
    def partition(self) -> str:
        """`aws`, or that of China or a government: what every ARN there begins with."""
        return self.arn.split(":")[1]


class Clients:
    """One client of each service and region. Credentials and profile come from the usual AWS variables."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint
        self._session = boto3.session.Session()
        self._made: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def __call__(self, service: str, region: str) -> Any:  # noqa: ANN401 — botocore makes its clients' classes at run time
        """The client."""
        with self._lock:
            if (service, region) not in self._made:
                self._made[service, region] = self._session.client(
                    service,  # type: ignore[call-overload]  # it knows each name apart
                    region_name=region,
                    endpoint_url=self._endpoint,
                    config=_CONFIG,
                )
            return self._made[service, region]

    def caller(self, region: str) -> Caller:
        """Whoever calls. Raises DeploymentError when AWS does not know them."""
        try:
            caller = self("sts", region).get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise DeploymentError(
                f"AWS does not know who is calling: {error}\nSign in (aws sso login), or set AWS_PROFILE or "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, then run this again."
            ) from error
        return Caller(account=caller["Account"], arn=caller["Arn"])
