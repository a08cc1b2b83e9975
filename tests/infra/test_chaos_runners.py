"""Runners that are away, that die, that stop, and that are many: what becomes of calls and jobs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from bentoml.exceptions import ServiceUnavailable

from emoscribe.errors import RunnerBrokeOffError, RunnerUnavailableError
from emoscribe.jobs import Attempt, ClaimEnded, LeaseOptions, LocalJobStore, Worker, WorkerOptions, record
from runners import clients
from runners.clients import MOST_BREAKS, RunnerCalls
from runners.connections import FreshConnections
from tests.job_cases import result_set, s3_request
from tests.service.test_runner_clients import Runner

MAX_ATTEMPTS = 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalJobStore]:
    made = LocalJobStore(tmp_path, LeaseOptions(max_attempts=MAX_ATTEMPTS, max_losses=MAX_ATTEMPTS))
    yield made
    made.close()


def test_a_job_outlasts_a_runner_that_is_away_for_long(store: LocalJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "WAITING_DELAY_S", 0.0)
    job = store.submit(s3_request("talk.mp4"))
    tries = 0
    ended: list[ClaimEnded] = []

    def work(attempt: Attempt) -> dict[str, bytes]:
        nonlocal tries
        tries += 1
        if tries <= 3 * MAX_ATTEMPTS:
            raise RunnerUnavailableError("The transcriber does not answer.")
        return result_set(attempt.claim.token)

    def observe(_: object, event: object) -> None:
        if isinstance(event, ClaimEnded):
            ended.append(event)

    Worker(store, work, WorkerOptions(concurrency=1, heartbeat_s=0.05), observe=observe).run_until_idle()
    assert (store.get("default", job.id).state, store.get("default", job.id).attempts) == ("done", 1)
    assert [one.outcome for one in ended] == ["released"] * 3 * MAX_ATTEMPTS + ["done"]


def test_a_call_that_kills_its_runner_is_not_made_for_ever(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one recording could keep all others from being worked on."""
    monkeypatch.setattr(clients, "BREAK_SPACING_S", 0.0)
    runner = Runner(*[aiohttp.ServerDisconnectedError() for _ in range(100)])
    with pytest.raises(RunnerBrokeOffError, match="broke off"):
        RunnerCalls(runner, "translator", loop, patience_s=600)("translate", [])
    assert runner.calls == MOST_BREAKS + 1


def test_a_balancer_that_still_leads_to_a_dead_replica_costs_no_attempt(loop: asyncio.AbstractEventLoop) -> None:
    runner = Runner(*[aiohttp.ServerDisconnectedError() for _ in range(MOST_BREAKS + 1)])
    assert RunnerCalls(runner, "translator", loop, patience_s=600)("translate", ["item"]) == ["item"]


def test_calls_that_a_stopping_runner_cut_off_are_made_again_and_do_not_count(loop: asyncio.AbstractEventLoop) -> None:
    runner = Runner(*[ServiceUnavailable("This process of the service is stopping.") for _ in range(MOST_BREAKS + 1)])
    assert RunnerCalls(runner, "translator", loop, patience_s=600)("translate", ["item"]) == ["item"]


def test_each_call_has_a_connection_of_its_own_so_that_balancers_choose_anew() -> None:
    async def count_connections() -> int:
        connections = set()

        async def answer(request: web.Request) -> web.Response:
            connections.add(request.transport)
            return web.Response()

        application = web.Application()
        application.router.add_get("/", answer)
        server = web.AppRunner(application)
        await server.setup()
        site = web.TCPSite(server, "127.0.0.1", 0)
        await site.start()
        manager = FreshConnections(site.name, {}, 10.0)
        for _ in range(5):
            async with (await manager.get_session()).get("/") as response:
                await response.read()
        await manager.close()
        await server.cleanup()
        return len(connections)

    assert asyncio.run(count_connections()) == 5
