"""A supervisor that stops a worker sends SIGTERM to its children too; recordings must not fail for it."""

import os
import signal
from collections.abc import Callable

import numpy as np
import psutil
import pytest

from emoscribe.audio import CHUNK_SAMPLES, read_all
from emoscribe.errors import EmoScribeError
from emoscribe.media import BytesSource, DecodeLimits, open_audio
from tests.media_maker import wav

LIMITS = DecodeLimits(stall_s=120)
CHUNKS = 50  # far more than the pipe holds, so that the process is at work while it is told to stop


def decode_while(interfere: Callable[[psutil.Process], None]) -> int:
    """How many samples arrived although somebody interfered with the decoding process."""
    before = set(psutil.Process().children())
    with open_audio(BytesSource(wav(np.zeros(CHUNKS * CHUNK_SAMPLES, np.int16), 16_000)), limits=LIMITS) as audio:
        (process,) = set(psutil.Process().children()) - before
        interfere(process)
        return len(read_all(audio))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_supervisors_signal_does_not_reach_the_decoder(number: signal.Signals) -> None:
    assert decode_while(lambda process: process.send_signal(number)) == CHUNKS * CHUNK_SAMPLES


def test_this_process_itself_still_hears_it() -> None:
    decode_while(lambda process: None)
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_a_decoder_that_was_told_to_stop_says_nothing_about_the_recording(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # nohup, or a shell's background, has us ignore it: inherited
    try:
        _told_to_stop(number)
    finally:
        signal.signal(number, before)


def _told_to_stop(number: signal.Signals) -> None:
    with pytest.raises(EmoScribeError) as caught:
        decode_while(lambda process: os.kill(process.pid, number))
    assert caught.value.http_status >= 500  # so the job is tried again
