"""Makes the bucket and the queues in the stand-in; it runs this at each start. Standard library only."""

import os
import urllib.parse
import urllib.request

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ACCOUNT = "000000000000"


def call(method: str, path: str = "/", **parameters: str) -> None:
    body = urllib.parse.urlencode(parameters).encode() or None
    urllib.request.urlopen(urllib.request.Request(ENDPOINT + path, body, method=method), timeout=30).close()


def create_queue(name: str, **attributes: str) -> None:
    numbered = enumerate(attributes.items(), start=1)
    pairs = {f"Attribute.{i}.{part}": text for i, pair in numbered for part, text in zip(("Name", "Value"), pair)}
    call("POST", Action="CreateQueue", QueueName=name, Version="2012-11-05", **pairs)


call("PUT", "/emoscribe-jobs")
create_queue("emoscribe-jobs-dead", MessageRetentionPeriod="1209600")
dead = f"arn:aws:sqs:us-east-1:{ACCOUNT}:emoscribe-jobs-dead"
create_queue(
    "emoscribe-jobs",
    VisibilityTimeout="60",
    MessageRetentionPeriod="1209600",
    RedrivePolicy=f'{{"deadLetterTargetArn": "{dead}", "maxReceiveCount": "100"}}',
)
