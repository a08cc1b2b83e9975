"""The whole pipeline against `faster_whisper.BatchedInferencePipeline` alone, alternating on the same files.

    python -m tests.bench.pipeline_speed [--rounds 3]

Same model, beam, batch, threads and word times. Ours also decodes safely, decides the language, makes sentences,
translates, classifies. Goal: at most 1.15 times its time on each long recording.
"""

import argparse
import time
from pathlib import Path
from statistics import median

from emoscribe import catalog
from emoscribe.local_stages import WHISPER, analysis_options, load_stages
from emoscribe.media import LocalSource
from emoscribe.pipeline import Finished, analyse
from emoscribe.settings import load_settings
from emoscribe.types import Analysis
from tests.bench.output import save
from tests.conftest import ROOT

RECORDINGS = ("pt-adam.ogg", "en-brian.ogg")
THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    settings = load_settings(threads=THREADS)
    stages, options = load_stages(settings), analysis_options(settings)
    folder = catalog.locate(WHISPER[settings.profile], settings.models_dir)
    reference = BatchedInferencePipeline(WhisperModel(str(folder), "cpu", compute_type="int8", cpu_threads=THREADS))
    report = {}
    for name in RECORDINGS:
        path = ROOT.parent / "shared" / "data" / "speech" / "longform" / name
        theirs, ours, analyses = [], [], []
        for _ in range(rounds):
            theirs.append(_timed_reference(reference, path, settings.beam_size, settings.clips_per_batch))
            start = time.perf_counter()
            *_, last = analyse(LocalSource(path), stages, options)
            ours.append(time.perf_counter() - start)
            if isinstance(last, Finished):
                analyses.append(last.analysis)
        report[name] = _row(name, theirs, ours, analyses)
    save("pipeline_speed", report)


def _timed_reference(reference: object, path: Path, beam_size: int, batch_size: int) -> float:
    start = time.perf_counter()
    segments, _ = reference.transcribe(str(path), beam_size=beam_size, batch_size=batch_size, word_timestamps=True)  # type: ignore[attr-defined]  # untyped library
    list(segments)
    return time.perf_counter() - start


def _row(name: str, theirs: list[float], ours: list[float], analyses: list[Analysis]) -> dict[str, object]:
    ratios = [own / reference for own, reference in zip(ours, theirs, strict=True)]
    duration_s = analyses[-1].source.duration_ms / 1000
    shares = {stage: round(median(a.stage_seconds[stage] for a in analyses), 2) for stage in analyses[-1].stage_seconds}
    print(f"{name}: {duration_s:.0f} s, {len(analyses[-1].segments)} sentences")
    print(f"  faster-whisper alone {median(theirs):6.2f} s = {duration_s / median(theirs):5.1f}x real time")
    print(f"  EmoScribe, whole     {median(ours):6.2f} s = {duration_s / median(ours):5.1f}x real time")
    print(f"  ratio {median(ratios):.3f} (rounds: {', '.join(f'{r:.3f}' for r in ratios)})")
    print("  stages " + ", ".join(f"{stage} {seconds} s" for stage, seconds in shares.items()), flush=True)
    return {
        "duration_s": round(duration_s, 1),
        "sentences": len(analyses[-1].segments),
        "reference_s": [round(s, 2) for s in theirs],
        "emoscribe_s": [round(s, 2) for s in ours],
        "median_ratio": round(median(ratios), 3),
        "stage_s": shares,
    }


if __name__ == "__main__":
    main()
