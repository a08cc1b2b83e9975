"""What all our BentoML services have in common: their options and their first steps."""

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from emoscribe import catalog
from emoscribe.jobs import Attempt, Worker
from emoscribe.jobs.claim_handler import AttemptRun
from emoscribe.log_format import configure_logging
from emoscribe.settings import Settings, load_settings
from runners.departure import DEPARTURE

_log = logging.getLogger(__name__)

CALL_TIMEOUT_S: Final = 1800  # waiting behind other batches included; work that is longer runs as a job

# BentoML closes a caller's session after 100 calls or 300 s, and with it the calls that are under way (#5540)
KEEP_CONNECTIONS: Final = {"max_requests": 10**9, "max_age": 1e9}


def runner_options(name: str) -> dict[str, Any]:
    """For `bentoml.service(**...)`: one process with one model, which nobody but our own processes may reach."""
    return {
        "name": name,
        "workers": 1,
        "threads": 4,  # so that a runner says how it is while its model computes
        "traffic": {"timeout": CALL_TIMEOUT_S},
        "runner_connection": KEEP_CONNECTIONS,
        "logging": {"access": {"enabled": False}},  # of our own calls; the API logs the users'
        **tracing_options(),
    }


def tracing_options() -> dict[str, Any]:
    """Traces go to an OTLP collector, if one is named."""
    endpoint = load_settings().otlp_endpoint
    if endpoint is None:
        return {}
    exporter = {"protocol": "http", "endpoint": endpoint, "http": {"headers": {}}}
    return {"tracing": {"exporter_type": "otlp", "sample_rate": 1.0, "otlp": exporter}}


def begin(service: str) -> Settings:
    """The first step of every service: settings, logs, no downloads, and how its process will leave."""
    settings = load_settings()
    configure_logging(settings)
    catalog.forbid_downloads()
    if _is_own_process(service):
        DEPARTURE.prepare(settings.drain_s or 0, settings.finish_s)
    _log.info("%s starts", service)
    return settings


def _is_own_process(service: str) -> bool:
    """Whether the process serves this service, and not another that has it inside."""
    from bentoml import server_context

    return bool(server_context.service_name == service)


def yield_to_others(service: str, niceness: int) -> None:
    """Lower the CPU priority of this process, if nothing but this service runs in it.

    Linux keeps a priority for each thread: those of a model that is loaded already have to be named one by one.
    """
    if _is_own_process(service):
        threads = Path("/proc/self/task")
        for thread in [int(thread.name) for thread in threads.iterdir()] if threads.exists() else [0]:
            os.setpriority(os.PRIO_PROCESS, thread, niceness)


def traced(run: AttemptRun) -> AttemptRun:
    """Each attempt at a job as a trace of its own; what it calls belongs to it."""
    from bentoml._internal.container import BentoMLContainer  # type: ignore[attr-defined]  # no public way to it

    tracer = BentoMLContainer.tracer_provider.get().get_tracer("emoscribe")

    def run_traced(attempt: Attempt) -> Mapping[str, bytes]:
        with tracer.start_as_current_span("job", attributes={"emoscribe.job_id": attempt.claim.job.id}):
            return run(attempt)

    return run_traced


class WorkerThread:
    """A worker at work in the background of its service."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._thread = threading.Thread(target=worker.run_forever, name="batch-worker")
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """False: it has ended, for whatever reason."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Returns when the last job has ended or was given back."""
        self.worker.stop()
        self._thread.join()
