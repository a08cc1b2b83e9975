"""Whether a model still does what it did: its answers under reviewers' labels, class by class, against a baseline.

A class is *worse* when its F1 has fallen by more than chance explains: one-sided test of the difference, with the
bootstrap standard errors of both sides, Holm's correction over the classes, 5 % in all. A class with fewer than
`MIN_EXAMPLES` examples on either side is never called worse; it is said to have too few.

Drift is told and decides nothing: other recordings have other emotions. It is the Jensen-Shannon divergence of the
labels' shares (base 2: 0 alike, 1 disjoint) and the p-value of a chi-square test that both come from one distribution.

Reviewers look first at what is flagged, so corrections hold more mistakes than the recordings do: compare corrections
with corrections (the JSON of an earlier audit), or know what you compare. Needs the extra `evaluate` (SciPy).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import emoscribe
from emoscribe.corrections import Correction
from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.intervals import Figure
from emoscribe.evaluation.judging import NO_ANSWER, Answers, Judge
from emoscribe.evaluation.measures import OneLabelScores, one_label_scores
from emoscribe.evaluation.report import FORMAT as EVALUATION_FORMAT
from emoscribe.evaluation.report import Evaluation
from emoscribe.labels import LABELS, Label

FORMAT: Final = "emoscribe-audit/1"
MIN_EXAMPLES: Final = 20
LEVEL: Final = 0.05  # chance of calling any class worse when none is


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class ClassChange(_Record):
    """One class now and before."""

    label: Label
    now: Figure = Field(description="F1 under the reviewers' labels.")
    before: Figure = Field(description="F1 in the baseline.")
    examples: int
    examples_before: int
    p: float | None = Field(default=None, description="Chance of such a fall if nothing has changed.")
    verdict: Literal["worse", "not worse", "too few"]


class Drift(_Record):
    """How far the labels' shares have moved."""

    of: Literal["the model's answers", "people's labels"]
    divergence: float = Field(description="Jensen-Shannon divergence, base 2.")
    p: float | None = Field(description="Of the chi-square test; none where there is nothing to test.")
    now: dict[Label, int]
    before: dict[Label, int]


class Audit(_Record):
    """What an audit found. Without a baseline there are no changes and no drift."""

    format: Literal["emoscribe-audit/1"] = FORMAT
    program: str = Field(default=f"emoscribe {emoscribe.__version__}")
    created_at: datetime
    data: str = Field(description="Name of the file of corrections.")
    sentences: int = Field(description="Sentences with a decision; the latest counts where there are several.")
    superseded: int = Field(description="Earlier decisions on the same sentences.")
    models: dict[str, int] = Field(description="Whose answers were judged: name and number of sentences.")
    one_label: OneLabelScores
    answered: dict[Label, int]
    given: dict[Label, int]
    baseline: str = ""
    changes: tuple[ClassChange, ...] = ()
    drift: tuple[Drift, ...] = ()

    @property
    def worse(self) -> tuple[Label, ...]:
        """The classes that are significantly worse than in the baseline."""
        return tuple(change.label for change in self.changes if change.verdict == "worse")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a file to compare with says."""

    name: str
    one_label: OneLabelScores
    answered: Mapping[Label, int]
    given: Mapping[Label, int]


def audit(corrections: Sequence[Correction], name: str, judge: Judge | None = None, judge_name: str = "") -> Audit:
    """The answers that were recorded, or those of `judge` to the same English. Raises InvalidRequestError for none."""
    latest = _latest(corrections)
    if not latest:
        raise InvalidRequestError(f"{name} holds no correction.", fix="Export corrections from the review page.")
    gold = np.array([[one.label == label for label in LABELS] for one in latest])
    answers = judge.judge([c.text_en for c in latest], [c.context_en for c in latest]) if judge else _recorded(latest)
    models = [judge_name] * len(latest) if judge else [one.model for one in latest]
    return Audit(
        created_at=datetime.now(UTC).replace(microsecond=0),
        data=name,
        sentences=len(latest),
        superseded=len(corrections) - len(latest),
        models={model: models.count(model) for model in sorted(set(models))},
        one_label=one_label_scores(answers, gold, LABELS),
        answered={label: int((answers.label == k).sum()) for k, label in enumerate(LABELS)},
        given={label: int(gold[:, k].sum()) for k, label in enumerate(LABELS)},
    )


def against(found: Audit, baseline: Baseline) -> Audit:
    """The audit with what has changed since the baseline."""
    return found.model_copy(
        update={
            "baseline": baseline.name,
            "changes": _changes(found.one_label, baseline.one_label),
            "drift": (
                _drift("the model's answers", found.answered, baseline.answered),
                _drift("people's labels", found.given, baseline.given),
            ),
        }
    )


def read_baseline(path: Path) -> Baseline:
    """The `report.json` of an evaluation, or the JSON of an earlier audit. Raises InvalidRequestError."""
    try:
        content = path.read_bytes()
        kind = Evaluation if EVALUATION_FORMAT.encode() in content else Audit
        found = kind.model_validate_json(content)
    except (OSError, ValidationError) as error:
        cause = error.strerror if isinstance(error, OSError) else f"{error.error_count()} fields are not as expected"
        raise InvalidRequestError(
            f"{path} is no baseline ({cause}).",
            fix="Give the report.json of `emoscribe evaluate`, or what `emoscribe audit --out` wrote.",
        ) from None
    name = found.data.name if isinstance(found, Evaluation) else found.data
    return Baseline(name, found.one_label, found.answered, found.given)


def _latest(corrections: Sequence[Correction]) -> list[Correction]:
    """The last decision on each sentence."""
    ordered = sorted(corrections, key=lambda one: one.corrected_at.timestamp())
    return list({(one.analysis_id, one.segment_index): one for one in ordered}.values())


def _recorded(corrections: Sequence[Correction]) -> Answers:
    label = np.array([LABELS.index(c.model_label) if c.model_label else NO_ANSWER for c in corrections])
    flags = label[:, None] == np.arange(len(LABELS))  # (n, 7)
    confidence = np.array([one.model_confidence or 0.0 for one in corrections])
    return Answers(flags * confidence[:, None], flags, label, confidence)


def _changes(now: OneLabelScores, before: OneLabelScores) -> tuple[ClassChange, ...]:
    earlier = {one.label: one for one in before.labels}
    pairs = [(one, earlier[one.label]) for one in now.labels if one.label in earlier]
    chances = {
        one.label: _chance_of_fall(one.f1, other.f1)
        for one, other in pairs
        if min(one.examples, other.examples) >= MIN_EXAMPLES
    }
    worse = _holm({label: p for label, p in chances.items() if p is not None})
    return tuple(
        ClassChange(
            label=one.label,
            now=one.f1,
            before=other.f1,
            examples=one.examples,
            examples_before=other.examples,
            p=chances.get(one.label),
            verdict="too few" if chances.get(one.label) is None else "worse" if one.label in worse else "not worse",
        )
        for one, other in pairs
    )


def _chance_of_fall(now: Figure, before: Figure) -> float | None:
    """One-sided p-value; None where a side has no figure."""
    if now.value is None or before.value is None or now.error is None or before.error is None:
        return None
    fall, error = before.value - now.value, math.hypot(now.error, before.error)
    if error == 0:
        return 0.0 if fall > 0 else 1.0
    return 0.5 * math.erfc(fall / error / math.sqrt(2))


def _holm(chances: Mapping[Label, float]) -> set[Label]:
    """The labels whose null hypothesis falls: smallest p first, each against what is left of the level."""
    ranked = sorted(chances, key=lambda label: chances[label])
    for place, label in enumerate(ranked):
        if chances[label] > LEVEL / (len(ranked) - place):
            return set(ranked[:place])
    return set(ranked)


def _drift(
    of: Literal["the model's answers", "people's labels"], now: Mapping[Label, int], before: Mapping[Label, int]
) -> Drift:
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import chi2_contingency

    table = np.array([[counts.get(label, 0) for label in LABELS] for counts in (now, before)])
    table = table[:, table.any(0)]
    has_both = bool(table.any(1).all())
    is_testable = has_both and table.shape[1] > 1
    return Drift(
        of=of,
        divergence=round(float(jensenshannon(*table, base=2)) ** 2, 6) if has_both else 0.0,
        p=float(chi2_contingency(table).pvalue) if is_testable else None,
        now=dict(now),
        before=dict(before),
    )
