"""Encodings to text: what the decoder is asked, and what is done when it fails.

The tests of a decoding, their limits and the temperatures are those of openai/whisper (transcribe.py,
`decode_with_fallback`). What failed is decoded again from the encoding that is there.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from emoscribe.whisper.model import MAX_NEW_TOKENS, Encodings, Generated, Search, Task, Tokens, WhisperModel

MAX_COMPRESSION_RATIO: Final = 2.4
MIN_LOG_PROBABILITY: Final = -1.0
MAX_NO_SPEECH_PROBABILITY: Final = 0.6
TEMPERATURES: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
SAMPLES_PER_TEMPERATURE: Final = 5
NO_REPEAT_TOKENS: Final = 4  # no sequence of so many comes twice when a loop is decoded again

MAX_CONTEXT_TOKENS: Final = 223  # half of Whisper's text context, less one for the token that announces it
# Burmese, the language with the most tokens, takes about 25 for a second of speech. Beyond is a loop.
_TOKENS_PER_S: Final = 32
_SPARE_TOKENS: Final = 32


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written about one clip."""

    language: str
    task: Task
    context: str  # text that shapes spelling; "" for none
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Decoding:
    """One clip as text."""

    tokens: Tokens  # of text only
    text: str
    average_log_probability: float
    no_speech_probability: float
    compression_ratio: float
    temperature: float

    @property
    def is_silence(self) -> bool:
        """The model hears no speech and does not believe what it wrote."""
        return (
            self.no_speech_probability > MAX_NO_SPEECH_PROBABILITY
            and self.average_log_probability < MIN_LOG_PROBABILITY
        )

    @property
    def is_looping(self) -> bool:
        """The text says the same again and again."""
        return self.compression_ratio > MAX_COMPRESSION_RATIO

    @property
    def has_failed(self) -> bool:
        """It fails Whisper's own tests."""
        return not self.is_silence and (self.is_looping or self.average_log_probability < MIN_LOG_PROBABILITY)


SILENCE: Final = Decoding((), "", 0.0, 1.0, 0.0, 0.0)


class Decoder:
    """Decodes clips of mixed languages and tasks."""

    def __init__(self, model: WhisperModel, beam_size: int, *, timestamp_tokens: bool) -> None:
        """With `timestamp_tokens` the model also writes times between phrases; they are dropped."""
        self._model = model
        self._beam_size = beam_size
        self._timestamp_tokens = timestamp_tokens

    def decode(self, encodings: Encodings, orders: Sequence[Order]) -> list[Decoding]:
        """The first try for each clip; one pass for all whose prompts have the same length, as CTranslate2 asks."""
        prompts = [self._prompt(order) for order in orders]
        decodings: dict[int, Decoding] = {}
        for length in {len(prompt) for prompt in prompts}:
            members = [n for n, prompt in enumerate(prompts) if len(prompt) == length]
            search = self._search([orders[n] for n in members])
            results = self._model.generate(encodings[members], [prompts[n] for n in members], search)
            decodings.update((n, self._decoding(result, 0.0)) for n, result in zip(members, results, strict=True))
        return [decodings[n] for n in range(len(orders))]

    def retry(self, encoding: Encodings, order: Order, failed: Decoding, *, loops: bool) -> Decoding:
        """Decode one clip, shape (1, ...), again: if it `loops` without repeats, then at rising temperatures.

        The first decoding that passes; else the most probable of those that do not loop, or of all.
        """
        tried = [failed]
        prompt, search = self._prompt(order), self._search([order])
        if loops:
            straight = replace(search, no_repeat_ngram=NO_REPEAT_TOKENS)
            tried.append(self._decoding(self._model.generate(encoding, [prompt], straight)[0], 0.0))
            if not tried[-1].has_failed:
                return tried[-1]
        sample = self._model.sampler()
        for temperature in TEMPERATURES:
            warm = replace(search, temperature=temperature, width=SAMPLES_PER_TEMPERATURE)
            tried.append(self._decoding(sample(encoding, [prompt], warm)[0], temperature))
            if not tried[-1].has_failed:
                return tried[-1]
        candidates = [decoding for decoding in tried if not decoding.is_looping] or tried
        return max(candidates, key=lambda decoding: decoding.average_log_probability)

    def start(self, order: Order) -> Tokens:
        """The tokens that say language and task."""
        tokenizer = self._model.tokenizer
        language = self._model.language_token(order.language)
        if not self._model.is_multilingual or language is None:
            return (tokenizer.sot,)
        return (tokenizer.sot, language, getattr(tokenizer, order.task))

    def _prompt(self, order: Order) -> Tokens:
        """The tokens before the text: context, start, and whether times are to be written."""
        tokenizer = self._model.tokenizer
        context = order.context.strip()
        before = (tokenizer.sot_prev, *tokenizer.encode(" " + context)[-MAX_CONTEXT_TOKENS:]) if context else ()
        after = () if self._timestamp_tokens else (tokenizer.no_timestamps,)
        return (*before, *self.start(order), *after)

    def _search(self, orders: Sequence[Order]) -> Search:
        longest_s = max(order.duration_ms for order in orders) / 1000
        limit = min(MAX_NEW_TOKENS, _SPARE_TOKENS + int(_TOKENS_PER_S * longest_s))
        return Search(width=self._beam_size, max_new_tokens=limit)

    def _decoding(self, generated: Generated, temperature: float) -> Decoding:
        tokenizer = self._model.tokenizer
        tokens = tuple(token for token in generated.tokens if token < tokenizer.eot)
        text: str = tokenizer.decode(list(tokens))
        return Decoding(
            tokens=tokens,
            text=text,
            average_log_probability=generated.average_log_probability,
            no_speech_probability=generated.no_speech_probability,
            compression_ratio=compression_ratio(text),
            temperature=temperature,
        )


def compression_ratio(text: str) -> float:
    """Bytes of the UTF-8 text for one byte of it compressed by zlib; 0 for no text."""
    content = text.strip().encode()
    return len(content) / len(zlib.compress(content)) if content else 0.0
