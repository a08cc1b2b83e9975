"""Analyses that were read a moment ago. In memory only: of one that is deleted nothing is left on a disk."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from emoscribe.jobs import ANALYSIS_FILE, Job, JobStore
from emoscribe.report import read_analysis
from emoscribe.types import Analysis

MAX_AGE_S: Final = 3600.0  # by then nothing is left of what another process has deleted
MOST_SENTENCES: Final = 50_000  # about 150 MB: 75 hours of speech

Value = TypeVar("Value")
_Key = tuple[str, str, object]  # tenant, id, and when it ended: one that was deleted and submitted again is another


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Value]):
    value: Value
    cost: int
    made_s: float  # time.monotonic()


class JobCache(Generic[Value]):
    """Something made of the results of a job, the latest used kept up to a total cost. Thread-safe."""

    def __init__(self, most: int, cost: Callable[[Value], int]) -> None:
        self._most = most
        self._cost = cost
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, _Kept[Value]] = OrderedDict()
        self._total = 0

    def get(self, job: Job, make: Callable[[Job], Value]) -> Value:
        """As kept, or made now. The job must have been read from its store now, by its own tenant."""
        key = (job.tenant, job.id, job.finished_at)
        with self._lock:
            self._drop_old()
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key].value
        made = make(job)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = _Kept(made, self._cost(made), time.monotonic())
                self._total += self._kept[key].cost
            while self._total > self._most:
                self._drop(next(iter(self._kept)))
        return made

    def _drop_old(self) -> None:
        limit_s = time.monotonic() - MAX_AGE_S
        for key in [one for one, kept in self._kept.items() if kept.made_s < limit_s]:
            self._drop(key)

    def forget(self, tenant: str, job_id: str) -> None:
        """Of a job that was deleted."""
        with self._lock:
            for key in [one for one in self._kept if one[:2] == (tenant, job_id)]:
                self._drop(key)

    def _drop(self, key: _Key) -> None:
        self._total -= self._kept.pop(key).cost


class AnalysisCache:
    """Analyses without the times of their words, which take most of the memory."""

    def __init__(self) -> None:
        self._cache: JobCache[Analysis] = JobCache(MOST_SENTENCES, lambda analysis: len(analysis.segments) + 100)

    def get(self, store: JobStore, job: Job) -> Analysis:
        """The result of a job. Raises JobConflictError before it is done, JobNotFoundError."""
        return self._cache.get(job, lambda job: read_sentences(store, job))

    def forget(self, tenant: str, job_id: str) -> None:
        """Of a job that was deleted."""
        self._cache.forget(tenant, job_id)


def read_sentences(store: JobStore, job: Job) -> Analysis:
    """The result of a job without its words. Raises JobConflictError before it is done, JobNotFoundError."""
    analysis = read_analysis(store.read_result(job.tenant, job.id, ANALYSIS_FILE))
    segments = tuple(segment.model_copy(update={"words": ()}) for segment in analysis.segments)
    return analysis.model_copy(update={"segments": segments})
