"""Loops, refrains, laughter and phrases that nobody said. Words are made here; real sound is in test_transcribe."""

import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoscribe.types import SpokenWord
from emoscribe.whisper import invention
from emoscribe.whisper.decoding import Decoding, compression_ratio
from emoscribe.whisper.invention import SUSPECT_SIGNS, Circumstances, entropy, is_laughter, signs_of_invention
from emoscribe.whisper.repetition import Repetition, collapse, find_repetition, is_heard


def said(text: str, word_ms: int = 300, probability: float = 0.9) -> list[SpokenWord]:
    """Words of the same length, one after the other."""
    texts = [f" {word}" for word in text.split()]
    return [SpokenWord(word, n * word_ms, n * word_ms + word_ms, probability) for n, word in enumerate(texts)]


def circumstances(log_probability: float = -0.2, no_speech: float = 0.05, **fields: object) -> Circumstances:
    decoding = Decoding((), "", log_probability, no_speech, 1.0, 0.0)
    plain = Circumstances(decoding, loops=False, sound_s=2.0, languages={"pt": 0.98, "es": 0.02}, context="")
    return replace(plain, **fields)  # type: ignore[arg-type]  # any field, for tests


WEAK = circumstances(log_probability=-0.9, no_speech=0.7)


# --- repetition -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "repetition"),
    [
        ("não não não", None),
        ("Não, não! não não.", Repetition(0, 1, 4)),
        ("ele disse não não não não sei", Repetition(2, 1, 4)),
        ("eu vou eu vou eu vou eu vou embora", Repetition(0, 2, 4)),
        ("eu vou eu vou eu vou eu embora", None),
        ("a b c a b c a b c a b c", Repetition(0, 3, 4)),
        ("", None),
    ],
)
def test_repetitions_of_four_and_more_are_found(text: str, repetition: Repetition | None) -> None:
    assert find_repetition(said(text)) == repetition


@given(
    st.text("abc", min_size=1, max_size=4), st.integers(4, 9), st.text("xyz", max_size=5), st.text("xyz", max_size=5)
)
def test_a_repeated_phrase_collapses_to_one(phrase: str, count: int, before: str, after: str) -> None:
    words = said(" ".join(before + phrase * count + after))
    while (repetition := find_repetition(words)) is not None:
        collapsed = collapse(words, repetition)
        assert len(collapsed) < len(words)
        words = collapsed
    texts = [word.text.strip() for word in words]
    assert set(texts) == set(before + phrase + after)


def test_a_refrain_is_heard_and_a_loop_is_not() -> None:
    refrain = said("tra la " * 5)
    repetition = find_repetition(refrain)
    assert repetition is not None
    assert is_heard(refrain, repetition)
    assert not is_heard(said("tra la " * 5, word_ms=20), repetition)
    assert not is_heard(said("tra la " * 5, probability=0.2), repetition)
    uneven = [*said("tra la"), *(replace(word, start_ms=600, end_ms=610) for word in said("tra la " * 4))]
    assert not is_heard(uneven, repetition)


# --- invention --------------------------------------------------------------------------------


def test_a_clear_thank_you_is_real_and_a_doubtful_one_is_not() -> None:
    for text in (
        "Obrigado.",
        "Thank you.",
        "Thanks for watching!",
        "Спасибо за просмотр",
        "ご視聴ありがとうございました",
    ):
        assert signs_of_invention(said(text), circumstances()) < SUSPECT_SIGNS
        assert signs_of_invention(said(text), WEAK) >= SUSPECT_SIGNS


def test_ordinary_words_under_the_same_doubt_are_not_suspect() -> None:
    assert signs_of_invention(said("Eu moro em Lisboa."), WEAK) < SUSPECT_SIGNS


@pytest.mark.parametrize("text", ["Legendas pela comunidade Amara.org", "Untertitel im Auftrag des ZDF, 2017"])
def test_credits_need_one_more_sign_only(text: str) -> None:
    assert signs_of_invention(said(text), circumstances()) < SUSPECT_SIGNS
    assert signs_of_invention(said(text), circumstances(no_speech=0.6)) >= SUSPECT_SIGNS


@pytest.mark.parametrize(
    "text", ["Ha, ha, ha, ha!", "Hahaha!", "Jajaja", "kkkkk", "rsrsrs", "Ха-ха-ха", "No, ha, ha, ha."]
)
def test_laughter_is_no_text(text: str) -> None:
    assert is_laughter(said(text))
    assert signs_of_invention(said(text), circumstances()) >= SUSPECT_SIGNS


@pytest.mark.parametrize("text", ["Ah!", "Ha!", "Haha, que engraçado você é!", "Hai", "Já já.", "Eh, hoje não."])
def test_words_that_look_like_laughter_are_words(text: str) -> None:
    assert not is_laughter(said(text))


@pytest.mark.parametrize(
    ("words", "around"),
    [
        (said("tempo " * 30, word_ms=20), circumstances(log_probability=-0.8)),  # no time to say them
        (said("Eu não sei."), circumstances(sound_s=20.0, no_speech=0.6)),  # three words in 20 s of sound
        (said("inconstitucionalmente " * 9), circumstances(sound_s=1.0)),  # 200 letters in a second
        (said("Era uma vez"), circumstances(context="Era uma vez um rei.", no_speech=0.6)),  # the prompt again
        (said("one two three"), circumstances(loops=True, languages=dict.fromkeys("abcdefgh", 0.125))),
    ],
)
def test_what_cannot_have_been_said_is_suspect(words: list[SpokenWord], around: Circumstances) -> None:
    assert signs_of_invention(words, around) >= SUSPECT_SIGNS


@given(st.floats(-3, 0), st.floats(-3, 0), st.floats(0, 1), st.floats(0, 1))
def test_more_doubt_never_means_fewer_signs(a: float, b: float, c: float, d: float) -> None:
    words = said("Thank you.")
    clear = circumstances(log_probability=max(a, b), no_speech=min(c, d))
    doubtful = circumstances(log_probability=min(a, b), no_speech=max(c, d))
    assert signs_of_invention(words, clear) <= signs_of_invention(words, doubtful)


def test_entropy_is_0_for_certainty_and_grows_with_doubt() -> None:
    assert entropy({}) == entropy({"pt": 1.0}) == 0
    assert entropy({"pt": 0.5, "es": 0.5}) == pytest.approx(0.693, abs=0.001)


def test_the_phrase_file_is_sorted_and_without_doubles() -> None:
    content = tomllib.loads(invention.PHRASES_FILE.read_text(encoding="utf-8"))
    for phrases in (content["credits"], *content["phrases"].values()):
        assert len(phrases) == len(set(phrases))
        assert all(phrase == phrase.casefold() for phrase in phrases)


def test_compression_ratio_tells_loops_from_text() -> None:
    assert compression_ratio("") == 0
    assert compression_ratio("2 %, 1 %, " * 40) > 2.4
    assert compression_ratio("O romantismo tinha um grande elemento de determinismo cultural.") < 1.5
