"""The id of the request being answered: in its response and in its problems."""

import re
from typing import Final
from uuid import uuid4

HEADER: Final = "X-Request-ID"
SCOPE_KEY: Final = "emoscribe.request_id"

_ACCEPTED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


def choose_request_id(offered: str) -> str:
    """The caller's own if it can do no harm in a log, else a new one."""
    return offered if _ACCEPTED.fullmatch(offered) else uuid4().hex
