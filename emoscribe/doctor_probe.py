"""One inference on one part of the program, for `doctor`: in a process of its own, which may crash.

python -m emoscribe.doctor_probe PART     settings as JSON on standard input, a Finding as JSON on standard output
"""

import io
import json
import logging
import math
import os
import resource
import sys
import time
import wave
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeVar

import numpy as np

from emoscribe.catalog import forbid_downloads
from emoscribe.errors import EmoScribeError
from emoscribe.settings import Settings, load_settings
from emoscribe.types import SAMPLE_RATE_HZ, EmotionRequest, Samples, TranscriptionRequest, TranslationRequest

TONE_HZ: Final = 440
HAPPY_SENTENCE: Final = "I am so happy that you are here!"
SENTENCES_ABOUT_TOMORROW: Final = {
    "de": "Die Besprechung beginnt morgen um neun Uhr.",
    "es": "La reunión empieza mañana a las nueve.",
    "et": "Koosolek algab homme kell üheksa.",
    "fr": "La réunion commence demain à neuf heures.",
    "it": "La riunione comincia domani alle nove.",
    "lv": "Sanāksme sākas rīt deviņos.",
    "nl": "De vergadering begint morgen om negen uur.",
    "pl": "Spotkanie zaczyna się jutro o dziewiątej.",
    "pt": "A reunião começa amanhã às nove horas.",
    "ru": "Встреча начинается завтра в девять часов.",
    "uk": "Зустріч починається завтра о дев'ятій годині.",
}


Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe saw."""

    status: Literal["ok", "warning", "failed"]
    detail: str
    fix: str = ""


class _UnexpectedError(Exception):
    """The part works, but what it says is not right."""


def probe_media(settings: Settings) -> str:
    """Decode half a second of sound, in the decoding process, under the configured limits."""
    from emoscribe.local_stages import analysis_options
    from emoscribe.media import BytesSource, open_audio

    start = time.perf_counter()
    with open_audio(BytesSource(_wav(_tone()), "tone.wav"), limits=analysis_options(settings).limits) as audio:
        samples = sum(len(chunk) for chunk in audio)
    if samples != len(_tone()):
        raise _UnexpectedError(f"{samples} samples came out of {len(_tone())}")
    return f"half a second of sound decoded in {time.perf_counter() - start:.2f} s"


def probe_speech_detection(_: Settings) -> str:
    """Look for speech where there is none."""
    from emoscribe.speech import SpeechDetector

    start = time.perf_counter()
    clips = list(SpeechDetector().clips([np.zeros(SAMPLE_RATE_HZ // 2, np.float32)]))
    if clips:
        raise _UnexpectedError("it heard speech in silence")
    return f"on cpu; half a second of silence in {time.perf_counter() - start:.2f} s"


def probe_transcription(settings: Settings) -> str:
    """Transcribe half a second of a tone; that Whisper makes something of it is no fault."""
    from emoscribe.local_stages import load_transcriber

    loading = time.perf_counter()
    transcriber = load_transcriber(settings)
    start = time.perf_counter()
    _checked(transcriber.transcribe([TranscriptionRequest(_tone(), language="en")])[0])
    took = f"loaded in {start - loading:.1f} s, half a second of sound in {time.perf_counter() - start:.2f} s"
    return f"{transcriber.models[0].name} {_place(settings, transcriber.device)}; {took}"


def probe_translation(settings: Settings) -> str:
    """Translate one sentence of each language that has an engine."""
    from emoscribe.local_stages import load_translator

    translator = load_translator(settings)
    timings = []
    for language in sorted(translator.languages & set(SENTENCES_ABOUT_TOMORROW)):
        request = TranslationRequest(SENTENCES_ABOUT_TOMORROW[language], language)
        _checked(translator.translate([request])[0])  # loads the engine
        start = time.perf_counter()
        translation = _checked(translator.translate([request])[0])
        timings.append(f"{language} {1000 * (time.perf_counter() - start):.0f} ms")
        if "tomorrow" not in translation.text_en.lower():
            raise _UnexpectedError(f"{request.text!r} became {translation.text_en!r}")
    return f"on cpu; a sentence: {', '.join(timings) or 'no engine in this profile'}"


def probe_emotion(settings: Settings) -> str:
    """Classify one sentence."""
    from emoscribe.local_stages import load_classifier

    loading = time.perf_counter()
    classifier = load_classifier(settings)
    start = time.perf_counter()
    scores = _checked(classifier.classify([EmotionRequest(HAPPY_SENTENCE)])[0])
    took = f"loaded in {start - loading:.1f} s, a sentence in {1000 * (time.perf_counter() - start):.0f} ms"
    if scores.label != "happiness":
        raise _UnexpectedError(f"{HAPPY_SENTENCE!r} was judged {scores.label}")
    return f"{_place(settings, classifier.device)}; {took}"


PROBES: Final[Mapping[str, Callable[[Settings], str]]] = {
    "media": probe_media,
    "speech detection": probe_speech_detection,
    "transcription": probe_transcription,
    "translation": probe_translation,
    "emotion": probe_emotion,
}


def find(part: str, settings: Settings) -> Finding:
    """Run a probe; errors and warnings become the finding."""
    warnings = _Warnings()
    logging.getLogger("emoscribe").addHandler(warnings)
    try:
        detail = PROBES[part](settings)
    except EmoScribeError as error:
        return Finding("failed", error.message, error.fix)
    except ImportError as error:
        return Finding("failed", str(error), "Run `pip install 'emoscribe[cpu]'` (or [gpu]).")
    except _UnexpectedError as error:
        return Finding("warning", str(error), "Run `emoscribe models verify`.")
    except Exception as error:  # a broken library may raise anything
        return Finding("failed", f"{type(error).__name__}: {error}", "Reinstall the packages this part needs.")
    finally:
        logging.getLogger("emoscribe").removeHandler(warnings)
    if warnings.messages:
        return Finding(
            "warning", f"{detail}; {'; '.join(warnings.messages)}", "EMOSCRIBE_DEVICE=cpu avoids the attempt."
        )
    return Finding("ok", detail)


class _Warnings(logging.Handler):
    """Collects what the stages warn of, such as a GPU that does not work."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _checked(outcome: Outcome | EmoScribeError) -> Outcome:
    if isinstance(outcome, EmoScribeError):
        raise outcome
    return outcome


def _place(settings: Settings, device: str) -> str:
    """Where a model runs, and why there. A GPU that was tried and failed is also in the warnings."""
    if device.startswith("cuda"):
        return f"on {device}"
    return f"on {device}, {'as set' if settings.device == 'cpu' else 'as no usable GPU was found'}"


def _tone() -> Samples:
    """Half a second, (8000,)."""
    times = np.arange(SAMPLE_RATE_HZ // 2) / SAMPLE_RATE_HZ
    tone: Samples = (0.2 * np.sin(2 * math.pi * TONE_HZ * times)).astype(np.float32)
    return tone


def _wav(samples: Samples) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def main() -> None:
    """The process: no core file if it crashes, and nothing but the finding on standard output."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    forbid_downloads()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)  # whatever libraries print
        finding = find(sys.argv[1], load_settings(**json.load(sys.stdin)))
        answer.write(json.dumps(asdict(finding)))


if __name__ == "__main__":
    main()
