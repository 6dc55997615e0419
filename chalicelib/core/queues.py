"""Our queues by their names, without asking SQS for addresses: a queue's URL follows from its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, kw_only=True)
class Queues:
    """The queues of one environment. `url_prefix` begins the URL of each, up to and with the environment's prefix."""

    client: "Callable[[], SQSClient]"
    url_prefix: str

    def url(self, queue: str) -> str:
        """The URL of a queue, named without the environment's prefix."""
        return f"{self.url_prefix}{queue}"

    def own_name(self, queue: str) -> str:
        """A queue's name without the environment's prefix. Raises ValueError for another environment's queue."""
        prefix = self.url_prefix.rpartition("/")[2]
        if not queue.startswith(prefix):
            raise ValueError(f"not a queue of {prefix}")
        return queue.removeprefix(prefix)

    def send(self, queue: str, body: str, attributes: Mapping[str, str]) -> None:
        """Put a message with attributes of type String into a queue; SQS may hand it out more than once."""
        self.client().send_message(
            QueueUrl=self.url(queue),
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
