"""Many short recordings at once against the same one after the other, through the worker and its runners.

    python -m tests.bench.batching [--recordings 32] [--rounds 2]

The same processes, models and threads; what differs is EMOSCRIBE_JOBS_AT_ONCE. One after the other also with all
threads on one batch (EMOSCRIBE_RUNNER_SIDE_BY_SIDE=1); the faster of the two is compared. Goals: at least 1.5 times the
throughput, more than 4 clips in a forward pass on average.
"""

import argparse
import re
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from emoscribe.cli.serve import RUNNERS
from emoscribe.job_setup import Asked, Submissions, open_store
from emoscribe.jobs import JobOptions
from emoscribe.settings import load_settings
from tests.bench.output import save
from tests.bench.short_recordings import cut
from tests.service_processes import ServiceProcess

SECONDS = range(6, 15)  # how long the recordings are


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=32)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recordings, seconds = cut(Path(folder), asked.recordings, SECONDS)
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in ("alone", "alone, one batch", "together")}
        for number in range(asked.rounds):
            for name, measured in rounds.items():
                settings = {
                    "EMOSCRIBE_JOBS_AT_ONCE": str(asked.at_once if name == "together" else 1),
                    "EMOSCRIBE_RUNNER_SIDE_BY_SIDE": "1" if name == "alone, one batch" else "2",
                }
                measured.append(_round(Path(folder) / f"{number}-{name[:12]}", recordings, settings))
                print(f"{name}: {measured[-1]}", flush=True)
    walls = {name: median(one["wall_s"] for one in measured) for name, measured in rounds.items()}
    report: dict[str, Any] = {"recordings": len(recordings), "audio_s": seconds, "rounds": rounds, "wall_s": walls}
    report["throughput_ratio"] = min(walls["alone"], walls["alone, one batch"]) / walls["together"]
    report["mean_batch_clips"] = median(one["mean_batch_clips"] for one in rounds["together"])
    print({name: f"{seconds / wall:.1f} x real time" for name, wall in walls.items()})
    print(f"throughput ratio {report['throughput_ratio']:.2f}, mean batch {report['mean_batch_clips']:.1f} clips")
    save("batching", report)


def _round(folder: Path, recordings: list[Path], service: dict[str, str]) -> dict[str, float]:
    folder.mkdir()
    settings = load_settings(jobs_dir=folder / "jobs")
    store = open_store(settings)
    submissions = Submissions(settings, store)
    with ServiceProcess(["worker"], folder, service) as worker:
        options = JobOptions(language="en")  # another job than below, for warming up
        _wait(store, [store.submit(submissions.from_path(recordings[0], Asked(options, "default"))).id])
        clips, passes = _batches(worker)
        cpu_s = _cpu_seconds(worker)
        start = time.perf_counter()
        asked = Asked(JobOptions(), "default")
        _wait(store, [store.submit(submissions.from_path(path, asked)).id for path in recordings])
        wall_s = time.perf_counter() - start
        all_clips, all_passes = _batches(worker)
        used_s = {name: seconds - cpu_s[name] for name, seconds in _cpu_seconds(worker).items()}
    return {"wall_s": wall_s, "mean_batch_clips": (all_clips - clips) / (all_passes - passes)} | used_s


def _cpu_seconds(worker: ServiceProcess) -> dict[str, float]:
    """CPU time so far, by service; the decoders are children that have ended."""
    used = {}
    for name in ("BatchWorker", *RUNNERS):
        times = worker.processes(f"--service-name {name}")[0].cpu_times()
        used[f"{name.lower()}_cpu_s"] = times.user + times.system
        if name == "BatchWorker":
            used["decoders_cpu_s"] = times.children_user + times.children_system
    return used


def _wait(store: Any, jobs: list[str]) -> None:
    waiting = set(jobs)
    while waiting:
        time.sleep(0.1)
        ended = [job for job in (store.get("default", one) for one in waiting) if job.is_final]
        assert all(job.state == "done" for job in ended), ended
        waiting -= {job.id for job in ended}


def _batches(worker: ServiceProcess) -> tuple[float, float]:
    """Clips and forward passes so far."""
    metrics = worker.get("/metrics")
    numbers = [
        re.findall(rf'emoscribe_transcriber_batch_clips_{what}{{task="transcribe"}} (\S+)', metrics)
        for what in ("sum", "count")
    ]
    return float(numbers[0][0]), float(numbers[1][0])


if __name__ == "__main__":
    main()
