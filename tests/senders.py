"""A department's own system, as the desk meets it: it sends to one queue and is answered on another."""

import json
from dataclasses import dataclass
from typing import Any

from chalicelib.core.aws import Aws
from chalicelib.submission.letters import dead_letters_queue, replies_queue, submissions_queue
from infra.local.clients import REGION
from tests.world import World, a_form

SQS = Aws(region=REGION).sqs


@dataclass(frozen=True, kw_only=True)
class Dead:
    """A dead letter."""

    body: str
    attributes: dict[str, str]

    @property
    def reason(self) -> str | None:
        return self.attributes.get("reason")


@dataclass(frozen=True, kw_only=True)
class System:
    """The system of one department."""

    world: World
    department: str = "marketing"

    def send(
        self,
        *,
        body: str | None = None,
        attributes: dict[str, str] | None = None,
        **changes: Any,  # noqa: ANN401
    ) -> str:
        """Send a form, or whatever the body is, and answer the message's id."""
        text = body if body is not None else json.dumps(a_form(self.world.now(), **changes))
        sent = SQS().send_message(
            QueueUrl=self._url(submissions_queue(self.department)),
            MessageBody=text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in (attributes or {}).items()
            },
        )
        return sent["MessageId"]

    def answers(self) -> list[dict[str, Any]]:
        """Every answer that has come since the last look."""
        url, answers = self._url(replies_queue(self.department)), []
        while messages := self._received(url):
            for message in messages:
                assert message["Body"].isascii()
                answers.append(json.loads(message["Body"]))
                SQS().delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return answers

    def dead(self) -> list[Dead]:
        """The dead letters, left where they are."""
        url, seen = self._url(dead_letters_queue(self.department)), []
        while messages := self._received(url):
            seen += messages
        for message in seen:
            SQS().change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        return [
            Dead(
                body=message["Body"],
                attributes={
                    name: attribute["StringValue"]
                    for name, attribute in message.get("MessageAttributes", {}).items()
                },
            )
            for message in seen
        ]

    def _url(self, queue: str) -> str:
        return self.world.parts.queues.url(queue)

    @staticmethod
    def _received(url: str) -> list[Any]:
        answer = SQS().receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=60
        )
        return list(answer.get("Messages", []))


def submissions_of(world: World) -> list[str]:
    """The ids of all submissions."""
    return sorted({pk.removeprefix("SUBMISSION#") for pk, sk in world.items() if sk == "HEAD"})


def refused_requests_of(world: World) -> list[str]:
    """The ids of all refused requests."""
    found = {pk for pk, sk in world.items() if sk == "REQUEST"}
    return sorted(pk.removeprefix("REFUSED_REQUEST#") for pk in found)
