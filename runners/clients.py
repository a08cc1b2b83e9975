"""The runners as the pipeline knows them: the Protocols of `emoscribe.stages`, over BentoML.

The pipeline runs in threads; calls to runners are coroutines of the process's event loop, where BentoML keeps its
connections. A call that does not reach its runner is repeated, for all of them are pure functions of their items.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from emoscribe.errors import EmoScribeError, RunnerBrokeOffError, RunnerUnavailableError
from emoscribe.stages import Stages
from emoscribe.types import (
    EmotionRequest,
    EmotionScores,
    Explanation,
    LanguageGuess,
    ModelInfo,
    Samples,
    Transcript,
    TranscriptionRequest,
    Translation,
    TranslationRequest,
)
from runners.demand import demand_of, while_wanted
from runners.wire import Item, pack_clip, pack_sentence, pack_sound, pack_text, unpack_outcomes

_log = logging.getLogger(__name__)

RUNNERS: Final = ("transcriber", "translator", "classifier")
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
MOST_BREAKS: Final = 4  # of one call: enough for restarts; more, and the call is what the runner dies of
BREAK_SPACING_S: Final = 5.0  # a runner takes longer to come back: sooner it is a balancer that has not noticed
DESCRIPTION_S: Final = 120.0  # another version may answer at the same address later


class RunnerCalls:
    """Calls one runner."""

    def __init__(self, runner: Any, name: str, loop: asyncio.AbstractEventLoop, patience_s: float) -> None:
        """`runner` is what `bentoml.depends` gives: a proxy, or the service itself in the same process."""
        self._runner = runner
        self._name = name
        self._loop = loop
        self._patience_s = patience_s
        self.demand = demand_of(name)
        self._description: dict[str, Any] = {}
        self._described_s = -math.inf

    @while_wanted
    def __call__(self, method: str, *arguments: Any) -> Any:
        """To be called in a thread, never in the loop's.

        Raises RunnerUnavailableError when patience is over, RunnerBrokeOffError when the runner died of each try.
        """
        breaks, last_break_s = 0, -math.inf
        give_up_s = time.monotonic() + self._patience_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return asyncio.run_coroutine_threadsafe(self._call(method, arguments), self._loop).result()
            except Exception as error:
                if not _is_worth_repeating(error):
                    raise
                if _is_broken_off(error) and time.monotonic() - last_break_s >= BREAK_SPACING_S:
                    breaks, last_break_s = breaks + 1, time.monotonic()
                if breaks > MOST_BREAKS:
                    raise RunnerBrokeOffError(
                        f"The {self._name} broke off the same call {breaks} times ({type(error).__name__}).",
                        fix="See the runner's log: it may need more memory for this recording.",
                    ) from error
                if time.monotonic() + pause_s > give_up_s:
                    raise RunnerUnavailableError(
                        f"The {self._name} does not answer ({type(error).__name__}).", fix="Try again in a moment."
                    ) from error
                _log.warning("%s does not answer (%s), calling again", self._name, type(error).__name__)
            time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  # spreads the callers, hides no secret
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _call(self, method: str, arguments: Sequence[Any]) -> Any:
        return await getattr(self._runner.to_async, method)(*arguments)

    def in_bulk(self, method: str, items: Sequence[Any]) -> list[Item]:
        """The answer for each item; nothing is asked for nothing."""
        return list(self(method, list(items))) if items else []

    @property
    def description(self) -> dict[str, Any]:
        """What the runner said about itself not long ago."""
        if time.monotonic() - self._described_s > DESCRIPTION_S:
            self._description = dict(self("describe"))
            self._described_s = time.monotonic()
        return self._description

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models it holds."""
        return tuple(ModelInfo.model_validate(model) for model in self.description["models"])


def _is_worth_repeating(error: Exception) -> bool:
    """The runner was not reached, broke off, or is overloaded; not: it refused, or was told to stop."""
    import aiohttp
    from bentoml.exceptions import ServiceUnavailable

    return isinstance(error, aiohttp.ClientError | ServiceUnavailable | TimeoutError | OSError)


def _is_broken_off(error: Exception) -> bool:
    """It had been reached, and may have died of the call; not: it is away, or busy."""
    import aiohttp
    from bentoml.exceptions import ServiceUnavailable

    away = aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | ConnectionRefusedError
    return not isinstance(error, away | ServiceUnavailable)


@dataclass(frozen=True, slots=True)
class RunnerTranscriber:
    """See `stages.Transcriber`."""

    calls: RunnerCalls
    is_bulk: bool

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """Whisper."""
        return self.calls.models

    def detect_languages(self, clips: Sequence[Samples]) -> list[LanguageGuess | EmoScribeError]:
        """The language of each clip."""
        return unpack_outcomes(self.calls.in_bulk("detect_languages", list(map(pack_sound, clips))), LanguageGuess)

    def transcribe(self, requests: Sequence[TranscriptionRequest]) -> list[Transcript | EmoScribeError]:
        """The words of each clip."""
        method = "transcribe_bulk" if self.is_bulk else "transcribe"
        return unpack_outcomes(self.calls.in_bulk(method, list(map(pack_clip, requests))), Transcript)


@dataclass(frozen=True, slots=True)
class RunnerTranslator:
    """See `stages.Translator`."""

    calls: RunnerCalls
    is_bulk: bool

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """Those of all engines."""
        return self.calls.models

    @property
    def languages(self) -> frozenset[str]:
        """Those that have an engine."""
        return frozenset(self.calls.description["languages"])

    def translate(self, requests: Sequence[TranslationRequest]) -> list[Translation | EmoScribeError]:
        """The English of each text; what is English already stays here."""
        if all(request.language == "en" for request in requests):
            return [Translation(request.text, "none") for request in requests]
        method = "translate_bulk" if self.is_bulk else "translate"
        return unpack_outcomes(self.calls.in_bulk(method, list(map(pack_text, requests))), Translation)


@dataclass(frozen=True, slots=True)
class RunnerClassifier:
    """See `stages.Classifier`."""

    calls: RunnerCalls
    is_bulk: bool

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The emotion model."""
        return self.calls.models

    def classify(self, requests: Sequence[EmotionRequest]) -> list[EmotionScores | EmoScribeError]:
        """The scores of each sentence."""
        method = "classify_bulk" if self.is_bulk else "classify"
        return unpack_outcomes(self.calls.in_bulk(method, list(map(pack_sentence, requests))), EmotionScores)

    def explain(self, requests: Sequence[EmotionRequest]) -> list[Explanation | EmoScribeError]:
        """What each word does for the label."""
        return unpack_outcomes(self.calls.in_bulk("explain", list(map(pack_sentence, requests))), Explanation)


def runner_stages(
    service: Any, loop: asyncio.AbstractEventLoop, patience_s: float, use: Literal["bulk", "interactive"]
) -> Stages:
    """The stages of a service that depends on `transcriber`, `translator` and `classifier`."""

    def calls(name: str) -> RunnerCalls:
        return RunnerCalls(getattr(service, name), name, loop, patience_s)

    is_bulk = use == "bulk"
    return Stages(
        RunnerTranscriber(calls(RUNNERS[0]), is_bulk),
        RunnerTranslator(calls(RUNNERS[1]), is_bulk),
        RunnerClassifier(calls(RUNNERS[2]), is_bulk),
    )


async def connect(service: Any) -> None:
    """For start hooks that call runners: BentoML connects its proxies after them."""
    from runners.connections import connect_for_each_call

    for name in RUNNERS:
        if _is_remote(runner := getattr(service, name)):
            connect_for_each_call(runner.to_async)
            await runner.__aenter__()


def are_local(service: Any) -> bool:
    """Whether the runners of this service live in its own process."""
    return not any(_is_remote(getattr(service, name)) for name in RUNNERS)


def _is_remote(runner: Any) -> bool:
    from _bentoml_impl.client import RemoteProxy

    return isinstance(runner, RemoteProxy)
