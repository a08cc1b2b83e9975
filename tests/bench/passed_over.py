"""What finding the words that Whisper passes over is worth: with it, with half of it, and without.

    python -m tests.bench.passed_over

Twelve utterances of our own clips, 1.1 to 2.2 s of silence between them, as in tests/e2e/test_recordings.py: how far
the start of the nearest sentence is from where each was put, and how often two words said four times each are written.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import soundfile

from emoscribe.local_stages import analysis_options, load_stages
from emoscribe.media import LocalSource
from emoscribe.pipeline import Finished, analyse
from emoscribe.settings import load_settings
from emoscribe.types import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Analysis, Samples
from emoscribe.whisper.writing import Hearing, Writer, Written
from tests import sounds
from tests.bench.output import save

NAMES = ("pt-1", "pt-2", "pt-3")
WORDS = ("museu", "mariana")  # each in one of the clips, so four times in the recording
AGAIN, CUT = "_write_thoroughly", "_write_holes"
WITHOUT = {"as it is": (), "decoded again only": (CUT,), "cut out only": (AGAIN,), "neither": (AGAIN, CUT)}


def main() -> None:
    recording, places = _recording()
    settings = load_settings(threads=2)
    stages, options = load_stages(settings), analysis_options(settings)
    figures: dict[str, Mapping[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.flac"
        soundfile.write(path, recording, SAMPLE_RATE_HZ)
        for name, methods in WITHOUT.items():
            with _without(methods):
                *_, last = analyse(LocalSource(path), stages, options)
            if isinstance(last, Finished):
                figures[name] = _figures(last.analysis, places)
                print(
                    f"{name:20}", ", ".join(f"{what} {figure:g}" for what, figure in figures[name].items()), flush=True
                )
    save("passed_over", figures)


def _recording() -> tuple[Samples, list[int]]:
    """The recording and where each utterance starts, milliseconds."""
    starts_ms, at_ms = [], 1700
    for number in range(12):
        starts_ms.append(at_ms)
        at_ms += len(sounds.read_clip(NAMES[number % 3])) // SAMPLES_PER_MS + 1100 + 370 * (number % 4)
    placed = [(start_ms, sounds.read_clip(NAMES[number % 3])) for number, start_ms in enumerate(starts_ms)]
    return sounds.place(placed, at_ms + 2000)[0], starts_ms


@contextmanager
def _without(methods: Sequence[str]) -> Iterator[None]:
    """The writer leaves what it wrote as it is at these steps."""

    def leave(writer: Writer, hearings: Sequence[Hearing], written: Sequence[Written], cuts: int = 0) -> list[Written]:
        return list(written)

    with ExitStack() as stack:
        for method in methods:
            stack.enter_context(patch.object(Writer, method, leave))
        yield


def _figures(analysis: Analysis, places: Sequence[int]) -> dict[str, float]:
    starts = np.array([segment.start_ms for segment in analysis.segments])
    errors_ms = [int(np.abs(starts - place).min()) for place in places]
    text = " ".join(segment.text for segment in analysis.segments).lower()
    return {
        "error p95 ms": round(float(np.percentile(errors_ms, 95))),
        "worst ms": max(errors_ms),
        **{f"'{word}' of 4": text.count(word) for word in WORDS},
    }


if __name__ == "__main__":
    main()
