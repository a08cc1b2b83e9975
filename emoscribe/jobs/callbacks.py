"""Tells a customer's server that a job has ended, signed as https://www.standardwebhooks.com describes.

    webhook-id: the same for every try at the same event, to recognise repetitions by
    webhook-timestamp: seconds since 1970
    webhook-signature: v1,<base64 of HMAC-SHA256 over "id.timestamp.body">

The body holds what `GET /v1/analyses/{id}` would: no transcript.
"""

import base64
import hashlib
import hmac
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, Literal

from emoscribe.errors import CallbackRefusedError, SettingsError
from emoscribe.jobs.callback_target import CallbackTarget, parse_callback_url, resolve
from emoscribe.jobs.model import Job

_log = logging.getLogger(__name__)

MIN_SECRET_BYTES: Final = 24  # as Standard Webhooks asks
GONE: Final = 410  # the customer wants no more
MAX_ADDRESSES: Final = 2  # tried in one delivery

Delivery = Literal["delivered", "try_again", "give_up"]


@dataclass(frozen=True, slots=True)
class CallbackOptions:
    """How callbacks are sent."""

    secret: bytes = field(repr=False)  # the customer checks signatures with it
    allow_loopback: bool = False  # for tests and for one machine only
    timeout_s: float = 10.0  # for one delivery, from connecting to the answer; below the store's lease


class CallbackSender:
    """Sends one callback. Not concerned with when to try again."""

    def __init__(self, options: CallbackOptions) -> None:
        if len(options.secret) < MIN_SECRET_BYTES:
            raise SettingsError(
                f"The callback secret is shorter than {MIN_SECRET_BYTES} bytes.", fix="Make a random one."
            )
        self._options = options

    def send(self, job: Job, url: str) -> Delivery:
        """Try once. Redirects are not followed: they count as failures."""
        try:
            target = parse_callback_url(url)
            addresses = resolve(target, allow_loopback=self._options.allow_loopback)
        except CallbackRefusedError as error:
            _log.warning("callback refused: %s", error.message, extra={"job_id": job.id})
            return "give_up"
        except (OSError, UnicodeError):
            return "try_again"
        status = self._post(target, addresses, job)
        if status is None or not 200 <= status < 300:
            _log.info("callback not delivered: status %s", status, extra={"job_id": job.id})
            return "give_up" if status == GONE else "try_again"
        return "delivered"

    def _post(self, target: CallbackTarget, addresses: list[str], job: Job) -> int | None:
        body = callback_body(job)
        headers = sign(body, event_id(job), int(time.time()), self._options.secret)
        headers |= {"Host": target.host_header, "Content-Type": "application/json", "User-Agent": "EmoScribe"}
        give_up_s = time.monotonic() + self._options.timeout_s
        for address in addresses[:MAX_ADDRESSES]:
            try:
                return _exchange(target, address, body, headers, give_up_s)
            except (OSError, HTTPException):  # TimeoutError and ssl.SSLError are OSErrors
                continue
        return None


def read_secret(path: Path) -> bytes:
    """The secret in a file: as it is, or in base64 behind "whsec_" as Standard Webhooks writes it.

    Raises SettingsError.
    """
    try:
        content = path.read_bytes().strip()
        if not content.startswith(b"whsec_"):
            return content
        return base64.b64decode(content.removeprefix(b"whsec_"), validate=True)
    except OSError as error:
        cause = str(error.strerror)
    except ValueError:
        cause = "it is not base64 behind whsec_"
    raise SettingsError(f"The callback secret cannot be read: {cause}.", fix="Check EMOSCRIBE_CALLBACK_SECRET_FILE.")


def event_id(job: Job) -> str:
    """The same however often it is told that this job has ended this way."""
    ended = job.finished_at.isoformat() if job.finished_at else ""
    return f"evt_{hashlib.sha256(f'{job.id} {job.state} {ended}'.encode()).hexdigest()[:32]}"


def callback_body(job: Job) -> bytes:
    """The job as JSON."""
    ended = job.finished_at.isoformat() if job.finished_at else None
    return json.dumps(
        {"type": f"analysis.{job.state}", "timestamp": ended, "data": job.model_dump(mode="json")}
    ).encode()


def sign(body: bytes, message_id: str, timestamp_s: int, secret: bytes) -> dict[str, str]:
    """The headers by which the receiver knows that the message is ours, and fresh."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{signature}",
    }


def _exchange(target: CallbackTarget, address: str, body: bytes, headers: dict[str, str], give_up_s: float) -> int:
    """The status of the answer. Connects to `address`, which has been checked, whatever the name means now."""
    remaining_s = max(give_up_s - time.monotonic(), 0.1)
    with (
        socket.create_connection((address, target.port), timeout=remaining_s) as plain,
        _cut_off(plain, give_up_s),
        _secured(plain, target) as channel,
        closing(HTTPConnection(target.host, target.port)) as connection,
    ):
        connection.sock = channel
        connection.request("POST", target.path, body, headers)
        status = connection.getresponse().status
    if time.monotonic() >= give_up_s:  # http.client takes an answer that was cut off for a whole one
        raise TimeoutError
    return status


@contextmanager
def _cut_off(connection: socket.socket, give_up_s: float) -> Iterator[None]:
    """Ends the connection at that time. The socket's own timeout starts anew with every byte that arrives."""
    with connection.dup() as same:  # the original may be handed over to TLS
        timer = threading.Timer(max(give_up_s - time.monotonic(), 0.1), _shut_down, (same,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)


def _secured(plain: socket.socket, target: CallbackTarget) -> socket.socket:
    if target.scheme == "http":
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
