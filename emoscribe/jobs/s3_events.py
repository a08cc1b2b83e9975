"""What a message on the queue says: a job to look at, or objects that were uploaded.

An S3 event is turned into the request that the API would have made; from then on it is a job like any other.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from pydantic import ValidationError

from emoscribe.errors import EmoScribeError
from emoscribe.jobs.model import JobRequest, S3Object

CREATED: Final = "ObjectCreated:"


@dataclass(frozen=True, slots=True)
class JobNote:
    """A message of ours: look at this job."""

    tenant: str
    job_id: str
    retry: bool = False  # it comes back from the dead-letter queue, by an operator's hand

    def as_text(self) -> str:
        """The body of the message."""
        return json.dumps({"tenant": self.tenant, "job_id": self.job_id, "retry": self.retry})


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message, or one record in it, that nothing can be made of."""

    reason: str
    content: str


@dataclass(frozen=True, slots=True)
class EventRules:
    """Which uploads become jobs, and with which request."""

    bucket: str
    prefix: str  # of the keys that are to be analysed, "incoming/"
    request: Callable[[S3Object], JobRequest]  # raises an EmoScribeError for one that is refused


def read_message(
    body: str, rules: EventRules | None, own_place: tuple[str, str]
) -> JobNote | list[JobRequest | Unusable]:
    """What the message asks for. S3's test event, deletions and foreign objects ask for nothing.

    `own_place`: bucket and prefix of what the service itself writes; that is never a job.
    """
    try:
        message = json.loads(body)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        return [Unusable("not a JSON object", body)]
    if isinstance(message.get("tenant"), str) and isinstance(message.get("job_id"), str):
        return JobNote(message["tenant"], message["job_id"], retry=message.get("retry") is True)
    if message.get("Event") == "s3:TestEvent":
        return []
    if not isinstance(message.get("Records"), list):
        return [Unusable("neither a job nor an S3 event", body)]
    if rules is None:
        return [Unusable("this worker is not configured for S3 events", body)]
    found = [_read_record(record, rules, own_place) for record in message["Records"]]
    return [one for one in found if one is not None]


def _read_record(record: object, rules: EventRules, own_place: tuple[str, str]) -> JobRequest | Unusable | None:
    try:
        return _request_of(record, rules, own_place)  # type: ignore[arg-type]  # anything: what is wrong with it shows below
    except EmoScribeError as error:
        return Unusable(f"{error.code}: {error.message}", _as_message(record))
    except (KeyError, TypeError, AttributeError, ValueError, ValidationError) as error:
        return Unusable(f"not a record of an upload: {type(error).__name__}", _as_message(record))


def _as_message(record: object) -> str:
    """A message with this one record: sent back to the queue, it is read again, under the settings of that time."""
    return json.dumps({"Records": [record]})


def _request_of(record: Mapping[str, Any], rules: EventRules, own_place: tuple[str, str]) -> JobRequest | None:
    name = str(record["eventName"]).removeprefix("s3:")
    described = record["s3"]["object"]
    bucket, key = str(record["s3"]["bucket"]["name"]), unquote_plus(described["key"], errors="strict")
    is_expected = bucket == rules.bucket and key.startswith(rules.prefix)
    is_output = bucket == own_place[0] and key.startswith(own_place[1])
    if not name.startswith(CREATED) or not is_expected or is_output or key.endswith("/"):  # "/": made in the console
        return None
    return rules.request(
        S3Object(
            bucket=bucket,
            key=key,
            etag=described["eTag"].strip('"'),
            version_id=described.get("versionId") or None,
            bytes=described["size"],
        )
    )
