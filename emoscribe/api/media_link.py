"""Links to a recording for players, which cannot send a token: signed, for one analysis, valid for minutes."""

import hashlib
import hmac
import re
import time
from typing import Final

from emoscribe.errors import UnauthenticatedError

VALID_S: Final = 30 * 60
_SHAPE: Final = re.compile(r"([0-9]{1,12})\.([a-z0-9_-]{1,64})\.([0-9a-f]{64})")


def make_ticket(secret: bytes, tenant: str, analysis_id: str) -> tuple[str, int]:
    """What lets its bearer hear the recording of one analysis, and until when (seconds since 1970)."""
    expires_s = int(time.time()) + VALID_S
    return f"{expires_s}.{tenant}.{_sign(secret, tenant, analysis_id, expires_s)}", expires_s


def check_ticket(secret: bytes, ticket: str, analysis_id: str) -> str:
    """The tenant it was made for. Raises UnauthenticatedError for one of something else, or too old."""
    found = _SHAPE.fullmatch(ticket)
    if found is not None:
        expires_s, tenant = int(found[1]), found[2]
        is_ours = hmac.compare_digest(found[3], _sign(secret, tenant, analysis_id, expires_s))
        if is_ours and time.time() < expires_s:
            return tenant
    raise UnauthenticatedError("The link to the recording is not valid any more.", fix="Ask for a new one.")


def _sign(secret: bytes, tenant: str, analysis_id: str, expires_s: int) -> str:
    return hmac.new(secret, f"media\n{tenant}\n{analysis_id}\n{expires_s}".encode(), hashlib.sha256).hexdigest()
