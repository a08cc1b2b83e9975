"""What an hour of audio costs: CPU seconds of each part, memory, bytes of results; GPU hours computed beside them.

    python -m tests.bench.cost [--rounds 1] [--cpu-hour 0.04] [--gpu-hour 0.80] [--gb-month 0.023]

Runs the real service with the embedded models on the recordings of ../shared/data and the bundled sample, all report
formats, and reads user and system time of every process, decoders included, from the kernel. The prices are yours;
the defaults stand for no offer in particular. `docs/operations.md` says what is measured, computed and assumed.
"""

import argparse
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from tests.bench.output import save
from tests.bench.short_recordings import LONGFORM
from tests.conftest import ROOT
from tests.service_processes import ServiceProcess

PARTS: Final = {
    "api": "EmoScribe",
    "worker": "BatchWorker",
    "transcriber": "Transcriber",
    "translator": "Translator",
    "classifier": "Classifier",
}
FORMATS: Final = "json,csv,parquet,srt,srt_en,vtt,vtt_en,html"
SETTINGS: Final = {"EMOSCRIBE_RUNNER_NICENESS": "0"}  # or it waits for ever on a machine that others use
IDLE_S: Final = 15.0
LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class GpuSpeed:
    """A published figure: so many seconds for so much audio. Computed from, not measured here."""

    name: str
    audio_s: float
    took_s: float
    source: str

    def hours_per_audio_hour(self, share_at_work: float) -> float:
        """GPU hours paid for an hour of audio, if the GPU computes for that share of them."""
        return self.took_s / self.audio_s / share_at_work


GPU_SPEEDS: Final = (  # faster-whisper's own clock: one recording, window after window, beam 5, float16
    GpuSpeed("large-v3-turbo on an RTX 2080 Ti", 780, 19.155, "SYSTRAN/faster-whisper, issue 1030"),
    GpuSpeed("large-v2 on a V100S", 780, 54, "SYSTRAN/faster-whisper, README of 2023"),
)
SHARES_AT_WORK: Final = (0.3, 0.7)  # assumed: a day of an agency, a night of backlog


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cpu-hour", type=float, default=0.04)
    parser.add_argument("--gpu-hour", type=float, default=0.80)
    parser.add_argument("--gb-month", type=float, default=0.023)
    prices = parser.parse_args()
    figures = _measure(prices.rounds)
    print_table(figures, prices.cpu_hour, prices.gb_month)
    print_gpu_table(prices.gpu_hour)
    save("cost", figures)


# --- measuring ----------------------------------------------------------------------------------


def recordings(folder: Path, rounds: int) -> list[Path]:
    """Each with other bytes in every round, or it would be the same job."""
    found = [*sorted(LONGFORM.glob("*.ogg")), ROOT / "samples" / "demo-pt.mp4"]
    copies = []
    for number in range(rounds):
        for path in found:
            copies.append(folder / f"{number}-{path.name}")
            content = path.read_bytes()
            copies[-1].write_bytes(content if number == 0 else content + bytes([number]))
    return copies


def _measure(rounds: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ServiceProcess(["serve"], Path(folder), SETTINGS) as service,
        httpx.Client(base_url=service.url, timeout=600) as client,
    ):
        client.post("/v1/emotions", json={"texts": ["Estou feliz."], "language": "pt"}).raise_for_status()  # all awake
        idle = _cpu_during(service, lambda: time.sleep(IDLE_S))
        with PeakMemory(service) as peak:
            results: list[dict[str, Any]] = []
            started_s = time.monotonic()
            busy = _cpu_during(service, lambda: results.extend(_analyse(client, recordings(Path(folder), rounds))))
            took_s = time.monotonic() - started_s
        record_bytes = _record_bytes(Path(folder) / "jobs" / "jobs.sqlite3")
    audio_h = sum(one["audio_s"] for one in results) / 3600
    return {
        "audio_hours": round(audio_h, 4),
        "took_s": round(took_s, 1),
        "cpu_s_per_audio_hour": {part: round(seconds / audio_h, 1) for part, seconds in busy.items()},
        "idle_cpu_s_per_hour": {part: round(seconds * 3600 / IDLE_S, 1) for part, seconds in idle.items()},
        "peak_mb": peak.megabytes,
        "stage_s_per_audio_hour": _stages(results, audio_h),
        "result_bytes_per_audio_hour": _sizes(results, audio_h),
        "upload_bytes_per_audio_hour": round(sum(one["upload_bytes"] for one in results) / audio_h),
        "record_bytes_per_job": record_bytes,
    }


def _record_bytes(file: Path) -> int:
    """Of a job's record, the mean; the database's log beside it has a bound of its own."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        (mean,) = database.execute("SELECT avg(length(record)) FROM jobs").fetchone()
        return round(float(mean))


def _cpu_during(service: ServiceProcess, act: Callable[[], None]) -> dict[str, float]:
    """User and system seconds of each part, with those of its children that have ended."""
    before = {part: _cpu_s(service, name) for part, name in PARTS.items()}
    act()
    return {part: _cpu_s(service, name) - before[part] for part, name in PARTS.items()}


def _cpu_s(service: ServiceProcess, name: str) -> float:
    (process,) = service.processes(f"--service-name {name}")
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


class PeakMemory:
    """The largest resident memory of each part with its children, looked at twice a second."""

    def __init__(self, service: ServiceProcess) -> None:
        self.megabytes = dict.fromkeys(PARTS, 0)
        self._processes = {part: service.processes(f"--service-name {name}")[0] for part, name in PARTS.items()}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_S):
            for part, process in self._processes.items():
                family = [process, *process.children(recursive=True)]
                used = sum(_resident_mb(one) for one in family)
                self.megabytes[part] = max(self.megabytes[part], round(used))


def _resident_mb(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.NoSuchProcess:  # a decoder that has just ended
        return 0.0


def _analyse(client: httpx.Client, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """All at once; what each needed and left."""
    fields = {"formats": FORMATS}
    ids = {}
    for path in paths:
        with path.open("rb") as file:
            answer = client.post("/v1/analyses", files={"file": (path.name, file)}, data=fields).raise_for_status()
        ids[answer.json()["id"]] = path.stat().st_size
    return [_ended(client, job_id) | {"upload_bytes": size} for job_id, size in ids.items()]


def _ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    while (job := client.get(f"/v1/analyses/{job_id}").raise_for_status().json())["state"] in {"queued", "running"}:
        time.sleep(0.5)
    assert job["state"] == "done", job
    names = [name.removeprefix("analysis.") for name in job["results"]]
    contents = {name: client.get(f"/v1/analyses/{job_id}/result.{name}").raise_for_status() for name in names}
    analysis = contents["json"].json()
    sizes = {name: len(answer.content) for name, answer in contents.items()}
    audio_s = analysis["source"]["duration_ms"] / 1000
    return {"audio_s": audio_s, "sizes": sizes, "stage_seconds": analysis["stage_seconds"]}


def _stages(results: Sequence[dict[str, Any]], audio_h: float) -> dict[str, float]:
    names = sorted({name for one in results for name in one["stage_seconds"]})
    return {name: round(sum(one["stage_seconds"].get(name, 0) for one in results) / audio_h, 1) for name in names}


def _sizes(results: Sequence[dict[str, Any]], audio_h: float) -> dict[str, int]:
    names = sorted({name for one in results for name in one["sizes"]})
    return {name: round(sum(one["sizes"].get(name, 0) for one in results) / audio_h) for name in names}


# --- showing ------------------------------------------------------------------------------------


def price_per_audio_hour(cpu_s: float, cpu_hour: float) -> float:
    """Of CPU time alone, at a price for an hour of one core."""
    return cpu_s / 3600 * cpu_hour


def print_table(figures: dict[str, Any], cpu_hour: float, gb_month: float) -> None:
    """Measured."""
    print(f"\n{figures['audio_hours']} h of audio in {figures['took_s']} s. For one hour of audio:\n")
    print("| part | CPU s | price | idle, CPU s an hour | peak MB |\n|---|---|---|---|---|")
    per_hour = figures["cpu_s_per_audio_hour"]
    for part, cpu_s in [*per_hour.items(), ("all", sum(per_hour.values()))]:
        idle, peak = (
            figures[name].get(part, sum(figures[name].values())) for name in ("idle_cpu_s_per_hour", "peak_mb")
        )
        print(f"| {part} | {cpu_s:.1f} | {price_per_audio_hour(cpu_s, cpu_hour):.5f} | {idle:.0f} | {peak} |")
    print("\nseconds in each stage, waiting for the others' batches included:", figures["stage_s_per_audio_hour"])
    sizes = figures["result_bytes_per_audio_hour"]
    print("bytes of results:", sizes)
    month = sum(sizes.values()) / 1e9 * gb_month
    print(f"all formats kept for a month: {month:.6f}; bytes of record a job: {figures['record_bytes_per_job']}")


def print_gpu_table(gpu_hour: float) -> None:
    """Computed from published speeds; the share at work is assumed."""
    print("\n| GPU speed (published) | times real time | GPU h, price at 30 % | at 70 % at work |\n|---|---|---|---|")
    for speed in GPU_SPEEDS:
        columns = []
        for share in SHARES_AT_WORK:
            hours = speed.hours_per_audio_hour(share)
            columns.append(f"{hours:.4f}, {hours * gpu_hour:.4f}")
        print(f"| {speed.name} ({speed.source}) | {speed.audio_s / speed.took_s:.0f} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
