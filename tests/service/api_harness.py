"""The API over a real local store, with stages that say what they are told. In process, or on a real socket."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from emoscribe.api import ApiParts, create_app
from emoscribe.job_setup import Submissions, analysis_run
from emoscribe.jobs import ANALYSIS_FILE, Claim, Job, LocalJobStore, Worker, WorkerOptions
from emoscribe.report import render
from emoscribe.settings import Settings, load_settings
from emoscribe.stages import Stages
from emoscribe.tokens import TokenBook, TokenFile
from emoscribe.types import Analysis
from tests.analyses import realistic
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying

LOCAL = "http://127.0.0.1:3000"


def fake_stages() -> Stages:
    return Stages(FakeTranscriber(saying("que happiness")), FakeTranslator(), FakeClassifier())


@dataclass(frozen=True)
class Service:
    """An application with its parts."""

    app: Any
    parts: ApiParts
    store: LocalJobStore
    settings: Settings

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """One request, in process. Errors that leave the application are raised here."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=options.pop("base_url", LOCAL)) as client:
                return await client.request(method, url, **options)

        return asyncio.run(send())

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def upload(self, content: bytes, name: str = "talk.wav", **options: Any) -> httpx.Response:
        return self.post("/v1/analyses", files={"file": (name, content)}, **options)

    def worker(self) -> Worker:
        options = WorkerOptions(concurrency=2, heartbeat_s=0.05, poll_s=0.05, grace_s=0)
        return Worker(self.store, analysis_run(self.settings, self.parts.stages), options)

    def work(self) -> None:
        """Work until nothing is left to do."""
        self.worker().run_until_idle()

    def done(self, analysis: Analysis | None = None, content: bytes = b"anything") -> Job:
        """A job that is done, with this result."""
        job_id = self.upload(content).json()["id"]
        self.finish(self.claim(), analysis or realistic())
        return self.store.get("default", job_id)

    def claim(self) -> Claim:
        claim = self.store.claim("test")
        assert claim is not None
        return claim

    def finish(self, claim: Claim, analysis: Analysis) -> None:
        assert self.store.finish(claim, {ANALYSIS_FILE: render(analysis, "json")})

    def spooled(self) -> list[Path]:
        return list(self.store.spool.iterdir())


@contextmanager
def service(folder: Path, stages: Stages | None = None, **settings: object) -> Iterator[Service]:
    """A service whose jobs lie in `folder`; without tokens unless told otherwise."""
    chosen = load_settings(**{"auth": "off", "jobs_dir": folder / "jobs", **settings})
    store = LocalJobStore(chosen.jobs_dir)
    submissions = Submissions(chosen, store)
    tokens = TokenFile(chosen.tokens_file) if chosen.tokens_file else None
    app = create_app()
    app.state.parts = parts = ApiParts(chosen, store, submissions, stages or fake_stages(), tokens)
    try:
        yield Service(app, parts, store, chosen)
    finally:
        submissions.close()
        store.close()


@contextmanager
def working(made: Service) -> Iterator[Worker]:
    """A worker in a thread."""
    worker = made.worker()
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join()


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """The application on a real socket of this machine; gives its address."""
    started = threading.Event()

    class _Announcing(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none")
    server = _Announcing(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(20)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def write_tokens(path: Path, **entries: tuple[str, tuple[str, ...]]) -> Mapping[str, dict[str, str]]:
    """Write a file of tokens, name=(tenant, scopes); gives each name's headers."""
    book, headers = TokenBook(), {}
    for name, (tenant, scopes) in entries.items():
        book, secret = book.add(name, tenant=tenant, scopes=scopes)
        headers[name] = {"Authorization": f"Bearer {secret}"}
    book.save(path)
    return headers


def check_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The response is this problem, in the one shape."""
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["status"], document["code"]) == (status, status, code), document
    assert document["type"] == f"urn:emoscribe:problem:{code}"
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == response.headers["x-request-id"]
    return document


def events_of(text: str) -> list[tuple[str, str, Any]]:
    """(event, id, data) of each server-sent event; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found


def until(condition: Callable[[], bool], patience_s: float = 20.0) -> None:
    """Wait for something that another thread does."""
    waiting = threading.Event()
    for _ in range(int(patience_s / 0.02)):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError("It did not happen in time.")
