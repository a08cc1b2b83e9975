"""The dead-letter queue, for the operator: what lies there and why, and sending it back to be tried again.

SQS's own redrive (StartMessageMoveTask) does not know where messages came from that a worker put there; this does.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from emoscribe.jobs.aws import aws_errors

HOLD_S: Final = 60  # looked-at messages are out of others' sight so long, at most
PAGE: Final = 10  # of ReceiveMessage, documented


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message."""

    body: str
    reason: str  # "code: message"; empty for one that SQS itself moved there
    sent_s: float  # when it came, seconds since 1970
    receipt: str

    @property
    def code(self) -> str:
        """The error's code."""
        return self.reason.partition(":")[0]

    @property
    def job(self) -> tuple[str, str] | None:
        """Tenant and id of the job, if it is one."""
        try:
            note = json.loads(self.body)
            return str(note["tenant"]), str(note["job_id"])
        except (ValueError, KeyError, TypeError):
            return None


class DeadLetters:
    """One dead-letter queue and the queue it belongs to."""

    def __init__(self, client: Any, queue_url: str, dead_letter_url: str) -> None:
        self._client = client
        self._queue_url = queue_url
        self._url = dead_letter_url

    def look(self, limit: int) -> list[DeadLetter]:
        """The first of them, in no certain order. They stay."""
        found = list(self._receive(limit))
        for letter in found:
            self._show(letter)
        return found

    def send_back(self, limit: int, is_wanted: Callable[[DeadLetter], bool] = lambda _: True) -> list[DeadLetter]:
        """Move those that are wanted, of the first `limit`, to the queue: failed jobs are tried again as if new."""
        sent = []
        for letter in list(self._receive(limit)):
            if not is_wanted(letter):
                self._show(letter)
                continue
            with aws_errors("Sending to SQS"):  # first: twice in the queue does no harm, nowhere does
                self._client.send_message(QueueUrl=self._queue_url, MessageBody=letter.body)
            with aws_errors("Deleting from the dead-letter queue"):
                self._client.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)
            sent.append(letter)
        return sent

    def _show(self, letter: DeadLetter) -> None:
        with aws_errors("Giving back a dead letter"):
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )

    def _receive(self, limit: int) -> Iterator[DeadLetter]:
        count = 0
        while count < limit:
            with aws_errors("Receiving from the dead-letter queue"):
                answer = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(PAGE, limit - count),
                    VisibilityTimeout=HOLD_S,
                    WaitTimeSeconds=1,  # a long poll asks all of SQS's servers
                    MessageAttributeNames=["reason"],
                    MessageSystemAttributeNames=["SentTimestamp"],
                )
            messages = answer.get("Messages", [])
            if not messages:
                return
            count += len(messages)
            yield from map(_letter, messages)


def _letter(message: dict[str, Any]) -> DeadLetter:
    reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "")
    sent_s = int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000
    return DeadLetter(message["Body"], reason, sent_s, message["ReceiptHandle"])
