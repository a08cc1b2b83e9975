"""The clients of S3 and SQS, their errors in our words, and the time as their servers tell it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from emoscribe.errors import JobStoreError

CONNECT_TIMEOUT_S: Final = 5.0
CONNECTIONS: Final = 50


@dataclass(frozen=True, slots=True)
class AwsOptions:
    """Where the services are. Credentials come from where boto3 looks for them, or from here in tests."""

    endpoint_url: str | None = None  # None: AWS
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    tries: int = 5  # of each request
    read_timeout_s: float = 30.0  # above the 20 s that SQS lets a receiver wait


def make_client(service: str, options: AwsOptions) -> Any:
    """A boto3 client for "s3" or "sqs"; it may be shared by threads, not by processes."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        service,
        endpoint_url=options.endpoint_url,
        region_name=options.region,
        aws_access_key_id=options.access_key,
        aws_secret_access_key=options.secret_key,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=options.read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": options.tries},
            max_pool_connections=CONNECTIONS,
            s3={"addressing_style": "path"} if options.endpoint_url else None,
        ),
    )


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """What boto3 raises becomes a JobStoreError. For conditions that fail see `error_code`."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise JobStoreError(
            f"{doing} failed: {error_code(error)}.", fix="Check bucket, queue and permissions."
        ) from error
    except (BotoCoreError, Boto3Error) as error:
        raise JobStoreError(
            f"{doing} failed: {type(error).__name__}.", fix="Check endpoint and credentials."
        ) from error


def error_code(error: Exception) -> str:
    """The service's code of a botocore ClientError, "" for other errors."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


class ServerClock:
    """The time of the S3 server: the same for all workers, whatever their own clocks say.

    Kept from the `Date` of its answers and the monotonic clock between them; right to about a second.
    """

    def __init__(self, client: Any, shift_s: float = 0.0) -> None:
        self.shift_s = shift_s  # moved by tests
        self._ahead_s = time.time() - time.monotonic()
        client.meta.events.register("after-call.s3", self._learn)

    def _learn(self, parsed: Mapping[str, Any], **_: object) -> None:
        date = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if date:
            self._ahead_s = parsedate_to_datetime(date).timestamp() - time.monotonic()

    def now_s(self) -> float:
        """Seconds since 1970."""
        return time.monotonic() + self._ahead_s + self.shift_s

    def now(self) -> datetime:
        """The same, for people."""
        return datetime.fromtimestamp(self.now_s(), UTC)
