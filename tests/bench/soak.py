"""Resident memory of every process over many short jobs, with its slope.

    python -m tests.bench.soak [--jobs 500]

Goal: less than 1 MB a job in each process after the first fifth.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from emoscribe.cli.serve import RUNNERS
from emoscribe.job_setup import Asked, Submissions, open_store
from emoscribe.jobs import JobOptions, JobStore
from emoscribe.settings import load_settings
from tests.bench.output import save
from tests.bench.short_recordings import cut
from tests.service_processes import ServiceProcess

SERVICES = ("EmoScribe", "BatchWorker", *RUNNERS)
EVERY = 10  # jobs between two looks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(jobs_dir=Path(folder) / "jobs")
        recordings, _ = cut(Path(folder), jobs, (2,))
        store = open_store(settings)
        submissions = Submissions(settings, store)
        with ServiceProcess(["serve"], Path(folder)) as service:
            asked = Asked(JobOptions(), "default")
            ids = [store.submit(submissions.from_path(path, asked)).id for path in recordings]
            seen = _watch(service, store, ids)
    report = {}
    for name, resident_mb in seen.items():
        jobs_done = np.arange(1, len(resident_mb) + 1) * EVERY
        after = len(resident_mb) // 5
        slope = float(np.polyfit(jobs_done[after:], resident_mb[after:], 1)[0])
        report[name] = {"slope_mb_per_job": slope, "first_mb": resident_mb[0], "last_mb": resident_mb[-1]}
        print(f"{name}: {resident_mb[0]:.0f} -> {resident_mb[-1]:.0f} MB, {slope:.3f} MB a job")
    save("soak", {"jobs": jobs, "processes": report})


def _watch(service: ServiceProcess, store: JobStore, ids: list[str]) -> dict[str, list[float]]:
    """Resident megabytes of each service, every EVERY jobs."""
    resident: dict[str, list[float]] = {name: [] for name in SERVICES}
    waiting = list(ids)
    while waiting:
        time.sleep(0.2)
        while waiting and (job := store.get("default", waiting[0])).is_final:
            assert job.state == "done", job.error
            service.get("/metrics")
            del waiting[0]
            if (len(ids) - len(waiting)) % EVERY == 0:
                _look(service, resident)
                print(f"{len(ids) - len(waiting)} jobs", flush=True)
    return resident


def _look(service: ServiceProcess, resident: dict[str, list[float]]) -> None:
    for name, megabytes in resident.items():
        process = service.processes(f"--service-name {name}")[0]
        megabytes.append(process.memory_info().rss / 2**20)


if __name__ == "__main__":
    main()
