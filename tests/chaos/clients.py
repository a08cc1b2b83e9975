"""Clients, many at once: each always has a job under way, and asks for the emotions of texts meanwhile.

They do what docs/api.md tells clients to do, and no more: after 503 and 429 they wait as told and ask again.
"""

import io
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import numpy as np
import soundfile

from tests import sounds
from tests.chaos.topology import Topology

CALL_S: Final = 90.0
JOB_S: Final = 400.0
PAUSE_S: Final = 0.3
LONGEST_OBEYED_S: Final = 5.0
CLIPS: Final = ("pt-1", "pt-2", "pt-3")

_numbers = itertools.count(1)


@dataclass
class Accepted:
    """A job that the API has accepted."""

    job_id: str
    accepted_s: float
    ended_s: float | None = None


@dataclass
class Tally:
    """What became of calls and jobs; shared by all clients."""

    calls: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of calls that were answered as asked
    jobs: list[Accepted] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, outcome: str, seconds: float | None = None) -> None:
        """One call. Outcomes: "answered", "told to wait", "broken ...", "wrong ..."."""
        with self.lock:
            self.calls[outcome] += 1
            if seconds is not None:
                self.seconds.append(seconds)


def recording() -> bytes:
    """Real speech, unlike every other of this process."""
    number = next(_numbers)
    samples = sounds.read_clip(CLIPS[number % len(CLIPS)]).copy()
    samples[:32] = np.array([(number >> bit) & 1 for bit in range(32)], np.float32) / 100
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="FLAC")
    return file.getvalue()


class Client(threading.Thread):
    """One client; a job after the other until it is told that it is over."""

    def __init__(self, topology: Topology, tally: Tally, over: threading.Event, *, watches: bool) -> None:
        super().__init__(name="client", daemon=True)
        self._topology = topology
        self._tally = tally
        self._over = over
        self._watches = watches  # event streams; the others ask again and again
        self.has_begun = threading.Event()

    def run(self) -> None:
        """Until it is over, and the last job has ended."""
        with httpx.Client(base_url=self._topology.url, timeout=CALL_S) as http:
            while not self._over.is_set():
                accepted = self._submit(http)
                self.has_begun.set()
                give_up_s = time.monotonic() + JOB_S
                while accepted.ended_s is None and time.monotonic() < give_up_s:
                    if self._watches:
                        self._watch(http, accepted)
                    self._emotions(http)
                    self._look(http, accepted)
                    time.sleep(PAUSE_S)

    def _submit(self, http: httpx.Client) -> Accepted:
        files = {"file": (f"talk-{next(_numbers)}.flac", recording())}
        data = {"callback_url": self._topology.receiver.url}
        job = self._ask(http, "POST", "/v1/analyses", {200, 202}, files=files, data=data)
        accepted = Accepted(job["id"], time.monotonic())
        with self._tally.lock:
            self._tally.jobs.append(accepted)
        return accepted

    def _look(self, http: httpx.Client, accepted: Accepted) -> None:
        job = self._ask(http, "GET", f"/v1/analyses/{accepted.job_id}", {200})
        if job["state"] in {"done", "failed", "cancelled"}:
            accepted.ended_s = time.monotonic()

    def _emotions(self, http: httpx.Client) -> None:
        texts = [f"what fear, number {next(_numbers)}"]
        body = self._ask(http, "POST", "/v1/emotions", {200}, json={"texts": texts, "language": "en"})
        if len(body["emotions"]) != 1:
            self._tally.count("wrong answer")

    def _watch(self, http: httpx.Client, accepted: Accepted) -> None:
        """One event stream, to its end; one that was ended by the server is no error, one that breaks off is."""
        try:
            with http.stream("GET", f"/v1/analyses/{accepted.job_id}/events") as stream:
                for _ in stream.iter_lines():
                    pass
                self._tally.count(_outcome(stream, {200, 204}))
        except httpx.HTTPError as error:
            self._tally.count(f"broken {type(error).__name__}")

    def _ask(self, http: httpx.Client, method: str, path: str, wanted: set[int], **sent: Any) -> dict[str, Any]:
        """The body of the answer, asking as often as it takes."""
        while True:
            start = time.monotonic()
            try:
                answer = http.request(method, path, **sent)
            except httpx.HTTPError as error:
                self._tally.count(f"broken {type(error).__name__}")
                time.sleep(PAUSE_S)
                continue
            outcome = _outcome(answer, wanted)
            self._tally.count(outcome, time.monotonic() - start if outcome == "answered" else None)
            if outcome == "answered":
                return dict(answer.json())
            time.sleep(min(float(answer.headers.get("retry-after", PAUSE_S)), LONGEST_OBEYED_S))


def _outcome(answer: httpx.Response, wanted: set[int]) -> str:
    """ "told to wait" only if it is told as the documentation says: typed, with Retry-After."""
    if answer.status_code in wanted:
        return "answered"
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    if answer.status_code in {429, 503} and is_problem and "retry-after" in answer.headers:
        return "told to wait"
    return f"wrong {answer.status_code}" if is_problem else f"wrong {answer.status_code}, no problem details"


class Load:
    """So many clients at work. Leaving the context lets each finish its job."""

    def __init__(self, topology: Topology, clients: int) -> None:
        self.tally = Tally()
        self._over = threading.Event()
        self._clients = [Client(topology, self.tally, self._over, watches=number % 4 == 0) for number in range(clients)]

    def start(self) -> None:
        """Returns when each client has a job."""
        for client in self._clients:
            client.start()
        for client in self._clients:
            client.has_begun.wait(JOB_S)

    def finish(self) -> None:
        """No new jobs; returns when the last one has ended, or was given up."""
        self._over.set()
        for client in self._clients:
            client.join(JOB_S + CALL_S)
