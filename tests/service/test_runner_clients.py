"""The runners as the pipeline sees them: calls that fail on the way are repeated, others are not."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import aiohttp
import numpy as np
import pytest
from bentoml.exceptions import BentoMLException, ServiceUnavailable
from prometheus_client import REGISTRY

from emoscribe.errors import RunnerUnavailableError, StageError
from emoscribe.types import Translation, TranslationRequest
from runners.clients import RunnerCalls, RunnerTranscriber, RunnerTranslator
from runners.wire import Item, pack_outcomes


class Runner:
    """Raises the given errors, one a call, then answers."""

    def __init__(self, *errors: Exception, answer: Callable[..., Any] = lambda items: items) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.answer = answer

    @property
    def to_async(self) -> Any:
        return SimpleNamespace(
            translate=self._call, translate_bulk=self._call, detect_languages=self._call, describe=self._call
        )

    async def _call(self, *arguments: Any) -> Any:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.answer(*arguments)


def greet(items: list[Item]) -> list[Item]:
    return pack_outcomes([Translation(f"Hello {item['text']}", "bergamot") for item in items])


LOST = (
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientConnectionError("Connection closed."),
    ConnectionResetError(),
    TimeoutError(),
    ServiceUnavailable("process is overloaded"),
)


def test_a_call_that_was_lost_is_made_again(loop: asyncio.AbstractEventLoop) -> None:
    runner = Runner(*LOST, answer=greet)
    translator = RunnerTranslator(RunnerCalls(runner, "translator", loop, patience_s=60), is_bulk=True)
    outcomes = translator.translate([TranslationRequest("Ana", "pt"), TranslationRequest("Rui", "pt")])
    assert [outcome.text_en for outcome in outcomes if isinstance(outcome, Translation)] == ["Hello Ana", "Hello Rui"]
    assert runner.calls == len(LOST) + 1


def test_patience_ends_with_a_typed_error(loop: asyncio.AbstractEventLoop) -> None:
    runner = Runner(*[aiohttp.ServerDisconnectedError() for _ in range(100)])
    with pytest.raises(RunnerUnavailableError, match="translator does not answer"):
        RunnerCalls(runner, "translator", loop, patience_s=0.2)("translate", [])
    assert runner.calls > 1


@pytest.mark.parametrize("error", [ValueError("wrong"), BentoMLException("500: broken"), StageError("no")])
def test_an_answer_is_not_asked_for_again(loop: asyncio.AbstractEventLoop, error: Exception) -> None:
    runner = Runner(error)
    with pytest.raises(type(error)):
        RunnerCalls(runner, "translator", loop, patience_s=60)("translate", [])
    assert runner.calls == 1


def test_nothing_is_asked_for_nothing(loop: asyncio.AbstractEventLoop) -> None:
    runner = Runner()
    calls = RunnerCalls(runner, "translator", loop, patience_s=1)
    assert RunnerTranslator(calls, is_bulk=False).translate([]) == []
    assert RunnerTranscriber(calls, is_bulk=True).detect_languages([]) == []
    assert runner.calls == 0


def test_what_is_english_stays_in_the_process(loop: asyncio.AbstractEventLoop) -> None:
    runner = Runner()
    translator = RunnerTranslator(RunnerCalls(runner, "translator", loop, patience_s=1), is_bulk=False)
    assert translator.translate([TranslationRequest("Hello", "en")]) == [Translation("Hello", "none")]
    assert runner.calls == 0


def test_sound_travels_as_int16(loop: asyncio.AbstractEventLoop) -> None:
    seen: list[Any] = []

    def answer(clips: list[Any]) -> list[Item]:
        seen.extend(clips)
        return pack_outcomes([StageError("asked enough")] * len(clips))

    calls = RunnerCalls(Runner(answer=answer), "transcriber", loop, patience_s=1)
    RunnerTranscriber(calls, is_bulk=True).detect_languages([np.zeros(16, np.float32)])
    assert [clip.dtype for clip in seen] == [np.int16]


def test_a_runner_is_asked_who_it_is_now_and_then_only(loop: asyncio.AbstractEventLoop) -> None:
    runner = Runner(answer=lambda: {"models": [], "languages": ["pt"]})
    translator = RunnerTranslator(RunnerCalls(runner, "translator", loop, patience_s=1), is_bulk=True)
    assert [translator.languages for _ in range(3)] == [frozenset({"pt"})] * 3
    assert translator.models == ()
    assert runner.calls == 1


# --- demand ---


def demand(runner: str) -> float | None:
    return REGISTRY.get_sample_value("emoscribe_runner_demand", {"runner": runner})


def test_a_runner_that_is_away_is_wanted_until_it_has_answered(loop: asyncio.AbstractEventLoop) -> None:
    is_there = threading.Event()

    class Away(Runner):
        async def _call(self, *arguments: Any) -> Any:
            if not is_there.is_set():
                raise ConnectionRefusedError
            return await super()._call(*arguments)

    runner = Away(answer=greet)
    calls = RunnerCalls(runner, "translator", loop, patience_s=60)
    assert demand("translator") == 0  # seen from the start
    with ThreadPoolExecutor(3) as callers:
        asked = [callers.submit(calls, "translate", [{"text": "Ana"}]) for _ in range(3)]
        wait_until(lambda: demand("translator") == 3)
        assert runner.calls == 0
        is_there.set()
        assert all(len(one.result(timeout=30)) == 1 for one in asked)
    assert demand("translator") == 0


def test_a_call_under_way_is_demand_and_one_that_came_to_nothing_is_none(loop: asyncio.AbstractEventLoop) -> None:
    seen: list[float | None] = []
    calls = RunnerCalls(Runner(answer=lambda: seen.append(demand("classifier"))), "classifier", loop, patience_s=1)
    calls("describe")
    assert seen == [1]
    with pytest.raises(RunnerUnavailableError):
        RunnerCalls(Runner(*LOST), "classifier", loop, patience_s=0)("describe")
    with pytest.raises(StageError):
        RunnerCalls(Runner(StageError("no")), "classifier", loop, patience_s=1)("describe")
    assert demand("classifier") == 0


def wait_until(is_so: Callable[[], bool], within_s: float = 30.0) -> None:
    give_up_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < give_up_s
        time.sleep(0.01)
