"""The model stages of a profile, loaded in this process from the model cache."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from emoscribe import catalog
from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.errors import ModelMissingError, UnsupportedLanguageError
from emoscribe.media import DecodeLimits
from emoscribe.model_store.entry import files_digest
from emoscribe.pipeline import AnalysisOptions
from emoscribe.segments import ReviewThresholds
from emoscribe.settings import Settings
from emoscribe.stages import Stages
from emoscribe.transcribe import WhisperOptions, WhisperTranscriber
from emoscribe.translate import PackTranslator, TranslatorOptions, build_translator
from emoscribe.types import ModelInfo, Profile

WHISPER: Final[Mapping[Profile, str]] = {
    "embedded": "whisper-base",
    "fast": "whisper-base",
    "quality": "whisper-large-v3-turbo",
}
EMOTION: Final[Mapping[Profile, str]] = {"embedded": "emotion", "fast": "emotion-fast", "quality": "emotion"}


def load_transcriber(
    settings: Settings, *, clips_per_batch: int | None = None, side_by_side: int = 1
) -> WhisperTranscriber:
    """Whisper of the profile, for `side_by_side` callers. Raises ModelMissingError or ModelIntegrityError."""
    name = WHISPER[settings.profile]
    options = WhisperOptions(
        device=settings.device,
        compute_type=settings.compute_type,
        threads=settings.threads,
        side_by_side=side_by_side,
        beam_size=settings.beam_size,
        clips_per_batch=clips_per_batch or settings.clips_per_batch,
    )
    folder = catalog.locate(name, settings.models_dir)
    return WhisperTranscriber(folder, catalog.model_info(name, settings.models_dir), options)


def load_translator(settings: Settings) -> PackTranslator:
    """The translation engines of the profile's language packs."""
    locate = partial(catalog.locate, models_dir=settings.models_dir)
    info = partial(catalog.model_info, models_dir=settings.models_dir)
    return build_translator(settings.profile, locate, info, TranslatorOptions(threads=settings.threads))


def load_classifier(settings: Settings) -> EmotionClassifier:
    """The emotion classifier."""
    options = ClassifierOptions(
        device=settings.device, threads=settings.threads, batch_size=settings.sentences_per_batch
    )
    folder, info = locate_emotion_model(emotion_model(settings), settings.models_dir)
    return EmotionClassifier(folder, info, options)


def emotion_model(settings: Settings) -> str:
    """The classifier that the settings name, else the profile's: a name of the catalogue, or a folder."""
    return settings.emotion_model or EMOTION[settings.profile]


def is_own_model(name: str) -> bool:
    """Whether an emotion model is named by a folder. Names of the catalogue hold no slash."""
    return "/" in name or Path(name).is_dir()


def locate_emotion_model(name: str, models_dir: Path) -> tuple[Path, ModelInfo]:
    """Of a name of the catalogue, or of a folder that `emoscribe train` made: the files, and what results say of them.

    Raises ModelError, InvalidRequestError.
    """
    if not is_own_model(name):
        return catalog.locate(name, models_dir), catalog.model_info(name, models_dir)
    folder = Path(name)
    if not folder.is_dir():
        raise ModelMissingError(f"There is no folder {name}.", fix="Give a folder with a model, or a catalogue name.")
    files = sorted(path for path in folder.iterdir() if path.suffix in {".onnx", ".json"})
    digest = files_digest((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)
    info = ModelInfo(role="emotion", name=folder.resolve().name, version=digest[:12], sha256=digest, license="unknown")
    return folder, info


def check_models(settings: Settings) -> None:
    """Whether the models that every analysis needs are there. Raises ModelMissingError or ModelIntegrityError."""
    catalog.locate(WHISPER[settings.profile], settings.models_dir)
    locate_emotion_model(emotion_model(settings), settings.models_dir)


def load_stages(settings: Settings) -> Stages:
    """All three."""
    return Stages(load_transcriber(settings), load_translator(settings), load_classifier(settings))


def review_thresholds(settings: Settings) -> ReviewThresholds:
    """When a sentence is flagged."""
    return ReviewThresholds(
        language_probability=settings.review_language_probability,
        transcript_confidence=settings.review_transcript_confidence,
        emotion_confidence=settings.review_emotion_confidence,
    )


def check_language(code: str | None) -> str | None:
    """A pinned language as Whisper names it, None for "auto". Raises UnsupportedLanguageError."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    if code is None or code == "auto":
        return None
    language = code.lower().split("-")[0].split("_")[0]
    if language not in _LANGUAGE_CODES:
        raise UnsupportedLanguageError(
            f"Whisper does not know the language {code!r}.", fix="Give an ISO 639-1 code such as pt, or auto."
        )
    return language


def analysis_options(
    settings: Settings, *, language: str | None = None, audio_track: int | None = None, explain: bool = False
) -> AnalysisOptions:
    """The options of one analysis, with what is recorded in its output. `language` wins over the setting."""
    pinned = check_language(language or settings.language)
    recorded: dict[str, str | int | float | bool | None] = {
        "profile": settings.profile,
        "language": pinned,
        "audio_track": audio_track,
        "beam_size": settings.beam_size,
        "max_sentence_ms": settings.max_sentence_ms,
        "explain": explain,
        "review_language_probability": settings.review_language_probability,
        "review_transcript_confidence": settings.review_transcript_confidence,
        "review_emotion_confidence": settings.review_emotion_confidence,
    }
    return AnalysisOptions(
        language=pinned,
        audio_track=audio_track,
        clips_per_batch=settings.clips_per_batch,
        max_sentence_ms=settings.max_sentence_ms,
        explain=explain,
        thresholds=review_thresholds(settings),
        limits=DecodeLimits(
            max_source_bytes=settings.max_source_bytes,
            max_duration_s=settings.max_duration_s,
            memory_bytes=settings.decoder_memory_bytes,
            cpu_s=settings.decoder_cpu_s,
            stall_s=settings.decoder_stall_s,
        ),
        recorded=recorded,
    )
