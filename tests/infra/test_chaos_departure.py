"""A process that is told to stop: what its callers see, second by second."""

import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest
import soundfile

from tests import sounds
from tests.chaos.stand_in_models import BATCH_S_VARIABLE, environment
from tests.service_processes import ServiceProcess

DRAIN_S, FINISH_S, BATCH_S = 6.0, 2.0, 14.0
SETTINGS = {
    **environment(),
    BATCH_S_VARIABLE: str(BATCH_S),
    "EMOSCRIBE_DRAIN_S": str(DRAIN_S),
    "EMOSCRIBE_FINISH_S": str(FINISH_S),
    "EMOSCRIBE_JOB_GRACE_S": "0",
}


def recording() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sounds.read_clip("pt-1"), 16_000, format="FLAC")
    return file.getvalue()


@dataclass
class Farewell:
    """What was seen."""

    while_draining: list[tuple[int, int, str]] = field(default_factory=list)  # readiness, another answer, connection
    after_draining: list[str] = field(default_factory=list)
    events: str = ""
    cut_off: httpx.Response | None = None
    waited_for: httpx.Response | None = None
    exit_code: int | None = None


@pytest.fixture(scope="module")
def farewell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farewell]:
    """A process with a stream, a wait and a call under way is told to stop."""
    seen = Farewell()
    with (
        ThreadPoolExecutor() as pool,
        ServiceProcess(["serve", "--one-process"], tmp_path_factory.mktemp("farewell"), SETTINGS) as process,
    ):
        job = httpx.post(f"{process.url}/v1/analyses", files={"file": ("talk.flac", recording())}).json()["id"]
        watching = threading.Event()
        events = pool.submit(_watch, f"{process.url}/v1/analyses/{job}/events", watching)
        cut_off: Future[httpx.Response] = pool.submit(
            httpx.post,
            f"{process.url}/v1/audio/transcriptions",
            files={"file": ("talk.flac", recording())},
            data={"model": "whisper-1"},
            timeout=60,
        )
        assert watching.wait(30)
        waiting: Future[httpx.Response] = pool.submit(_submit_and_wait, process.url)
        time.sleep(1)  # so that the calls have arrived
        stopping = pool.submit(process.stop)
        _look(process.url, seen)
        seen.events, seen.cut_off, seen.waited_for = events.result(), cut_off.result(), waiting.result()
        seen.exit_code = stopping.result()
        yield seen


def _watch(url: str, watching: threading.Event) -> str:
    lines = []
    with httpx.stream("GET", url, timeout=60) as stream:
        for line in stream.iter_lines():
            watching.set()
            lines.append(line)
    return "\n".join(lines)


def _submit_and_wait(url: str) -> httpx.Response:
    files = {"file": ("talk.flac", recording())}
    return httpx.post(f"{url}/v1/analyses", files=files, headers={"Prefer": "wait=50"}, timeout=60)


def _look(url: str, seen: Farewell) -> None:
    """Each time with a connection of its own, as a load balancer would make it."""
    while httpx.get(f"{url}/readyz", timeout=30).status_code == 200:
        time.sleep(0.05)
    closes_s = time.monotonic() + DRAIN_S
    while time.monotonic() < closes_s - DRAIN_S / 2:
        answer = httpx.get(f"{url}/v1/session", timeout=30)
        ready = httpx.get(f"{url}/readyz", timeout=30).status_code
        seen.while_draining.append((ready, answer.status_code, answer.headers.get("connection", "")))
        time.sleep(0.2)
    time.sleep(DRAIN_S / 2 + 1)
    for _ in range(3):
        try:
            seen.after_draining.append(str(httpx.get(f"{url}/livez", timeout=5).status_code))
        except httpx.HTTPError as error:
            seen.after_draining.append(type(error).__name__)


def test_it_is_unready_first_and_goes_on_answering(farewell: Farewell) -> None:
    assert len(farewell.while_draining) > 3
    assert {ready for ready, _, _ in farewell.while_draining} == {503}
    assert {status for _, status, _ in farewell.while_draining} == {200}
    assert {connection for _, _, connection in farewell.while_draining} == {"close"}


def test_then_it_refuses_connections_instead_of_leaving_them_to_wait(farewell: Farewell) -> None:
    assert set(farewell.after_draining) == {"ConnectError"}


def test_event_streams_end_so_that_clients_connect_elsewhere(farewell: Farewell) -> None:
    assert "event: progress" in farewell.events
    assert "id: end" not in farewell.events


def test_a_client_that_waits_hears_how_far_the_job_is(farewell: Farewell) -> None:
    assert farewell.waited_for is not None
    assert (farewell.waited_for.status_code, farewell.waited_for.json()["state"]) == (202, "running")


def test_a_call_that_is_cut_off_is_to_be_made_again(farewell: Farewell) -> None:
    assert farewell.cut_off is not None
    assert farewell.cut_off.status_code == 503
    assert int(farewell.cut_off.headers["retry-after"]) > 0
    assert farewell.cut_off.headers["content-type"] == "application/problem+json"
    assert farewell.cut_off.json()["code"] == "service_unavailable"


def test_it_ends_by_itself(farewell: Farewell) -> None:
    assert farewell.exit_code == 0
