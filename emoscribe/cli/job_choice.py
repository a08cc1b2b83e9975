"""Which jobs a command of the operator means: by ids or their first digits, or all in certain states."""

from collections.abc import Iterator, Sequence
from typing import Final

from emoscribe.errors import InvalidRequestError, JobNotFoundError
from emoscribe.jobs import Job, JobQuery, JobState, JobStore
from emoscribe.settings import Settings

ID_LENGTH: Final = 64
SHORTEST_PREFIX: Final = 6
PAGE: Final = 200


def all_jobs(store: JobStore, query: JobQuery) -> Iterator[Job]:
    """Page after page."""
    cursor: str | None = None
    while True:
        page = store.list(JobQuery(query.tenant, query.states, query.limit, cursor))
        yield from page.jobs
        cursor = page.cursor
        if cursor is None:
            return


def choose_jobs(
    ids: Sequence[str] | None,
    states: frozenset[JobState] | None,
    option: str,
    store: JobStore,
    settings: Settings,
    tenant: str | None,
) -> list[Job]:
    """The jobs with these ids, or, where `states` are given instead, all of the tenant's in one of them."""
    if bool(ids) == (states is not None):
        raise InvalidRequestError("It is not said which jobs.", fix=f"Give ids, or {option}.")
    if states is None:
        return find_jobs(ids or [], store, settings, tenant)
    return list(all_jobs(store, JobQuery(tenant or settings.jobs_tenant, states, limit=PAGE)))


def find_jobs(ids: Sequence[str], store: JobStore, settings: Settings, tenant: str | None) -> list[Job]:
    """The jobs, each once, by their ids or the first digits of those.

    Raises JobNotFoundError, and InvalidRequestError for digits that several jobs begin with.
    """
    owner = tenant or settings.jobs_tenant
    is_short = any(len(text) < ID_LENGTH for text in ids)
    known = list(all_jobs(store, JobQuery(owner, limit=PAGE))) if is_short else []
    found: dict[str, Job] = {}
    for text in ids:
        job = store.get(owner, text) if len(text) >= ID_LENGTH else _by_prefix(text.lower(), known)
        found[job.id] = job
    return list(found.values())


def _by_prefix(text: str, jobs: Sequence[Job]) -> Job:
    matching = [job for job in jobs if job.id.startswith(text)] if len(text) >= SHORTEST_PREFIX else []
    if len(matching) > 1:
        raise InvalidRequestError(f"Several jobs begin with {text}.", fix="Give more of the id.")
    if not matching:
        raise JobNotFoundError(f"There is no job {text}.", fix="`emoscribe jobs list` shows them; see --tenant.")
    return matching[0]
