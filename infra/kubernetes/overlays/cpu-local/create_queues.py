"""Makes buckets, queues and the notification in the stand-in, which runs this at each start. Needs no packages."""

import json
import os
import urllib.parse
import urllib.request

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ARN = "arn:aws:sqs:us-east-1:000000000000:"
UPLOADS = f"""
<NotificationConfiguration><QueueConfiguration>
  <Queue>{ARN}emoscribe-jobs</Queue><Event>s3:ObjectCreated:*</Event>
</QueueConfiguration></NotificationConfiguration>"""


def call(method: str, path: str, body: str = "") -> None:
    """Raises HTTPError: then the stand-in says in its log that this script failed."""
    request = urllib.request.Request(ENDPOINT + path, body.encode() or None, method=method)  # noqa: S310  # its own
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


def create_queue(name: str, **attributes: str) -> None:
    """As docs/jobs.md wants queues."""
    fields = {"Action": "CreateQueue", "Version": "2012-11-05", "QueueName": name}
    lasting = {"VisibilityTimeout": "60", "MessageRetentionPeriod": str(14 * 24 * 3600)}
    for number, (key, value) in enumerate({**lasting, **attributes}.items(), start=1):
        fields |= {f"Attribute.{number}.Name": key, f"Attribute.{number}.Value": value}
    call("POST", "/", urllib.parse.urlencode(fields))


call("PUT", "/emoscribe")
call("PUT", "/emoscribe-incoming")
create_queue("emoscribe-failed")
redrive = {"deadLetterTargetArn": f"{ARN}emoscribe-failed", "maxReceiveCount": 100}
create_queue("emoscribe-jobs", RedrivePolicy=json.dumps(redrive))
call("PUT", "/emoscribe-incoming?notification", UPLOADS)
