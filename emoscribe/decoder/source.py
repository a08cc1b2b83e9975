"""Where recordings come from. A source knows its name and size, and how the decoding process gets at the bytes."""

import hashlib
import os
import stat
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from emoscribe.decoder.structure import unreadable
from emoscribe.errors import MediaError, MediaNotFoundError, UnsupportedMediaError

HASH_BLOCK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """How the decoding process gets at the bytes: the name of a reader it knows, and plain values for it."""

    reader: str  # a key of child.READERS
    options: Mapping[str, str | int]  # sent as JSON; no secrets, they belong in `environment`
    descriptor: int | None = None  # an open file that the process inherits
    channel: int | None = None  # a socket that the process inherits, to ask for bytes
    environment: Mapping[str, str] = field(default_factory=dict)  # what the reader needs, credentials say
    open_files: int = 0  # descriptors the reader opens itself while decoding, sockets say

    def status(self) -> tuple[int, int] | None:
        """Size in bytes and time of the last change of the open file; None if there is none here."""
        if self.descriptor is None:
            return None
        status = os.fstat(self.descriptor)
        return status.st_size, status.st_mtime_ns

    def sha256(self) -> str | None:
        """Of the whole open file, hexadecimal; None for what is not here to be read whole. Raises MediaError."""
        if self.descriptor is None:
            return None
        digest, offset = hashlib.sha256(), 0
        try:
            while block := os.pread(self.descriptor, HASH_BLOCK_BYTES, offset):
                digest.update(block)
                offset += len(block)
        except OSError as error:
            raise unreadable(error) from None
        return digest.hexdigest()


class Source(Protocol):
    """A recording that can be opened, any number of times."""

    @property
    def name(self) -> str:
        """For people: a file name or an object key, never a full local path. Printable."""
        ...

    @property
    def size_bytes(self) -> int | None:
        """None if it is not known before opening."""
        ...

    def open(self) -> AbstractContextManager[SourceAccess]:
        """Access for as long as the context lasts. Raises MediaError or one of its kin."""
        ...


@dataclass(frozen=True, slots=True)
class LocalSource:
    """A file on this machine. Only regular files are opened: reading a pipe or a device could wait for ever."""

    path: Path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return _label(self.path.name)

    @property
    def size_bytes(self) -> int | None:
        """None if there is no such file."""
        try:
            return self.path.stat().st_size
        except (OSError, ValueError):
            return None

    @contextmanager
    def open(self) -> Iterator[SourceAccess]:
        """Raises MediaNotFoundError, UnsupportedMediaError (not a regular file) or MediaError (no permission)."""
        try:
            descriptor = _open_regular(self.path)
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null character in the name
            raise MediaNotFoundError("There is no such file.", fix="Check the path.") from None
        except OSError as error:
            raise MediaError(f"The file cannot be opened: {error.strerror}.", fix="Check its permissions.") from None
        try:
            yield SourceAccess("descriptor", {"descriptor": descriptor}, descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class BytesSource:
    """A recording in memory, an upload for instance."""

    data: bytes = field(repr=False)
    label: str = "recording"

    @property
    def name(self) -> str:
        """The label it was given."""
        return _label(self.label)

    @property
    def size_bytes(self) -> int:
        """Always known."""
        return len(self.data)

    @contextmanager
    def open(self) -> Iterator[SourceAccess]:
        """Copies the data into a file that has no name and is gone afterwards."""
        with _nameless_file() as file:
            file.write(self.data)
            file.flush()
            yield SourceAccess("descriptor", {"descriptor": file.fileno()}, file.fileno())


def _nameless_file() -> BinaryIO:
    """In memory where the system can, else on disk without a name, so that it is gone with its last user."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("recording"), "w+b")
    return tempfile.TemporaryFile()


def _open_regular(path: Path) -> int:
    """Looks before it opens, because opening alone makes some devices act, and again after: the file may be another."""
    _refuse_unless_regular(path.stat().st_mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        _refuse_unless_regular(os.fstat(descriptor).st_mode)
    except UnsupportedMediaError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_unless_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise UnsupportedMediaError(f"This is {kind}, not a file.", fix="Name a file.")


def _label(name: str) -> str:
    """The name without what could deceive a terminal or a log, or cannot be written as UTF-8."""
    shown = "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cs"} else c for c in name)
    return shown or "recording"
