"""A decoding process that has been taken over or has gone wrong; how, it learns from the order it is given."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable

from emoscribe.decoder.child import DONE, HEADER, INFO, MAX_PAYLOAD_BYTES, SAMPLES, WORKING, limit_resources

TRACK = {"container": "wav", "codec": "pcm_s16le", "audio_track": 0, "audio_tracks": 1, "expected_duration_ms": None}


def send(kind: bytes, payload: bytes = b"", claimed_bytes: int | None = None) -> None:
    size = len(payload) if claimed_bytes is None else claimed_bytes
    os.write(1, HEADER.pack(kind, size) + payload)


def work_for_ever() -> None:
    while True:
        pass


def write_for_ever() -> None:
    os.set_blocking(2, True)
    while True:
        os.write(2, b"complaint " * 1000)


WAYS: dict[str, Callable[[], object]] = {
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "abort": lambda: os.kill(os.getpid(), signal.SIGABRT),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "failed start": lambda: sys.exit(3),
    "silent end": lambda: None,
    "hang": lambda: time.sleep(3600),
    "hang after the track": lambda: (send(INFO, json.dumps(TRACK).encode()), time.sleep(3600)),
    "crash after samples": lambda: (
        send(INFO, json.dumps(TRACK).encode()),
        send(SAMPLES, bytes(3200)),
        os.kill(os.getpid(), signal.SIGSEGV),
    ),
    "busy": work_for_ever,
    "complaining": write_for_ever,
    "noise": lambda: os.write(1, b"\x00\xff" * 1000),
    "huge message": lambda: send(SAMPLES, claimed_bytes=2**32 - 1),
    "cut message": lambda: send(SAMPLES, b"ab", claimed_bytes=MAX_PAYLOAD_BYTES),
    "unknown message": lambda: send(b"?", b"{}"),
    "samples first": lambda: send(SAMPLES, bytes(3200)),
    "end first": lambda: send(DONE, b"{}"),
    "no json": lambda: send(INFO, b"\xff{"),
    "other json": lambda: send(INFO, b"[1, 2]"),
    "missing fields": lambda: send(INFO, b'{"container": "wav"}'),
    "wrong fields": lambda: send(INFO, json.dumps(TRACK | {"audio_track": "x"}).encode()),
    "impossible fields": lambda: send(INFO, json.dumps(TRACK | {"audio_tracks": 0}).encode()),
    "endless json": lambda: send(INFO, b"[" * MAX_PAYLOAD_BYTES),
    "infinite json": lambda: send(INFO, json.dumps(TRACK | {"audio_tracks": float("inf")}).encode()),
    "half a sample": lambda: (send(INFO, json.dumps(TRACK).encode()), send(SAMPLES, b"abc")),
    "too many samples": lambda: (send(INFO, json.dumps(TRACK).encode()), send(SAMPLES, bytes(500_000))),
    "end without json": lambda: (send(INFO, json.dumps(TRACK).encode()), send(DONE, b"")),
    "unknown error": lambda: send(
        b"E", json.dumps({"code": "internal_error", "message": "x" * 10_000, "fix": ""}).encode()
    ),
    "still working": lambda: [(send(WORKING), time.sleep(0.01)) for _ in range(10_000)],
}


if __name__ == "__main__":
    order = json.load(sys.stdin)
    limit_resources(order["memory_bytes"], order["cpu_s"])
    WAYS[order["options"]["way"]]()
