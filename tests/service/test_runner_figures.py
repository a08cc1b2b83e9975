"""Calls to runners as Prometheus sees them."""

import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY

from emoscribe.errors import RunnerUnavailableError
from runners.clients import RunnerCalls


def counted(outcome: str) -> float:
    found = REGISTRY.get_sample_value("emoscribe_runner_calls_total", {"runner": "classifier", "outcome": outcome})
    return found or 0.0


def calls(loop: asyncio.AbstractEventLoop, *errors: Exception, patience_s: float = 60.0) -> RunnerCalls:
    """To a runner that raises these, one a call, and then answers."""
    left = list(errors)

    async def classify(*_: Any) -> list[Any]:
        if left:
            raise left.pop(0)
        return []

    return RunnerCalls(SimpleNamespace(to_async=SimpleNamespace(classify=classify)), "classifier", loop, patience_s)


@pytest.mark.parametrize(
    ("errors", "patience_s", "rises"),
    [
        ((), 60, {"answered": 1}),
        ((aiohttp.ServerDisconnectedError(), TimeoutError()), 60, {"repeated": 2, "answered": 1}),
        ((aiohttp.ClientConnectionError(),), 0, {"unavailable": 1}),
        ((ValueError(),), 60, {"failed": 1}),
    ],
)
def test_calls_are_counted_by_how_they_came_out(
    loop: asyncio.AbstractEventLoop, errors: tuple[Exception, ...], patience_s: float, rises: dict[str, int]
) -> None:
    outcomes = ("answered", "repeated", "unavailable", "failed")
    before = {outcome: counted(outcome) for outcome in outcomes}
    called = calls(loop, *errors, patience_s=patience_s)
    if "answered" in rises:
        called("classify", [])
    else:
        with pytest.raises((RunnerUnavailableError, ValueError)):
            called("classify", [])
    assert {
        outcome: counted(outcome) - before[outcome] for outcome in outcomes if counted(outcome) > before[outcome]
    } == rises
