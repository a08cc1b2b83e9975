"""Addresses of objects in S3, s3://bucket/key, and which of them may be read.

The key is taken as it is, never decoded: a percent sign, a question mark or a space is part of it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from emoscribe.errors import InvalidRequestError

SCHEME: Final = "s3://"
MAX_KEY_BYTES: Final = 1024  # documented
# Wider than AWS's rules for new buckets (old ones and other servers have more), but no ARN, and no dots alone
_BUCKET: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]{3,255}(?<!\.)")
_DOT_SEGMENTS: Final = frozenset({".", ".."})


@dataclass(frozen=True, slots=True)
class S3Address:
    """An object."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"


def parse_s3_address(text: str) -> S3Address:
    """Raises InvalidRequestError for what does not name an object."""
    bucket, key = _split(text)
    if not key:
        raise InvalidRequestError(f"{_shown(text)} names no object.", fix="Give s3://bucket/key.")
    check_key(key)
    return S3Address(bucket, key)


def check_key(key: str) -> None:
    """Raises InvalidRequestError for a key that S3 cannot hold, or that some servers take for another one."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidRequestError("The key is not Unicode text.", fix="Give s3://bucket/key.") from None
    if size > MAX_KEY_BYTES:
        raise InvalidRequestError(f"The key has {size} bytes, S3 allows {MAX_KEY_BYTES}.", fix="Check the key.")
    if not _DOT_SEGMENTS.isdisjoint(key.split("/")):  # servers that resolve them would leave an allowed prefix
        raise InvalidRequestError("The key holds '.' or '..' as a folder.", fix="Rename the object.")


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, or a folder in it: "s3://bucket/in" holds in/talk.mp4 and in itself, but not inner/talk.mp4."""

    bucket: str
    prefix: str  # "": the whole bucket

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidRequestError for what does not name a bucket."""
        bucket, prefix = _split(text)
        return cls(bucket, prefix)

    def holds(self, bucket: str, key: str) -> bool:
        """Whether the object lies there."""
        if bucket != self.bucket:
            return False
        folder = self.prefix if self.prefix.endswith("/") or not self.prefix else f"{self.prefix}/"
        return key.startswith(folder) or (bool(self.prefix) and key == self.prefix)


def is_allowed(places: Iterable[S3Place], bucket: str, key: str) -> bool:
    """Whether one of the places holds the object."""
    return any(place.holds(bucket, key) for place in places)


def _split(text: str) -> tuple[str, str]:
    bucket, _, key = text.removeprefix(SCHEME).partition("/")
    if not text.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
        raise InvalidRequestError(f"{_shown(text)} is no address in S3.", fix="Give s3://bucket/key.")
    return bucket, key


def _shown(text: str) -> str:
    """A piece of what was given, printable."""
    return ascii(text[:100])
