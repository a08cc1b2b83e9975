import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.calibrate import (
    NEVER_KEPT,
    ChoiceOptions,
    ReviewOptions,
    fit_choice,
    fit_review_thresholds,
    fit_scores,
    fit_temperature,
    fit_thresholds,
    fit_trust,
)
from emoscribe.scoring import log_odds

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
CONFIDENCES = st.floats(0, 1, width=32)


def sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)), np.float64)


def multi_label(seed: int, count: int = 300) -> tuple[Floats, Flags]:
    """Logits that are exactly calibrated, and labels drawn from them."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1.5, 1.5, (count, 7))
    return logits, random.random((count, 7)) < sigmoid(logits)


# --- thresholds ----------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_no_threshold_has_a_better_f1(seed: int, count: int) -> None:
    logits, gold = multi_label(seed, count)
    logits = logits.round(1)  # equal values, too
    thresholds = fit_thresholds(logits, gold)
    probabilities = sigmoid(logits)
    for k in range(7):
        if not gold[:, k].any():
            assert thresholds[k] == 0.5
            continue
        tried = np.clip(probabilities[:, k], 0.01, 0.99)  # where thresholds may lie
        given = probabilities[:, k] >= np.append(tried, thresholds[k])[:, None]  # (tries, n)
        f1 = 2 * (given & gold[:, k]).sum(1) / (given.sum(1) + gold[:, k].sum())
        assert f1[-1] >= f1.max() - 1e-9
    assert ((thresholds > 0) & (thresholds < 1)).all()


# --- temperature ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_what_logits_were_multiplied_by(factor: float) -> None:
    logits, gold = multi_label(1, 4000)
    assert fit_temperature(logits * factor, gold) == pytest.approx(factor, rel=0.08)


# --- the one label -------------------------------------------------------------------------------------------


def drawn(seed: int, count: int, scale: float, bias: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Logits, and the one label drawn from softmax(scale * logits + bias)."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 7))
    gumbel = random.gumbel(size=(count, 7))
    return logits, (scale * logits + bias + gumbel).argmax(1)


def test_the_choice_finds_the_scale_and_bias_that_labels_were_drawn_with() -> None:
    bias = np.array([0.5, -1.0, 0.0, 0.3, 1.2, -0.5, -0.5])
    logits, label = drawn(2, 20_000, 0.7, bias)
    found = fit_choice(logits, label, ChoiceOptions(ridge=0.0))
    assert found.scale == pytest.approx(0.7, rel=0.05)
    assert found.bias == pytest.approx(bias - bias.mean(), abs=0.1)
    likely = found.probabilities(logits)
    assert likely.sum(1) == pytest.approx(1)
    confident = likely.max(1) > 0.8
    assert (likely.argmax(1) == label)[confident].mean() == pytest.approx(likely.max(1)[confident].mean(), abs=0.02)


def test_a_strong_ridge_leaves_only_the_temperature() -> None:
    logits, label = drawn(3, 2_000, 0.7, np.array([3.0, 0, 0, 0, 0, 0, -3.0]))
    loose, tight = (fit_choice(logits, label, ChoiceOptions(ridge=ridge)) for ridge in (0.0, 1e4))
    assert np.abs(loose.bias).max() > 2
    assert np.abs(tight.bias).max() < 0.01


def test_the_choice_is_the_most_likely_one() -> None:
    logits, label = drawn(4, 500, 1.3, np.linspace(-1, 1, 7))
    found = fit_choice(logits, label, ChoiceOptions(ridge=0.0))

    def cost(scale: float, bias: Floats) -> float:
        values = scale * logits + bias
        return float((np.log(np.exp(values).sum(1)) - values[np.arange(500), label]).mean())

    random = np.random.default_rng(5)
    best = cost(found.scale, found.bias)
    for _ in range(50):
        assert cost(found.scale * random.normal(1, 0.1), found.bias + random.normal(0, 0.1, 7)) >= best - 1e-6


def test_balance_lets_rare_labels_win_more_often() -> None:
    random = np.random.default_rng(6)
    label = np.where(random.random(3000) < 0.05, 2, 4)
    logits = random.normal(0, 1, (3000, 7)) + 1.5 * np.eye(7)[label]
    shares = [
        (fit_choice(logits, label, ChoiceOptions(balance=b)).probabilities(logits).argmax(1) == 2).mean()
        for b in (0.0, 0.5, 1.0)
    ]
    assert shares[0] < shares[1] < shares[2]


def test_labels_that_never_occur_do_not_break_the_choice() -> None:
    logits, _ = drawn(7, 50, 1, np.zeros(7))
    found = fit_choice(logits, np.full(50, 3))
    assert np.isfinite(found.bias).all()
    assert (found.probabilities(logits).argmax(1) == 3).all()


@pytest.mark.parametrize("label", [[], [7, 0], [-1, 0], [0]])
def test_labels_that_are_none_are_refused(label: list[int]) -> None:
    with pytest.raises(InvalidRequestError):
        fit_choice(np.zeros((2 if label else 0, 7)), np.array(label, int))


@pytest.mark.parametrize("logits", [np.zeros((2, 6)), np.zeros((0, 7)), np.full((2, 7), np.nan), np.zeros(7)])
def test_logits_that_are_none_are_refused(logits: Floats) -> None:
    with pytest.raises(InvalidRequestError):
        fit_thresholds(logits, np.zeros(logits.shape, bool))


# --- the probability of each label ---------------------------------------------------------------------------------


def test_the_scores_undo_what_a_loss_did_to_the_logits_of_each_label() -> None:
    logits, gold = multi_label(3, 20_000)
    gold[:, 6] = False
    slope, shift = np.linspace(0.5, 2.0, 7), np.linspace(-1.0, 2.0, 7)
    scores = fit_scores((logits - shift) / slope, gold)
    assert scores.slope[:6] == pytest.approx(slope[:6], rel=0.06)
    assert scores.shift[:6] == pytest.approx(shift[:6], abs=0.12)
    assert (scores.slope[6], scores.shift[6]) == (1, 0)  # nobody gave it
    probabilities = scores.probabilities((logits - shift) / slope)
    assert probabilities[:, :6].mean(0) == pytest.approx(gold[:, :6].mean(0), abs=0.01)


# --- the trust in the choice ------------------------------------------------------------------------------------


def test_the_trust_undoes_what_a_label_is_over_or_underrated_by() -> None:
    random = np.random.default_rng(5)
    odds, label = random.normal(0.5, 1.0, 30_000), random.integers(0, 3, 30_000)
    slope, shift = np.array([1.0, 0.6, 1.4]), np.array([0.0, -0.5, 0.3])
    right = random.random(30_000) < sigmoid(slope[label] * odds + shift[label])

    trust = fit_trust(sigmoid(odds), label, right)

    assert trust.slope[:3] == pytest.approx(slope, abs=0.08)
    assert trust.shift[:3] == pytest.approx(shift, abs=0.08)
    assert (trust.slope[3:] == 1).all()  # labels that were never answered
    assert (trust.shift[3:] == 0).all()
    confidence = trust.probability(odds, label)
    for k in range(3):
        assert confidence[label == k].mean() == pytest.approx(right[label == k].mean(), abs=0.01)


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.float64, st.integers(0, 40), elements=CONFIDENCES), st.integers(0, 1000))
def test_whatever_was_right_the_trust_keeps_the_order_of_a_labels_answers(probability: Floats, seed: int) -> None:
    random = np.random.default_rng(seed)
    label, right = random.integers(0, 7, len(probability)), random.random(len(probability)) < 0.5
    confidence = fit_trust(probability, label, right).probability(log_odds(probability), label)
    assert ((confidence > 0) & (confidence < 1)).all()
    for k in range(7):
        order = np.argsort(probability[label == k])
        assert (np.diff(confidence[label == k][order]) >= 0).all()


@pytest.mark.parametrize(("answers", "moved"), [(1, 0.05), (10, 0.24), (1000, 1.31)])  # of 1.39: four in five
def test_few_answers_move_the_trust_little(answers: int, moved: float) -> None:
    probability, label = np.full(answers, 0.5), np.full(answers, 2)
    trust = fit_trust(probability, label, np.arange(answers) % 5 > 0)
    [confidence] = trust.probability(np.zeros(1), label[:1])
    assert abs(np.log(confidence / (1 - confidence))) == pytest.approx(moved, abs=0.01)


# --- the review flag -------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    arrays.arrays(np.float64, st.integers(0, 60), elements=st.one_of(CONFIDENCES, st.sampled_from([0.2, 0.5, 1.0]))),
    st.integers(0, 1000),
    st.floats(0, 1),
    st.integers(0, 8),
)
def test_what_is_kept_is_more_accurate_than_what_is_flagged(
    confidence: Floats, seed: int, target: float, min_kept: int
) -> None:
    random = np.random.default_rng(seed)
    count = len(confidence)
    right, predicted = random.random(count) < 0.6, random.integers(0, 3, count)

    thresholds = fit_review_thresholds(confidence, right, predicted, ReviewOptions(target, min_kept))

    assert ((thresholds >= 0) & (thresholds <= 1)).all()
    for k in range(7):
        kept = (confidence[predicted == k] >= thresholds[k]) & (thresholds[k] < NEVER_KEPT)
        of = right[predicted == k]
        if kept.any() and not kept.all():
            assert of[kept].mean() > of[~kept].mean()
        if kept.any():
            assert kept.sum() >= min_kept


def test_as_few_as_possible_are_flagged_for_the_target() -> None:
    random = np.random.default_rng(8)
    confidence = random.random(5000)
    right = random.random(5000) < confidence
    predicted = np.zeros(5000, int)

    threshold = fit_review_thresholds(confidence, right, predicted, ReviewOptions(0.25))[0]

    kept = confidence >= threshold
    assert 0.24 < 1 - right[kept].mean() <= 0.25  # calibrated: kept are right in (1 + t) / 2 of cases, so t is 0.5
    assert threshold == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("confidence", "right", "threshold"),
    [
        ([0.9] * 25, [True] * 25, 0.0),  # the target is kept by all
        ([0.9] * 25, [False] * 25, NEVER_KEPT),  # never right
        ([0.9] * 19, [True] * 19, NEVER_KEPT),  # too few to know
        ([0.9] * 30 + [0.1] * 30, [False, True] * 15 + [False] * 30, 0.5),  # out of reach: the fewest wrong
        ([0.9] * 30 + [0.1] * 30, [False, True] * 15 + [True, False] * 15, NEVER_KEPT),  # confidence says nothing
    ],
)
def test_where_the_target_is_out_of_reach(confidence: list[float], right: list[bool], threshold: float) -> None:
    count = len(confidence)
    found = fit_review_thresholds(np.array(confidence), np.array(right), np.full(count, 4), ReviewOptions(0.25, 20))
    assert found[4] == pytest.approx(threshold)
    assert (np.delete(found, 4) == NEVER_KEPT).all()  # labels that were never answered
