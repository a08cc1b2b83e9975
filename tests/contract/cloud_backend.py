"""The cloud store on real servers, with a server's clock that can be moved."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from emoscribe.jobs import JobStore, S3Object
from emoscribe.jobs.aws import AwsOptions, ServerClock, make_client
from emoscribe.jobs.cloud import CloudJobStore, CloudOptions
from emoscribe.jobs.cloud_claims import HeartbeatPace
from emoscribe.jobs.s3_events import EventRules, JobNote
from tests.contract.backend import LEASE, Backend
from tests.servers import ACCESS_KEY, SECRET_KEY

EAGER = HeartbeatPace(write_every_s=0, look_every_s=0)
KEPT = ("state/", "index/", "open/", "erasing/", "keys/", "results/")


@dataclass(frozen=True)
class Aws:
    """Clients of running servers, with a bucket that tests share."""

    s3: Any
    sqs: Any
    bucket: str

    def new_queue(self, name: str, **attributes: str) -> str:
        return str(self.sqs.create_queue(QueueName=f"{name}-{uuid4().hex}", Attributes=attributes)["QueueUrl"])

    def arn(self, queue_url: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    def messages(self, queue_url: str) -> list[dict[str, Any]]:
        """All that are visible now, taken from the queue."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
            if not answer.get("Messages"):
                return found
            for message in answer["Messages"]:
                found.append(message)
                self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


def connect(s3_url: str, sqs_url: str) -> Aws:
    """To servers on loopback."""
    s3, sqs = (
        make_client(service, AwsOptions(url, "us-east-1", ACCESS_KEY, SECRET_KEY))
        for service, url in (("s3", s3_url), ("sqs", sqs_url))
    )
    bucket = f"jobs-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    return Aws(s3, sqs, bucket)


class CloudBackend(Backend):
    """A prefix and a queue of its own."""

    def __init__(self, folder: Path, aws: Aws, events: EventRules | None = None) -> None:
        self.aws = aws
        self.clock = ServerClock(aws.s3)
        self.prefix = f"{uuid4().hex}/"
        self.queue, self.dead_letters = aws.new_queue("jobs"), aws.new_queue("dead")
        self.options = CloudOptions(aws.bucket, self.queue, self.dead_letters, self.prefix, LEASE, EAGER, events)
        super().__init__(folder)

    def another_store(self) -> JobStore:
        return CloudJobStore(self.aws.s3, self.aws.sqs, self.options, self.clock)

    def pass_time(self, seconds: float) -> None:
        """The queue's time cannot be moved: what would be visible again by then is sent again."""
        self.clock.shift_s += seconds
        for key in self.objects("open/"):
            tenant, job_id = key.split("/")[-2:]
            self.send(JobNote(tenant, job_id).as_text())

    def send(self, body: str | dict[str, Any]) -> None:
        """To the jobs' queue."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.aws.sqs.send_message(QueueUrl=self.queue, MessageBody=text)

    def read_media(self, media: Path | S3Object) -> bytes:
        assert isinstance(media, S3Object)
        answer = self.aws.s3.get_object(Bucket=media.bucket, Key=media.key, IfMatch=media.etag)
        content: bytes = answer["Body"].read()
        return content

    def objects(self, under: str = "") -> dict[str, bytes]:
        """Everything under the prefix."""
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.aws.bucket, Prefix=self.prefix + under
        )
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        return {key: self.aws.s3.get_object(Bucket=self.aws.bucket, Key=key)["Body"].read() for key in keys}

    def traces_of(self, text: bytes) -> list[str]:
        return [key for key, content in self.objects().items() if text in content or text in key.encode()]

    def leftovers(self) -> list[str]:
        names = [key.removeprefix(self.prefix) for key in self.objects()]
        return [name for name in names if not name.startswith(KEPT) and not name.endswith(("/media", "/decided"))]

    def close(self) -> None:
        for queue in (self.queue, self.dead_letters):
            self.aws.sqs.delete_queue(QueueUrl=queue)
