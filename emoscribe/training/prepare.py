"""Corpora to rows: `emoscribe train prepare CONFIG --folder CORPORA --out FOLDER`.

Reads each corpus that the configuration names, refuses one whose licence does not let shipped weights learn from it,
puts foreign texts into English as the program does, adds variants that went from English to Portuguese and back, and
writes `train.jsonl` and `manifest.json` (what came from where, under which licence, how many, with SHA-256).
Rows whose text is also in a development or test split are left out.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from emoscribe.corrections import read_corrections
from emoscribe.errors import EmoScribeError, InvalidRequestError
from emoscribe.evaluation.corpora import corpus_of, load
from emoscribe.evaluation.examples import Example
from emoscribe.labels import LABELS
from emoscribe.stages import Translator
from emoscribe.training.options import CorpusShare, PrepareOptions
from emoscribe.training.rows import Row, write_rows
from emoscribe.training.teacher import Teacher, taught, unlabelled
from emoscribe.types import Translation, TranslationRequest

TRANSLATED_AT_ONCE: Final = 256

RoundTrip = Callable[[Sequence[str]], list[str]]  # English -> another language -> English
OnProgress = Callable[[str, int, int], None]  # what, done, of


@dataclass(frozen=True, slots=True)
class Models:
    """The models that work on the texts."""

    translator: Translator  # makes English
    round_trip: RoundTrip | None = None
    teacher: Teacher | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the labelled texts are."""

    folder: Path  # of the corpora
    corrections: tuple[Path, ...] = ()  # files of corrections; only those opted in are learnt


def prepare(
    options: PrepareOptions, inputs: Inputs, out: Path, models: Models, on_progress: OnProgress
) -> dict[str, object]:
    """Write the rows and return the manifest. Raises InvalidRequestError for a corpus that may not train."""
    out.mkdir(parents=True, exist_ok=True)
    folder = inputs.folder
    held_out = _held_out(options, folder)
    corrected = [row for path in inputs.corrections for row in _corrected(path, options)]
    rows = list[Row]()
    records: list[dict[str, object]] = []
    if inputs.corrections:
        records.append({"corpus": "corrections", "title": "Corrections of this installation", "rows": len(corrected)})
    for name, share in options.corpora.items():
        corpus = corpus_of(name)
        if not corpus.may_train:
            raise InvalidRequestError(
                f"Shipped weights may not learn from {name} ({corpus.licence}).",
                fix="Take it out of the configuration.",
            )
        examples = _chosen(load(name, "train", folder), share, options, held_out)
        own = _rows(name, _in_english(examples, models.translator, _of_corpus(on_progress, name)))
        own = _with_variants(own, share, options.seed, models.round_trip, _of_corpus(on_progress, name))
        rows += own * share.repeat
        counts = Counter(label for row in own for label, flag in zip(LABELS, row.labels, strict=True) if flag)
        records.append(
            {"corpus": name, "title": corpus.title, "licence": corpus.licence, "origin": corpus.origin}
            | {"mapping": corpus.mapping, "rows": len(own), "labels": dict(sorted(counts.items()))}
            | {"with_variants": sum(bool(row.variants) for row in own), **asdict(share)}
        )
    rows += _unlabelled(options, folder, held_out, {row.text for row in (*corrected, *rows)})
    if models.teacher:
        rows = taught(rows, models.teacher, lambda done, of: on_progress("teacher: judged", done, of))
    # people's word alone: what they correct is what a teacher like the model in use got wrong
    rows = corrected * options.corrections_repeat + rows
    write_rows(out / "train.jsonl", rows)
    digest = hashlib.sha256((out / "train.jsonl").read_bytes()).hexdigest()
    manifest: dict[str, object] = {"seed": options.seed, "rows": len(rows), "sha256": digest, "corpora": records}
    if options.teacher:
        manifest |= {"teacher": options.teacher, "unlabelled": sum(not any(row.known) for row in rows)}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def _of_corpus(on_progress: OnProgress, corpus: str) -> OnProgress:
    """The progress of one corpus."""
    return lambda what, done, of: on_progress(f"{corpus}: {what}", done, of)


def _corrected(path: Path, options: PrepareOptions) -> list[Row]:
    """The last word on each sentence, of those that models may learn from."""
    last = {(one.analysis_id, one.segment_index): one for one in read_corrections(path) if one.may_train}
    return [
        Row(
            text=one.text_en,
            labels=tuple(int(label in {one.label, *one.mixed}) for label in LABELS),
            known=(1,) * len(LABELS),
            corpus=options.corrections_as,
            context=one.context_en,
        )
        for one in last.values()
        if one.text_en.strip()
    ]


def _unlabelled(options: PrepareOptions, folder: Path, held_out: set[str], there: set[str]) -> list[Row]:
    """What only a teacher can say something of: no text that is held out, none that is a row already."""
    if options.unlabelled and not options.teacher:
        raise InvalidRequestError("Texts without labels need a teacher.", fix="Set `teacher` in the table [prepare].")
    rows = [row for name in options.unlabelled for row in unlabelled(name, folder, options.corrections_as)]
    kept = {row.text: row for row in rows if row.text not in there and _key(row.text) not in held_out}
    return list(kept.values())


def _held_out(options: PrepareOptions, folder: Path) -> set[str]:
    texts = set()
    for name in options.held_out:
        for split in ("dev", "test"):
            try:
                texts |= {_key(example.text) for example in load(name, split, folder)}
            except InvalidRequestError:  # not every corpus has its test split here
                continue
    return texts


def _key(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _chosen(
    examples: Sequence[Example], share: CorpusShare, options: PrepareOptions, held_out: set[str]
) -> list[Example]:
    chance = random.Random(f"{options.seed}-choice")  # noqa: S311  # no secret
    # short lines ("Yes.", "What?") are in every corpus and carry no one's test set
    kept = [one for one in examples if len(_key(one.text)) < 16 or _key(one.text) not in held_out]
    kept = [one for one in kept if one.labels != {"neutral"} or chance.random() < share.neutral_share]
    if options.rows and len(kept) > options.rows:
        kept = chance.sample(kept, options.rows)
    return kept


def _in_english(examples: Sequence[Example], translator: Translator, on_progress: OnProgress) -> list[Example]:
    if all(example.language == "en" for example in examples):
        return list(examples)
    english = []
    for start in range(0, len(examples), TRANSLATED_AT_ONCE):
        some = examples[start : start + TRANSLATED_AT_ONCE]
        answers = translator.translate([TranslationRequest(one.text, one.language) for one in some])
        english += [
            replace(one, text=answer.text_en)
            for one, answer in zip(some, answers, strict=True)
            if isinstance(answer, Translation) and answer.text_en.strip()
        ]
        on_progress("translated", start + len(some), len(examples))
    if not english:
        errors = [answer for answer in answers if isinstance(answer, EmoScribeError)]
        raise errors[0] if errors else InvalidRequestError("No text could be translated.")
    return english


def _rows(name: str, examples: Sequence[Example]) -> list[Row]:
    # neutral is not one of BRIGHTER's labels, but a text without any of its six says as much
    known = {*corpus_of(name).labels, "neutral"}
    return [
        Row(
            text=example.text,
            labels=tuple(int(label in example.labels) for label in LABELS),
            known=tuple(int(label in known) for label in LABELS),
            corpus=name,
            context=example.context,
        )
        for example in examples
    ]


def _with_variants(
    rows: list[Row], share: CorpusShare, seed: int, round_trip: RoundTrip | None, on_progress: OnProgress
) -> list[Row]:
    if not share.round_trip_share or round_trip is None:
        return rows
    chance = random.Random(f"{seed}-variants")  # noqa: S311  # no secret
    chosen = [number for number in range(len(rows)) if chance.random() < share.round_trip_share]
    changed = list(rows)
    for start in range(0, len(chosen), TRANSLATED_AT_ONCE):
        numbers = chosen[start : start + TRANSLATED_AT_ONCE]
        for number, text in zip(numbers, round_trip([rows[k].text for k in numbers]), strict=True):
            if text.strip() and text != rows[number].text:
                changed[number] = replace(rows[number], variants=(text,))
        on_progress("round trip", start + len(numbers), len(chosen))
    return changed
