"""`emoscribe emotions`: one text a line in, one JSON object a line out; translation and classifier without media."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer

from emoscribe.errors import EmoScribeError, MediaNotFoundError
from emoscribe.settings import load_settings
from emoscribe.stages import Classifier, Translator
from emoscribe.types import EmotionScores, Translation, TranslationRequest

LINES_PER_BATCH: Final = 256


def command(
    file: Annotated[
        str, typer.Argument(help="Text file, UTF-8, one text a line; -: standard input.", metavar="[FILE|-]")
    ] = "-",
    language: Annotated[str, typer.Option(help="Language of the texts, ISO 639-1.")] = "en",
    profile: Annotated[str | None, typer.Option(help="Model profile: embedded or quality.")] = None,
) -> None:
    """Emotion of each line of text, as one JSON object a line, in the same order."""
    from emoscribe.local_stages import check_language, load_classifier, load_translator

    settings = load_settings(profile=profile)
    source_language = check_language(language) or "en"
    translator, classifier = load_translator(settings), load_classifier(settings)
    if source_language != "en" and source_language not in translator.languages:
        raise translator.unsupported(source_language)
    with ExitStack() as stack:
        lines = _open(file, stack)
        size = 1 if lines.isatty() else LINES_PER_BATCH
        while batch := [line.rstrip("\r\n") for line in islice(lines, size)]:
            for row in score_lines(batch, source_language, translator, classifier, settings.review_emotion_confidence):
                typer.echo(json.dumps(row, ensure_ascii=False))
            sys.stdout.flush()


def _open(file: str, stack: ExitStack) -> TextIO:
    if file == "-":
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # a TextIOWrapper here
        return sys.stdin
    try:
        return stack.enter_context(Path(file).open(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise MediaNotFoundError(f"Cannot read {file}: {error.strerror}.", fix="Give a text file, or - .") from None


def score_lines(
    lines: Sequence[str], language: str, translator: Translator, classifier: Classifier, review_confidence: float
) -> Iterator[dict[str, Any]]:
    """One row a line: text, text_en, label, mixed, scores, confidence, needs_review, and error where there is one."""
    translations = translator.translate([TranslationRequest(line, language) for line in lines])
    english = [t.text_en if isinstance(t, Translation) else "" for t in translations]
    outcomes = iter(classifier.classify([text for text in english if text.strip()]))
    for line, translation, text_en in zip(lines, translations, english, strict=True):
        outcome = (
            translation if isinstance(translation, EmoScribeError) else next(outcomes) if text_en.strip() else None
        )
        yield _row(line, text_en, outcome, review_confidence)


def _row(
    text: str, text_en: str, outcome: EmotionScores | EmoScribeError | None, review_confidence: float
) -> dict[str, Any]:
    row: dict[str, Any] = {"text": text, "text_en": text_en}
    if isinstance(outcome, EmotionScores):
        return row | {
            "label": outcome.label,
            "mixed": list(outcome.mixed),
            "scores": {label: round(score, 4) for label, score in outcome.scores.items()},
            "confidence": round(outcome.confidence, 4),
            "needs_review": outcome.confidence < review_confidence,
        }
    row |= {"label": None, "mixed": [], "scores": None, "confidence": None, "needs_review": True}
    return row | ({"error": {"code": outcome.code, "message": outcome.message}} if outcome else {})
