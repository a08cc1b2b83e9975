"""A backlog of recordings: what a folder, a place in S3 or a CSV manifest names, and how each one's results are called.

Finding looks at names only. Whether a file is what its name says is seen when it is analysed.
"""

import csv
import hashlib
import io
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pydantic import ValidationError

from emoscribe.errors import (
    EmoScribeError,
    InvalidRequestError,
    MediaError,
    MediaNotFoundError,
    SourceUnreachableError,
)
from emoscribe.job_setup import own_prefix, s3_client
from emoscribe.jobs import JobOptions
from emoscribe.jobs.s3_address import SCHEME, S3Address, S3Place
from emoscribe.report import parse_formats
from emoscribe.settings import Settings

VIDEO_SUFFIXES: Final = frozenset({".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mts", ".ogv", ".ts", ".webm"})
SOUND_SUFFIXES: Final = frozenset({".aac", ".flac", ".m4a", ".m4b", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav"})
MEDIA_SUFFIXES: Final = VIDEO_SUFFIXES | SOUND_SUFFIXES
MANIFEST_SUFFIX: Final = ".csv"
COLUMNS: Final = ("source", "language", "audio_track", "formats", "callback_url")
LONGEST_PART_BYTES: Final = 200  # of a folder's or a file's name; with a suffix, below the 255 of disks
MISSING: Final = frozenset({"404", "NoSuchBucket", "NoSuchKey"})
FORBIDDEN: Final = frozenset({"403", "AccessDenied", "AllAccessDisabled"})


@dataclass(frozen=True, slots=True)
class Recording:
    """One of them."""

    source: str  # a path, or s3://bucket/key
    name: str  # below the folder or prefix that was named, with slashes
    options: JobOptions
    callback_url: str | None = None
    error: EmoScribeError | None = None  # why it cannot be submitted


@dataclass(slots=True)
class Found:
    """What there is."""

    recordings: list[Recording] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)  # what was left out: how many of each kind
    unknown_columns: tuple[str, ...] = ()  # of a manifest; nothing is done with them


def find_recordings(source: str, options: JobOptions, settings: Settings) -> Found:
    """In order of their names. Raises InvalidRequestError, MediaNotFoundError, SourceUnreachableError, MediaError."""
    if source.startswith(SCHEME):
        return _sorted(_in_s3(source, options, settings))
    path = Path(source)
    if path.is_dir():
        return _sorted(_in_folder(path, options))
    if path.suffix.lower() == MANIFEST_SUFFIX:
        return _in_manifest(path, options)
    if path.is_file():
        return Found([Recording(str(path), path.name, options)])
    raise MediaNotFoundError(
        f"There is no {source}.", fix="Give a folder, a recording, a CSV manifest, or s3://bucket/prefix."
    )


def _sorted(found: Found) -> Found:
    found.recordings.sort(key=lambda one: one.name)
    return found


# --- a folder -----------------------------------------------------------------------------------


def _in_folder(folder: Path, options: JobOptions) -> Found:
    found = Found()

    def unreadable(_: OSError) -> None:
        found.skipped["folders that cannot be read"] += 1

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if kind := _left_out(name):
                found.skipped[kind] += 1
            else:
                found.recordings.append(Recording(str(path), path.relative_to(folder).as_posix(), options))
    return found


def _left_out(name: str) -> str:
    """Why a name is none of a recording; "" for one that is."""
    if name.startswith("."):
        return "hidden files"
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in MEDIA_SUFFIXES:
        return ""
    return f"{suffix} files" if suffix and suffix.isprintable() and len(suffix) <= 8 else "other files"


# --- S3 -----------------------------------------------------------------------------------------


def _in_s3(source: str, options: JobOptions, settings: Settings) -> Found:
    place = S3Place.parse(source)
    own = own_prefix(settings) if place.bucket == settings.jobs_bucket else None
    found = Found()
    for key in _keys(s3_client(settings), place):
        if not place.holds(place.bucket, key):
            continue
        if own is not None and key.startswith(own):
            found.skipped["files of the service itself"] += 1
        elif key.endswith("/"):
            found.skipped["folders"] += 1
        elif kind := _left_out(key.rpartition("/")[2]):
            found.skipped[kind] += 1
        else:
            name = key.removeprefix(place.prefix).lstrip("/") or key.rpartition("/")[2]
            found.recordings.append(Recording(str(S3Address(place.bucket, key)), name, options))
    if not found.recordings and not found.skipped:
        raise MediaNotFoundError(f"There is nothing in {source}.", fix="Check bucket and prefix.")
    return found


def _keys(client: Any, place: S3Place) -> Iterator[str]:
    """All keys that begin with the prefix, page by page."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix):
            yield from (one["Key"] for one in page.get("Contents", []))
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISSING:
            raise MediaNotFoundError(f"There is no bucket {place.bucket}.", fix="Check its name.") from None
        if code in FORBIDDEN:
            raise MediaError(f"S3 does not let us list {place.bucket}.", fix="Allow s3:ListBucket.") from None
        raise SourceUnreachableError(f"S3 could not be listed: {code}.", fix="Try again later.") from error
    except BotoCoreError as error:
        raise SourceUnreachableError(
            f"S3 could not be listed: {type(error).__name__}.", fix="Check endpoint and credentials."
        ) from error


# --- a manifest ---------------------------------------------------------------------------------


def _in_manifest(path: Path, options: JobOptions) -> Found:
    """Rows in their order. A row that cannot be understood is a recording that failed; a repeated one is left out."""
    columns, rows = _read_table(path)
    found = Found(unknown_columns=tuple(name for name in columns if name and name not in COLUMNS))
    seen: set[tuple[object, ...]] = set()
    for number, values in rows:
        row = {name: value.strip() for name, value in zip(columns, values, strict=False)}
        recording = _from_row(number, row, path.parent, options)
        identity = (recording.source, recording.options, recording.callback_url)
        if recording.error is None and identity in seen:
            found.skipped["repeated rows"] += 1
            continue
        seen.add(identity)
        found.recordings.append(recording)
    return found


def _read_table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns' names, and the rows that are not empty with their numbers. Between values commas, or semicolons."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        header = text.partition("\n")[0]
        delimiter = ";" if header.count(";") > header.count(",") else ","
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [(reader.line_num, row) for row in reader if any(value.strip() for value in row)]
    except (OSError, ValueError, csv.Error) as error:  # ValueError: not UTF-8
        cause = error.strerror if isinstance(error, OSError) else error
        raise InvalidRequestError(f"{path.name} cannot be read: {cause}.", fix="Save it as CSV in UTF-8.") from None
    columns = [value.strip().lower() for value in rows[0][1]] if rows else []
    if "source" not in columns:
        raise InvalidRequestError(f"{path.name} has no column `source`.", fix=f"Columns: {', '.join(COLUMNS)}.")
    return columns, rows[1:]


def _from_row(number: int, row: Mapping[str, str], folder: Path, options: JobOptions) -> Recording:
    source = row.get("source", "")
    if source.startswith(SCHEME):
        name = source.removeprefix(SCHEME).partition("/")[2] or source
    else:
        name = Path(source).name if Path(source).is_absolute() else source
        source = str(folder / source)
    try:
        return Recording(source, name, _row_options(row, options), row.get("callback_url") or None)
    except EmoScribeError as error:
        told = type(error)(f"Line {number}: {error.message}", fix=error.fix)
        return Recording(source, name or f"line {number}", options, error=told)


def _row_options(row: Mapping[str, str], options: JobOptions) -> JobOptions:
    """Raises InvalidRequestError."""
    if not row.get("source"):
        raise InvalidRequestError("It names no source.")
    changes: dict[str, object] = {name: value for name in ("language", "audio_track") if (value := row.get(name))}
    if formats := row.get("formats"):
        changes["formats"] = parse_formats(formats.replace(" ", ","))
    try:
        return JobOptions.model_validate({**dict(options), **changes})
    except ValidationError as error:
        wrong = ", ".join(str(one["loc"][0]) for one in error.errors())
        raise InvalidRequestError(f"Its {wrong} cannot be used.", fix="audio_track counts from 0.") from None


# --- what the results are called ----------------------------------------------------------------


def result_stems(names: Sequence[str]) -> list[PurePosixPath]:
    """Where each recording's results go, without their suffix: below one folder whatever the names are, no two alike.

    The name without its suffix; with it where others would be written to the same files, on disks too that take
    upper and lower case for the same; then counted.
    """
    paths = [_safe(name) for name in names]
    shared = Counter(_same(path.with_suffix("")) for path in paths)
    taken: set[str] = set()
    return [_free(path, taken, is_shared=shared[_same(path.with_suffix(""))] > 1) for path in paths]


def _free(path: PurePosixPath, taken: set[str], *, is_shared: bool) -> PurePosixPath:
    """The first stem for this path that is free; takes it."""
    counted = (path.with_name(f"{path.name}-{number}") for number in count(2))
    for stem in chain([] if is_shared else [path.with_suffix("")], [path], counted):
        files = {_same(stem), _same(stem.with_name(f"{stem.name}.en"))}  # talk.en.srt is of talk, or of talk.en
        if taken.isdisjoint(files):
            taken |= files
            return stem
    raise AssertionError("there is always another number")


def _same(path: PurePosixPath) -> str:
    """Equal for names that some disks take for the same."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def _safe(name: str) -> PurePosixPath:
    """A relative path that leads nowhere else and that disks can hold."""
    parts = [_safe_part(part) for part in name.replace("\\", "/").split("/") if part not in {"", "."}]
    return PurePosixPath(*parts) if parts else PurePosixPath("recording")


def _safe_part(part: str) -> str:
    printable = "".join("_" if unicodedata.category(one) in {"Cc", "Cs"} else one for one in part)
    if not printable.strip(". "):
        printable = "_" * len(printable)
    if len(printable.encode()) <= LONGEST_PART_BYTES:
        return printable
    suffix = PurePosixPath(printable).suffix[:16]
    digest = hashlib.sha256(printable.encode()).hexdigest()[:12]
    room = LONGEST_PART_BYTES - len(f"-{digest}{suffix}".encode())
    return f"{printable.encode()[:room].decode(errors='ignore')}-{digest}{suffix}"
