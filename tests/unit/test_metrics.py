"""What Prometheus gets to see of work that was done by a real worker, over one and over several processes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from emoscribe.errors import CorruptMediaError, EmoScribeError, JobStoreError, ModelMissingError
from emoscribe.job_setup import Asked, Submissions, make_worker
from emoscribe.jobs import (
    Attempt,
    Backlog,
    ClaimEnded,
    JobOptions,
    JobRequest,
    LeaseOptions,
    LocalJobStore,
    Worker,
    WorkerOptions,
)
from emoscribe.labels import LABELS
from emoscribe.metrics import JobMetrics, metrics_page
from emoscribe.pipeline import STAGES, Progress
from emoscribe.settings import load_settings
from emoscribe.stages import Stages
from tests.conftest import ROOT
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying
from tests.job_cases import result_set, upload

CLIP = ROOT / "tests/data/speech/pt-1.ogg"
Figures = dict[tuple[str, ...], float]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalJobStore]:
    made = LocalJobStore(tmp_path / "jobs")
    yield made
    made.close()


def read(page: bytes) -> Figures:
    """Values by name and labels' values."""
    samples = [sample for family in text_string_to_metric_families(page.decode()) for sample in family.samples]
    figures = {(one.name, *(f"{k}={v}" for k, v in sorted(one.labels.items()))): one.value for one in samples}
    assert len(figures) == len(samples), "a figure comes twice"
    return figures


def of_store(store: LocalJobStore, registry: CollectorRegistry) -> Figures:
    page, media_type = metrics_page(store, registry)
    assert media_type.startswith("text/plain")
    return read(page)


def test_a_published_result_is_counted_once_with_what_is_in_it(store: LocalJobStore, tmp_path: Path) -> None:
    settings = load_settings(jobs_dir=tmp_path / "jobs")
    submissions = Submissions(settings, store)
    store.submit(submissions.from_path(CLIP, Asked(JobOptions(language="pt"), "default")))
    registry = CollectorRegistry()
    stages = Stages(
        FakeTranscriber(saying("Que surprise. Isto é BROKEN.", probability=0.3)), FakeTranslator(), FakeClassifier()
    )
    make_worker(settings, store, stages, JobMetrics(registry).observe).run_until_idle()
    figures = of_store(store, registry)
    assert 4 < figures["emoscribe_audio_seconds_total",] < 7
    assert figures["emoscribe_job_attempts_total", "error_code=", "outcome=done"] == 1
    assert figures["emoscribe_sentences_total", "label=surprise"] == 1
    assert figures["emoscribe_sentences_total", "label=none"] == 1
    assert figures["emoscribe_sentences_total", "label=anger"] == 0
    assert figures["emoscribe_sentences_to_review_total",] == 2
    assert figures["emoscribe_review_reasons_total", "reason=uncertain_transcript"] == 2
    assert figures["emoscribe_times_real_time_count",] == 1
    assert figures["emoscribe_stage_seconds_count", "stage=transcription"] == 1
    assert figures["emoscribe_job_wait_seconds_count",] == 1
    assert figures["emoscribe_running_jobs",] == 0
    assert figures["emoscribe_waiting_jobs",] == 0
    assert figures["emoscribe_oldest_waiting_job_seconds",] == 0


def test_attempts_that_came_to_nothing_are_told_apart_and_counted_in_nothing_else(
    store: LocalJobStore, tmp_path: Path
) -> None:
    errors: dict[bytes, EmoScribeError | None] = {
        b"1": CorruptMediaError("No sound."),
        b"2": ModelMissingError("No model."),
        b"3": None,
    }
    for content in errors:
        store.submit(JobRequest(source=upload(tmp_path, content)))

    def work(attempt: Attempt) -> dict[str, bytes]:
        assert isinstance(attempt.claim.media, Path)
        error = errors[attempt.claim.media.read_bytes()]
        attempt.report(Progress("reading", 0, None))
        if error:
            raise error
        return result_set("x")

    registry = CollectorRegistry()
    Worker(store, work, WorkerOptions(concurrency=1), observe=JobMetrics(registry).observe).run_until_idle()
    figures = of_store(store, registry)
    assert figures["emoscribe_job_attempts_total", "error_code=corrupt_media", "outcome=failed"] == 1
    assert figures["emoscribe_job_attempts_total", "error_code=model_missing", "outcome=failed"] == 1
    assert figures["emoscribe_job_attempts_total", "error_code=", "outcome=done"] == 1
    assert figures["emoscribe_audio_seconds_total",] == 0
    assert figures["emoscribe_running_jobs",] == 0
    assert figures["emoscribe_waiting_jobs",] == 1  # for another try
    assert figures["emoscribe_oldest_waiting_job_seconds",] >= 0


def test_running_jobs_show_while_they_run(store: LocalJobStore, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    seen: list[float] = []
    store.submit(JobRequest(source=upload(tmp_path, b"1")))

    def work(attempt: Attempt) -> dict[str, bytes]:
        for _ in range(3):
            attempt.report(Progress("reading", 0, None))
        seen.append(of_store(store, registry)["emoscribe_running_jobs",])
        return result_set("x")

    Worker(store, work, WorkerOptions(concurrency=1), observe=JobMetrics(registry).observe).run_until_idle()
    assert seen == [1]


def test_callbacks_are_not_taken_for_jobs(store: LocalJobStore, tmp_path: Path) -> None:
    job = store.submit(JobRequest(source=upload(tmp_path, b"1")))
    registry = CollectorRegistry()
    JobMetrics(registry).observe(job, ClaimEnded("callback_delivered", 0.1))
    figures = of_store(store, registry)
    assert figures["emoscribe_callbacks_total", "outcome=delivered"] == 1
    assert figures["emoscribe_job_attempts_total", "error_code=", "outcome=done"] == 0


def test_any_number_of_workers_share_the_figures_of_a_process(store: LocalJobStore, tmp_path: Path) -> None:
    job = store.submit(JobRequest(source=upload(tmp_path, b"1")))
    registry = CollectorRegistry()
    for _ in range(2):
        JobMetrics(registry).observe(job, ClaimEnded("lost", 0.1))
    assert of_store(store, registry)["emoscribe_job_attempts_total", "error_code=", "outcome=lost"] == 2


def test_no_name_and_no_text_becomes_a_label(store: LocalJobStore) -> None:
    JobMetrics(registry := CollectorRegistry())
    names = {label.partition("=")[2] for key in of_store(store, registry) for label in key[1:]}
    known = {*LABELS, *STAGES, "none", "", "done", "failed", "released", "lost", "vanished", "delivered"}
    reasons = {"low_confidence", "suspect_hallucination", "uncertain_language", "uncertain_transcript"}
    assert {name for name in names if not name[:1].isdigit() and name != "+Inf"} <= known | reasons


def test_a_store_that_does_not_answer_costs_its_figures_only(store: LocalJobStore) -> None:
    class Broken(LocalJobStore):
        def __init__(self) -> None:
            pass

        def backlog(self) -> Backlog:
            raise JobStoreError("The disk is full.")

    JobMetrics(registry := CollectorRegistry())
    figures = of_store(Broken(), registry)
    assert figures["emoscribe_job_store_up",] == 0
    assert ("emoscribe_waiting_jobs",) not in figures
    assert ("emoscribe_running_jobs",) in figures
    assert of_store(store, registry)["emoscribe_job_store_up",] == 1


def test_a_worker_that_vanished_is_told_of_by_the_next(tmp_path: Path) -> None:
    store = LocalJobStore(tmp_path / "jobs", LeaseOptions(lease_s=0))
    store.submit(JobRequest(source=upload(tmp_path, b"1")))
    assert store.claim("dies") is not None
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    Worker(
        store, lambda attempt: result_set("x"), WorkerOptions(concurrency=1), observe=metrics.observe
    ).run_until_idle()
    figures = of_store(store, registry)
    store.close()
    assert figures["emoscribe_job_attempts_total", "error_code=", "outcome=vanished"] == 1
    assert figures["emoscribe_job_attempts_total", "error_code=", "outcome=lost"] == 0


def test_dead_letters_show_where_there_is_a_queue_for_them(store: LocalJobStore) -> None:
    class WithDeadLetters(LocalJobStore):
        def __init__(self) -> None:
            pass

        def backlog(self) -> Backlog:
            return Backlog(0, None, dead_letters=3)

    assert of_store(WithDeadLetters(), CollectorRegistry())["emoscribe_dead_letters",] == 3
    assert ("emoscribe_dead_letters",) not in of_store(store, CollectorRegistry())


CHILD = """
import os, sys
from datetime import UTC, datetime
from emoscribe.jobs import ClaimEnded, Job, JobOptions
from emoscribe.metrics import JobMetrics, runner_demand
from emoscribe.pipeline import Progress
metrics = JobMetrics()
runner_demand().labels("transcriber").inc(3)
def job(number):
    return Job(id=str(number), tenant="default", source_name="x", source_bytes=1, options=JobOptions(), attempts=1,
               created_at=datetime.now(UTC), state="running")
for number in range(3):
    metrics.observe(job(number), Progress("reading", 0, None))
metrics.observe(job(0), ClaimEnded("released", 1.0))
print("counted", flush=True)
sys.stdin.readline()
"""
PAGE = """
import sys; from pathlib import Path
from emoscribe.jobs import LocalJobStore
from emoscribe.metrics import JobMetrics, metrics_page
JobMetrics()
sys.stdout.buffer.write(metrics_page(LocalJobStore(Path(sys.argv[1])))[0])
"""


def test_the_figures_of_all_processes_come_together_and_dead_ones_run_nothing(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "figures"), "PATH": ""}

    def page() -> Figures:
        command = [sys.executable, "-c", PAGE, str(tmp_path / "jobs")]
        return read(subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True).stdout)

    command = [sys.executable, "-c", CHILD]
    with (
        subprocess.Popen(command, env=environment, cwd=ROOT, stdin=-1, stdout=-1) as living,
        subprocess.Popen(command, env=environment, cwd=ROOT, stdin=-1, stdout=-1) as dying,
    ):
        for process in (living, dying):
            assert process.stdout is not None
            assert process.stdout.readline() == b"counted\n"
        both = page()
        dying.kill()
        dying.wait()
        one = page()
        living.kill()
    released = ("emoscribe_job_attempts_total", "error_code=", "outcome=released")
    assert (both["emoscribe_running_jobs",], both[released]) == (4, 2)
    assert (one["emoscribe_running_jobs",], one[released]) == (2, 2)
    demand = ("emoscribe_runner_demand", "runner=transcriber")
    assert (both[demand], one[demand]) == (6, 3)
    assert one["emoscribe_waiting_jobs",] == 0
