"""Scale to zero and back in one process: the real worker, queue, gauges and rules; models and starts that are quick.

`python -m tests.bench.scale_to_zero` is the same with a process for each part, and real models.
"""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from emoscribe.job_setup import make_worker, open_store
from emoscribe.jobs import Worker
from emoscribe.metrics import JobMetrics
from emoscribe.settings import Settings, load_settings
from runners.clients import runner_stages
from runners.wire import Item, pack_outcomes, unpack_clip, unpack_sentence, unpack_sound, unpack_text
from tests.autoscaling.loop import Autoscaler, Part, State
from tests.autoscaling.manifests import scaled_objects, scrape_interval_s
from tests.autoscaling.queries import Sample
from tests.autoscaling.triggers import QueueCounts
from tests.chaos.cloud import Cloud
from tests.conftest import ROOT
from tests.contract.cloud_backend import connect
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying
from tests.servers import Server, ministack

FASTER = 200.0  # a cooldown of 900 s is over in 4.5
START_S = 1.0  # of a runner: 200 s to the rules, as a GPU node takes
SPEECH = sorted((ROOT / "tests/data/speech").glob("pt-*.ogg"))
PARTS = ("transcriber", "translator", "classifier", "worker")


class RunnerPart:
    """A runner that refuses connections unless it is up."""

    def __init__(self, name: str, methods: dict[str, Callable[..., Any]]) -> None:
        self.name = name
        self.calls = 0
        self._methods = methods
        self._ready_s: float | None = None

    @property
    def state(self) -> State:
        if self._ready_s is None:
            return "gone"
        return "ready" if time.monotonic() >= self._ready_s else "starting"

    def start(self) -> None:
        self._ready_s = time.monotonic() + START_S

    def stop(self) -> None:
        self._ready_s = None

    def samples(self) -> Iterator[Sample]:
        yield from ()

    @property
    def to_async(self) -> SimpleNamespace:
        return SimpleNamespace(**{name: self._answering(method) for name, method in self._methods.items()})

    def _answering(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any) -> Any:
            if self.state != "ready":
                raise ConnectionRefusedError
            self.calls += 1
            return method(*arguments)

        return call


def runner_parts() -> list[RunnerPart]:
    transcriber = FakeTranscriber(saying("Que surprise."))
    translator, classifier = FakeTranslator(), FakeClassifier()

    def batched(method: Callable[..., Any], unpack: Callable[[Any], Any]) -> Callable[[list[Any]], list[Item]]:
        return lambda items: pack_outcomes(method(list(map(unpack, items))))

    def described(stage: Any, **more: Any) -> Callable[[], dict[str, Any]]:
        return lambda: {"models": [model.model_dump() for model in stage.models], **more}

    return [
        RunnerPart(
            "transcriber",
            {
                "describe": described(transcriber),
                "detect_languages": batched(transcriber.detect_languages, unpack_sound),
                "transcribe_bulk": batched(transcriber.transcribe, unpack_clip),
            },
        ),
        RunnerPart(
            "translator",
            {
                "describe": described(translator, languages=["pt"]),
                "translate_bulk": batched(translator.translate, unpack_text),
            },
        ),
        RunnerPart(
            "classifier",
            {
                "describe": described(classifier),
                "classify_bulk": batched(classifier.classify, unpack_sentence),
            },
        ),
    ]


class WorkerPart:
    """The real worker, in a thread."""

    name = "worker"

    def __init__(self, settings: Settings, runners: list[RunnerPart], loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        service = SimpleNamespace(**{one.name: one for one in runners})
        self._stages = runner_stages(service, loop, settings.runner_patience_s, "bulk")
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> State:
        if self._thread is None or not self._thread.is_alive():
            return "gone"
        return "ready" if self._worker else "stopping"

    def start(self) -> None:
        self._worker = make_worker(self._settings, open_store(self._settings), self._stages, JobMetrics().observe)
        self._thread = threading.Thread(target=self._worker.run_forever)
        self._thread.start()

    def stop(self) -> None:
        assert self._worker is not None
        self._worker.stop()
        self._worker = None

    def samples(self) -> Iterator[Sample]:
        for name, labels in (
            ("emoscribe_running_jobs", {}),
            *(("emoscribe_runner_demand", {"runner": runner}) for runner in PARTS[:3]),
        ):
            yield name, labels, REGISTRY.get_sample_value(name, labels) or 0.0


def wait_for(is_so: Callable[[], bool], scaler: Autoscaler, within_s: float = 60) -> None:
    give_up_s = time.monotonic() + within_s
    while not is_so():
        assert scaler.failure is None
        assert time.monotonic() < give_up_s, scaler.changes
        time.sleep(0.05)


def upload(cloud: Cloud[Server], *names: str) -> None:
    for number, name in enumerate(names):
        # bytes behind the sound make it another recording
        cloud.upload(f"{name}.ogg", SPEECH[number].read_bytes() + name.encode())


def test_recordings_that_come_while_everything_is_at_zero(
    tmp_path: Path, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ministack() as server:
        cloud = Cloud(connect(server.url, server.url), server, server)
        cloud.aws.messages(cloud.queue)  # S3's test event would wake everything for nothing
        for name, value in cloud.settings().items():
            monkeypatch.setenv(name, value)
        settings = load_settings(jobs_dir=tmp_path / "jobs")
        runners = runner_parts()
        parts: list[Part] = [*runners, WorkerPart(settings, runners, loop)]
        store = open_store(settings)

        def api() -> list[Sample]:
            return [("emoscribe_waiting_jobs", {}, float(store.backlog().waiting))]

        scaler = Autoscaler(
            scaled_objects(),
            parts,
            {"api": api},
            lambda: QueueCounts(*cloud.counts(cloud.queue)),
            scrape_s=scrape_interval_s(),
            faster=FASTER,
        )
        with scaler:
            upload(cloud, "one", "two", "three")
            wait_for(lambda: cloud.results().total() == 3, scaler)
            wait_for(lambda: scaler.is_at_rest, scaler)
            first_round = len(scaler.changes)
            time.sleep(30 * 15 / FASTER)  # nothing stirs for 30 looks at the queue
            assert len(scaler.changes) == first_round
            upload(cloud, "four")
            wait_for(lambda: cloud.results().total() == 4, scaler)
            wait_for(lambda: scaler.is_at_rest, scaler)
        jobs = cloud.jobs()
        assert [(job["state"], job["attempts"], job["error"]) for job in jobs.values()] == [("done", 1, None)] * 4
        assert cloud.results() == dict.fromkeys(jobs, 1)
        assert not any(cloud.left_over().values())
    for changes in (scaler.changes[:first_round], scaler.changes[first_round:]):
        for name in PARTS:  # each was woken once, came up, and went
            assert [one.what for one in changes if one.part == name] == ["wanted", "ready", "not wanted", "gone"]
    assert all(runner.calls for runner in runners)
    assert REGISTRY.get_sample_value("emoscribe_runner_demand", {"runner": "transcriber"}) == 0
    shutil.rmtree(tmp_path / "jobs", ignore_errors=True)
