"""Word error rate of both decoding modes (U4) and of faster-whisper itself, on the same recordings and model.

    python -m tests.bench.word_error_rate [--only fleurs|longform]

Normaliser, the same for references and hypotheses: NFKC, lower case, all punctuation and symbols to spaces
(`normalised` below), then jiwer's word error rate over all words of a set. FLEURS: five clips each of pt, es, en, each
recording alone; longform: the two long recordings. The language is pinned, so that only words are compared.
"""

import argparse
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emoscribe import catalog
from emoscribe.local_stages import WHISPER
from emoscribe.settings import load_settings
from emoscribe.speech import SpeechDetector
from emoscribe.transcribe import WhisperOptions, WhisperTranscriber
from emoscribe.types import Samples, Transcript, TranscriptionRequest
from tests.bench.output import save
from tests.conftest import ROOT

SPEECH = ROOT.parent / "shared" / "data" / "speech"
THREADS = 2
BATCH = 8


@dataclass(frozen=True)
class Recording:
    group: str
    language: str
    samples: Samples
    text: str


Transcribe = Callable[[Recording], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("fleurs", "longform"))
    only = parser.parse_args().only
    recordings = [r for r in _recordings() if only in (None, r.group.split()[0])]
    figures: dict[str, dict[str, float]] = {}
    for system, transcribe in _systems().items():
        pairs = [(r.group, normalised(r.text), normalised(transcribe(r))) for r in recordings]
        figures[system] = {group: _rate(pairs, group) for group in sorted({group for group, _, _ in pairs})}
        print(f"{system:36}", "  ".join(f"{g} {100 * rate:5.2f} %" for g, rate in figures[system].items()), flush=True)
    save("word_error_rate", figures)


def normalised(text: str) -> str:
    """Words in lower case without punctuation; digits stay digits."""
    characters = unicodedata.normalize("NFKC", text).lower()
    kept = "".join(" " if unicodedata.category(c)[0] in "PSZC" else c for c in characters)
    return " ".join(kept.split())


def _rate(pairs: list[tuple[str, str, str]], group: str) -> float:
    import jiwer

    mine = [pair for pair in pairs if pair[0] == group]
    return float(jiwer.wer([reference for _, reference, _ in mine], [hypothesis for _, _, hypothesis in mine]))


def _recordings() -> Iterator[Recording]:
    for path in sorted((SPEECH / "fleurs").glob("*.ogg")):
        language = path.stem.split("-")[1]
        if language in {"pt", "es", "en"}:
            yield _recording(f"fleurs {language}", language, path, path.with_suffix(".txt"))
    for name, language in (("pt-adam", "pt"), ("en-brian", "en")):
        folder = SPEECH / "longform"
        yield _recording(f"longform {language}", language, folder / f"{name}.ogg", folder / f"{language}-sample.txt")


def _recording(group: str, language: str, sound: Path, text: Path) -> Recording:
    from faster_whisper.audio import decode_audio

    samples = np.asarray(decode_audio(str(sound)), dtype=np.float32)
    return Recording(group, language, samples, text.read_text(encoding="utf-8"))


def _systems() -> dict[str, Transcribe]:
    settings = load_settings()
    name = WHISPER[settings.profile]
    folder, info = catalog.locate(name, settings.models_dir), catalog.model_info(name, settings.models_dir)

    def ours(timestamp_tokens: bool) -> Transcribe:
        options = WhisperOptions(threads=THREADS, timestamp_tokens=timestamp_tokens)
        transcriber = WhisperTranscriber(folder, info, options)

        def transcribe(recording: Recording) -> str:
            clips = SpeechDetector().clips([recording.samples])
            outcomes = transcriber.transcribe([TranscriptionRequest(c.samples, recording.language) for c in clips])
            return " ".join(outcome.text for outcome in outcomes if isinstance(outcome, Transcript))

        return transcribe

    return {
        "EmoScribe, with timestamp tokens": ours(True),
        "EmoScribe, without": ours(False),
        **_references(folder),
    }


def _references(folder: Path) -> dict[str, Transcribe]:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(str(folder), "cpu", compute_type="int8", cpu_threads=THREADS)
    batched = BatchedInferencePipeline(model)

    def sequential(recording: Recording) -> str:
        segments, _ = model.transcribe(recording.samples, language=recording.language, beam_size=5, vad_filter=True)
        return " ".join(segment.text for segment in segments)

    def in_batches(recording: Recording) -> str:
        segments, _ = batched.transcribe(
            recording.samples, language=recording.language, beam_size=5, batch_size=BATCH, word_timestamps=True
        )
        return " ".join(segment.text for segment in segments)

    return {"faster-whisper, sequential": sequential, "faster-whisper, batched": in_batches}


if __name__ == "__main__":
    main()
