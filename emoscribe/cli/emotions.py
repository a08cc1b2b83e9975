"""`emoscribe emotions`: one text a line in, one JSON object a line out; translation and classifier without media."""

import json
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from emoscribe.enrichment import CONTEXT_SENTENCES
from emoscribe.errors import MediaNotFoundError
from emoscribe.settings import load_settings
from emoscribe.texts import ScoringOptions, score_texts

LINES_PER_BATCH: Final = 256


def command(
    file: Annotated[
        str, typer.Argument(help="Text file, UTF-8, one text a line; -: standard input.", metavar="[FILE|-]")
    ] = "-",
    language: Annotated[str, typer.Option(help="Language of the texts, ISO 639-1.")] = "en",
    context: Annotated[
        bool,
        typer.Option(
            "--context", help="The lines follow each other: the two before have a say in the emotion of each."
        ),
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="With the weights of the words.")] = False,
    profile: Annotated[str | None, typer.Option(help="Model profile: embedded, fast or quality.")] = None,
) -> None:
    """Emotion of each line of text, as one JSON object a line, in the same order."""
    from emoscribe.local_stages import check_language, load_classifier, load_translator

    settings = load_settings(profile=profile)
    source_language = check_language(language) or "en"
    translator, classifier = load_translator(settings), load_classifier(settings)
    if source_language != "en" and source_language not in translator.languages:
        raise translator.unsupported(source_language)
    options = ScoringOptions(source_language, settings.review_emotion_confidence, explain)
    before: list[str] = []
    with ExitStack() as stack:
        lines = _open(file, stack)
        size = 1 if lines.isatty() else LINES_PER_BATCH
        while batch := [line.rstrip("\r\n") for line in islice(lines, size)]:
            contexts = _contexts(batch, before) if context else [""] * len(batch)
            for row in score_texts(batch, contexts, translator, classifier, options):
                typer.echo(json.dumps(row.model_dump(mode="json"), ensure_ascii=False))
            sys.stdout.flush()
            before = (before + batch)[-CONTEXT_SENTENCES:]


def _contexts(batch: list[str], before: list[str]) -> list[str]:
    """The lines before each line of a batch; `before`: the last ones of the batch before."""
    lines = before + batch
    ends = range(len(before), len(lines))
    return ["\n".join(lines[max(0, end - CONTEXT_SENTENCES) : end]) for end in ends]


def _open(file: str, stack: ExitStack) -> TextIO:
    if file == "-":
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # a TextIOWrapper here
        return sys.stdin
    try:
        return stack.enter_context(Path(file).open(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise MediaNotFoundError(f"Cannot read {file}: {error.strerror}.", fix="Give a text file, or - .") from None
