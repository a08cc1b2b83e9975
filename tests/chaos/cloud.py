"""S3 and SQS on loopback behind links that can fail, and what is in them at the end."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Generic, Protocol, TypeVar

from tests.contract.cloud_backend import Aws
from tests.servers import ACCESS_KEY, SECRET_KEY

PREFIX: Final = "emoscribe/"
UPLOADS: Final = "incoming/"
VISIBILITY_S: Final = 60


class Reachable(Protocol):
    """A server, or a link to one that can fail."""

    @property
    def url(self) -> str:
        """Where the parts of the service find it."""
        ...


ServerT = TypeVar("ServerT", bound=Reachable)


class Cloud(Generic[ServerT]):
    """A bucket whose uploads become jobs, with its queues. Looked at directly, not over the links."""

    def __init__(self, aws: Aws, s3: ServerT, sqs: ServerT) -> None:
        self.aws = aws
        self.s3 = s3
        self.sqs = sqs
        attributes = {"VisibilityTimeout": str(VISIBILITY_S)}
        self.queue, self.dead_letters = (aws.new_queue(name, **attributes) for name in ("jobs", "dead"))
        queue = {"QueueArn": aws.arn(self.queue), "Events": ["s3:ObjectCreated:*"]}
        aws.s3.put_bucket_notification_configuration(
            Bucket=aws.bucket, NotificationConfiguration={"QueueConfigurations": [queue]}
        )

    def settings(self) -> dict[str, str]:
        """For the parts of the service."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "EMOSCRIBE_JOBS_BUCKET": self.aws.bucket,
            "EMOSCRIBE_JOBS_PREFIX": PREFIX,
            "EMOSCRIBE_JOBS_QUEUE_URL": self.queue,
            "EMOSCRIBE_JOBS_DEAD_LETTER_URL": self.dead_letters,
            "EMOSCRIBE_S3_ENDPOINT_URL": self.s3.url,
            "EMOSCRIBE_SQS_ENDPOINT_URL": self.sqs.url,
            "EMOSCRIBE_AWS_REGION": "us-east-1",
            "EMOSCRIBE_S3_UPLOADS": f"s3://{self.aws.bucket}/{UPLOADS}",
        }

    def upload(self, name: str, content: bytes) -> None:
        """S3 tells the queue of it."""
        self.aws.s3.put_object(Bucket=self.aws.bucket, Key=f"{UPLOADS}{name}", Body=content)

    def repeat_events(self, names: list[str], times: int) -> None:
        """The events of these uploads come again, in any order, some of them late."""
        chance = random.Random(1)
        again = names * times
        chance.shuffle(again)
        for name in again:
            delay_s = chance.choice((0, 0, 0, 5, 20))
            self.aws.sqs.send_message(QueueUrl=self.queue, MessageBody=self._event(name), DelaySeconds=delay_s)

    def _event(self, name: str) -> str:
        key = f"{UPLOADS}{name}"
        head = self.aws.s3.head_object(Bucket=self.aws.bucket, Key=key)
        thing = {"key": key, "size": head["ContentLength"], "eTag": head["ETag"].strip('"'), "sequencer": "00"}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
        return json.dumps({"Records": [record | {"s3": {"bucket": {"name": self.aws.bucket}, "object": thing}}]})

    def jobs(self) -> dict[str, dict[str, Any]]:
        """The record of each job, by its id."""
        records = (json.loads(self._read(key))["record"]["job"] for key in self.keys(f"{PREFIX}state/"))
        return {str(job["id"]): job for job in records}

    def results(self) -> Counter[str]:
        """How many analyses there are of each job."""
        keys = self.keys(f"{PREFIX}results/")
        return Counter(key.split("/")[-2] for key in keys if key.endswith("/analysis.json"))

    def left_over(self) -> dict[str, int]:
        """What nobody will clear away any more; nothing, when all jobs have ended."""
        return {
            "segments": sum("/live/" in key for key in self.keys(f"{PREFIX}files/")),
            "open": len(list(self.keys(f"{PREFIX}open/"))),
            "messages": self.messages(self.queue),
            "dead_letters": self.messages(self.dead_letters),
        }

    def messages(self, queue: str) -> int:
        """Waiting, under way or delayed."""
        return sum(self.counts(queue))

    def counts(self, queue: str) -> tuple[int, int, int]:
        """Waiting, under way, delayed."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        answer = self.aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        visible, hidden, delayed = (int(answer["Attributes"].get(name, 0)) for name in names)
        return visible, hidden, delayed

    def keys(self, prefix: str) -> Iterator[str]:
        """Everything under the prefix."""
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.aws.bucket, Prefix=prefix)
        return (one["Key"] for page in pages for one in page.get("Contents", []))

    def _read(self, key: str) -> bytes:
        content: bytes = self.aws.s3.get_object(Bucket=self.aws.bucket, Key=key)["Body"].read()
        return content
