"""EmoScribe as BentoML services: the HTTP API and the batch worker, over the runners.

emoscribe serve                                  one machine: API, worker and runners, a process each
emoscribe serve --one-process                    a laptop
docs/service.md, "Separate deployments"          a process, pod or machine for each
"""

import asyncio

import bentoml
from fastapi import Response

from emoscribe.api import ApiParts, ProblemMiddleware, create_app
from emoscribe.errors import JobStoreError
from emoscribe.job_setup import Submissions, make_worker, open_store
from emoscribe.jobs import JobQuery, JobStore, Worker
from emoscribe.metrics import JobMetrics, metrics_page
from emoscribe.settings import Settings
from emoscribe.stages import Stages
from emoscribe.tokens import TokenFile
from runners.classifier import Classifier
from runners.clients import are_local, connect, runner_stages
from runners.departure import DEPARTURE
from runners.serving import KEEP_CONNECTIONS, WorkerThread, begin, traced, tracing_options
from runners.transcriber import Transcriber
from runners.translator import Translator

INTERACTIVE_PATIENCE_S = 20.0  # for a runner that is starting, when somebody waits

web = create_app()


@bentoml.service(
    name="BatchWorker",
    workers=1,
    runner_connection=KEEP_CONNECTIONS,
    runner_probe={"enabled": False},  # it waits for a runner that is away; BentoML's probe would hang
    **tracing_options(),
)
class BatchWorker:
    """Works on the jobs of the store, many recordings at once so that the runners' batches fill."""

    transcriber = bentoml.depends(Transcriber)
    translator = bentoml.depends(Translator)
    classifier = bentoml.depends(Classifier)

    def __init__(self) -> None:
        self._settings = begin("BatchWorker")
        self._thread: WorkerThread | None = None

    @bentoml.on_startup
    async def start(self) -> None:
        """Take up work."""
        await connect(self)
        loop = asyncio.get_running_loop()
        self.work(runner_stages(self, loop, self._settings.runner_patience_s, "bulk"))

    def work(self, stages: Stages) -> None:
        """Take up work with these stages."""
        self._thread = WorkerThread(worker_for(self._settings, stages))

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Take no more jobs; end or give back the running ones."""
        if self._thread:
            await asyncio.to_thread(self._thread.stop)

    def __is_alive__(self) -> bool:
        return self._thread is None or self._thread.is_alive

    @bentoml.api
    def running(self) -> int:
        """Jobs being worked on now."""
        return self._thread.worker.running if self._thread else 0


def _answers(store: JobStore) -> bool:
    """Whether jobs can be taken."""
    try:
        store.list(JobQuery(limit=1))
    except JobStoreError:
        return False
    return True


def worker_for(settings: Settings, stages: Stages) -> Worker:
    """A worker whose every step is counted."""
    store = open_store(settings)
    return make_worker(settings, store, stages, JobMetrics().observe, traced)


@bentoml.service(
    name="EmoScribe",
    workers=1,
    traffic={"timeout": 3600},  # an upload takes its time; but BentoML keeps a timer this long for each request
    metrics={"enabled": False},  # BentoML's have a label for each path, so one for each job; ours are at the same place
    runner_probe={"enabled": False},  # jobs are accepted while a runner is away
    **tracing_options(),
)
@bentoml.asgi_app(web, path="/")
class EmoScribe:
    """The HTTP API."""

    transcriber = bentoml.depends(Transcriber)
    translator = bentoml.depends(Translator)
    classifier = bentoml.depends(Classifier)
    worker = bentoml.depends(BatchWorker)  # so that it is started along with the API on one machine

    def __init__(self) -> None:
        self._settings = begin("EmoScribe")
        self._has_been_ready = False

    @bentoml.on_startup
    async def start(self) -> None:
        """Open the store and connect the routes to it and to the runners."""
        await connect(self)
        store = await asyncio.to_thread(open_store, self._settings)
        stages = runner_stages(self, asyncio.get_running_loop(), INTERACTIVE_PATIENCE_S, "interactive")
        tokens = TokenFile(self._settings.tokens_file) if self._settings.tokens_file else None
        submissions = Submissions(self._settings, store)
        web.state.parts = ApiParts(self._settings, store, submissions, stages, tokens, DEPARTURE.is_closing)
        if are_local(self):
            self.worker.work(runner_stages(self, asyncio.get_running_loop(), 0, "bulk"))

    async def __is_ready__(self) -> bool:
        """Once the job store has answered. When it goes away later, every replica would be unready at once: callers
        would find no door at all instead of 503 with Retry-After, and texts, which need no store, would not be served.
        """
        if not self._has_been_ready:
            self._has_been_ready = await asyncio.to_thread(_answers, web.state.parts.store)
        return self._has_been_ready

    @web.get("/metrics", include_in_schema=False)
    def metrics(self) -> Response:
        """Of all processes of this machine, for Prometheus."""
        page, media_type = metrics_page(web.state.parts.store)
        return Response(page, media_type=media_type)

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """In one process, the worker's end is ours."""
        if are_local(self):
            await self.worker.stop()


EmoScribe.add_asgi_middleware(ProblemMiddleware)  # type: ignore[attr-defined]  # the decorators return a Service
