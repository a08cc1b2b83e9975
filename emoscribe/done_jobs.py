"""The analyses that are done, newest first, from any place in that order on."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from emoscribe.errors import InvalidRequestError, JobConflictError
from emoscribe.jobs import Job, JobQuery, JobStore

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence, to go on behind it; with index None, an analysis all of whose sentences were seen."""

    page: str | None  # the store's cursor of the page the analysis was on
    created_us: int
    analysis_id: str
    index: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidRequestError for what `str` of a place did not write."""
        try:
            page, created_us, analysis_id, index = json.loads(text)
        except (ValueError, TypeError):
            page = created_us = analysis_id = index = object()
        if (
            not isinstance(page, str | None)
            or not isinstance(created_us, int)
            or not isinstance(analysis_id, str)
            or not isinstance(index, int | None)
        ):
            raise InvalidRequestError("The cursor is not one that was given.", fix="Start again without a cursor.")
        return cls(page, created_us, analysis_id, index)

    def __str__(self) -> str:
        return json.dumps([self.page, self.created_us, self.analysis_id, self.index], separators=(",", ":"))


def place_of(page: str | None, job: Job, index: int | None = None) -> Place:
    """Of a job that `done_jobs` gave, with its page."""
    return Place(page, _created_us(job), job.id, index)


def done_jobs(store: JobStore, tenant: str, begin: Place | None = None) -> Iterator[tuple[str | None, Job]]:
    """Each with the cursor of its page, from `begin` on, whatever was submitted or deleted since."""
    cursor = begin.page if begin else None
    is_seeking = begin is not None
    while True:
        page = store.list(JobQuery(tenant, frozenset({"done"}), PAGE, cursor))
        jobs: Sequence[Job] = page.jobs
        if begin is not None and is_seeking:
            jobs = _from(begin, jobs)
            is_seeking = not jobs
        yield from ((cursor, job) for job in jobs if begin is None or not _is_over(begin, job))
        if page.cursor is None:
            return
        cursor = page.cursor


def named_jobs(
    store: JobStore, tenant: str, analysis_ids: Sequence[str], begin: Place | None = None
) -> Iterator[tuple[str | None, Job]]:
    """These, newest first, as `done_jobs` gives them. Raises JobNotFoundError, JobConflictError for one not done."""
    jobs = [store.get(tenant, one) for one in dict.fromkeys(analysis_ids)]
    for job in jobs:
        if job.state != "done":
            raise JobConflictError(f"An analysis is {job.state}: {job.id[:12]}.", fix="Wait until it is done.")
    jobs.sort(key=lambda job: (-_created_us(job), job.id))
    if begin is not None:
        jobs = list(_from(begin, jobs))
    yield from ((None, job) for job in jobs if begin is None or not _is_over(begin, job))


def _from(begin: Place, jobs: Sequence[Job]) -> Sequence[Job]:
    """Those from the place on: its analysis is found by its id or, if it was deleted, by its time."""
    ids = [job.id for job in jobs]
    if begin.analysis_id in ids:
        return jobs[ids.index(begin.analysis_id) :]
    return [job for job in jobs if _created_us(job) <= begin.created_us]


def _is_over(begin: Place, job: Job) -> bool:
    return begin.index is None and job.id == begin.analysis_id


def _created_us(job: Job) -> int:
    return int(job.created_at.timestamp() * 1_000_000)
