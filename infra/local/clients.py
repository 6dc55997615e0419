"""AWS clients for the laptop's own plumbing: one of each, kept, for any endpoint."""

from typing import Any

import botocore.session
from botocore.config import Config

REGION = "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "laptop",
    "AWS_SECRET_ACCESS_KEY": "laptop",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}
"""What AWS's libraries want to be told; moto believes anything."""


class Clients:
    """Clients by service. Without `endpoint` they call AWS itself, which moto intercepts."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint
        self._session = botocore.session.get_session()
        self._made: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:  # noqa: ANN401 - botocore makes its clients' classes at run time
        """The one client of the service."""
        if service not in self._made:
            self._made[service] = self._session.create_client(
                service,
                region_name=REGION,
                endpoint_url=self._endpoint,
                aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                # With the account's id in its host name an endpoint is not one that moto knows.
                config=Config(account_id_endpoint_mode="disabled"),
            )
        return self._made[service]
