"""Weights of words on models whose answers are known, and on the bundled one."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoscribe.emotion import ClassifierOptions, EmotionClassifier
from emoscribe.encoding import Encoded, TextEncoder
from emoscribe.errors import EmoScribeError, InvalidRequestError, ModelIntegrityError, StageError
from emoscribe.explain import LEFT_OUT_SINGLY, METHODS, explain
from emoscribe.labels import LABELS, Label
from emoscribe.types import EmotionRequest, EmotionScores, Explanation, ModelInfo
from tests.conftest import ROOT
from tests.tiny_classifier import GOOD_METADATA, TOKENIZER, rows, save_classifier

INFO = ModelInfo(role="emotion", name="emotion", version="1", sha256="0" * 64, license="Apache-2.0")
TOGETHER = {**GOOD_METADATA, "context_sentences": "2", "max_tokens": "64"}
APART = {**TOGETHER, "context_share": "0.3", "usual_logits": json.dumps([0.1] * len(LABELS))}
"""How a model takes the sentences before: read together with the text, or judged by themselves."""


@pytest.fixture(scope="module")
def bundled() -> EmotionClassifier:
    return EmotionClassifier(ROOT / "models" / "emotion", INFO, ClassifierOptions(device="cpu", threads=2))


@pytest.fixture(scope="module", params=[TOGETHER, APART], ids=["together", "apart"])
def additive(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> EmotionClassifier:
    """Its logits are sums over tokens, so a word's true weight is known: the sum over its tokens."""
    folder = save_classifier(tmp_path_factory.mktemp("additive"), 0.3 * rows(), request.param)
    return EmotionClassifier(folder, INFO, ClassifierOptions(device="cpu", threads=2))


def explained(
    classifier: EmotionClassifier, text: str, context: str = "", method: str = "with_and_without"
) -> Explanation:
    (outcome,) = classifier.explain([EmotionRequest(text, context)], method)
    assert isinstance(outcome, Explanation), outcome
    return outcome


def weights(explanation: Explanation) -> list[float]:
    return [word.weight for word in explanation.words]


def true_weights(classifier: EmotionClassifier, words: Sequence[str], label: Label) -> list[float]:
    """What each word adds to the log-odds, by classifying it by itself and taking away what the frame adds."""

    def log_odds(text: str) -> float:
        (outcome,) = classifier.classify([EmotionRequest(text)])
        assert isinstance(outcome, EmotionScores)
        score = dict(outcome.scores)[label]
        return float(np.log(score / (1 - score)))

    frame = log_odds(words[0]) + log_odds(words[1]) - log_odds(f"{words[0]} {words[1]}")
    return [log_odds(word) - frame for word in words]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("context", ["", "he died yesterday\nshe left"])
def test_where_words_just_add_up_every_method_finds_what_they_add(
    additive: EmotionClassifier, method: str, context: str
) -> None:
    words = ["well", "that", "was", "a", "truly", "lovely", "day"][: LEFT_OUT_SINGLY + 1]
    explanation = explained(additive, " ".join(words), context, method)
    assert explanation.context_used == bool(context)
    assert weights(explanation) == pytest.approx(true_weights(additive, words, explanation.label), abs=1e-3)


def test_in_long_sentences_too_for_the_words_that_count(additive: EmotionClassifier) -> None:
    text = "so i went to the market and there was this terrible awful noise again all of a sudden"
    words = text.split()
    explanation = explained(additive, " ".join(words))
    truth = np.array(true_weights(additive, words, explanation.label))
    heaviest = np.argsort(-truth)[:LEFT_OUT_SINGLY]
    assert np.array(weights(explanation))[heaviest] == pytest.approx(truth[heaviest], abs=1e-3)
    assert np.corrcoef(weights(explanation), truth)[0, 1] > 0.8


@pytest.mark.parametrize("method", METHODS)
def test_plain_cases(bundled: EmotionClassifier, method: str) -> None:
    explanation = explained(bundled, "I hate this so much, you ruined everything!", method=method)
    assert explanation.label == "anger"
    assert max(explanation.words, key=lambda word: word.weight).text == "hate"
    assert explanation.method == method


def test_the_same_question_has_the_same_answer(bundled: EmotionClassifier) -> None:
    asked = [EmotionRequest(text) for text in ("What a lovely surprise!", "She died.")]
    for method in METHODS:
        together = bundled.explain(asked, method)
        assert together[::-1] == bundled.explain(asked[::-1], method)


def test_the_label_and_the_context_are_those_of_the_classification(additive: EmotionClassifier) -> None:
    asked = [EmotionRequest("fine", "he died"), EmotionRequest("what a day")]
    for scores, explanation in zip(additive.classify(asked), additive.explain(asked), strict=True):
        assert isinstance(scores, EmotionScores)
        assert isinstance(explanation, Explanation)
        assert (scores.label, scores.context_used) == (explanation.label, explanation.context_used)
    assert [one.context_used for one in additive.classify(asked) if isinstance(one, EmotionScores)] == [True, False]


def test_the_context_has_a_weight_as_a_whole(additive: EmotionClassifier) -> None:
    with_context, without = additive.classify([EmotionRequest("fine", "he died"), EmotionRequest("fine")])
    explanation = explained(additive, "fine", "he died")
    assert isinstance(with_context, EmotionScores)
    assert isinstance(without, EmotionScores)
    odds, odds_without = (one.scores[explanation.label] for one in (with_context, without))
    ratio = odds / (1 - odds) / (odds_without / (1 - odds_without))
    assert explanation.context_weight == pytest.approx(float(np.log(ratio)), abs=1e-4)
    assert explained(additive, "fine").context_weight == 0


def test_a_model_that_was_trained_without_context_ignores_it(tmp_path: Path) -> None:
    plain = EmotionClassifier(save_classifier(tmp_path, rows()), INFO)
    asked = [EmotionRequest("Fine.", "He died."), EmotionRequest("Fine.")]
    for with_context, without in (plain.classify(asked), plain.explain(asked)):
        assert with_context == without


def test_words_are_where_they_stand(bundled: EmotionClassifier) -> None:
    text = "  I’m so\thappy… 😀 [SEP]\nok "
    explanation = explained(bundled, text)
    assert [text[word.start : word.end] for word in explanation.words] == text.split()
    assert [word.text for word in explanation.words] == text.split()


def test_words_that_the_model_did_not_see_weigh_nothing(additive: EmotionClassifier) -> None:
    explanation = explained(additive, "sad " * 62 + "but so very happy!")
    assert weights(explanation)[62:] == [0, 0, 0, 0]
    assert len(explanation.words) == 66


@pytest.mark.parametrize("length", [1, 5, 12, 20, 40, 60])
def test_a_long_sentence_costs_no_more_than_a_short_one(length: int) -> None:
    """In tokens, as a multiple of one classification; a word of the sentence is one token."""
    sizes: list[int] = []

    def score(encoded: Sequence[Encoded]) -> list[EmotionScores | EmoScribeError]:
        sizes.extend(len(one) for one in encoded)
        return [EmotionScores(dict.fromkeys(LABELS, 0.5), "fear", (), 0.5) for _ in encoded]

    encoded = TextEncoder(TOKENIZER, 128).encode(EmotionRequest("so " * length))
    assert isinstance(encoded, Encoded)
    assert isinstance(explain(encoded, score), Explanation)
    assert sum(sizes) < 9 * len(encoded)


def test_what_cannot_be_explained_fails_alone(bundled: EmotionClassifier) -> None:
    texts: list[object] = ["I am glad.", "", "你好吗", None, "I am glad."]
    first, empty, unknown, none, last = bundled.explain([EmotionRequest(text) for text in texts])  # type: ignore[arg-type]
    assert first == last
    assert all(isinstance(outcome, InvalidRequestError) for outcome in (empty, unknown, none))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("calls_that_work", [0, 1])
def test_a_model_that_fails_is_an_error(method: str, calls_that_work: int) -> None:
    answers = iter([EmotionScores(dict.fromkeys(LABELS, 0.5), "fear", (), 0.5)] * calls_that_work)

    def score(encoded: Sequence[Encoded]) -> list[EmotionScores | EmoScribeError]:
        return [next(answers, None) or StageError("broken") for _ in encoded]

    encoded = TextEncoder(TOKENIZER, 16).encode(EmotionRequest("so happy"))
    assert isinstance(encoded, Encoded)
    assert isinstance(explain(encoded, score, method), StageError)


def test_nothing_is_explained_for_nothing(bundled: EmotionClassifier) -> None:
    assert bundled.explain([]) == []


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=60), method=st.sampled_from(sorted(METHODS)))
def test_what_every_explanation_keeps(additive: EmotionClassifier, text: str, method: str) -> None:
    (outcome,) = additive.explain([EmotionRequest(text)], method)
    if not isinstance(outcome, Explanation):
        return
    cleaned = text.encode("utf-8", "ignore").decode()
    assert [cleaned[word.start : word.end] for word in outcome.words] == [word.text for word in outcome.words]
    assert np.isfinite(weights(outcome)).all()


def test_metadata_that_is_no_number_is_refused(tmp_path: Path) -> None:
    metadata = {**GOOD_METADATA, "context_sentences": json.dumps([2])}
    with pytest.raises(ModelIntegrityError):
        EmotionClassifier(save_classifier(tmp_path, rows(), metadata), INFO)
