from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    label_ranking_average_precision_score,
    precision_recall_fscore_support,
)

from emoscribe.evaluation.intervals import with_intervals
from emoscribe.evaluation.judging import NO_ANSWER, Answers, ModelJudge, answers_of
from emoscribe.evaluation.measures import one_label_scores, several_labels_scores
from emoscribe.evaluation.trust import calibration, equal_width_bins, expected_error, selection
from emoscribe.labels import LABELS
from tests.fakes import FakeClassifier

Floats = npt.NDArray[np.float64]


def random_answers(seed: int, count: int) -> tuple[Answers, npt.NDArray[np.bool_]]:
    """Answers that are right more often than not, and what people said: one label or more each."""
    random = np.random.default_rng(seed)
    gold = random.random((count, 7)) < 0.2
    gold[np.arange(count), random.integers(0, 7, count)] = True
    scores = np.clip(gold * 0.3 + random.random((count, 7)) * 0.7, 0, 1)
    label = scores.argmax(1)
    return Answers(scores, scores > 0.5, label, scores.max(1)), gold


# --- precision, recall, F1 ----------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.integers(30, 120))
def test_several_labels_are_scored_as_by_scikit_learn(seed: int, count: int) -> None:
    answers, gold = random_answers(seed, count)
    found = several_labels_scores(answers, gold, LABELS)

    precision, recall, f1, examples = precision_recall_fscore_support(gold, answers.above, zero_division=0)
    assert [one.f1.value for one in found.labels] == pytest.approx(f1, abs=1e-6)
    assert [one.recall.value for one in found.labels] == pytest.approx(recall, abs=1e-6)
    assert [one.precision.value or 0 for one in found.labels] == pytest.approx(precision, abs=1e-6)
    assert [one.examples for one in found.labels] == examples.tolist()
    for average, figure in (("macro", found.macro_f1), ("micro", found.micro_f1), ("weighted", found.weighted_f1)):
        assert figure.value == pytest.approx(f1_score(gold, answers.above, average=average, zero_division=0), abs=1e-6)
    assert found.subset_accuracy.value == pytest.approx(accuracy_score(gold, answers.above), abs=1e-6)
    ranking = label_ranking_average_precision_score(gold, answers.scores)
    assert found.ranking_precision == pytest.approx(ranking, abs=1e-6)
    assert found.among.value == pytest.approx(gold[np.arange(count), answers.label].mean(), abs=1e-6)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_the_one_label_is_scored_as_by_scikit_learn(seed: int) -> None:
    answers, _ = random_answers(seed, 90)
    said = np.random.default_rng(seed + 1).permutation(np.arange(90) % 7)
    found = one_label_scores(answers, np.eye(7, dtype=bool)[said], LABELS)

    assert found.accuracy.value == pytest.approx(accuracy_score(said, answers.label), abs=1e-6)
    for average, figure in (("macro", found.macro_f1), ("weighted", found.weighted_f1)):
        assert figure.value == pytest.approx(f1_score(said, answers.label, average=average), abs=1e-6)
    matrix = np.array(found.confusion)
    assert matrix.sum() == 90
    assert matrix.trace() / 90 == pytest.approx(found.accuracy.value, abs=1e-6)
    assert matrix.sum(1).tolist() == [one.examples for one in found.labels]
    assert matrix.sum(0).tolist() == [one.predicted for one in found.labels]


def test_only_examples_with_one_label_count_for_the_one_label() -> None:
    answers, gold = random_answers(3, 200)
    single = gold.sum(1) == 1
    found = one_label_scores(answers, gold, LABELS)
    assert found.examples == single.sum()
    assert found.accuracy.value == pytest.approx((gold[single].argmax(1) == answers.label[single]).mean(), abs=1e-6)


def test_labels_that_annotators_did_not_know_are_not_scored() -> None:
    answers, gold = random_answers(4, 200)
    known = tuple(label for label in LABELS if label not in {"neutral", "disgust"})
    columns = [LABELS.index(label) for label in known]

    several, one = several_labels_scores(answers, gold, known), one_label_scores(answers, gold, known)

    assert tuple(row.label for row in several.labels) == known
    expected = f1_score(gold[:, columns], answers.above[:, columns], average="macro")
    assert several.macro_f1.value == pytest.approx(expected, abs=1e-6)
    assert one.examples == (gold[:, columns].any(1) & (gold.sum(1) == 1)).sum()
    assert set(calibration(answers, gold, known).label_ece) == set(known)


def test_a_label_nobody_gave_is_not_scored_and_one_never_found_counts_as_nothing() -> None:
    gold = np.eye(7, dtype=bool)[[0, 0, 1, 1]]
    label = np.array([0, 0, 0, 6])
    answers = Answers(np.eye(7)[label], np.eye(7, dtype=bool)[label], label, np.ones(4))
    found = one_label_scores(answers, gold, LABELS)
    assert [(one.label, one.f1.value) for one in found.labels] == [("anger", 0.8), ("disgust", 0.0)]
    assert found.macro_f1.value == pytest.approx(0.4)
    assert found.labels[1].precision.value is None  # it was never answered


def test_a_text_without_an_answer_counts_as_wrong() -> None:
    classifier = FakeClassifier()
    answers = ModelJudge(classifier).judge(["so much anger", "BROKEN", "fear"], ["", "", "before"])
    gold = np.eye(7, dtype=bool)[[0, 0, 2]]

    assert answers.label.tolist() == [0, NO_ANSWER, 2]
    assert answers.contexts_used == 1
    assert answers.right(gold).tolist() == [True, False, True]
    found = one_label_scores(answers, gold, LABELS)
    assert (found.unanswered, found.examples) == (1, 3)
    assert found.accuracy.value == pytest.approx(2 / 3, abs=1e-6)
    assert np.array(found.confusion).sum() == 2
    assert answers_of([]).scores.shape == (0, 7)


def test_nothing_to_score_gives_no_figures() -> None:
    gold = np.ones((3, 7), bool)  # everything at once: no example with one label
    answers = Answers(np.ones((3, 7)), np.ones((3, 7), bool), np.zeros(3, int), np.ones(3))
    found = one_label_scores(answers, gold, LABELS)
    assert (found.examples, found.labels) == (0, ())
    assert found.accuracy.value is None


# --- intervals -----------------------------------------------------------------------------------------------


def _share(heads: Floats, weights: Floats) -> dict[str, Floats]:
    return {"share": weights @ heads / weights.sum(1)}


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        heads = (random.random(80) < 0.3).astype(float)
        (figure,) = with_intervals(partial(_share, heads), 80, resamples=300)["share"]
        assert figure.low is not None
        assert figure.high is not None
        held += figure.low <= 0.3 <= figure.high
    assert 178 <= held <= 199  # 95 % of 200 is 190; the bootstrap of a share of 80 is a little narrow


def test_intervals_are_the_same_every_time_and_hold_their_figure() -> None:
    answers, gold = random_answers(6, 150)
    found = several_labels_scores(answers, gold, LABELS)
    assert found == several_labels_scores(answers, gold, LABELS)
    for one in found.labels:
        for figure in (one.precision, one.recall, one.f1):
            assert figure.low is not None
            assert figure.value is not None
            assert figure.high is not None
            assert figure.low <= figure.value <= figure.high


# --- calibration ---------------------------------------------------------------------------------------------


def test_a_calibrated_confidence_has_no_error_and_a_bragging_one_has() -> None:
    random = np.random.default_rng(7)
    confidence = random.random(50_000)
    right = random.random(50_000) < confidence
    assert expected_error(confidence, right) < 0.01
    assert expected_error(np.sqrt(confidence), right) == pytest.approx(2 / 3 - 1 / 2, abs=0.01)  # E[sqrt(x) - x]


def test_bins_hold_every_answer_once_edges_included() -> None:
    confidence = np.array([0.0, 1 / 15, 0.5, 0.999, 1.0])
    bins = equal_width_bins(confidence, np.array([True, False, True, True, False]))
    assert [(one.answers, one.accuracy) for one in bins] == [(1, 1.0), (1, 0.0), (1, 1.0), (2, 0.5)]
    assert (bins[0].low, bins[-1].high) == (0.0, 1.0)


def test_calibration_by_hand() -> None:
    gold = np.eye(7, dtype=bool)[[0, 0, 0, 0]]
    label = np.array([0, 0, 0, 1])
    scores = np.full((4, 7), 0.0)
    scores[:, 0] = 0.9
    found = calibration(Answers(scores, scores > 0.5, label, np.full(4, 0.9)), gold, LABELS)
    assert found.ece == pytest.approx(0.15)  # 0.9 said, 3 of 4 right
    assert found.label_ece["anger"] == pytest.approx(0.1)  # 0.9 said, always there
    assert found.class_wise_ece == pytest.approx(0.1 / 7, abs=1e-6)
    assert (found.mean_confidence, found.accuracy) == (0.9, 0.75)


# --- risk and coverage ---------------------------------------------------------------------------------------


def test_risk_and_coverage_by_hand() -> None:
    found = selection(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    assert [point.risk for point in found.curve] == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2], abs=1e-6)
    assert found.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4, abs=1e-6)
    assert (found.risk, found.risk_at_50) == (0.5, 0.5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.9]), st.booleans()), min_size=1, max_size=40), st.randoms())
def test_the_order_of_equal_confidences_does_not_matter(rows: list[tuple[float, bool]], random: object) -> None:
    def of(some: list[tuple[float, bool]]) -> object:
        return selection(np.array([c for c, _ in some]), np.array([r for _, r in some]))

    mixed = rows.copy()
    random.shuffle(mixed)  # type: ignore[attr-defined]  # a random.Random
    assert of(mixed) == of(rows)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_no_order_is_better_than_the_right_ones_first(right: list[bool]) -> None:
    flags = np.array(right)
    best = selection(flags.astype(float), flags).aurc
    worst = selection(1 - flags.astype(float), flags).aurc
    anyhow = selection(np.linspace(1, 0, len(flags)), flags).aurc
    assert best <= anyhow + 1e-6
    assert anyhow <= worst + 1e-6
    assert selection(np.full(len(flags), 0.5), flags).aurc == pytest.approx(1 - flags.mean(), abs=1e-6)
