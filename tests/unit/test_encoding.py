"""Text and context as tokens: what fits, what is cut off, and from which end."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoscribe.encoding import Encoded, TextEncoder
from emoscribe.errors import InvalidRequestError
from emoscribe.types import EmotionRequest
from tests.conftest import ROOT
from tests.tiny_classifier import TOKENIZER

MAX_TOKENS = 12
BOTH = [TextEncoder(file, MAX_TOKENS, 2) for file in (TOKENIZER, ROOT / "models" / "emotion" / "tokenizer.json")]
"""As MiniLM writes, "[CLS] text [SEP] context [SEP]", and as MPNet does, "<s> text </s> </s> context </s>"."""


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(TOKENIZER, MAX_TOKENS, context_sentences=2)


def encoded(encoder: TextEncoder, text: str, context: str = "") -> Encoded:
    outcome = encoder.encode(EmotionRequest(text, context))
    assert isinstance(outcome, Encoded)
    return outcome


def words(encoder: TextEncoder, one: Encoded) -> str:
    return " ".join(str(encoder._tokenizer.id_to_token(token)) for token in one.ids)


def test_a_text_alone(encoder: TextEncoder) -> None:
    one = encoded(encoder, "Fine, thanks.")
    assert words(encoder, one) == "[CLS] fine , thanks . [SEP]"
    assert one.spans == (None, (0, 4), (4, 5), (6, 12), (12, 13), None)
    assert not one.context_used


def test_the_context_is_the_second_text(encoder: TextEncoder) -> None:
    one = encoded(encoder, "fine", "he died\nshe left")
    assert words(encoder, one) == "[CLS] fine [SEP] he died she left [SEP]"
    assert [span for span in one.spans if span] == [(0, 4)]
    assert one.context_used


def test_the_oldest_words_of_the_context_go_first(encoder: TextEncoder) -> None:
    text = "one two three four five"
    one = encoded(encoder, text, "six seven eight nine ten\neleven twelve")
    assert words(encoder, one) == f"[CLS] {text} [SEP] nine ten eleven twelve [SEP]"
    assert len(one) == MAX_TOKENS


def test_a_text_that_fills_the_room_has_no_context(encoder: TextEncoder) -> None:
    long = "sad " * MAX_TOKENS
    assert encoded(encoder, long, "six seven") == encoded(encoder, long)
    assert len(encoded(encoder, long)) == MAX_TOKENS


def test_only_so_many_sentences_of_the_context(encoder: TextEncoder) -> None:
    assert encoded(encoder, "fine", "one\ntwo\n\n \nthree") == encoded(encoder, "fine", "two\nthree")


@pytest.mark.parametrize("context", ["", " \n\t", "\ud800", "\x00"])
def test_a_context_without_words_is_none(encoder: TextEncoder, context: str) -> None:
    assert encoded(encoder, "fine", context) == encoded(encoder, "fine")


def test_a_model_that_was_trained_without_context_gets_none() -> None:
    plain = TextEncoder(TOKENIZER, MAX_TOKENS)
    assert encoded(plain, "fine", "he died") == encoded(plain, "fine")


@pytest.mark.parametrize("encoder", BOTH, ids=["minilm", "mpnet"])
def test_no_text_can_write_special_tokens(encoder: TextEncoder) -> None:
    plain = encoded(encoder, "fine", "or")
    for written in ("</s> [SEP]", "<s> [CLS]"):
        for one in (encoded(encoder, written, "or"), encoded(encoder, "fine", written)):
            for special in (plain.ids[0], plain.ids[-1]):
                assert one.ids.count(special) == plain.ids.count(special)


def test_sentences_that_are_judged_by_themselves_stand_apart() -> None:
    apart, alone = TextEncoder(TOKENIZER, MAX_TOKENS, 2, apart=True), TextEncoder(TOKENIZER, MAX_TOKENS)
    one = encoded(apart, "fine", "one\nhe died\n \ud800\nshe left")
    assert one.before == (encoded(alone, "he died"), encoded(alone, "she left"))
    assert one.context_used
    assert replace(one, context_used=False, before=()) == encoded(alone, "fine") == encoded(apart, "fine")
    every = [True] * len(one)
    assert one.keeping(every) == one
    assert one.keeping(every, with_context=False) == encoded(alone, "fine")


def test_sentences_that_cannot_be_judged_have_no_say() -> None:
    apart = TextEncoder(TOKENIZER, MAX_TOKENS, 2, apart=True)
    assert encoded(apart, "fine", "你好吗\n😂") == encoded(apart, "fine")
    assert isinstance(apart.encode(EmotionRequest("😂", "he died")), InvalidRequestError)


@pytest.mark.parametrize("text", ["", " \n", "\ud800", None, 3])
def test_no_text_is_an_error(encoder: TextEncoder, text: str) -> None:
    assert isinstance(encoder.encode(EmotionRequest(text)), InvalidRequestError)
    assert isinstance(encoder.encode(EmotionRequest("fine", context=None)), InvalidRequestError)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("encoder", BOTH, ids=["minilm", "mpnet"])
@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=60), context=st.text(max_size=60))
def test_what_always_holds(encoder: TextEncoder, text: str, context: str) -> None:
    start, end = encoded(encoder, "a").ids[0], encoded(encoder, "a").ids[-1]
    outcome = encoder.encode(EmotionRequest(text, context))
    if not isinstance(outcome, Encoded):
        return
    assert len(outcome.ids) == len(outcome.spans) <= MAX_TOKENS
    assert outcome.ids[0] == start
    separators = encoded(encoder, "a", "b" * outcome.context_used).ids.count(end)
    assert outcome.ids.count(end) == separators
    alone = outcome.keeping([True] * len(outcome), with_context=False)
    without = encoder.encode(EmotionRequest(text))
    assert isinstance(without, Encoded)
    own = [span for span in alone.spans if span]
    assert own == [span for span in without.spans if span][: len(own)]
    assert all(0 <= start < end <= len(outcome.text) for start, end in own)
