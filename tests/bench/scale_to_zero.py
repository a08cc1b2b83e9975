"""Scale to zero and back with real processes: nothing but the API runs, and recordings that are uploaded get done.

    python -m tests.bench.scale_to_zero [--faster 20]

API, worker and runners are `emoscribe serve`, `worker` and `runner`, each a process with real models; S3 and SQS are
ministack's. They are started and stopped by the rules in `infra/kubernetes/` (tests/autoscaling/loop.py), which read
the parts' real /metrics and the queue; for the rules time runs `--faster` times. Stops with an error if a job is lost,
fails, or needs more than one attempt, or if anything is left running.
"""

import argparse
import json
import logging
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.autoscaling.bucket import Bucket
from tests.autoscaling.loop import Autoscaler, State
from tests.autoscaling.manifests import scaled_objects, scrape_interval_s, settings
from tests.autoscaling.queries import Sample
from tests.bench.output import save
from tests.bench.short_recordings import cut
from tests.servers import ministack
from tests.service_processes import ServiceProcess

_log = logging.getLogger(__name__)

RUNNERS: Final = ("Transcriber", "Translator", "Classifier")
GIVE_UP_S: Final = 420.0
ANSWER_S: Final = 5.0
PROBE_S: Final = 0.3
SENTENCE: Final = {"texts": ["Estou com muito medo."], "language": "pt"}


class ProcessPart:
    """`emoscribe ...` as a Deployment of one pod, always at the same address."""

    def __init__(self, name: str, arguments: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.process = ServiceProcess(arguments, folder, environment)
        self._state: State = "gone"

    @property
    def state(self) -> State:
        """As a kubelet sees it."""
        return self._state

    def start(self) -> None:
        """Returns at once."""
        self._state = "starting"
        self.process.start()
        threading.Thread(target=self._probe).start()

    def _probe(self) -> None:
        while self._state == "starting" and not self._answers("/readyz"):
            time.sleep(PROBE_S)
        if self._state == "starting":
            self._state = "ready"

    def stop(self) -> None:
        """SIGTERM, in a thread that waits for the end."""
        self._state = "stopping"
        threading.Thread(target=self._end).start()

    def _end(self) -> None:
        self.process.stop(within_s=60)
        self._state = "gone"

    def samples(self) -> Iterator[Sample]:
        """What the rules may ask for."""
        page = httpx.get(f"{self.process.url}/metrics", timeout=ANSWER_S).text
        for family in text_string_to_metric_families(page):
            for one in family.samples:
                yield one.name, one.labels, one.value

    def _answers(self, path: str) -> bool:
        try:
            return httpx.get(self.process.url + path, timeout=ANSWER_S).status_code == 200
        except httpx.TransportError:
            return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faster", type=float, default=20.0)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)6d ms  %(message)s")
    for chatty in ("botocore", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    report = run(asked.faster)
    print(json.dumps(report, indent=2))
    save("scale_to_zero", report)


def run(faster: float) -> dict[str, Any]:
    """Three recordings at zero; a text at zero; a recording at zero again."""
    with ExitStack() as stack:
        server = stack.enter_context(ministack())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bucket = Bucket(server.url)
        environment = {**bucket.settings(), **_deployed()}
        parts = _parts(folder, environment)
        for part in parts:
            stack.callback(part.process.kill_all)
        api = _api(parts, folder, environment)
        stack.callback(api.process.kill_all)
        api.process.start()
        api.process.wait_until_ready()
        recordings, audio_s = cut(folder, 4, (8,))
        loop = Autoscaler(
            scaled_objects(),
            parts,
            {"api": api.samples},
            bucket.counts,
            scrape_s=scrape_interval_s(),
            faster=faster,
        )
        with loop:
            rounds = [_round(bucket, loop, recordings[:3], 3), _round(bucket, loop, recordings[3:], 4)]
            text = _ask_at_zero(api, loop)
        if loop.failure:
            raise loop.failure
        for runner in map(str.lower, RUNNERS):  # the real pages hold what the rules ask for
            assert loop.highest[f"{runner}, demand"] > 0
        assert loop.highest["transcriber, in-progress"] > 0
        return {
            "faster": faster,
            "audio_s": audio_s,
            "rounds": rounds,
            "text": text,
            "jobs": _jobs(bucket),
            "highest_readings": loop.highest,
        }


def _deployed() -> dict[str, str]:
    """The settings of the manifests that matter here."""
    names = ("EMOSCRIBE_JOBS_AT_ONCE", "EMOSCRIBE_RUNNER_PATIENCE_S", "EMOSCRIBE_JOB_GRACE_S")
    return {name: value for name, value in settings().items() if name in names}


def _parts(folder: Path, environment: dict[str, str]) -> list[ProcessPart]:
    runners = [ProcessPart(name.lower(), ["runner", name], folder, environment) for name in RUNNERS]
    return [*runners, ProcessPart("worker", ["worker", *_addresses(runners)], folder, environment)]


def _api(parts: Sequence[ProcessPart], folder: Path, environment: dict[str, str]) -> ProcessPart:
    return ProcessPart("api", ["serve", *_addresses(parts[:3])], folder, environment)


def _addresses(runners: Sequence[ProcessPart]) -> list[str]:
    pairs = zip(RUNNERS, runners, strict=True)
    return [argument for name, part in pairs for argument in ("--runner", f"{name}={part.process.url}")]


def _round(bucket: Bucket, loop: Autoscaler, recordings: Sequence[Path], results: int) -> dict[str, Any]:
    """Everything is at zero, recordings come, everything is done, everything is at zero."""
    _wait("everything is at zero", lambda: loop.is_at_rest and bucket.is_empty, loop)
    begin_s, first = time.monotonic(), len(loop.changes)
    for path in recordings:
        bucket.upload(path.name, path.read_bytes())
    _wait(f"{results} results", lambda: len(bucket.results()) == results, loop)
    done_s = time.monotonic()
    _wait("everything is at zero again", lambda: loop.is_at_rest, loop)
    ready = {one.part: round(one.at_s - begin_s, 1) for one in loop.changes[first:] if one.what == "ready"}
    assert sorted(ready) == ["classifier", "transcriber", "translator", "worker"], ready
    return {
        "recordings": len(recordings),
        "ready_s": ready,  # since the first upload
        "all_done_s": round(done_s - begin_s, 1),
        "at_zero_again_s": round(time.monotonic() - done_s, 1),
    }


def _ask_at_zero(api: ProcessPart, loop: Autoscaler) -> dict[str, Any]:
    """A text while no model runs: 503 with Retry-After until its runners are up, then an answer."""
    assert loop.is_at_rest
    begin_s, refused, give_up_s = time.monotonic(), 0, time.monotonic() + GIVE_UP_S
    first = len(loop.changes)
    while (answer := httpx.post(f"{api.process.url}/v1/emotions", json=SENTENCE, timeout=60)).status_code != 200:
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < give_up_s, answer.text
        refused += 1
        time.sleep(float(answer.headers["Retry-After"]))
    answered_s = round(time.monotonic() - begin_s, 1)
    woken = sorted({one.part for one in loop.changes[first:] if one.what == "wanted"})
    _wait("everything is at zero in the end", lambda: loop.is_at_rest, loop)
    return {"answered_s": answered_s, "told_503": refused, "woken": woken}


def _jobs(bucket: Bucket) -> list[dict[str, Any]]:
    """What the records say. Raises AssertionError unless each was done at the first attempt."""
    told = []
    for job in bucket.jobs():
        assert (job["state"], job["attempts"]) == ("done", 1), job
        created, started, finished = (
            datetime.fromisoformat(job[f"{name}_at"]) for name in ("created", "started", "finished")
        )
        told.append(
            {
                "from_record_to_claim_s": round((started - created).total_seconds(), 1),
                "from_claim_to_result_s": round((finished - started).total_seconds(), 1),
                "attempts": job["attempts"],
            }
        )
    assert bucket.is_empty
    return told


def _wait(what: str, is_so: Any, loop: Autoscaler) -> None:
    give_up_s = time.monotonic() + GIVE_UP_S
    while not is_so():
        if loop.failure:
            raise loop.failure
        assert time.monotonic() < give_up_s, f"waited for: {what}; {loop.changes[-5:]}"
        time.sleep(0.2)
    _log.info(what)


if __name__ == "__main__":
    main()
