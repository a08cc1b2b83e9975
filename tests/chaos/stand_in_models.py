"""Models that cost nothing but time: what chaos is about is everything around them."""

import os
import resource
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emoscribe import local_stages
from emoscribe.errors import EmoScribeError
from emoscribe.types import (
    EmotionRequest,
    EmotionScores,
    Transcript,
    TranscriptionRequest,
    Translation,
    TranslationRequest,
)
from tests.conftest import ROOT
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying

BATCH_S_VARIABLE: Final = "STAND_IN_BATCH_S"
MEMORY_FILE_VARIABLE: Final = "STAND_IN_MEMORY_FILE"
LIMIT_BYTES: Final = 2**33  # of the address space of a transcriber that runs out of memory


class StandInTranscriber(FakeTranscriber):
    """Says the same of every clip. While the memory file exists it wants more memory than there is."""

    device = "stand-in"
    side_by_side = 2

    def __init__(self) -> None:
        super().__init__(saying("que happiness! mas fear."))
        self._batch_s = float(os.environ.get(BATCH_S_VARIABLE, "1"))
        self._memory_file = os.environ.get(MEMORY_FILE_VARIABLE)

    def transcribe(self, requests: Sequence[TranscriptionRequest]) -> list[Transcript | EmoScribeError]:
        """After a while."""
        if self._memory_file and Path(self._memory_file).exists():
            run_out_of_memory()
        time.sleep(self._batch_s)
        outcomes = super().transcribe(requests)
        self.requests.clear()  # kept for tests of one process; here they would be a leak
        self.batch_sizes.clear()
        return outcomes


def run_out_of_memory() -> None:
    """Ask for more than the limit, and die of it as the kernel's killer has it: without a word to anybody."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    try:
        bytearray(2 * LIMIT_BYTES)
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)


class StandInTranslator(FakeTranslator):
    """Forgets what it was asked."""

    def translate(self, requests: Sequence[TranslationRequest]) -> list[Translation | EmoScribeError]:
        """At once."""
        outcomes = super().translate(requests)
        self.requests.clear()
        return outcomes


class StandInClassifier(FakeClassifier):
    """Forgets what it was asked."""

    def classify(self, requests: Sequence[EmotionRequest]) -> list[EmotionScores | EmoScribeError]:
        """At once."""
        outcomes = super().classify(requests)
        self.requests.clear()
        return outcomes


def take_their_place() -> None:
    """The loaders of this process give stand-ins, and no model has to be there."""
    local_stages.load_transcriber = lambda *_, **__: StandInTranscriber()  # type: ignore[assignment]
    local_stages.load_translator = lambda *_: StandInTranslator()  # type: ignore[assignment]
    local_stages.load_classifier = lambda *_: StandInClassifier()  # type: ignore[assignment]
    local_stages.check_models = lambda *_: None


def environment() -> dict[str, str]:
    """For processes that are to have stand-ins."""
    folders = (ROOT / "tests" / "chaos" / "stand_ins", ROOT)
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))}
