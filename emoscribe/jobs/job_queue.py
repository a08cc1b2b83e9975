"""The SQS queue that tells workers which jobs to look at.

Messages are hints, the truth about a job is in S3: one too many costs a look, and one that comes twice nothing.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from emoscribe.errors import JobStoreError
from emoscribe.jobs.aws import aws_errors
from emoscribe.jobs.s3_events import JobNote

_log = logging.getLogger(__name__)

MAX_WAIT_S: Final = 20  # of ReceiveMessage, documented
MAX_DELAY_S: Final = 900  # of SendMessage, documented
MAX_IN_FLIGHT_S: Final = 12 * 3600.0  # of a received message, documented; extending does not prolong it
GIVE_BACK_AFTER_S: Final = 11.5 * 3600.0
WAITING: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed")
RENEW_AFTER_RECEIVES: Final = 5  # so that the queue's own maxReceiveCount is never reached by waiting


@dataclass(frozen=True, slots=True)
class Message:
    """One message, received."""

    body: str
    receipt: str
    receives: int  # how often it has been received, this time included


class JobQueue:
    """One queue and, if there is one, its dead-letter queue."""

    def __init__(self, client: Any, queue_url: str, dead_letter_url: str | None) -> None:
        self._client = client
        self._url = queue_url
        self._dead_letter_url = dead_letter_url

    def send(self, note: JobNote, delay_s: float = 0.0) -> None:
        """Have somebody look at the job, in a while."""
        with aws_errors("Sending to SQS"):
            self._client.send_message(
                QueueUrl=self._url, MessageBody=note.as_text(), DelaySeconds=_whole(delay_s, MAX_DELAY_S)
            )

    def receive(self, wait_s: float, visibility_s: float) -> Message | None:
        """The next message; nobody else gets it for `visibility_s`."""
        with aws_errors("Receiving from SQS"):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=min(int(wait_s), MAX_WAIT_S),
                VisibilityTimeout=_whole(visibility_s, int(MAX_IN_FLIGHT_S)),
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        for one in answer.get("Messages", []):
            receives = int(one.get("Attributes", {}).get("ApproximateReceiveCount", 1))
            return Message(one["Body"], one["ReceiptHandle"], receives)
        return None

    def waiting(self) -> int:
        """Messages that nobody has received, roughly; each leads to a job, or is an upload that will be one."""
        with aws_errors("Counting messages in SQS"):
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(WAITING))
        if "Attributes" not in answer:  # boto3 takes an answer that broke off for one without content
            raise JobStoreError("Counting messages in SQS failed: the answer broke off.", fix="Try again.")
        return sum(int(answer["Attributes"].get(name, 0)) for name in WAITING)

    def hide(self, message: Message, seconds: float) -> None:
        """Nobody gets it for so long from now; 0: at once. If that fails it comes too early, which is harmless."""
        with _harmless(), aws_errors("Extending an SQS message"):
            self._client.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=message.receipt,
                VisibilityTimeout=_whole(seconds, int(MAX_IN_FLIGHT_S)),
            )

    def delete(self, message: Message) -> None:
        """It has served. If that fails it comes again, which is harmless."""
        with _harmless(), aws_errors("Deleting from SQS"):
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)

    def replace(self, message: Message, note: JobNote, delay_s: float) -> None:
        """A new message instead of this one, with neither its age nor its count."""
        self.send(note, delay_s)
        self.delete(message)

    def postpone(self, message: Message, note: JobNote, delay_s: float) -> None:
        """Have it come again later."""
        if message.receives >= RENEW_AFTER_RECEIVES:
            self.replace(message, note, delay_s)
        else:
            self.hide(message, delay_s)

    def bury(self, body: str, reason: str) -> None:
        """To the dead-letter queue, with the reason as attribute `reason`."""
        _log.warning("to the dead-letter queue: %s", reason)
        if self._dead_letter_url is None:
            return
        attribute = {"DataType": "String", "StringValue": reason[:1000] or "unknown"}
        with aws_errors("Sending to the dead-letter queue"):
            self._client.send_message(
                QueueUrl=self._dead_letter_url, MessageBody=body, MessageAttributes={"reason": attribute}
            )


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except JobStoreError as error:
        _log.info("%s", error.message)


def _whole(seconds: float, most: int) -> int:
    """Whole seconds, rounded up: never shorter than asked for."""
    return min(max(math.ceil(seconds), 0), most)
