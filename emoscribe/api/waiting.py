"""`Prefer: wait=N` (RFC 7240): the client would rather wait a while than ask again."""

import re
import threading
from typing import Final

import anyio
from anyio import to_thread

from emoscribe.jobs import Job, JobStore

LONGEST_WAIT_S: Final = 50  # below the 60 s after which proxies and BentoML lose patience
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0

_WAIT: Final = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=[,;]|$)', re.IGNORECASE)


def preferred_wait_s(prefer: str | None) -> int | None:
    """Seconds asked for, as far as they are granted; None if there is no such preference."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), LONGEST_WAIT_S) if found else None


async def wait_until_ended(store: JobStore, job: Job, wait_s: float, closing: threading.Event) -> Job:
    """The job when it has ended, or as it is after `wait_s` or when the service closes.

    Raises JobNotFoundError if it is deleted meanwhile.
    """
    give_up_s = anyio.current_time() + wait_s
    pause_s = FIRST_PAUSE_S
    while not (job.is_final or closing.is_set()) and (left_s := give_up_s - anyio.current_time()) > 0:
        await anyio.sleep(min(pause_s, left_s))
        job = await to_thread.run_sync(store.get, job.tenant, job.id)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
    return job
