"""Small objects in S3 with conditional writes: the only place where two workers can be told apart for sure."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from emoscribe.errors import JobStoreError
from emoscribe.jobs.aws import aws_errors, error_code

# 409: another conditional write to the key is under way; 404: If-Match on an object that is gone
CONDITION_FAILED: Final = frozenset(
    {"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchKey", "404"}
)
NOT_FOUND: Final = frozenset({"NoSuchKey", "404"})
PAUSES_S: Final = (0.1, 0.5, 2.0)  # between readings of an answer that breaks off
MAX_DELETED_AT_ONCE: Final = 1000  # DeleteObjects, documented


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that was read."""

    content: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An object that was listed."""

    key: str
    modified: datetime


class S3Objects:
    """One bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def get(self, key: str) -> Stored | None:
        """None if there is no such object."""
        from botocore.exceptions import ClientError

        with aws_errors("Reading from S3"):
            try:
                return self._read(key)
            except ClientError as error:
                if error_code(error) in NOT_FOUND:
                    return None
                raise

    def _read(self, key: str) -> Stored:
        """boto3 repeats requests by itself, but not the reading of an answer."""
        from botocore.exceptions import BotoCoreError

        for pause_s in (*PAUSES_S, None):
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
            try:
                return Stored(answer["Body"].read(), answer["ETag"])
            except BotoCoreError:
                if pause_s is None:
                    raise
                time.sleep(pause_s)
        raise AssertionError  # the last of them returns or raises

    def etag(self, key: str) -> str | None:
        """Of the object as it is now; None if there is none."""
        from botocore.exceptions import ClientError

        with aws_errors("Looking at an object in S3"):
            try:
                return str(self._client.head_object(Bucket=self.bucket, Key=key)["ETag"])
            except ClientError as error:
                if error_code(error) in NOT_FOUND:
                    return None
                raise

    def put(self, key: str, content: bytes) -> str:
        """Write, whatever is there. Returns the ETag."""
        with aws_errors("Writing to S3"):
            return str(self._client.put_object(Bucket=self.bucket, Key=key, Body=content)["ETag"])

    def put_if(self, key: str, content: bytes, etag: str | None) -> str | None:
        """Write only over the object with this ETag, or, without one, only if there is none; None: it is not so.

        `content` must be like no other: an answer may get lost and the client try again, and then only the content
        tells that the object in the way is our own.
        """
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        with aws_errors("Writing to S3"):
            try:
                answer = self._client.put_object(Bucket=self.bucket, Key=key, Body=content, **condition)
                return str(answer["ETag"])
            except ClientError as error:
                if error_code(error) not in CONDITION_FAILED:
                    raise
        there = self.get(key)
        return there.etag if there is not None and there.content == content else None

    def delete_if(self, key: str, etag: str) -> bool:
        """Delete only the object with this ETag; False: it is not so."""
        from botocore.exceptions import ClientError

        with aws_errors("Deleting from S3"):
            try:
                self._client.delete_object(Bucket=self.bucket, Key=key, IfMatch=etag)
            except ClientError as error:
                if error_code(error) not in CONDITION_FAILED:
                    raise
                return False
        return True

    def upload(self, path: Path, key: str) -> str:
        """A file of any size. Returns the ETag."""
        with aws_errors("Uploading to S3"):
            self._client.upload_file(str(path), self.bucket, key)
        etag = self.etag(key)
        if etag is None:
            raise JobStoreError("An upload to S3 has vanished.", fix="Try again.")
        return etag

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> "list[Listed]":
        """Up to `limit` objects (at most 1000) under the prefix, in order of their keys, behind the key `after`."""
        with aws_errors("Listing S3"):
            answer = self._client.list_objects_v2(
                Bucket=self.bucket, Prefix=prefix, StartAfter=after or prefix, MaxKeys=limit
            )
        return [Listed(one["Key"], one["LastModified"]) for one in answer.get("Contents", [])]

    def list_all(self, prefix: str) -> Iterator[Listed]:
        """All of them."""
        after = ""
        while page := self.list(prefix, after=after):
            yield from page
            after = page[-1].key

    def erase(self, prefix: str) -> None:
        """Everything under the prefix, former versions included."""
        with aws_errors("Deleting from S3"):
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
            self._delete(
                [one for page in pages for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, [])]
            )

    def erase_former_versions(self, key: str) -> None:
        """Of one object, leaving it as it is now."""
        with aws_errors("Deleting from S3"):
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key)
            former = [
                one
                for page in pages
                for one in page.get("Versions", [])
                if one["Key"] == key and not one.get("IsLatest", True)
            ]
            self._delete(former)

    def _delete(self, versions: Sequence[Mapping[str, str]]) -> None:
        for start in range(0, len(versions), MAX_DELETED_AT_ONCE):
            named = [
                {"Key": one["Key"], "VersionId": one["VersionId"]}
                for one in versions[start : start + MAX_DELETED_AT_ONCE]
            ]
            answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": named, "Quiet": True})
            if answer.get("Errors"):
                raise JobStoreError(f"S3 did not delete {len(answer['Errors'])} objects.", fix="Check permissions.")
