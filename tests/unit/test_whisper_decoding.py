"""What is decoded again, how, and what is kept: scripted answers for the rules, real speech in noise for the model."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from emoscribe import catalog
from emoscribe.transcribe import WhisperOptions, WhisperTranscriber
from emoscribe.types import SAMPLES_PER_MS, Transcript, TranscriptionRequest
from emoscribe.whisper.decoding import NO_REPEAT_TOKENS, TEMPERATURES, Decoder, Decoding, Order, compression_ratio
from emoscribe.whisper.model import Generated, Search, Tokens, WhisperModel
from tests import sounds

ENCODING = np.zeros((1, 1500, 8), np.float32)
ORDER = Order("pt", "transcribe", "", 5000)
LOOP = "e vai e vai " * 20
END = 1000  # the token that ends the text


class ScriptedModel:
    """Answers with the given texts and probabilities, in order, and remembers how it was asked."""

    is_multilingual = True

    def __init__(self, *answers: tuple[str, float]) -> None:
        self._texts = [text for text, _ in answers]
        self._answers = iter([Generated((n,), probability, 0.1) for n, (_, probability) in enumerate(answers)])
        self.searches: list[Search] = []
        self.tokenizer = SimpleNamespace(
            decode=self._decode, eot=END, sot=END + 1, no_timestamps=END + 2, transcribe=END + 3
        )

    def _decode(self, tokens: list[int]) -> str:
        return "".join(self._texts[token] for token in tokens)

    def language_token(self, language: str) -> int:
        return END + 4

    def generate(self, encodings: Any, prompts: Sequence[Tokens], search: Search) -> list[Generated]:
        self.searches.append(search)
        return [next(self._answers) for _ in prompts]

    def sampler(self) -> Any:
        return self.generate


def again(
    model: ScriptedModel, *, loops: bool = False, failed: str = "Não sei.", probability: float = -2.0
) -> Decoding:
    decoder = Decoder(cast("WhisperModel", model), 5, timestamp_tokens=False)
    first = Decoding((), failed, probability, 0.1, compression_ratio(failed), 0.0)
    return decoder.retry(ENCODING, ORDER, first, loops=loops)


def test_a_loop_is_first_decoded_without_repeats() -> None:
    model = ScriptedModel(("E vai.", -0.3))
    assert (again(model, loops=True, failed=LOOP).text, model.searches[0].no_repeat_ngram) == (
        "E vai.",
        NO_REPEAT_TOKENS,
    )
    assert model.searches[0].temperature == 0


def test_temperatures_rise_until_a_decoding_passes() -> None:
    model = ScriptedModel(("a", -1.5), (LOOP, -0.1), ("Eu sei.", -0.9), ("nie gefragt", -0.1))
    kept = again(model)
    assert (kept.text, kept.temperature) == ("Eu sei.", TEMPERATURES[2])
    assert [search.temperature for search in model.searches] == list(TEMPERATURES[:3])


def test_if_none_passes_the_most_probable_that_does_not_loop_is_kept() -> None:
    model = ScriptedModel((LOOP, -0.1), ("b", -1.7), ("c", -1.2), ("d", -1.9), ("e", -3.0))
    assert again(model).text == "c"
    assert again(ScriptedModel(*[("x", -4.0)] * 5)).text == "Não sei."
    assert again(ScriptedModel(*[(LOOP, -0.5)] * 6), loops=True, failed=LOOP, probability=-0.1).text == LOOP


@pytest.mark.models
def test_only_the_clip_that_fails_is_decoded_at_a_higher_temperature(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which decoding of it is kept is chance: what is sampled differs from processor to processor."""
    failed: list[Decoding] = []
    retry = Decoder.retry

    def noted(self: Decoder, encoding: Any, order: Order, first: Decoding, *, loops: bool) -> Decoding:
        failed.append(first)
        return retry(self, encoding, order, first, loops=loops)

    monkeypatch.setattr(Decoder, "retry", noted)
    model = catalog.locate("whisper-base", models_dir), catalog.model_info("whisper-base", models_dir)
    transcriber = WhisperTranscriber(*model, WhisperOptions(device="cpu"))
    clear, drowned = sounds.read_clip("pt-3"), sounds.read_clip("pt-2")
    noise = sounds.pink_noise(len(drowned) // SAMPLES_PER_MS + 1, seed=3)[: len(drowned)]
    drowned = (drowned + 2 * noise) / np.abs(drowned + 2 * noise).max()
    [alone] = transcriber.transcribe([TranscriptionRequest(clear, "pt")])
    assert not failed
    outcomes = transcriber.transcribe([TranscriptionRequest(clip, "pt") for clip in (clear, drowned, clear)])
    assert failed
    assert all(decoding.has_failed for decoding in failed)
    first, middle, last = [outcome for outcome in outcomes if isinstance(outcome, Transcript)]
    assert first.temperature == last.temperature == 0
    assert middle.is_suspect
    assert first == last == alone
