"""One Whisper model in CTranslate2, asked for encodings, languages, tokens and their times.

It knows nothing of requests, of what makes a decoding good, or of words.
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from emoscribe.errors import ModelIntegrityError
from emoscribe.types import MAX_CLIP_MS, SAMPLES_PER_MS, LanguageGuess, Samples
from emoscribe.whisper.device import (
    Device,
    choose_compute_type,
    choose_device,
    count_gpus,
    cuda_works,
    keep_freed_memory,
)

logger = logging.getLogger(__name__)

Task = Literal["transcribe", "translate"]
Tokens = tuple[int, ...]
Encodings = npt.NDArray[np.floating[Any]]  # (clips, 1500, width): what the encoder makes of clips

WINDOW_SAMPLES: Final = MAX_CLIP_MS * SAMPLES_PER_MS
MS_PER_POSITION: Final = 20  # of an encoding
MAX_NEW_TOKENS: Final = 224  # half of Whisper's text context, as in openai/whisper
MAX_PROMPT_TOKENS: Final = 223
SAMPLING_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Search:
    """How tokens are chosen."""

    width: int = 5  # of the beam; with a temperature: how many samples the best one is taken from
    temperature: float = 0.0
    no_repeat_ngram: int = 0  # no sequence of so many tokens comes twice; 0: it may
    max_new_tokens: int = MAX_NEW_TOKENS


@dataclass(frozen=True, slots=True)
class Generated:
    """What the decoder wrote for one clip."""

    tokens: Tokens  # with timestamp tokens, if the prompt leaves them in; without the end
    average_log_probability: float  # per token, the end included, <= 0
    no_speech_probability: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the tokens of one clip lie in it."""

    edges_ms: tuple[int, ...]  # start of each token, then the end of the last: one more than there are tokens
    probabilities: tuple[float, ...]  # of each token


Generate = Callable[[Encodings, Sequence[Tokens], Search], list[Generated]]


class WhisperModel:
    """Whisper on one device. Calls may come from several threads; CTranslate2 queues them."""

    def __init__(self, folder: Path, device: Device, compute_type: str, threads: int, *, side_by_side: int = 1) -> None:
        """`threads` 0: all cores. Calls from `side_by_side` threads are computed at the same time, on the CPU.

        Each has its share of the threads. Raises ModelIntegrityError if the folder holds no such model.
        """
        keep_freed_memory()
        self.device = choose_device(device, count_gpus(), partial(cuda_works, folder))
        self.compute_type = choose_compute_type(compute_type, self.device)
        self._folder = folder
        self._threads = threads
        self.side_by_side = side_by_side if self.device == "cpu" else 1
        self._model = self._load(self.side_by_side)
        self.tokenizer = _load_tokenizer(folder)
        self._suppressed = _suppressed_tokens(self.tokenizer)
        self._features = _feature_extractor(self._model.n_mels)

    @property
    def is_multilingual(self) -> bool:
        """Whether it knows languages and tasks at all."""
        return bool(self._model.is_multilingual)

    def language_token(self, language: str) -> int | None:
        """The token of a language by its ISO 639-1 code; None if the model does not know it."""
        token: int | None = self.tokenizer.tokenizer.token_to_id(f"<|{language}|>")
        return token if language in _language_codes() else None

    def log_mel(self, clip: Samples) -> npt.NDArray[np.float32]:
        """(mels, 3000). The sound is padded with silence, not the spectrum with zeros: so Whisper was trained."""
        padded = np.pad(clip, (0, WINDOW_SAMPLES - len(clip)))
        features: npt.NDArray[np.float32] = self._features(padded, padding=0)
        return features

    def encode(self, clips: Sequence[Samples]) -> Encodings:
        """Clips of at most 30 s through the encoder; at least one.

        On the CPU one by one: a batch of 8 takes 8 times the memory and more time (1.5 and 1.8 s of CPU time a clip).
        """
        size = 1 if self.device == "cpu" else len(clips)
        parts = [self._encode(clips[start : start + size]) for start in range(0, len(clips), size)]
        return np.concatenate(parts)

    def _encode(self, clips: Sequence[Samples]) -> Encodings:
        features = np.stack([self.log_mel(clip) for clip in clips])
        return np.array(self._model.encode(_view(features), to_cpu=True))

    def detect_languages(self, encodings: Encodings) -> list[LanguageGuess]:
        """One guess for each clip; English for a model of English alone."""
        if not self.is_multilingual:
            return [LanguageGuess("en", 1.0, {"en": 1.0})] * len(encodings)
        return [_guess(ranking) for ranking in self._model.detect_language(_view(encodings))]

    def generate(self, encodings: Encodings, prompts: Sequence[Tokens], search: Search) -> list[Generated]:
        """Decode clips, each after its own prompt; all prompts have the same length and form."""
        return self._generate(self._model, encodings, prompts, search)

    def sampler(self) -> Generate:
        """`generate` for temperatures above 0, the same every time.

        CTranslate2 seeds the generator of each of its threads once, at its first use; `set_random_seed` does nothing
        to it later. So this loads the model anew, with a new thread: 0.3 s for whisper-base.
        """
        import ctranslate2

        ctranslate2.set_random_seed(SAMPLING_SEED)
        return partial(self._generate, self._load())

    def align(
        self, encodings: Encodings, prompt: Tokens, texts: Sequence[Tokens], lengths_ms: Sequence[int]
    ) -> list[Alignment]:
        """Where the text tokens of each clip lie; all clips have the language and task of `prompt`."""
        frames = [max(2, -(-length_ms // 10)) for length_ms in lengths_ms]
        results = self._model.align(_view(encodings), list(prompt), [list(text) for text in texts], frames)
        return [_alignment(result, len(text)) for result, text in zip(results, texts, strict=True)]

    def _generate(self, model: Any, encodings: Encodings, prompts: Sequence[Tokens], search: Search) -> list[Generated]:
        sampling = {"beam_size": 1, "num_hypotheses": search.width, "sampling_topk": 0}
        results = model.generate(
            _view(encodings),
            [list(prompt) for prompt in prompts],
            **(sampling if search.temperature else {"beam_size": search.width}),
            sampling_temperature=search.temperature or 1.0,
            no_repeat_ngram_size=search.no_repeat_ngram,
            max_length=max(2 * search.max_new_tokens, len(prompts[0]) + search.max_new_tokens),
            suppress_tokens=self._suppressed,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [_generated(result) for result in results]

    def _load(self, side_by_side: int = 1) -> Any:
        from ctranslate2.models import Whisper

        threads = self._threads  # 0: CTranslate2 takes all cores, which is not to be shared out
        if side_by_side > 1:
            threads = max((threads or len(os.sched_getaffinity(0))) // side_by_side, 1)
        options = {"device": self.device, "compute_type": self.compute_type, "inter_threads": side_by_side}
        try:
            return Whisper(str(self._folder), intra_threads=threads, **options)
        except (RuntimeError, ValueError) as error:
            raise ModelIntegrityError(
                f"CTranslate2 cannot load the model {self._folder.name}: {error}",
                fix="Run `emoscribe models verify`, then `emoscribe models pull`.",
            ) from error


def _view(array: npt.NDArray[Any]) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))


def _guess(ranking: Sequence[tuple[str, float]]) -> LanguageGuess:
    distribution = {token[2:-2]: float(probability) for token, probability in ranking}  # "<|pt|>"
    language = max(distribution, key=distribution.__getitem__)
    return LanguageGuess(language, distribution[language], distribution)


def _generated(result: Any) -> Generated:
    tokens = tuple(result.sequences_ids[0])
    # The score is the mean over the tokens without the end, which it counts in its sum.
    log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)
    return Generated(tokens, min(0.0, float(log_probability)), float(result.no_speech_prob))


def _alignment(result: Any, tokens: int) -> Alignment:
    """The place of a token is where the path through the cross-attention first comes to it."""
    first: dict[int, int] = {}
    for token, position in result.alignments:
        first.setdefault(token, position * MS_PER_POSITION)
    edges = [0]
    for token in range(tokens + 1):
        edges.append(max(edges[-1], first.get(token, edges[-1])))
    probabilities = tuple(float(probability) for probability in result.text_token_probs)
    return Alignment(tuple(edges[1:]), probabilities[:tokens])


def _language_codes() -> tuple[str, ...]:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return tuple(_LANGUAGE_CODES)


def _load_tokenizer(folder: Path) -> Any:
    from faster_whisper.tokenizer import Tokenizer
    from tokenizers import Tokenizer as TokenizerFile

    path = folder / "tokenizer.json"
    try:
        return Tokenizer(TokenizerFile.from_file(str(path)), multilingual=False)  # languages come with each prompt
    except Exception as error:
        raise ModelIntegrityError(
            f"The model {folder.name} has no readable tokenizer.json.",
            fix="Run `emoscribe models verify`, then `emoscribe models pull`.",
        ) from error


def _suppressed_tokens(tokenizer: Any) -> list[int]:
    """Brackets, notes and other signs of sounds that are not words, and the tokens of control."""
    from faster_whisper.transcribe import get_suppressed_tokens

    return list(get_suppressed_tokens(tokenizer, [-1]))


def _feature_extractor(mels: int) -> Any:
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor(feature_size=mels)
