"""What reviewers said of an analysis: where each sentence stands, how far the review is, what should be looked at next.

Pure functions of an analysis and the decisions on it. A decision stands beside the model's answer: nothing here changes
a result.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic import BaseModel, Field

from emoscribe.corrections import Correction
from emoscribe.enrichment import requests_of
from emoscribe.jobs import Decision
from emoscribe.labels import LABELS, Label
from emoscribe.types import Analysis, ModelInfo, ReviewReason, Segment

MOST_FOR_RARITY: Final = 2.0  # how much a rare class can raise a sentence's priority, and a common one lower it


class SentenceReview(BaseModel):
    """How a sentence that was ever decided on stands now."""

    segment_index: int = Field(description="The sentence's position in the timeline, from 0.")
    revision: int = Field(description="Number of decisions on it; as If-Match when deciding.")
    label: Label | None = Field(description="The reviewer's label; null: taken back, undecided.")
    mixed: tuple[Label, ...] = Field(description="Further emotions the reviewer found in the words.")
    may_train: bool = Field(description="Whether models may learn from it.")
    reviewer: str | None = Field(description="Who decided last: the name of the token.")
    decided_at: datetime | None = Field(description="When, UTC.")
    model_label: Label | None = Field(description="The model's answer, which stays; null: it gave none.")
    model_confidence: float | None = Field(description="Its confidence.")
    agrees: bool | None = Field(description="Whether reviewer and model agree; null: there is nothing to compare.")


class PastDecision(Decision):
    """One entry of the history."""

    revision: int = Field(description="Of its sentence, with this decision.")


class ClassAgreement(BaseModel):
    """Agreement on the sentences to which the model gave one label."""

    label: Label = Field(description="The model's label.")
    reviewed: int = Field(description="How many of them were decided on.")
    agreed: int = Field(description="To how many of those the reviewer gave the same label.")


class Progress(BaseModel):
    """How far the review is, and how often reviewers and model agree."""

    segments: int = Field(description="Sentences.")
    flagged: int = Field(description="Sentences that a person should look at.")
    flagged_reviewed: int = Field(description="How many of those were decided on.")
    reviewed: int = Field(description="Sentences that were decided on, flagged or not.")
    agreed: int = Field(description="Where the reviewer gave the model's label.")
    classes: tuple[ClassAgreement, ...] = Field(description="By the model's label, all seven.")
    confusion: dict[Label, dict[Label, int]] = Field(
        description="Sentences by the model's label, then by the reviewer's."
    )
    reviewers: dict[str, int] = Field(description="Sentences by who decided on them last.")


class QueueItem(BaseModel):
    """A sentence that waits for a decision."""

    segment_index: int = Field(description="The sentence's position in the timeline, from 0.")
    revision: int = Field(description="As If-Match when deciding.")
    priority: float = Field(ge=0, description="What a decision teaches, roughly; the queue is in falling order of it.")
    margin: float | None = Field(description="Between the two best scores; null: the model gave no answer.")
    reasons: tuple[ReviewReason, ...] = Field(description="Why it was flagged.")


def sentence_reviews(analysis: Analysis, decisions: Iterable[Decision]) -> dict[int, SentenceReview]:
    """Where each sentence stands that was ever decided on, by its index, in order."""
    last: dict[int, Decision] = {}
    counts: Counter[int] = Counter()
    for decision in decisions:
        last[decision.segment_index] = decision
        counts[decision.segment_index] += 1
    known = range(len(analysis.segments))
    return {
        index: _standing(analysis.segments[index], counts[index], last[index])
        for index in sorted(last)
        if index in known
    }


def sentence_review(analysis: Analysis, decisions: Sequence[Decision], index: int) -> SentenceReview:
    """Where one sentence stands."""
    own = [one for one in decisions if one.segment_index == index]
    return _standing(analysis.segments[index], len(own), own[-1] if own else None)


def _standing(segment: Segment, revision: int, decision: Decision | None) -> SentenceReview:
    emotion = segment.emotion
    label = decision.label if decision else None
    return SentenceReview(
        segment_index=segment.index,
        revision=revision,
        label=label,
        mixed=decision.mixed if decision else (),
        may_train=decision.may_train if decision else False,
        reviewer=decision.reviewer if decision else None,
        decided_at=decision.decided_at if decision else None,
        model_label=emotion.label if emotion else None,
        model_confidence=emotion.confidence if emotion else None,
        agrees=None if emotion is None or label is None else label == emotion.label,
    )


def history(decisions: Iterable[Decision]) -> tuple[PastDecision, ...]:
    """Every decision, oldest first."""
    counts: Counter[int] = Counter()
    entries = []
    for decision in decisions:
        counts[decision.segment_index] += 1
        entries.append(PastDecision(**dict(decision), revision=counts[decision.segment_index]))
    return tuple(entries)


def progress(analysis: Analysis, reviews: Mapping[int, SentenceReview]) -> Progress:
    """How far it is; `reviews` of `sentence_reviews`."""
    decided = [one for one in reviews.values() if one.label is not None]
    compared = [one for one in decided if one.model_label is not None]
    confusion: dict[Label, dict[Label, int]] = {}
    for label in LABELS:
        given = Counter(one.label for one in compared if one.model_label == label and one.label is not None)
        if given:
            confusion[label] = {to: given[to] for to in LABELS if given[to]}
    flagged = {segment.index for segment in analysis.segments if segment.needs_review}
    return Progress(
        segments=len(analysis.segments),
        flagged=len(flagged),
        flagged_reviewed=sum(one.segment_index in flagged for one in decided),
        reviewed=len(decided),
        agreed=sum(bool(one.agrees) for one in decided),
        classes=tuple(
            ClassAgreement(
                label=label,
                reviewed=sum(confusion.get(label, {}).values()),
                agreed=confusion.get(label, {}).get(label, 0),
            )
            for label in LABELS
        ),
        confusion=confusion,
        reviewers=dict(Counter(one.reviewer for one in decided if one.reviewer is not None).most_common()),
    )


def review_queue(analysis: Analysis, reviews: Mapping[int, SentenceReview]) -> list[QueueItem]:
    """Flagged sentences without a decision, the most informative first.

    A decision says most where the model hesitates (a small margin between its two best scores) and where examples are
    few: priority = (1 - margin) * rarity, rarity = sqrt(sentences / (7 * sentences with this label)), bounded to
    [1/2, 2]. Sentences that the model gave no answer to come last, in order of time: their text is what is doubtful.
    """
    counts = Counter(segment.emotion.label for segment in analysis.segments if segment.emotion)
    waiting = [
        _queue_item(segment, counts, reviews.get(segment.index))
        for segment in analysis.segments
        if segment.needs_review and (segment.index not in reviews or reviews[segment.index].label is None)
    ]
    return sorted(waiting, key=lambda item: (-item.priority, item.segment_index))


def _queue_item(segment: Segment, counts: Counter[Label], review: SentenceReview | None) -> QueueItem:
    margin, priority = None, 0.0
    if segment.emotion is not None:
        second, best = sorted(segment.emotion.scores.values())[-2:]
        share = counts.total() / (len(LABELS) * counts[segment.emotion.label])
        margin = round(best - second, 4)
        priority = round((1 - margin) * min(max(share**0.5, 1 / MOST_FOR_RARITY), MOST_FOR_RARITY), 4)
    revision = review.revision if review else 0
    return QueueItem(
        segment_index=segment.index,
        revision=revision,
        priority=priority,
        margin=margin,
        reasons=segment.review_reasons,
    )


def as_corrections(analysis_id: str, analysis: Analysis, reviews: Mapping[int, SentenceReview]) -> list[Correction]:
    """What stands now, as records that can leave the service. What was taken back is not among them."""
    model = _emotion_model(analysis.models)
    requests = requests_of(analysis.segments)
    corrections = []
    for review in reviews.values():
        if review.label is None or review.reviewer is None or review.decided_at is None:
            continue
        segment, request = analysis.segments[review.segment_index], requests[review.segment_index]
        was_used = segment.emotion is not None and segment.emotion.context_used
        corrections.append(
            Correction(
                **{name: getattr(segment, name) for name in ("start_ms", "end_ms", "language", "text", "text_en")},
                **{
                    name: getattr(review, name) for name in ("segment_index", "label", "mixed", "reviewer", "may_train")
                },
                analysis_id=analysis_id,
                source=analysis.source.name,
                context_en=request.context if request and was_used else "",
                model=model,
                model_label=review.model_label,
                model_confidence=review.model_confidence,
                corrected_at=review.decided_at,
            )
        )
    return corrections


def _emotion_model(models: Iterable[ModelInfo]) -> str:
    return "; ".join(f"{model.name}@{model.version}" for model in models if model.role == "emotion")
