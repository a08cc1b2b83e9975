"""Where tests find data and models. What is missing locally is skipped, saying so; in CI (`CI` set) it fails."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emoscribe.settings import load_settings
from emoscribe.types import Samples

ROOT = Path(__file__).parents[1]


def missing(what: str, how: str) -> None:
    """Skip the test for want of `what`; in CI, where everything is installed, fail it instead."""
    message = f"{what} is missing: {how}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that is never committed. Absent on most machines, CI elsewhere included: then it is skipped."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is not on this machine")
    return folder


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The model cache, with the embedded models in it."""
    folder = load_settings().models_dir
    if not (folder / "whisper-base").is_dir():
        missing("the embedded models", "run `make models`")
    return folder


@pytest.fixture(scope="session")
def read_speech(shared_data: Path) -> Callable[[str], Samples]:
    """Reads `../shared/data/speech/<name>` as 16 kHz mono samples, independently of our own decoder."""

    def read(name: str) -> Samples:
        from faster_whisper.audio import decode_audio

        return np.asarray(decode_audio(str(shared_data / "speech" / name)), dtype=np.float32)

    return read
