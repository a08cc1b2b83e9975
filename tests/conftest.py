"""Where tests find data and models. What is missing locally is skipped, saying so; in CI (`CI` set) it fails."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emoscribe.catalog import OFFLINE_VARIABLES
from emoscribe.settings import load_settings
from emoscribe.types import Samples

ROOT = Path(__file__).parents[1]


def missing(what: str, how: str) -> None:
    """Skip the test for want of `what`; in CI, where everything is installed, fail it instead."""
    message = f"{what} is missing: {how}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(autouse=True)
def _downloads_stay_allowed() -> Iterator[None]:
    """The command line forbids them to its process; run inside a test, that is the process of all other tests too."""
    before = {name: os.environ.get(name) for name in OFFLINE_VARIABLES}
    yield
    for name, value in before.items():
        os.environ.pop(name, None)
        os.environ.update({name: value} if value is not None else {})
    if constants := sys.modules.get("huggingface_hub.constants"):
        constants.HF_HUB_OFFLINE = before["HF_HUB_OFFLINE"] is not None  # type: ignore[attr-defined]  # see catalog


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread, as that of a service does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


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
