"""Resident memory of a long recording, with its slope: a long recording repeated to the wanted length.

    python -m tests.bench.memory [--hours 3]

Samples the resident memory of this process and of the decoding child at every batch. Goal: under 1.5 GB for 3 h.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from emoscribe.local_stages import analysis_options, load_stages
from emoscribe.media import LocalSource
from emoscribe.pipeline import Progress, analyse
from emoscribe.settings import load_settings
from tests.bench.output import save
from tests.conftest import ROOT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=3.0)
    hours = parser.parse_args().hours
    settings = load_settings(threads=2)
    stages, options = load_stages(settings), analysis_options(settings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        repeat(ROOT.parent / "shared" / "data" / "speech" / "longform" / "pt-adam.ogg", path, hours)
        samples = []
        for event in analyse(LocalSource(path), stages, options):
            if isinstance(event, Progress) and event.stage == "emotion":
                samples.append((event.position_ms / 3_600_000, _resident_mb()))
                if len(samples) % 10 == 0:
                    print(f"{samples[-1][0]:.2f} h: {samples[-1][1]:.0f} MB", flush=True)
    places, resident = np.array(samples).T
    slope = float(np.polyfit(places[len(places) // 5 :], resident[len(places) // 5 :], 1)[0])
    print(f"peak {resident.max():.0f} MB, slope {slope:.1f} MB per hour of recording after the first fifth")
    save("memory", {"hours": hours, "peak_mb": round(float(resident.max())), "slope_mb_per_hour": round(slope, 1)})


def repeat(source: Path, target: Path, hours: float) -> None:
    """Write `source` as often as it takes to be `hours` long."""
    import soundfile
    from faster_whisper.audio import decode_audio

    once = np.asarray(decode_audio(str(source)), dtype=np.float32)
    with soundfile.SoundFile(target, "w", 16_000, 1) as file:
        for _ in range(int(np.ceil(hours * 3600 * 16_000 / len(once)))):
            file.write(once)


def _resident_mb() -> float:
    """This process and its children, megabytes."""
    return sum(_rss_kb(pid) for pid in (os.getpid(), *_children(os.getpid()))) / 1024


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)


if __name__ == "__main__":
    main()
