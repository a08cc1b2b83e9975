import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from emoscribe.catalog import model_info
from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.card import card, read_reports
from emoscribe.evaluation.examples import EvaluationSet, Example
from emoscribe.evaluation.judging import Answers, ModelJudge
from emoscribe.evaluation.markdown import report_markdown, table
from emoscribe.evaluation.pictures import pictures
from emoscribe.evaluation.predictions import confident_mistakes, mistakes_markdown, predictions_jsonl
from emoscribe.evaluation.report import (
    BaselineRow,
    Evaluation,
    Subject,
    baseline_row,
    evaluation_of,
    read_evaluation,
    row_of,
)
from emoscribe.evaluation.swaps import pairs_by_kind, swap_rows
from emoscribe.labels import LABELS
from emoscribe.settings import load_settings
from tests.conftest import ROOT
from tests.fakes import FakeClassifier, fake_model

SAID = "Zanzibar ``<b>| \n bold"  # a text that must not get into what is shared, nor become markup
MODEL = fake_model("emotion", "fake")


def made_set(count: int = 70, name: str = "meld:dev") -> EvaluationSet:
    """Ten examples of each label; every fourth holds the name of another."""
    examples = [
        Example(f"{SAID} {LABELS[(n + (n % 4 == 0)) % 7]} {n}", frozenset({LABELS[n % 7]}), source="meld", id=str(n))
        for n in range(count)
    ]
    return EvaluationSet(name, tuple(examples), LABELS, is_single_label=True)


def judged(data: EvaluationSet) -> Answers:
    answers = ModelJudge(FakeClassifier()).judge([one.text for one in data.examples], [""] * len(data.examples))
    spread = np.linspace(0.3, 0.99, len(data.examples))
    return Answers(answers.scores, answers.above, answers.label, spread, doubtful=spread < 0.6)


FAST = ROOT / "models" / "emotion-fast"


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    data = made_set()
    answers = judged(data)
    return evaluation_of(Subject(MODEL, data), answers).model_copy(
        update={
            "swaps": swap_rows(ModelJudge(FakeClassifier())),
            "baselines": (
                baseline_row("always the same", answers, data),
                BaselineRow(name="them", kind="quoted", note="as they say", accuracy=0.71),
            ),
        }
    )


# --- the record ----------------------------------------------------------------------------------------------


def test_the_report_is_what_was_judged(evaluation: Evaluation) -> None:
    data = made_set()
    wrong = sum(n % 4 == 0 for n in range(70))
    assert evaluation.one_label.accuracy.value == pytest.approx(1 - wrong / 70, abs=1e-6)
    assert evaluation.given == dict.fromkeys(LABELS, 10)
    assert sum(evaluation.answered.values()) == 70
    assert evaluation.data.licence.startswith("GPL-3.0")
    assert row_of(evaluation).accuracy == evaluation.one_label.accuracy.value
    assert row_of(evaluation).macro_f1 == evaluation.baselines[0].macro_f1
    other = EvaluationSet(data.name, data.examples[::-1])
    assert evaluation_of(Subject(MODEL, other), judged(other)).data.sha256 != evaluation.data.sha256


def test_the_report_survives_its_file(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(evaluation.model_dump_json())
    assert read_evaluation(path) == evaluation


@pytest.mark.parametrize("content", ["", "{}", '{"format": "emoscribe-evaluation/2"}'])
def test_what_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(InvalidRequestError, match="is not the report of an evaluation"):
        read_evaluation(path)
    with pytest.raises(InvalidRequestError, match="No such file"):
        read_evaluation(tmp_path / "none.json")


def test_what_may_be_shared_holds_no_text(evaluation: Evaluation) -> None:
    shared = [evaluation.model_dump_json(), report_markdown(evaluation), card([evaluation])]
    shared += pictures(evaluation).values()
    assert not any("Zanzibar" in content for content in shared)


def test_nothing_to_measure_on_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="holds no example"):
        evaluation_of(Subject(MODEL, EvaluationSet("empty", ())), judged(EvaluationSet("empty", ())))


def test_review_rows_part_the_answers(evaluation: Evaluation) -> None:
    answered = evaluation.answered
    for row in evaluation.review:
        assert row.kept + row.flagged == answered[row.label]
        assert (row.kept_accuracy is None) == (row.kept == 0)
    assert sum(row.kept for row in evaluation.review) == (np.linspace(0.3, 0.99, 70) >= 0.6).sum()


# --- what holds texts ------------------------------------------------------------------------------------------


def test_predictions_have_a_row_for_each_example() -> None:
    data = made_set(9)
    texts = [one.text for one in data.examples]
    rows = [json.loads(line) for line in predictions_jsonl(judged(data), data, texts).split("\n") if line]
    assert [row["text"] for row in rows] == texts
    assert [row["right"] for row in rows] == [n % 4 != 0 for n in range(9)]
    assert all(set(row["scores"]) == set(LABELS) for row in rows)


def test_the_most_confident_mistakes_of_each_pair_come_first() -> None:
    data = made_set(7 * 4 * 12)
    answers = judged(data)
    found = confident_mistakes(answers, data)
    assert set(found) == {(LABELS[n], LABELS[(n + 1) % 7]) for n in range(7)}
    for places in found.values():
        assert len(places) == 10  # of twelve
        confidences = answers.confidence[places]
        assert (np.diff(confidences) <= 0).all()


def test_texts_stay_texts_in_the_list_of_mistakes() -> None:
    data = made_set(30)
    lines = mistakes_markdown(judged(data), data, [one.text for one in data.examples]).splitlines()
    texts = [line for line in lines if "Zanzibar" in line]
    assert len(texts) == 8
    for line in texts:
        assert line.startswith("- 0.")
        assert line.count("``") == 2  # opened and closed once, around the text


# --- pictures and tables -----------------------------------------------------------------------------------------


def test_pictures_are_well_formed_and_show_the_figures(evaluation: Evaluation) -> None:
    found = {name: ET.fromstring(svg) for name, svg in pictures(evaluation).items()}  # noqa: S314  # our own
    space = "{http://www.w3.org/2000/svg}"
    texts = {name: ["".join(node.itertext()) for node in tree.iter(f"{space}text")] for name, tree in found.items()}
    counts = [str(count) for row in evaluation.one_label.confusion for count in row]
    assert sorted(counts) == sorted(text for text in texts["confusion.svg"] if text.isdigit())
    assert len(list(found["reliability.svg"].iter(f"{space}circle"))) == len(evaluation.calibration.bins)
    assert f"AURC {evaluation.selection.aurc:.3f}" in texts["risk-coverage.svg"]
    for tree in found.values():
        assert not list(tree.iter(f"{space}script"))


def test_a_name_cannot_break_a_picture_or_a_table(evaluation: Evaluation) -> None:
    hostile = evaluation.model_copy(update={"model": MODEL.model_copy(update={"name": '<a href="x">&'})})
    for svg in pictures(hostile).values():
        assert "<a href" not in svg
        ET.fromstring(svg)  # noqa: S314  # our own
    assert table(("a", "b"), [("x|y", "z")])[2] == "| x&#124;y | z |"


def test_the_report_for_people_has_every_section(evaluation: Evaluation) -> None:
    text = report_markdown(evaluation)
    for part in (
        "## Beside others",
        "*them*, quoted",
        "them: as they say.",
        "confusion.svg",
        "## Words that should not",
    ):
        assert part in text
    assert f"| accuracy (one label) | {evaluation.one_label.accuracy.value:.3f} (" in text


# --- words that should not matter ---------------------------------------------------------------------------------


def test_pairs_differ_and_a_model_that_answers_a_name_is_found() -> None:
    for kind, pairs in pairs_by_kind().items():
        assert len(set(pairs)) == len(pairs), kind
        assert all(first != second for first, second in pairs), kind
    honest = swap_rows(ModelJudge(FakeClassifier()))
    assert [(row.changed, row.largest_change) for row in honest] == [(0, 0.0)] * 4

    class Prejudiced(FakeClassifier):
        def _one(self, request):  # type: ignore[no-untyped-def]  # as in the fake
            text = request.text.replace("Jamal", "anger")
            return super()._one(type(request)(text))

    names, *others = swap_rows(ModelJudge(Prejudiced()))
    assert names.changed == 12  # every sentence with that pair of names
    assert names.drift["anger"] > 0.1
    assert all(row.changed == 0 for row in others)


# --- the card ------------------------------------------------------------------------------------------------------


def test_every_figure_of_the_card_is_one_of_the_reports(evaluation: Evaluation) -> None:
    text = card([evaluation])
    one, several = evaluation.one_label, evaluation.several_labels
    for figure in (one.accuracy, one.macro_f1, one.weighted_f1, several.macro_f1, *(x.f1 for x in one.labels)):
        assert f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})" in text
    for value in (evaluation.calibration.ece, evaluation.calibration.adaptive_ece, evaluation.selection.aurc):
        assert f"| {value:.3f} |" in text
    assert "as they say" in text
    changed = evaluation.model_copy(update={"calibration": evaluation.calibration.model_copy(update={"ece": 0.98765})})
    assert "0.988" in card([changed])


def test_the_card_says_what_the_figures_mean(evaluation: Evaluation) -> None:
    text = card([evaluation])
    assert "On meld:dev the confidence is too low" in text
    assert "anger taken for" not in text  # ten examples of it are too few to say so
    many = made_set(280)
    text = card([evaluation_of(Subject(MODEL, many), judged(many))])
    assert text.count(" (10 of 40), 25%") == 3  # the worst three of seven that are alike
    for use in ("hiring", "policing", "education", "what a person feels", "AI Act"):
        assert use in text


def test_the_card_is_of_one_model_and_of_some_report(evaluation: Evaluation, tmp_path: Path) -> None:
    other = evaluation.model_copy(update={"model": MODEL.model_copy(update={"sha256": "1" * 64})})
    with pytest.raises(InvalidRequestError, match="2 different models"):
        card([evaluation, other])
    with pytest.raises(InvalidRequestError, match="no report"):
        card([])
    with pytest.raises(InvalidRequestError, match=r"No report\.json"):
        read_reports([tmp_path])


def test_the_card_tells_what_the_model_learnt_from(evaluation: Evaluation, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"corpora": [{"title": "XED", "licence": "CC BY 4.0", "rows": 17751}]}))
    assert "| XED | CC BY 4.0 | 17,751 |" in card([evaluation], manifest)
    assert "larger model" not in card([evaluation], manifest)
    manifest.write_text(json.dumps({"corpora": [], "teacher": "emotion", "unlabelled": 2162}))
    assert "larger model, `emotion`, thinks of each text; and that alone of\n2,162 texts" in card(
        [evaluation], manifest
    )
    manifest.write_text("[]")
    with pytest.raises(InvalidRequestError, match="no manifest"):
        card([evaluation], manifest)


@pytest.mark.parametrize(
    ("name", "evaluations", "page"),
    [
        ("emotion", ROOT / "docs" / "evaluations", ROOT / "MODEL_CARD.md"),
        ("emotion-fast", FAST / "evaluations", FAST / "MODEL_CARD.md"),
    ],
)
def test_the_cards_of_this_repository_are_what_their_reports_say_of_the_bundled_models(
    name: str, evaluations: Path, page: Path
) -> None:
    reports = read_reports([evaluations])
    again = "evaluate it anew and write the card (docs/evaluation.md, For a new model)"
    assert page.read_text(encoding="utf-8") == card(reports, ROOT / "models" / name / "data.json"), again
    bundled = model_info(name, load_settings().models_dir)
    assert {report.model for report in reports} == {bundled}, again
