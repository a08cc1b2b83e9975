"""What a connection for each call to a runner costs: `python -m tests.chaos.connection_cost [--calls 500]`.

A real runner process (with a stand-in model) on loopback; calls one after the other, kept and fresh connections in
turn, so that what else the machine does hits both alike.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from runners.connections import FreshConnections
from tests.chaos.stand_in_models import environment
from tests.service_processes import ServiceProcess

ROUND = 50


async def measure(url: str, calls: int) -> dict[str, float]:
    """Milliseconds of a call, median and 95th percentile, both ways."""
    ways: dict[str, Any] = {"kept": aiohttp.ClientSession(base_url=url), "fresh": None}
    manager = FreshConnections(url, {}, 10.0)
    ways["fresh"] = await manager.get_session()
    taken_ms: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(calls // ROUND):
        for way, session in ways.items():
            for _ in range(ROUND):
                start = time.perf_counter()
                async with session.post("/describe", json={}) as answer:
                    await answer.read()
                taken_ms[way].append((time.perf_counter() - start) * 1000)
    await ways["kept"].close()
    await manager.close()
    figures = {f"{way}_p50_ms": statistics.median(times) for way, times in taken_ms.items()}
    return figures | {f"{way}_p95_ms": statistics.quantiles(times, n=20)[-1] for way, times in taken_ms.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    calls = parser.parse_args().calls
    with (
        tempfile.TemporaryDirectory() as folder,
        ServiceProcess(["runner", "Translator"], Path(folder), environment()) as runner,
    ):
        print(json.dumps(asyncio.run(measure(runner.url, calls)), indent=2))


if __name__ == "__main__":
    main()
