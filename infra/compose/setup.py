"""Makes what jobs need in an S3 and SQS stand-in: two buckets, two queues, a notification. May be run again.

    python setup.py        settings: those of the service (EMOSCRIBE_JOBS_BUCKET, ...), as compose.yaml gives them

In AWS the templates of infra/aws/ do this.
"""

import json
import os
import time
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE_S: Final = 60
VISIBILITY_S: Final = 60
RETENTION_S: Final = 14 * 24 * 3600
RECEIVES: Final = 100  # a net for messages that kill their reader; docs/jobs.md


def main() -> None:
    """Wait for the servers, then make what is not there."""
    region = os.environ["EMOSCRIBE_AWS_REGION"]
    s3 = boto3.client("s3", endpoint_url=os.environ["EMOSCRIBE_S3_ENDPOINT_URL"], region_name=region)
    sqs = boto3.client("sqs", endpoint_url=os.environ["EMOSCRIBE_SQS_ENDPOINT_URL"], region_name=region)
    wait_for(s3)
    incoming = urlsplit(os.environ["EMOSCRIBE_S3_UPLOADS"])
    for bucket in (os.environ["EMOSCRIBE_JOBS_BUCKET"], incoming.netloc):
        make_bucket(s3, bucket)
    dead = make_queue(sqs, "EMOSCRIBE_JOBS_DEAD_LETTER_URL", {})
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": RECEIVES})
    jobs = make_queue(sqs, "EMOSCRIBE_JOBS_QUEUE_URL", {"RedrivePolicy": redrive})
    s3.put_bucket_notification_configuration(
        Bucket=incoming.netloc, NotificationConfiguration={"QueueConfigurations": [uploads_to(jobs, incoming.path)]}
    )
    print(f"uploads to s3://{incoming.netloc}{incoming.path} become jobs")


def wait_for(s3: Any) -> None:
    """Until the server answers at all. Raises SystemExit when it does not for too long."""
    give_up_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            s3.list_buckets()
            return
        except BotoCoreError as error:
            if time.monotonic() > give_up_s:
                raise SystemExit(f"{s3.meta.endpoint_url} does not answer: {error}") from None
            time.sleep(0.5)


def make_bucket(s3: Any, name: str) -> None:
    """A private bucket."""
    try:
        s3.create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise


def make_queue(sqs: Any, variable: str, attributes: dict[str, str]) -> str:
    """The queue whose address the variable names; its ARN. Raises SystemExit if it got another address."""
    wanted = os.environ[variable]
    lasting = {"VisibilityTimeout": str(VISIBILITY_S), "MessageRetentionPeriod": str(RETENTION_S)}
    name = urlsplit(wanted).path.rpartition("/")[2]
    url = sqs.create_queue(QueueName=name, Attributes=lasting | attributes)["QueueUrl"]
    if urlsplit(url).path != urlsplit(wanted).path:
        raise SystemExit(f"{variable} is {wanted}, but the queue is at {url}")
    return str(sqs.get_queue_attributes(QueueUrl=wanted, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def uploads_to(queue_arn: str, prefix: str) -> dict[str, Any]:
    """Each new object under the prefix is told to the queue."""
    rules = [{"Name": "prefix", "Value": prefix.lstrip("/")}] if prefix.strip("/") else []
    return {"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}


if __name__ == "__main__":
    main()
