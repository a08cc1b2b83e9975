"""Corpora to rows: what is learnt, what never is, and the record of it."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoscribe.corrections import Correction, corrections_jsonl
from emoscribe.errors import InvalidRequestError
from emoscribe.labels import LABELS
from emoscribe.training.config import SHIPPED, read_config
from emoscribe.training.options import CorpusShare, PrepareOptions
from emoscribe.training.prepare import Inputs, Models, prepare
from emoscribe.training.rows import Row, read_rows
from emoscribe.training.speech_like import as_heard
from emoscribe.types import EmotionRequest, EmotionScores
from tests.fakes import FakeTranslator

CORRECTION = Correction(
    analysis_id="a", source="a.mp4", segment_index=0, start_ms=0, end_ms=9, language="pt", text="que nojo",
    text_en="how gross", model="emotion@1", model_label="neutral", label="disgust", mixed=("anger",), reviewer="ana",
    corrected_at=datetime(2026, 11, 23, tzinfo=UTC), may_train=True,
)  # fmt: skip


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    root = tmp_path / "corpora"
    (root / "goemotions_ekman").mkdir(parents=True)
    (root / "goemotions_ekman" / "labels.txt").write_text("anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise\n")
    train = [
        "What a lovely day this is\t3\t1",
        "This line is in the test set too\t0\t2",
        "A plain remark, no more\t4\t3",
    ]
    (root / "goemotions_ekman" / "train.tsv").write_text("".join(f"{line}\n" for line in train * 2))
    (root / "goemotions_ekman" / "dev.tsv").write_text("Nothing of the kind here\t4\t4\n")
    (root / "goemotions_ekman" / "test.tsv").write_text("this line is in the TEST set, too!\t0\t5\n")
    (root / "brighter" / "train").mkdir(parents=True)
    (root / "brighter" / "train" / "eng.csv").write_text(
        "id,text,anger,fear,joy,sadness,surprise\n1,I shook,0,1,0,0,0\n"
    )
    (root / "brighter" / "train" / "ptbr.csv").write_text(
        "id,text,anger,disgust,fear,joy,sadness,surprise\n1,Que dia lindo,0,0,0,1,0,0\n2,Uma frase,0,0,0,0,0,0\n"
    )
    return root


def run(corpora: Path, out: Path, shares: dict[str, CorpusShare], **options: object) -> list[Row]:
    def there_and_back(texts: Sequence[str]) -> list[str]:
        return [f"{text}, as it were" for text in texts]

    chosen = replace(PrepareOptions(corpora=shares, held_out=("goemotions",)), **options)  # type: ignore[arg-type]  # test
    models = Models(FakeTranslator(), there_and_back)
    corrections = tuple(corpora.parent.glob("*.jsonl"))
    prepare(chosen, Inputs(corpora, corrections), out, models, lambda *_: None)
    return list(read_rows(out / "train.jsonl"))


def labels_of(row: Row) -> set[str]:
    return {label for label, flag in zip(LABELS, row.labels, strict=True) if flag}


def test_a_text_of_a_test_set_is_never_learnt(corpora: Path, tmp_path: Path) -> None:
    texts = {row.text for row in run(corpora, tmp_path / "out", {"goemotions": CorpusShare()})}
    assert texts == {"What a lovely day this is", "A plain remark, no more"}


def test_a_corpus_that_may_not_train_is_refused(corpora: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="may not learn from meld"):
        run(corpora, tmp_path / "out", {"meld": CorpusShare()})


def test_labels_a_corpus_does_not_have_are_unknown_and_not_absent(corpora: Path, tmp_path: Path) -> None:
    [row] = run(corpora, tmp_path / "out", {"brighter-eng": CorpusShare()})
    assert labels_of(row) == {"fear"}
    assert dict(zip(LABELS, row.known, strict=True)) == {label: int(label != "disgust") for label in LABELS}


def test_other_languages_are_learnt_in_english(corpora: Path, tmp_path: Path) -> None:
    joyful, plain = run(corpora, tmp_path / "out", {"brighter-ptbr": CorpusShare(repeat=1)})
    assert joyful.text != "Que dia lindo"
    assert (labels_of(joyful), labels_of(plain)) == ({"happiness"}, {"neutral"})


def test_shares_and_repeats(corpora: Path, tmp_path: Path) -> None:
    share = CorpusShare(neutral_share=0.0, round_trip_share=1.0, repeat=3)
    rows = run(corpora, tmp_path / "out", {"goemotions": share})
    assert len(rows) == 6
    assert {labels_of(row) == {"happiness"} for row in rows} == {True}
    assert {row.variants for row in rows} == {("What a lovely day this is, as it were",)}


def test_only_corrections_that_were_opted_in_are_learnt_and_the_last_word_counts(corpora: Path, tmp_path: Path) -> None:
    changed_mind = CORRECTION.model_copy(update={"label": "fear", "mixed": ()})
    private = CORRECTION.model_copy(update={"segment_index": 1, "text_en": "private", "may_train": False})
    (tmp_path / "ours.jsonl").write_bytes(corrections_jsonl([CORRECTION, private, changed_mind]))
    rows = run(corpora, tmp_path / "out", {}, corrections_repeat=2)
    assert [(row.text, labels_of(row), row.corpus) for row in rows] == [("how gross", {"fear"}, "xed")] * 2


def with_opinion(rows: Sequence[Row]) -> list[Row]:
    """A teacher who hears anger in capitals."""
    return [replace(row, soft=(float(row.text.isupper()), *(0.1,) * 6)) for row in rows]


def test_every_row_gets_the_teachers_opinion_and_each_text_is_judged_once(corpora: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def teacher(rows: Sequence[Row]) -> list[Row]:
        asked.extend(row.text for row in rows)
        return with_opinion(rows)

    (corpora / "lines.txt").write_text(
        "Where did he go?\n\n A plain remark, no more \nthis line is in the TEST set, too!\nI shook\n"
    )
    shares = {"brighter-eng": CorpusShare(repeat=3), "brighter-ptbr": CorpusShare()}
    options = PrepareOptions(corpora=shares, held_out=("goemotions",), teacher="a", unlabelled=("lines.txt",))
    models = Models(FakeTranslator(), None, teacher)
    prepare(options, Inputs(corpora), tmp_path / "rows", models, lambda *_: None)
    rows = list(read_rows(tmp_path / "rows" / "train.jsonl"))
    assert len(asked) == len(set(asked)) == len({row.text for row in rows})
    assert {row.text: row.soft[0] for row in rows} == {
        "I shook": 0.0, "QUE DIA LINDO": 1.0, "UMA FRASE": 1.0, "Where did he go?": 0.0, "A plain remark, no more": 0.0,
    }  # fmt: skip
    assert {row.text for row in rows if not any(row.known)} == {"Where did he go?", "A plain remark, no more"}
    manifest = json.loads((tmp_path / "rows" / "manifest.json").read_text())
    assert (manifest["teacher"], manifest["unlabelled"]) == ("a", 2)


def test_a_correction_is_never_overruled_by_a_teacher(corpora: Path, tmp_path: Path) -> None:
    (tmp_path / "ours.jsonl").write_bytes(corrections_jsonl([CORRECTION]))
    options = PrepareOptions(corpora={"brighter-eng": CorpusShare()}, teacher="a", corrections_repeat=2)
    inputs = Inputs(corpora, (tmp_path / "ours.jsonl",))
    prepare(options, inputs, tmp_path / "rows", Models(FakeTranslator(), None, with_opinion), lambda *_: None)
    rows = list(read_rows(tmp_path / "rows" / "train.jsonl"))
    assert [row.soft for row in rows if row.text == "how gross"] == [(), ()]
    assert all(row.soft for row in rows if row.text != "how gross")
    assert len(rows) > 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unlabelled": ("lines.txt",)}, "need a teacher"),
        ({"unlabelled": ("lines.txt",), "teacher": "a"}, "lines.txt cannot be read"),
        ({"unlabelled": ("meld",), "teacher": "a"}, "may not learn from meld"),
    ],
)
def test_unlabelled_texts_that_are_of_no_use_are_refused(
    corpora: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        run(corpora, tmp_path / "rows", {}, **options)


def test_a_model_as_the_program_runs_it_can_teach(tmp_path: Path) -> None:
    from emoscribe.emotion import EmotionClassifier
    from emoscribe.local_stages import locate_emotion_model
    from emoscribe.training.teacher import opinions

    classifier = EmotionClassifier(*locate_emotion_model("emotion", tmp_path))
    nothing = (0,) * 7
    rows = [Row(text, nothing, nothing, "xed") for text in ("I hate you!", "What a lovely surprise!", "I love you.")]
    for row, judged in zip(rows, opinions(classifier)(rows), strict=True):
        [logits] = classifier.logits([EmotionRequest(row.text)])
        expected = 1 / (1 + np.exp(-logits / classifier.card.temperature))
        assert judged.soft == pytest.approx(tuple(expected), abs=1e-3)
        [scores] = classifier.classify([EmotionRequest(row.text)])
        assert isinstance(scores, EmotionScores)
        assert LABELS[int(np.argmax(judged.soft))] == scores.label


def test_the_manifest_says_what_was_learnt_and_the_same_seed_gives_the_same_rows(corpora: Path, tmp_path: Path) -> None:
    shares = {"goemotions": CorpusShare(neutral_share=0.5, round_trip_share=0.5), "brighter-eng": CorpusShare()}
    first, second = (run(corpora, tmp_path / name, shares) for name in "ab")
    assert first == second
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["rows"] == len(first)
    assert {record["corpus"]: record["licence"] for record in manifest["corpora"]} == {
        "goemotions": "CC BY 4.0 (code Apache-2.0)",
        "brighter-eng": "CC BY 4.0",
    }


@given(text=st.text(min_size=1).filter(str.strip), seed=st.integers(0, 99))
def test_what_was_heard_is_text_and_repeatable(text: str, seed: int) -> None:
    heard = as_heard(text, random.Random(seed))
    assert heard.strip()
    assert heard == as_heard(text, random.Random(seed))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configurations_can_be_read(name: str) -> None:
    assert read_config(name).prepare.corpora


@pytest.mark.parametrize(
    ("content", "message"),
    [("epochs = 3\n[train]\nepoch = 3", "unknown settings: epoch"), ("[train", "is no TOML"), (None, "cannot be read")],
)
def test_a_wrong_configuration_says_what_is_wrong(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidRequestError, match=message):
        read_config(str(path))
