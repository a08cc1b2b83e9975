"""One evaluation as a record: `report.json`. It holds figures and no text, so that it can be kept and shared.

The model card is made from these files, and `emoscribe audit` compares with them.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import emoscribe
from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.corpora import CORPORA
from emoscribe.evaluation.examples import EvaluationSet
from emoscribe.evaluation.judging import Answers
from emoscribe.evaluation.measures import (
    OneLabelScores,
    SeveralLabelsScores,
    one_label_scores,
    several_labels_scores,
)
from emoscribe.evaluation.trust import Calibration, Selection, calibration, selection
from emoscribe.labels import LABELS, Label
from emoscribe.types import ModelInfo

FORMAT: Final = "emoscribe-evaluation/1"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class DataRecord(_Record):
    """What was judged."""

    name: str = Field(description="Corpus and split, or the name of the file.")
    title: str
    licence: str = Field(description="Of the corpus; empty for a file of one's own.")
    origin: str
    mapping: str = Field(description="How the corpus' labels became ours.")
    examples: int
    labels: tuple[Label, ...] = Field(description="Those its annotators could give.")
    is_single_label: bool
    languages: tuple[str, ...] = Field(description="Of the texts as they were annotated, ISO 639-1.")
    form: Literal["as written", "translated", "spoken", "spoken and translated"]
    contexts_used: int = Field(description="How many examples were judged with the sentences before them.")
    sha256: str = Field(description="Of the texts and labels: the same examples have the same.")


class BaselineRow(_Record):
    """Somebody else on the same data, or a figure that was published."""

    name: str
    kind: Literal["measured", "quoted"]
    note: str = ""
    accuracy: float | None = None
    macro_f1: float | None = None
    weighted_f1: float | None = None
    several_macro_f1: float | None = Field(default=None, description="Macro-F1 of several labels at their thresholds.")
    ece: float | None = None
    aurc: float | None = None


class ReviewRow(_Record):
    """One label's answers, kept or flagged for a person by the model's own threshold."""

    label: Label
    kept: int
    kept_accuracy: float | None
    flagged: int
    flagged_accuracy: float | None


class SwapRow(_Record):
    """What changes when a word that should not matter is exchanged."""

    kind: str = Field(description="What was exchanged: names, pronouns, dialect, faith or origin.")
    pairs: int
    changed: int = Field(description="Pairs whose label is not the same.")
    largest_change: float = Field(description="Largest difference of a label's score within a pair.")
    mean_change: float = Field(description="Mean over the pairs of the largest difference.")
    drift: dict[Label, float] = Field(description="Mean change of each score, from the first to the second of a pair.")


class Evaluation(_Record):
    """Everything that was measured in one run."""

    format: Literal["emoscribe-evaluation/1"] = FORMAT
    program: str = Field(default=f"emoscribe {emoscribe.__version__}")
    created_at: datetime
    model: ModelInfo
    data: DataRecord
    one_label: OneLabelScores
    several_labels: SeveralLabelsScores
    calibration: Calibration
    selection: Selection
    answered: dict[Label, int] = Field(description="How many times each label was the answer.")
    given: dict[Label, int] = Field(description="How many examples people gave each label.")
    review: tuple[ReviewRow, ...] = ()
    baselines: tuple[BaselineRow, ...] = ()
    swaps: tuple[SwapRow, ...] = ()
    word_error_rate: float | None = Field(default=None, description="Of the transcripts, where the texts were spoken.")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is evaluated, and on what."""

    model: ModelInfo
    data: EvaluationSet
    form: Literal["as written", "translated", "spoken", "spoken and translated"] = "as written"
    languages: tuple[str, ...] = ("en",)


def evaluation_of(subject: Subject, answers: Answers) -> Evaluation:
    """The figures of these answers. Raises InvalidRequestError if there is nothing to measure on."""
    data = subject.data
    if not data.examples:
        raise InvalidRequestError(f"{data.name} holds no example.", fix="Give at least one labelled text.")
    gold = data.gold()
    return Evaluation(
        created_at=datetime.now(UTC).replace(microsecond=0),
        model=subject.model,
        data=_data_record(subject, answers.contexts_used),
        one_label=one_label_scores(answers, gold, data.labels),
        several_labels=several_labels_scores(answers, gold, data.labels),
        calibration=calibration(answers, gold, data.labels),
        selection=selection(answers.confidence, answers.right(gold)),
        answered={label: int((answers.label == k).sum()) for k, label in enumerate(LABELS)},
        given={label: int(gold[:, k].sum()) for k, label in enumerate(LABELS)},
        review=review_rows(answers, data),
    )


def review_rows(answers: Answers, data: EvaluationSet) -> tuple[ReviewRow, ...]:
    """What the model's own flag keeps of each label, and what it flags; nothing for a model without a flag."""
    if answers.doubtful is None:
        return ()
    right = answers.right(data.gold())
    parts = [(label, answers.label == k, answers.doubtful) for k, label in enumerate(LABELS)]
    return tuple(
        ReviewRow(
            label=label,
            kept=int((is_it & ~flagged).sum()),
            kept_accuracy=_share(right[is_it & ~flagged].tolist()),
            flagged=int((is_it & flagged).sum()),
            flagged_accuracy=_share(right[is_it & flagged].tolist()),
        )
        for label, is_it, flagged in parts
    )


def _share(flags: list[bool]) -> float | None:
    return round(float(np.mean(flags)), 6) if flags else None


def baseline_row(name: str, answers: Answers, data: EvaluationSet, note: str = "") -> BaselineRow:
    """The main figures of somebody else's answers."""
    gold = data.gold()
    one = one_label_scores(answers, gold, data.labels)
    return BaselineRow(
        name=name,
        kind="measured",
        note=note,
        accuracy=one.accuracy.value,
        macro_f1=one.macro_f1.value,
        weighted_f1=one.weighted_f1.value,
        several_macro_f1=several_labels_scores(answers, gold, data.labels).macro_f1.value,
        ece=calibration(answers, gold, data.labels).ece,
        aurc=selection(answers.confidence, answers.right(gold)).aurc,
    )


def row_of(evaluation: Evaluation) -> BaselineRow:
    """The evaluated model as a row beside the baselines."""
    return BaselineRow(
        name=f"{evaluation.model.name} {evaluation.model.version}".strip(),
        kind="measured",
        accuracy=evaluation.one_label.accuracy.value,
        macro_f1=evaluation.one_label.macro_f1.value,
        weighted_f1=evaluation.one_label.weighted_f1.value,
        several_macro_f1=evaluation.several_labels.macro_f1.value,
        ece=evaluation.calibration.ece,
        aurc=evaluation.selection.aurc,
    )


def read_evaluation(path: Path) -> Evaluation:
    """A `report.json`. Raises InvalidRequestError."""
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        cause = str(error.strerror)
    except ValidationError as error:
        first = error.errors()[0]
        cause = f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
    raise InvalidRequestError(
        f"{path} is not the report of an evaluation ({cause}).",
        fix="Give a report.json that `emoscribe evaluate` wrote.",
    )


def _data_record(subject: Subject, contexts_used: int) -> DataRecord:
    data = subject.data
    corpus = CORPORA.get(data.name.partition(":")[0])
    return DataRecord(
        name=data.name,
        title=corpus.title if corpus else data.name,
        licence=corpus.licence if corpus else "",
        origin=corpus.origin if corpus else "",
        mapping=corpus.mapping if corpus else "",
        examples=len(data.examples),
        labels=data.labels,
        is_single_label=data.is_single_label,
        languages=subject.languages,
        form=subject.form,
        contexts_used=contexts_used,
        sha256=_digest(data),
    )


def _digest(data: EvaluationSet) -> str:
    lines = (json.dumps([one.text, sorted(one.labels)], ensure_ascii=True) for one in data.examples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
