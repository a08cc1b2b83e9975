"""The service against the command line, and how long a lone short request takes while it works.

    python -m tests.bench.service_speed [--rounds 2]

Goals: a recording of 6 minutes through the API takes at most 1.1 times what `emoscribe analyse` takes; a lone
POST /v1/emotions stays under 50 ms (95th percentile) while a job runs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import httpx
import numpy as np

from tests.bench.output import save
from tests.bench.short_recordings import LONGFORM
from tests.service_processes import ServiceProcess

RECORDING = LONGFORM / "pt-adam.ogg"
TEXTS = {"pt": "Estou com muito medo do que vai acontecer.", "en": "I am so happy that you came!"}
PAUSE_S = 0.25  # between short requests: each is alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory() as folder,
        ServiceProcess(["serve"], Path(folder)) as service,
        httpx.Client(base_url=service.url, timeout=600) as client,
    ):
        idle = _latencies(client, lambda: False)
        times = {"api_s": list[float](), "cli_s": list[float]()}
        for _ in range(rounds):
            times["api_s"].append(_through_the_api(client))
            times["cli_s"].append(_on_the_command_line(Path(folder)))
        job = _submit(client)
        busy = _latencies(client, lambda: client.get(f"/v1/analyses/{job}").json()["state"] in {"queued", "running"})
        client.delete(f"/v1/analyses/{job}")
    ratios = [api / cli for api, cli in zip(times["api_s"], times["cli_s"], strict=True)]
    report = {**times, "ratio": median(ratios), "ratios": ratios, "idle_ms": idle, "busy_ms": busy}
    print(
        f"API {median(times['api_s']):.1f} s, command line {median(times['cli_s']):.1f} s, ratio {median(ratios):.3f}"
    )
    for state, found in (("idle", idle), ("busy", busy)):
        print(f"POST /v1/emotions, {state}: {found}")
    save("service_speed", report)


def _submit(client: httpx.Client) -> str:
    answer = client.post("/v1/analyses", files={"file": (RECORDING.name, RECORDING.read_bytes())})
    return str(answer.raise_for_status().json()["id"])


def _through_the_api(client: httpx.Client) -> float:
    start = time.perf_counter()
    job = _submit(client)
    with client.stream("GET", f"/v1/analyses/{job}/events") as events:
        ended = [line for line in events.iter_lines() if line.startswith("event: done")]
    wall_s = time.perf_counter() - start
    assert ended, "the job failed"
    client.delete(f"/v1/analyses/{job}")  # or the next round would find it done
    return wall_s


def _on_the_command_line(folder: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "emoscribe", "analyse", str(RECORDING), "--out", str(folder), "--formats", "json"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "EMOSCRIBE_THREADS": "2"})
    return time.perf_counter() - start


def _latencies(client: httpx.Client, goes_on: Callable[[], bool], least: int = 40) -> dict[str, dict[str, float]]:
    """Milliseconds of lone requests, by language, while `goes_on` says so and at least `least` times each."""
    taken: dict[str, list[float]] = {language: [] for language in TEXTS}
    while len(taken["en"]) < least or (goes_on() and len(taken["en"]) < 4 * least):
        for language, text in TEXTS.items():
            time.sleep(PAUSE_S)
            start = time.perf_counter()
            client.post("/v1/emotions", json={"texts": [text], "language": language}).raise_for_status()
            taken[language].append(1000 * (time.perf_counter() - start))
    return {
        language: {"p50": float(np.percentile(ms, 50)), "p95": float(np.percentile(ms, 95)), "requests": len(ms)}
        for language, ms in taken.items()
    }


if __name__ == "__main__":
    main()
