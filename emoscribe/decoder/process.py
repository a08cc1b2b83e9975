"""Starts the decoding process, listens to it, and ends it. Believes nothing it says without a look."""

import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from emoscribe.decoder import child
from emoscribe.decoder.source import SourceAccess
from emoscribe.errors import (
    CorruptMediaError,
    EmoScribeError,
    MediaError,
    MediaLimitError,
    MediaNotFoundError,
    NoAudioTrackError,
    UnsupportedMediaError,
)

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

KINDS_OF_ERROR: Final = {
    kind.code: kind
    for kind in (
        MediaError,
        MediaNotFoundError,
        UnsupportedMediaError,
        CorruptMediaError,
        NoAudioTrackError,
        MediaLimitError,
    )
}
MODULE: Final = child.__name__
MAX_MESSAGE_CHARACTERS: Final = 500
STDERR_BYTES: Final = 64 * 1024
NOT_FOR_IT: Final = frozenset({signal.SIGTERM, signal.SIGINT})  # what supervisors send to all children
TOLD_TO_STOP: Final = NOT_FOR_IT | {signal.SIGHUP, signal.SIGQUIT}
REAP_S: Final = 10.0  # a killed process is gone at once, unless the kernel is waiting for a disk or a file server
INHERITED: Final = ("LD_LIBRARY_PATH",)  # where some installations keep Python's own library


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What a decoding process may use."""

    memory_bytes: int  # address space
    cpu_s: int  # processor time, and as much time may its caller spend waiting for it
    stall_s: int  # without a word


class DecodingProcess:
    """One running `emoscribe.decoder.child`. Make it with `decoding_process`."""

    def __init__(self, process: "subprocess.Popen[bytes]", limits: ProcessLimits) -> None:
        self._process = process
        self._answers = cast("IO[bytes]", process.stdout).fileno()
        self._limits = limits
        self._waited_s = 0.0

    def receive(self, *expected: bytes) -> tuple[bytes, bytes]:
        """The next message, its kind and payload. Raises what the process reports, or dies of."""
        while True:
            kind, size = child.HEADER.unpack(self._read(child.HEADER.size))
            if size > child.MAX_PAYLOAD_BYTES:
                raise nonsense()
            payload = self._read(size)
            if kind == child.ERROR:
                raise self._reported(payload)
            if kind in expected:
                return kind, payload
            if kind != child.WORKING:
                raise nonsense()

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._wait()
            part = os.read(self._answers, size - len(data))
            if not part:
                raise self._cause_of_death()
            data += part
        return bytes(data)

    def _wait(self) -> None:
        """Until there is something to read. Time spent elsewhere, by whoever uses the sound, does not count."""
        started_s = time.monotonic()
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        ready = poll.poll(self._limits.stall_s * 1000)
        self._waited_s += time.monotonic() - started_s
        if not ready:
            raise MediaLimitError(
                f"Decoding stood still for {self._limits.stall_s} s.",
                fix="Check that the file plays; for a slow disk raise EMOSCRIBE_DECODER_STALL_S.",
            )
        if self._waited_s > self._limits.cpu_s:
            raise _took_too_long(self._limits)

    def _reported(self, payload: bytes) -> EmoScribeError:
        failure = parse(child.Failure, payload)
        self._log()
        kind = KINDS_OF_ERROR.get(failure.code, CorruptMediaError)
        return kind(failure.message[:MAX_MESSAGE_CHARACTERS], fix=failure.fix[:MAX_MESSAGE_CHARACTERS])

    def _cause_of_death(self) -> EmoScribeError:
        """Why the process ended without an answer."""
        try:
            status = self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            return nonsense()
        logger.warning("the decoding process ended with status %d", status)
        self._log()
        if status == -signal.SIGXCPU:
            return _took_too_long(self._limits)
        if status == -signal.SIGKILL:  # by the kernel for want of memory, or for the CPU time after all
            return MediaLimitError("The decoding process was killed.", fix="See whether the machine has memory left.")
        return nonsense() if status == 0 else _died_of(status)

    def _log(self) -> None:
        """What the process wrote to standard error: tracebacks of ours, nothing from the recording's words."""
        stderr = cast("IO[bytes]", self._process.stderr).fileno()
        os.set_blocking(stderr, False)
        with suppress(BlockingIOError):
            if text := os.read(stderr, STDERR_BYTES):
                logger.warning("the decoding process wrote: %s", text.decode(errors="replace"))


@contextmanager
def decoding_process(
    access: SourceAccess, request: Mapping[str, object], limits: ProcessLimits
) -> Iterator[DecodingProcess]:
    """Starts a process on one source. However the context is left, the process is gone afterwards."""
    process = _start(access)
    try:
        order = {
            "reader": access.reader,
            "options": dict(access.options),
            "open_files": access.open_files,
            "request": dict(request),
            "memory_bytes": limits.memory_bytes,
            "cpu_s": limits.cpu_s,
        }
        with suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as pipe:  # broken: found out when listening
            pipe.write(json.dumps(order).encode())
        yield DecodingProcess(process, limits)
    finally:
        _end(process)


def _start(access: SourceAccess) -> "subprocess.Popen[bytes]":
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(folder for folder in sys.path if folder)
    try:
        with _told_to_stop_by_us_alone():
            return _spawn(access, environment)
    except OSError as error:
        raise EmoScribeError(f"The decoding process could not start: {error.strerror}.") from None


@contextmanager
def _told_to_stop_by_us_alone() -> Iterator[None]:
    """A process started here never hears what supervisors send to all children of what they stop.

    We end it ourselves, when its work is done or given up. The mask is of this thread, and is inherited.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, NOT_FOR_IT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _spawn(access: SourceAccess, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  # our own interpreter and module, nothing that a user wrote
        [sys.executable, "-P", "-s", "-B", "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment | dict(access.environment),
        cwd="/",
        pass_fds=[one for one in (access.descriptor, access.channel) if one is not None],
        start_new_session=True,  # Ctrl-C in a terminal is for us; we end it ourselves
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kills the process, if it still runs, and clears it away."""
    process.kill()
    for pipe in (process.stdout, process.stderr):
        cast("IO[bytes]", pipe).close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(REAP_S)


def _died_of(status: int) -> EmoScribeError:
    if -status in TOLD_TO_STOP:  # by somebody else, whatever the recording is
        return EmoScribeError("The decoding process was told to stop.", fix="Try again.")
    if status < 0:
        return CorruptMediaError("The decoder crashed on this recording.", fix="Convert it to a common format.")
    return EmoScribeError(
        "The decoding process could not start.",
        fix="Run `emoscribe doctor`; EMOSCRIBE_DECODER_MEMORY_BYTES may be too low.",
    )


def _took_too_long(limits: ProcessLimits) -> MediaLimitError:
    return MediaLimitError(
        f"Decoding took longer than {limits.cpu_s} s.", fix="Cut the recording, or raise EMOSCRIBE_DECODER_CPU_S."
    )


def parse(kind: type[Answer], payload: bytes) -> Answer:
    """A message that is a JSON object. Raises CorruptMediaError if it is not exactly of that kind."""
    try:
        return TypeAdapter(kind).validate_json(payload, strict=True)
    except ValidationError:
        raise nonsense() from None


def nonsense() -> CorruptMediaError:
    """For answers that make no sense: something in the recording broke the process."""
    return CorruptMediaError("The decoder was thrown off by this recording.", fix="Convert it to a common format.")
