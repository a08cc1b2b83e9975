"""What travels between processes arrives as it was sent."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoscribe.errors import (
    EmoScribeError,
    InvalidRequestError,
    ModelMissingError,
    StageError,
    UnsupportedLanguageError,
    error_of,
)
from emoscribe.labels import LABELS
from emoscribe.types import (
    EmotionRequest,
    EmotionScores,
    Explanation,
    LanguageGuess,
    SpokenWord,
    Transcript,
    TranscriptionRequest,
    Translation,
    TranslationRequest,
    WordWeight,
)
from runners.wire import (
    pack_clip,
    pack_outcomes,
    pack_sentence,
    pack_sound,
    pack_text,
    unpack_clip,
    unpack_outcomes,
    unpack_sentence,
    unpack_sound,
    unpack_text,
)

TRANSCRIPT = Transcript((SpokenWord(" Olá", 0, 400, 0.9),), "pt", 0.99, -0.2, 1.1, 0.01, 0.2, True, True)


@given(st.lists(st.integers(-32_768, 32_767), max_size=50))
def test_sound_decoded_from_16_bits_loses_nothing(values: list[int]) -> None:
    samples = np.array(values, np.int16).astype(np.float32) / np.float32(32_768)
    packed = pack_sound(samples)
    assert packed.dtype == np.int16
    assert np.array_equal(unpack_sound(packed), samples)


def test_sound_beyond_full_scale_is_cut_there() -> None:
    assert pack_sound(np.array([-1.5, 1.0, 1.2], np.float32)).tolist() == [-32_768, 32_767, 32_767]


@pytest.mark.parametrize("bad", [np.array([np.nan], np.float32), np.zeros(3), [0.0], None])
def test_what_is_no_sound_is_refused_at_the_other_end(bad: Any) -> None:
    assert unpack_sound(pack_sound(bad)) is bad


def test_requests_arrive() -> None:
    request = TranscriptionRequest(np.zeros(160, np.float32), "pt", "es", "translate", "São Paulo")
    again = unpack_clip(pickle.loads(pickle.dumps(pack_clip(request))))
    assert (again.language, again.likely_language, again.task, again.prompt) == ("pt", "es", "translate", "São Paulo")
    assert again.samples.dtype == np.float32
    text = TranslationRequest("Olá 🎥", "pt")
    assert unpack_text(pack_text(text)) == text
    sentence = EmotionRequest("Fine.", "He died.\nShe left 🎥")
    assert unpack_sentence(pack_sentence(sentence)) == sentence


@pytest.mark.parametrize(
    "result",
    [
        TRANSCRIPT,
        LanguageGuess("pt", 0.9, {"pt": 0.9, "es": 0.1}),
        Translation("Hi", "bergamot", "bergamot-pt-en"),
        EmotionScores(dict.fromkeys(LABELS, 0.1), "fear", ("fear", "anger"), 0.5, context_used=True),
        Explanation("fear", "occlusion", (WordWeight("so", -0.25, 0, 2), WordWeight("afraid", 3.5, 3, 9)), True, 0.5),
    ],
)
def test_results_and_errors_arrive_in_order(result: Any) -> None:
    outcomes = [result, StageError("broken", fix="mend it"), result]
    first, error, last = unpack_outcomes(pack_outcomes(outcomes), type(result))
    assert first == last == result
    assert isinstance(error, StageError)
    assert (error.message, error.fix) == ("broken", "mend it")


@pytest.mark.parametrize("kind", [EmoScribeError, InvalidRequestError, UnsupportedLanguageError, ModelMissingError])
def test_an_error_is_known_by_its_code(kind: type[EmoScribeError]) -> None:
    assert type(error_of(kind.code, "why", "how")) is kind


def test_an_error_of_a_later_version_is_an_error_still() -> None:
    assert type(error_of("from_the_future", "why")) is EmoScribeError
