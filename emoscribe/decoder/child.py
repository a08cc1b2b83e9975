"""The decoding process: `python -m emoscribe.decoder.child`, started by `media.py` and by nothing else.

It learns from a JSON object on standard input what to read and how much it may use, gives up every
right it does not need, and answers on standard output with messages:

    kind (1 byte), length (4 bytes, big-endian), payload

    I  JSON: TrackInfo        once, first
    S  samples, 16 bit        any number
    W  nothing                still working: at most one a second, while it reads without finding sound
    D  JSON: Done             once, last; or
    E  JSON: Failure          once, last

Whoever takes over this process through a flaw in a decoder holds one open file and two pipes.
"""

import json
import os
import resource
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from emoscribe.decoder.decode import DecodeRequest, TrackInfo, open_recording
from emoscribe.decoder.structure import BinaryReader, unreadable
from emoscribe.errors import CorruptMediaError, EmoScribeError, MediaLimitError
from emoscribe.served_file import ServedFile

HEADER: Final = struct.Struct(">cI")
MAX_PAYLOAD_BYTES: Final = 2**20
INFO, SAMPLES, WORKING, DONE, ERROR = b"I", b"S", b"W", b"D", b"E"

CANNOT_START: Final = 3  # exit status: the installation, not the recording, is at fault
WORKING_EVERY_S: Final = 1.0
CPU_GRACE_S: Final = 5  # between the signal that says so and the one that cannot be ignored


@dataclass(frozen=True, slots=True)
class Done:
    """How decoding ended."""

    truncated: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """An EmoScribeError, to be raised by whoever asked."""

    code: str
    message: str
    fix: str


def open_descriptor(options: Mapping[str, Any]) -> BinaryReader:
    """A file that `media.py` has opened and passed on. `options`: `descriptor`."""
    return os.fdopen(int(options["descriptor"]), "rb", buffering=0)


def open_served(options: Mapping[str, Any]) -> BinaryReader:
    """Bytes that the process that started us fetches. `options`: `socket`, `size_bytes`."""
    return ServedFile(socket.socket(fileno=int(options["socket"])), int(options["size_bytes"]))


READERS: Final[dict[str, Callable[[Mapping[str, Any]], BinaryReader]]] = {
    "descriptor": open_descriptor,
    "served": open_served,
}


class Answers:
    """Sends messages to the process that asked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._sent_at_s = time.monotonic()

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Waits while the pipe is full: this is what keeps decoding in step with its reader."""
        rest = memoryview(HEADER.pack(kind, len(payload)) + payload)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._sent_at_s = time.monotonic()

    def send_json(self, kind: bytes, value: TrackInfo | Done | Failure) -> None:
        """A message that is a JSON object."""
        self.send(kind, json.dumps(asdict(value)).encode())

    def keep_alive(self) -> None:
        """Says that work goes on, if nothing has been said for a while."""
        if time.monotonic() - self._sent_at_s > WORKING_EVERY_S:
            self.send(WORKING)


def main() -> int:
    """Reads the order, carries it out; the exit status is 0 once an answer has been given."""
    answers = Answers(os.dup(sys.stdout.fileno()))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not disturb the answers
    os.set_blocking(sys.stderr.fileno(), False)  # nor wait for somebody to read it
    order = json.load(sys.stdin)
    try:
        limit_resources(order["memory_bytes"], order["cpu_s"])
        import av
        import av.filter
        import av.stream
        import av.subtitles.codeccontext  # PyAV itself imports these two late, when no file can be opened any more
        import av.subtitles.stream  # noqa: F401
    except (ImportError, MemoryError, OSError):
        traceback.print_exc()
        return CANNOT_START
    try:
        with suppress(BrokenPipeError):  # nobody listens any more
            carry_out(order, answers)
    except BaseException as error:  # whatever a hostile file provokes becomes an answer
        failure = as_media_error(error)
        answers.send_json(ERROR, Failure(failure.code, failure.message, failure.fix))
    return 0


def carry_out(order: Mapping[str, Any], answers: Answers) -> None:
    """Decodes and sends."""
    reader = READERS[order["reader"]](order["options"])
    limit(resource.RLIMIT_NOFILE, order["open_files"])
    with open_recording(reader, DecodeRequest(**order["request"]), answers.keep_alive) as recording:
        answers.send_json(INFO, recording.info)
        for chunk in recording.chunks():
            answers.send(SAMPLES, chunk)
        answers.send_json(DONE, Done(recording.is_truncated()))


def limit_resources(memory_bytes: int, cpu_s: int) -> None:
    """Bounds memory and time, and forbids writing files, core dumps, processes and threads."""
    limit(resource.RLIMIT_AS, memory_bytes)
    limit(resource.RLIMIT_CPU, cpu_s, cpu_s + CPU_GRACE_S)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NPROC, 0)


def limit(what: int, soft: int, hard: int | None = None) -> None:
    """Lowers a limit for good; one that is lower already stays."""
    _, allowed = resource.getrlimit(what)
    wanted = soft if hard is None else hard
    ceiling = wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed)
    with suppress(ValueError, OSError):  # macOS knows some limits but does not let them be set
        resource.setrlimit(what, (min(soft, ceiling), ceiling))


def as_media_error(error: BaseException) -> EmoScribeError:
    """What to tell the caller. What nobody foresaw is the file's fault, and goes to standard error in full."""
    if isinstance(error, EmoScribeError):
        return error
    if isinstance(error, MemoryError):
        return MediaLimitError(
            "Decoding the recording takes more memory than allowed.",
            fix="Convert the recording to a common format, or raise EMOSCRIBE_DECODER_MEMORY_BYTES.",
        )
    traceback.print_exception(error)
    if isinstance(error, OSError) and type(error).__module__ == "builtins":
        return unreadable(error)
    return CorruptMediaError("The recording could not be decoded.", fix="Check that the file plays.")


if __name__ == "__main__":
    sys.exit(main())
