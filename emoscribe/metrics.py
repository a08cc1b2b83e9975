"""What operators watch, for Prometheus: the work that was done, what came out of it, and what waits.

Counted is what was published: an attempt that came to nothing leaves its mark in the attempts only, so that nothing is
counted twice when a job is tried again. Labels have few values, and none holds a name or a text.

`prometheus_client` decides at its import whether several processes share their figures (PROMETHEUS_MULTIPROC_DIR, set
by BentoML); so it is imported late.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from emoscribe.errors import JobStoreError
from emoscribe.jobs import ClaimEnded, Job, JobStore
from emoscribe.labels import LABELS
from emoscribe.pipeline import STAGES, Event, Finished
from emoscribe.types import Analysis, ReviewReason

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Gauge, Metric

MULTIPROC_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
SPEED_BUCKETS: Final = (0.5, 1, 2, 4, 6, 8, 10, 15, 20, 30, 50, 100, 200)  # times real time
SECONDS_BUCKETS: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
NO_LABEL: Final = "none"  # of a sentence that looks invented, or could not be classified


@dataclass(slots=True)
class _Work:
    """One attempt under way."""

    analysis: Analysis | None = None


class JobMetrics:
    """Sums up what workers report. Any number may share a registry, and with it the figures."""

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        """`registry`: the process's own if none is given."""
        if registry is None:
            from prometheus_client import REGISTRY

            registry = REGISTRY
        self._figures = _figures(registry)
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], _Work] = {}

    def observe(self, job: Job, event: Event | ClaimEnded) -> None:
        """For `Worker(observe=...)`."""
        self._figures.last_event.set_to_current_time()
        if isinstance(event, ClaimEnded):
            self._end(job, event)
            return
        work = self._work(job)
        if isinstance(event, Finished):
            work.analysis = event.analysis

    def _work(self, job: Job) -> _Work:
        with self._lock:
            work = self._under_way.get((job.id, job.attempts))
            if work is None:
                work = self._under_way[job.id, job.attempts] = _Work()
                self._figures.running.inc()
                if job.attempts == 1:
                    self._figures.wait.observe(max((datetime.now(UTC) - job.created_at).total_seconds(), 0.0))
        return work

    def _end(self, job: Job, ended: ClaimEnded) -> None:
        if ended.outcome.startswith("callback_"):
            self._figures.callbacks.labels(ended.outcome.removeprefix("callback_")).inc()
            return
        with self._lock:
            work = self._under_way.pop((job.id, job.attempts), None)
        if work is not None:
            self._figures.running.dec()
        self._figures.attempts.labels(ended.outcome, ended.error.code if ended.error else "").inc()
        if ended.outcome == "done" and work is not None and work.analysis is not None:
            self._figures.published(work.analysis, ended.seconds)


class _Figures:
    """The metrics, in one registry."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Counter, Gauge, Histogram

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"emoscribe_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"emoscribe_{name}", meaning, labels, buckets=buckets, registry=registry)

        self.audio = counter("audio_seconds", "Length of the recordings whose results were published.")
        self.speed = histogram("times_real_time", "Length of a recording over the time it took.", SPEED_BUCKETS)
        self.stages = histogram("stage_seconds", "Time a stage took for one recording.", SECONDS_BUCKETS, "stage")
        self.wait = histogram("job_wait_seconds", "From submission to the first attempt.", SECONDS_BUCKETS)
        self.attempts = counter("job_attempts", "Attempts at jobs that ended.", "outcome", "error_code")
        self.callbacks = counter("callbacks", "Attempts to call back.", "outcome")
        self.sentences = counter("sentences", "Sentences published, by their emotion.", "label")
        self.flagged = counter("sentences_to_review", "Sentences that a person should look at.")
        self.reasons = counter("review_reasons", "Why; a sentence may have several reasons.", "reason")
        self.running = Gauge(
            "emoscribe_running_jobs", "Jobs being worked on.", registry=registry, multiprocess_mode="livesum"
        )
        self.last_event = Gauge(
            "emoscribe_last_job_event_timestamp_seconds",
            "When a worker last heard of progress in any of its jobs.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.last_event.set_to_current_time()  # a worker that has just begun is not late
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """So that the first of a kind is a rise, and not a line that appears."""
        for outcome in ("done", "failed", "released", "lost", "vanished"):
            self.attempts.labels(outcome, "")
        for outcome in ("delivered", "failed"):
            self.callbacks.labels(outcome)
        for stage in STAGES:
            self.stages.labels(stage)
        for label in (*LABELS, NO_LABEL):
            self.sentences.labels(label)
        for reason in get_args(ReviewReason):
            self.reasons.labels(reason)

    def published(self, analysis: Analysis, seconds: float) -> None:
        """One recording is done."""
        audio_s = analysis.source.duration_ms / 1000
        self.audio.inc(audio_s)
        self.speed.observe(audio_s / max(seconds, 0.001))
        for stage in STAGES:
            self.stages.labels(stage).observe(analysis.stage_seconds.get(stage, 0.0))
        segments = analysis.segments
        for label, count in Counter(one.emotion.label if one.emotion else NO_LABEL for one in segments).items():
            self.sentences.labels(label).inc(count)
        self.flagged.inc(sum(one.needs_review for one in segments))
        for reason, count in Counter(reason for one in segments for reason in one.review_reasons).items():
            self.reasons.labels(reason).inc(count)


@cache
def _figures(registry: "CollectorRegistry") -> _Figures:
    """Made once in each registry: a second time it would refuse them."""
    return _Figures(registry)


@cache
def runner_demand() -> "Gauge":
    """Calls to each runner (label `runner`) of this process: under way, or waiting for it to come up."""
    from prometheus_client import Gauge

    meaning = "Calls to a runner that are under way or wait for it."
    return Gauge("emoscribe_runner_demand", meaning, ["runner"], multiprocess_mode="livesum")


# --- the page -----------------------------------------------------------------------------------


def metrics_page(store: JobStore, registry: "CollectorRegistry | None" = None) -> tuple[bytes, str]:
    """What Prometheus reads at /metrics, and its media type: the figures of all processes, and what waits now.

    Asks the store: not for an event loop.
    """
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    queue = CollectorRegistry()
    queue.register(_QueueCollector(store))
    page = generate_latest(queue)
    if registry is None and (folder := os.environ.get(MULTIPROC_VARIABLE)):
        _forget_the_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no annotations
    return generate_latest(registry or REGISTRY) + page, CONTENT_TYPE_LATEST


class _QueueCollector:
    """Looks at the store when it is asked."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def collect(self) -> "Iterator[Metric]":
        """Without figures, and saying so, while the store cannot be reached."""
        from prometheus_client.core import GaugeMetricFamily

        try:
            backlog = self._store.backlog()
        except JobStoreError:
            yield GaugeMetricFamily("emoscribe_job_store_up", "Whether the job store answers.", 0)
            return
        yield GaugeMetricFamily("emoscribe_job_store_up", "Whether the job store answers.", 1)
        yield GaugeMetricFamily("emoscribe_waiting_jobs", "Jobs that wait for a worker.", backlog.waiting)
        if backlog.oldest_s is not None or not backlog.waiting:
            name, meaning = "emoscribe_oldest_waiting_job_seconds", "Since the oldest waiting job was submitted."
            yield GaugeMetricFamily(name, meaning, backlog.oldest_s or 0.0)
        if backlog.dead_letters is not None:
            meaning = "Messages in the dead-letter queue."
            yield GaugeMetricFamily("emoscribe_dead_letters", meaning, backlog.dead_letters)


def _forget_the_dead(folder: Path) -> None:
    """A process that was killed has left its gauges behind."""
    for path in folder.glob("gauge_live*_*.db"):
        if not _is_alive(int(path.stem.rpartition("_")[2])):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
