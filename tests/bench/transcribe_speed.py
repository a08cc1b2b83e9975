"""The transcriber against `faster_whisper.BatchedInferencePipeline`, stage by stage, on the two long recordings.

    python -m tests.bench.transcribe_speed [--rounds 2]

Same model, int8, beam, batch, threads and word times; both find speech and the language themselves; decoding the file
is timed for neither. Every measurement has a process of its own, so that neither gains from what the other did to it
(the transcriber has the C library keep memory); they take turns. Goal: at most 1.0 times the reference.
"""

import argparse
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Any

import numpy as np

from tests.bench.output import save
from tests.conftest import ROOT

RECORDINGS = ("pt-adam.ogg", "en-brian.ogg")
THREADS = 2
BATCH = 8
BEAM = 5


@dataclass(frozen=True)
class Timing:
    """One pass over one recording."""

    seconds: float
    words: int
    peak_mb: int  # of the process
    stages: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    report = {}
    for name in RECORDINGS:
        theirs, ours = [], []
        for _ in range(rounds):
            theirs.append(_alone(partial(time_reference, name)))
            ours.append(_alone(partial(time_ours, name)))
        report[name] = _row(name, theirs, ours)
    save("transcribe_speed", report)


def _alone(measure: Callable[[], Timing]) -> Timing:
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        return process.submit(measure).result()


def time_reference(name: str) -> Timing:
    """faster-whisper with its own speech detection and language."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = BatchedInferencePipeline(WhisperModel(str(_model_dir()), "cpu", compute_type="int8", cpu_threads=THREADS))
    samples = _read(name)
    start = time.perf_counter()
    segments, _ = model.transcribe(samples, beam_size=BEAM, batch_size=BATCH, word_timestamps=True)
    words = sum(len(segment.words or ()) for segment in segments)
    return Timing(time.perf_counter() - start, words, _peak_mb(), {})


def time_ours(name: str) -> Timing:
    """Speech detection, a survey of the language in three places, and transcription with the languages left open."""
    from emoscribe import catalog
    from emoscribe.file_language import survey_places
    from emoscribe.settings import load_settings
    from emoscribe.speech import SpeechDetector
    from emoscribe.transcribe import WhisperOptions, WhisperTranscriber
    from emoscribe.types import Transcript, TranscriptionRequest

    info = catalog.model_info("whisper-base", load_settings().models_dir)
    options = WhisperOptions(device="cpu", threads=THREADS, beam_size=BEAM, clips_per_batch=BATCH)
    transcriber = WhisperTranscriber(_model_dir(), info, options)
    stages = _time_stages(transcriber)
    samples = _read(name)
    start = time.perf_counter()
    clips = list(SpeechDetector().clips([samples]))
    stages["speech"] = time.perf_counter() - start
    transcriber.detect_languages([clip.samples for clip in survey_places(clips)])
    likely = name.split("-", maxsplit=1)[0]
    outcomes = transcriber.transcribe([TranscriptionRequest(clip.samples, likely_language=likely) for clip in clips])
    seconds = time.perf_counter() - start
    words = sum(len(outcome.words) for outcome in outcomes if isinstance(outcome, Transcript))
    stages["encode"] -= stages["features"]
    stages["rest"] = seconds - sum(stages.values())
    return Timing(seconds, words, _peak_mb(), dict(stages))


def _time_stages(transcriber: Any) -> dict[str, float]:
    """Has the model add up what each of its calls takes."""
    names = {
        "log_mel": "features",
        "encode": "encode",
        "detect_languages": "detect",
        "generate": "generate",
        "align": "align",
    }
    model = transcriber._model
    seconds: dict[str, float] = defaultdict(float)

    def timed(work: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*given)
            finally:
                seconds[stage] += time.perf_counter() - start

        return call

    for method, stage in names.items():
        setattr(model, method, timed(getattr(model, method), stage))
    return seconds


def _row(name: str, theirs: list[Timing], ours: list[Timing]) -> dict[str, object]:
    duration_s = len(_read(name)) / 16_000
    reference, own = median(t.seconds for t in theirs), median(t.seconds for t in ours)
    ratios = [o.seconds / t.seconds for o, t in zip(ours, theirs, strict=True)]
    stages = {stage: round(median(t.stages[stage] for t in ours), 2) for stage in ours[0].stages}
    print(f"{name}: {duration_s:.0f} s of sound, {THREADS} threads, batch {BATCH}, beam {BEAM}")
    print(f"  faster-whisper {reference:6.2f} s = {duration_s / reference:5.1f}x real time, {theirs[0].peak_mb} MB")
    print(f"  EmoScribe transcriber {own:6.2f} s = {duration_s / own:5.1f}x real time, {ours[0].peak_mb} MB")
    print(f"  ratio {median(ratios):.3f} (rounds: {', '.join(f'{ratio:.3f}' for ratio in ratios)})")
    print("  stages " + ", ".join(f"{stage} {seconds} s" for stage, seconds in stages.items()), flush=True)
    return {
        "duration_s": round(duration_s, 1),
        "reference_s": [round(t.seconds, 2) for t in theirs],
        "emoscribe_s": [round(t.seconds, 2) for t in ours],
        "median_ratio": round(median(ratios), 3),
        "stages_s": stages,
        "words": {"reference": theirs[0].words, "emoscribe": ours[0].words},
        "peak_mb": {"reference": theirs[0].peak_mb, "emoscribe": ours[0].peak_mb},
    }


def _model_dir() -> Any:
    from emoscribe import catalog
    from emoscribe.settings import load_settings

    return catalog.locate("whisper-base", load_settings().models_dir)


def _read(name: str) -> Any:
    from faster_whisper.audio import decode_audio

    return np.asarray(
        decode_audio(str(ROOT.parent / "shared" / "data" / "speech" / "longform" / name)), dtype=np.float32
    )


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
