"""Memory of each separately deployed part: idle, and while one worker works on eight long recordings.

    python -m tests.bench.part_memory [--recordings 8] [--minutes 20] [--watch-s 240]

Proportional set size of a part's processes, the decoding children included: what a pod's memory limit has to hold,
but for the files of the page cache, which the kernel takes back. The recordings need not come to their end: a worker
holds most while it reads ahead, which is at the beginning.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
import httpx
import psutil

from tests.bench.memory import repeat
from tests.bench.output import save
from tests.conftest import ROOT
from tests.servers import ministack
from tests.service_processes import ServiceProcess

RUNNERS = ("Transcriber", "Translator", "Classifier")
RECORDING = ROOT.parent / "shared" / "data" / "speech" / "longform" / "pt-adam.ogg"
MB = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=20.0, help="length of each recording")
    parser.add_argument("--watch-s", type=float, default=240.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _parts(Path(folder)) as parts:
        idle = {name: _memory_mb(part) for name, part in parts.items()}
        recordings = [Path(folder) / f"{number}.flac" for number in range(arguments.recordings)]
        for number, path in enumerate(recordings):  # of different lengths: equal ones would be one job
            repeat(RECORDING, path, arguments.minutes / 60 + number * 0.001)
        with httpx.Client(base_url=parts["api"].url, timeout=120) as client:
            for path in recordings:
                with path.open("rb") as file:
                    client.post("/v1/analyses", files={"file": (path.name, file)}).raise_for_status()
        peak, at_once = _watch(parts, idle, arguments.watch_s)
    print(f"at most {at_once:.0f} recordings at once")
    for name in parts:
        print(f"{name:12} idle {idle[name]:5.0f} MB, peak {peak[name]:5.0f} MB")
    save("part_memory", {**vars(arguments), "at_once": at_once, "idle_mb": idle, "peak_mb": peak})


@contextmanager
def _parts(folder: Path) -> Iterator[dict[str, ServiceProcess]]:
    """Every part as a process tree of its own, over a stand-in for S3 and SQS."""
    with ExitStack() as stack:
        settings = _store(stack.enter_context(ministack()).url)
        parts = {
            name.lower(): stack.enter_context(ServiceProcess(["runner", name], folder, settings)) for name in RUNNERS
        }
        addresses = [word for name in RUNNERS for word in ("--runner", f"{name}={parts[name.lower()].url}")]
        for name, command in (("worker", "worker"), ("api", "serve")):
            parts[name] = stack.enter_context(ServiceProcess([command, *addresses], folder, settings))
        yield parts


def _store(url: str) -> dict[str, str]:
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    options = {"endpoint_url": url, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    boto3.client("s3", region_name="us-east-1", **options).create_bucket(Bucket="jobs")
    queue = boto3.client("sqs", region_name="us-east-1", **options).create_queue(QueueName="jobs")["QueueUrl"]
    places = {"EMOSCRIBE_JOBS_BUCKET": "jobs", "EMOSCRIBE_JOBS_QUEUE_URL": queue}
    return {**credentials, **places, "EMOSCRIBE_S3_ENDPOINT_URL": url, "EMOSCRIBE_SQS_ENDPOINT_URL": url}


def _watch(
    parts: Mapping[str, ServiceProcess], begin_mb: Mapping[str, float], watch_s: float
) -> tuple[dict[str, float], float]:
    """The most that each part held, and how many recordings the worker worked on at most."""
    peak, at_once = dict(begin_mb), 0.0
    end_s = time.monotonic() + watch_s
    while time.monotonic() < end_s:
        for name, part in parts.items():
            peak[name] = max(peak[name], _memory_mb(part))
        at_once = max(at_once, _running_jobs(parts["worker"].get("/metrics")))
        time.sleep(0.5)
    return peak, at_once


def _running_jobs(page: str) -> float:
    lines = (line.split() for line in page.splitlines() if line.startswith("emoscribe_running_jobs "))
    return sum(float(value) for _, value in lines)


def _memory_mb(part: ServiceProcess) -> float:
    return sum(_pss(process) for process in part.processes()) / MB


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:  # a decoding child that has ended
        return 0


if __name__ == "__main__":
    main()
