"""Encodings to text: what the decoder is asked, and what is done when it fails.

The tests of a decoding, their limits and the temperatures are those of openai/whisper (transcribe.py,
`decode_with_fallback`); only the clips that fail them are decoded again, from the encoding that is there.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from emoscribe.errors import UnsupportedLanguageError
from emoscribe.whisper.model import (
    MAX_NEW_TOKENS,
    MAX_PROMPT_TOKENS,
    Encodings,
    Generated,
    Search,
    Task,
    Tokens,
    WhisperModel,
)

MAX_COMPRESSION_RATIO: Final = 2.4
MIN_LOG_PROBABILITY: Final = -1.0
MAX_NO_SPEECH_PROBABILITY: Final = 0.6
NO_REPEAT_TOKENS: Final = 3  # when a loop is decoded again

# Burmese, the most costly language, takes about 25 tokens for a second of speech. Beyond is a loop.
_TOKENS_PER_S: Final = 32
_SPARE_TOKENS: Final = 32


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written about one clip."""

    language: str
    task: Task
    prompt: str  # "" for none
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
        """Whether the text says the same over and over, judged by how well it compresses."""
        return self.compression_ratio > MAX_COMPRESSION_RATIO

    @property
    def has_failed(self) -> bool:
        """Whether it is to be decoded again."""
        return not self.is_silence and (self.is_looping or self.average_log_probability < MIN_LOG_PROBABILITY)


@dataclass(frozen=True, slots=True)
class DecoderOptions:
    """How clips are decoded."""

    beam_size: int = 5
    timestamp_tokens: bool = False  # have the decoder write times between phrases; they are dropped
    temperatures: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)  # tried in turn for clips that fail
    samples: int = 5  # at each temperature; the most probable is taken


class Decoder:
    """Decodes clips of mixed languages and tasks in one batch."""

    def __init__(self, model: WhisperModel, options: DecoderOptions) -> None:
        self._model = model
        self._options = options

    def decode(self, encodings: Encodings, orders: Sequence[Order]) -> list[Decoding]:
        """One decoding for each clip, decoded again where it failed."""
        decodings = self._first_pass(encodings, orders)
        return [
            self._fall_back(encodings[n : n + 1], order, decoding) if decoding.has_failed else decoding
            for n, (order, decoding) in enumerate(zip(orders, decodings, strict=True))
        ]

    def decode_without_repeats(self, encoding: Encodings, order: Order) -> Decoding:
        """One clip, shape (1, ...), with no sequence of NO_REPEAT_TOKENS tokens twice."""
        search = replace(self._search([order]), no_repeat_ngram=NO_REPEAT_TOKENS)
        return self._decoding(self._model.generate(encoding, [self.prompt(order)], search)[0], 0.0)

    def prompt(self, order: Order) -> Tokens:
        """The tokens before the text: context, start, language, task, and whether times are to be written."""
        tokenizer = self._model.tokenizer
        context = tokenizer.encode(" " + order.prompt.strip())[-MAX_PROMPT_TOKENS:] if order.prompt.strip() else []
        before = (tokenizer.sot_prev, *context) if context else ()
        after = () if self._options.timestamp_tokens else (tokenizer.no_timestamps,)
        return (*before, *self.start(order.language, order.task), *after)

    def start(self, language: str, task: Task) -> Tokens:
        """The tokens that say language and task."""
        tokenizer = self._model.tokenizer
        if not self._model.is_multilingual:
            return (tokenizer.sot,)
        token = self._model.language_token(language)
        if token is None:
            raise UnsupportedLanguageError(f"Whisper does not know the language {language!r}.")
        return (tokenizer.sot, token, getattr(tokenizer, task))

    def _first_pass(self, encodings: Encodings, orders: Sequence[Order]) -> list[Decoding]:
        """In one call for all prompts of one length: CTranslate2 wants the start at the same place."""
        prompts = [self.prompt(order) for order in orders]
        decodings: dict[int, Decoding] = {}
        for length in sorted({len(prompt) for prompt in prompts}):
            members = [n for n, prompt in enumerate(prompts) if len(prompt) == length]
            search = self._search([orders[n] for n in members])
            results = self._model.generate(encodings[members], [prompts[n] for n in members], search)
            decodings.update((n, self._decoding(result, 0.0)) for n, result in zip(members, results, strict=True))
        return [decodings[n] for n in range(len(orders))]

    def _fall_back(self, encoding: Encodings, order: Order, failed: Decoding) -> Decoding:
        """The first decoding that passes; else the most probable of those that do not loop, or of all."""
        tried = [failed]
        sampler = self._model.sampler()
        for temperature in self._options.temperatures:
            search = replace(self._search([order]), temperature=temperature, width=self._options.samples)
            decoding = self._decoding(sampler(encoding, [self.prompt(order)], search)[0], temperature)
            if not decoding.has_failed:
                return decoding
            tried.append(decoding)
        straight = [decoding for decoding in tried if not decoding.is_looping]
        return max(straight or tried, key=lambda decoding: decoding.average_log_probability)

    def _search(self, orders: Sequence[Order]) -> Search:
        longest_s = max(order.duration_ms for order in orders) / 1000
        limit = min(MAX_NEW_TOKENS, _SPARE_TOKENS + int(_TOKENS_PER_S * longest_s))
        return Search(width=self._options.beam_size, max_new_tokens=limit)

    def _decoding(self, generated: Generated, temperature: float) -> Decoding:
        tokenizer = self._model.tokenizer
        tokens = tuple(token for token in generated.tokens if token < tokenizer.eot)
        text = tokenizer.decode(list(tokens))
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
