from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from emoscribe.corrections import Correction
from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.audit import MIN_EXAMPLES, Audit, Baseline, against, audit, read_baseline
from emoscribe.evaluation.examples import EvaluationSet, Example
from emoscribe.evaluation.judging import ModelJudge
from emoscribe.evaluation.report import Subject, evaluation_of
from emoscribe.labels import LABELS, Label
from tests.fakes import FakeClassifier, fake_model
from tests.unit.test_evaluation_own_files import correction


def decisions(pairs: Sequence[tuple[Label, Label | None]]) -> list[Correction]:
    """(reviewer's label, model's) -> corrections of as many sentences."""
    return [correction(n, said, model_label=answered) for n, (said, answered) in enumerate(pairs)]


def drawn(random: np.random.Generator, count: int, recall: float, weak: Label | None = None) -> list[Correction]:
    """Reviewed answers that are right in `recall` of cases; of the label `weak` in none."""
    said = [LABELS[n % 7] for n in range(count)]
    answered = [
        label if label != weak and random.random() < recall else LABELS[(LABELS.index(label) + 1) % 7] for label in said
    ]
    return decisions(list(zip(said, answered, strict=True)))


def baseline(corrections: Sequence[Correction]) -> Baseline:
    found = audit(corrections, "before")
    return Baseline("before", found.one_label, found.answered, found.given)


def test_the_answers_are_judged_by_the_reviewers_labels() -> None:
    pairs: list[tuple[Label, Label | None]] = [("anger", "anger"), ("anger", "fear"), ("fear", None)]
    found = audit(decisions([*pairs, ("happiness", "happiness")]), "x.csv")
    assert found.one_label.accuracy.value == 0.5
    assert found.one_label.unanswered == 1
    assert found.models == {"emotion@1": 4}
    assert (found.answered["fear"], found.given["anger"]) == (1, 2)
    assert found.worse == ()


def test_the_latest_decision_on_a_sentence_counts() -> None:
    early = correction(1, "fear", corrected_at="2026-01-01T10:00:00Z")
    late = correction(1, "neutral", corrected_at="2026-01-01T11:00:00Z", reviewer="bo")
    other = correction(1, "anger", analysis_id="other")
    found = audit([late, early, other], "x")
    assert (found.sentences, found.superseded) == (2, 1)
    assert (found.given["neutral"], found.given["anger"], found.given["fear"]) == (1, 1, 0)


def test_a_model_can_be_asked_again() -> None:
    texts = ("so much anger", "fear", "BROKEN")
    corrections = [correction(n, "anger", text_en=text, model_label="fear") for n, text in enumerate(texts)]
    classifier = FakeClassifier()
    found = audit(corrections, "x", ModelJudge(classifier), "new 2")
    assert found.one_label.accuracy.value == pytest.approx(1 / 3, abs=1e-6)
    assert found.models == {"new 2": 3}
    assert {request.context for request in classifier.requests} == {"Where is he?"}


def test_a_class_that_has_fallen_is_called_worse_and_no_other() -> None:
    random = np.random.default_rng(1)
    before = baseline(drawn(random, 420, 0.8))
    found = against(audit(drawn(random, 420, 0.8, weak="sadness"), "now"), before)

    verdicts = {change.label: change.verdict for change in found.changes}
    assert verdicts["sadness"] == "worse"
    assert "sadness" in found.worse
    assert "anger" not in found.worse
    change = next(one for one in found.changes if one.label == "sadness")
    assert (change.now.value, change.examples, change.examples_before) == (0.0, 60, 60)
    assert change.p is not None
    assert change.p < 1e-6


def test_chance_alone_seldom_makes_a_class_worse() -> None:
    random = np.random.default_rng(2)
    alarms = sum(
        bool(against(audit(drawn(random, 210, 0.7), "now"), baseline(drawn(random, 210, 0.7))).worse) for _ in range(30)
    )
    assert alarms <= 5  # 5 % of 30 is 1.5


def test_a_better_class_is_not_worse() -> None:
    random = np.random.default_rng(3)
    found = against(audit(drawn(random, 300, 0.95), "now"), baseline(drawn(random, 300, 0.5)))
    assert {change.verdict for change in found.changes} == {"not worse"}


def test_few_examples_prove_nothing() -> None:
    missed: tuple[Label, Label] = ("fear", "anger")
    caught: tuple[Label, Label] = ("fear", "fear")
    anger: list[tuple[Label, Label]] = [("anger", "anger")] * 40
    pairs, good = [missed] * (MIN_EXAMPLES - 1) + anger, [caught] * 100 + anger
    found = against(audit(decisions(pairs), "now"), baseline(decisions(good)))
    assert {one.label: one.verdict for one in found.changes} == {"anger": "worse", "fear": "too few"}


def test_drift_is_none_for_the_same_and_whole_for_disjoint_labels() -> None:
    same = decisions([("anger", "anger"), ("fear", "fear")] * 50)
    found = against(audit(same, "now"), baseline(same))
    assert [(one.divergence, round(one.p or 0, 3)) for one in found.drift] == [(0.0, 1.0)] * 2
    other = decisions([("sadness", "surprise")] * 50)
    moved = against(audit(other, "now"), baseline(same))
    assert all(one.divergence == pytest.approx(1.0) for one in moved.drift)
    assert all(one.p is not None and one.p < 1e-9 for one in moved.drift)
    one_kind = decisions([("anger", "anger")] * 3)
    assert [one.p for one in against(audit(one_kind, "now"), baseline(one_kind)).drift] == [None, None]


def test_no_correction_is_no_audit() -> None:
    with pytest.raises(InvalidRequestError, match="holds no correction"):
        audit([], "empty.csv")


def test_a_baseline_is_an_evaluation_or_an_earlier_audit(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    earlier = audit(decisions([("anger", "anger")] * 3), "earlier.csv")
    path.write_text(earlier.model_dump_json())
    assert read_baseline(path) == Baseline("earlier.csv", earlier.one_label, earlier.answered, earlier.given)
    assert Audit.model_validate_json(path.read_text()) == earlier

    examples = tuple(Example(f"{label} it is", frozenset({label})) for label in LABELS)
    data = EvaluationSet("meld:dev", examples)
    answers = ModelJudge(FakeClassifier()).judge([one.text for one in examples], [""] * 7)
    path.write_text(evaluation_of(Subject(fake_model("emotion", "fake"), data), answers).model_dump_json())
    found = read_baseline(path)
    assert (found.name, found.one_label.accuracy.value) == ("meld:dev", 1.0)


@pytest.mark.parametrize("content", ["{}", "no json", "[]"])
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(content)
    with pytest.raises(InvalidRequestError, match="is no baseline"):
        read_baseline(path)
    with pytest.raises(InvalidRequestError, match="No such file"):
        read_baseline(tmp_path / "none.json")
