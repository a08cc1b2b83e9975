"""A bucket of ministack whose uploads become jobs, with its queues, for runs that scale to zero."""

import json
from typing import Any, Final

from tests.autoscaling.triggers import QueueCounts
from tests.contract.cloud_backend import connect
from tests.servers import ACCESS_KEY, SECRET_KEY

PREFIX: Final = "emoscribe/"
UPLOADS: Final = "incoming/"
VISIBILITY_S: Final = 60
COUNTS: Final = tuple(f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed"))


class Bucket:
    """At `url`, with an empty queue."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.aws = aws = connect(url, url)
        attributes = {"VisibilityTimeout": str(VISIBILITY_S)}
        self.queue, self._dead_letters = (aws.new_queue(name, **attributes) for name in ("jobs", "dead"))
        queue = {"QueueArn": aws.arn(self.queue), "Events": ["s3:ObjectCreated:*"]}
        aws.s3.put_bucket_notification_configuration(
            Bucket=aws.bucket, NotificationConfiguration={"QueueConfigurations": [queue]}
        )
        aws.messages(self.queue)  # S3's test event would wake everything for nothing

    def settings(self) -> dict[str, str]:
        """For the parts of the service."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "EMOSCRIBE_JOBS_BUCKET": self.aws.bucket,
            "EMOSCRIBE_JOBS_PREFIX": PREFIX,
            "EMOSCRIBE_JOBS_QUEUE_URL": self.queue,
            "EMOSCRIBE_JOBS_DEAD_LETTER_URL": self._dead_letters,
            "EMOSCRIBE_S3_ENDPOINT_URL": self._url,
            "EMOSCRIBE_SQS_ENDPOINT_URL": self._url,
            "EMOSCRIBE_AWS_REGION": "us-east-1",
            "EMOSCRIBE_S3_UPLOADS": f"s3://{self.aws.bucket}/{UPLOADS}",
        }

    def upload(self, name: str, content: bytes) -> None:
        """S3 tells the queue of it."""
        self.aws.s3.put_object(Bucket=self.aws.bucket, Key=f"{UPLOADS}{name}", Body=content)

    def counts(self) -> QueueCounts:
        """Of the jobs' queue, as KEDA asks for them."""
        return self._counts(self.queue)

    @property
    def is_empty(self) -> bool:
        """No message is left in either queue, failed jobs included."""
        return self._counts(self.queue) == self._counts(self._dead_letters) == QueueCounts(0, 0, 0)

    def results(self) -> list[str]:
        """Keys of the analyses that are there."""
        return [key for key in self.keys(f"{PREFIX}results/") if key.endswith("/analysis.json")]

    def jobs(self) -> list[dict[str, Any]]:
        """Their records."""
        return [json.loads(self._read(key))["record"]["job"] for key in self.keys(f"{PREFIX}state/")]

    def keys(self, prefix: str) -> list[str]:
        """Everything under the prefix."""
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.aws.bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def _counts(self, queue: str) -> QueueCounts:
        answer = self.aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        return QueueCounts(*(int(answer["Attributes"].get(name, 0)) for name in COUNTS))

    def _read(self, key: str) -> bytes:
        content: bytes = self.aws.s3.get_object(Bucket=self.aws.bucket, Key=key)["Body"].read()
        return content
