"""Short recordings of real speech, no two alike."""

from collections.abc import Sequence
from pathlib import Path

import soundfile

from tests.conftest import ROOT

LONGFORM = ROOT.parent / "shared" / "data" / "speech" / "longform"


def cut(folder: Path, count: int, seconds: Sequence[int]) -> tuple[list[Path], float]:
    """`count` FLAC files, Portuguese and English in turn, of the given lengths in turn; and their length together."""
    sounds = [soundfile.read(LONGFORM / name, dtype="float32") for name in ("pt-adam.ogg", "en-brian.ogg")]
    paths: list[Path] = []
    total_s = 0
    for number in range(count):
        samples, rate = sounds[number % 2]
        length_s = seconds[number % len(seconds)]
        last_start = len(samples) - length_s * rate
        start = last_start * (number // 2) // max(count // 2, 1)
        paths.append(folder / f"short-{number:03}.flac")
        soundfile.write(paths[-1], samples[start : start + length_s * rate], rate)
        total_s += length_s
    return paths, float(total_s)
