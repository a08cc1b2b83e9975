"""The service as its users meet it: real processes, real models, in the three ways it can be deployed."""

import gzip
import io
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soundfile
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from emoscribe.local_stages import analysis_options, load_stages
from emoscribe.media import LocalSource
from emoscribe.pipeline import Finished, analyse
from emoscribe.settings import load_settings
from emoscribe.types import Samples
from tests import sounds
from tests.conftest import ROOT
from tests.service_processes import ServiceProcess

pytestmark = pytest.mark.models

DONE_S = 120.0


def flac(samples: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="FLAC")
    return file.getvalue()


def speech(*names: str) -> Samples:
    return np.concatenate([sounds.read_clip(name) for name in names])


def submit(client: httpx.Client, recording: bytes, name: str = "talk.flac", **fields: str) -> dict[str, Any]:
    answer = client.post("/v1/analyses", files={"file": (name, recording)}, data=fields)
    assert answer.status_code in {200, 202}, answer.text
    return dict(answer.json())


def wait_for(client: httpx.Client, job_id: str, within_s: float = DONE_S) -> dict[str, Any]:
    give_up_s = time.monotonic() + within_s
    job: dict[str, Any] = {}
    while time.monotonic() < give_up_s:
        job = client.get(f"/v1/analyses/{job_id}").raise_for_status().json()
        if job["state"] in {"done", "failed", "cancelled"}:
            return job
        time.sleep(0.2)
    raise AssertionError(f"The job is not done: {job}")


def result(client: httpx.Client, job_id: str) -> dict[str, Any]:
    return dict(client.get(f"/v1/analyses/{job_id}/result.json").raise_for_status().json())


class Collector(ThreadingHTTPServer):
    """An OpenTelemetry collector that keeps the spans it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        super().__init__(("127.0.0.1", 0), _CollectorHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    def trace_of(self, name: str) -> set[str]:
        """Names of all spans that share a trace with one of this name."""
        traces = {span.trace_id for span in self.spans if span.name == name}
        return {span.name for span in self.spans if span.trace_id in traces}


class _CollectorHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        content = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Quietly."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def service(
    models_dir: Path, tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[ServiceProcess]:
    """One machine: `emoscribe serve`."""
    settings = {"EMOSCRIBE_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    with ServiceProcess(["serve"], tmp_path_factory.mktemp("service"), settings) as process:
        yield process


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


# --- one machine ------------------------------------------------------------------------------


def test_the_service_says_what_the_command_line_says(client: httpx.Client) -> None:
    sample = ROOT / "samples" / "demo-pt.mp4"
    job = submit(client, sample.read_bytes(), "demo-pt.mp4")
    assert wait_for(client, job["id"])["state"] == "done"
    served = result(client, job["id"])
    settings = load_settings(threads=2)
    *_, last = analyse(LocalSource(sample), load_stages(settings), analysis_options(settings))
    assert isinstance(last, Finished)
    expected = json.loads(last.analysis.model_dump_json())
    for part in ("segments", "language", "source", "speech_ms", "models", "problems", "settings"):
        assert served[part] == expected[part], part


def test_progress_and_sentences_arrive_while_it_works(client: httpx.Client) -> None:
    job = submit(client, flac(speech("pt-1", "pt-2", "pt-3", "pt-1")))
    with client.stream("GET", f"/v1/analyses/{job['id']}/events", timeout=DONE_S) as stream:
        events = [line.partition(":")[2].strip() for line in stream.iter_lines() if line.startswith("event:")]
    assert "progress" in events
    assert events.count("segment") == len(result(client, job["id"])["segments"])
    assert events[-1] == "done"


def test_the_official_client_transcribes(service: ServiceProcess) -> None:
    client = openai.OpenAI(base_url=f"{service.url}/v1", api_key="none")
    recording = ("talk.flac", flac(speech("pt-2")))
    assert "Mariana" in client.audio.transcriptions.create(model="whisper-1", file=recording).text
    client.close()


def test_emotions_of_texts_are_answered_at_once(client: httpx.Client) -> None:
    body = {"texts": ["Estou com muito medo."], "contexts": ["Ele voltou."], "language": "pt", "explain": True}
    answer = client.post("/v1/emotions", json=body)
    found = answer.raise_for_status().json()["emotions"][0]
    assert max(found["explanation"]["words"], key=lambda word: word["weight"])["text"] == "afraid."
    assert found["label"] == "fear"
    assert "afraid" in found["text_en"] or "scared" in found["text_en"]


def test_a_recording_that_cannot_be_read_fails_its_job_with_a_cause(client: httpx.Client) -> None:
    job = submit(client, b"this is no video" * 100, "video.mp4")
    ended = wait_for(client, job["id"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "unsupported_media")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads have no priority of their own here")
def test_every_thread_of_whisper_gives_way(service: ServiceProcess) -> None:
    transcriber = service.processes("--service-name Transcriber")[-1].pid
    threads = [int(thread.name) for thread in Path(f"/proc/{transcriber}/task").iterdir()]
    assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {19}
    assert os.getpriority(os.PRIO_PROCESS, service.processes("--service-name Classifier")[-1].pid) == 0


def test_errors_of_every_layer_are_problems(client: httpx.Client) -> None:
    for answer, status in (
        (client.get("/no/such/place"), 404),
        (client.put("/v1/analyses"), 405),
        (client.get(f"/v1/analyses/{'0' * 64}"), 404),
        (client.post("/v1/emotions", json={"texts": 7}), 400),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]


def test_metrics_count_the_work_and_name_no_job(client: httpx.Client) -> None:
    job = submit(client, flac(speech("pt-3")))
    wait_for(client, job["id"])
    metrics = client.get("/metrics").raise_for_status().text
    names = ("job_attempts_total", "audio_seconds_total", "transcriber_batch_clips_count", "waiting_jobs")
    assert all(f"emoscribe_{name}" in metrics for name in names)
    assert job["id"] not in metrics


def test_a_trace_goes_across_the_processes(client: httpx.Client, collector: Collector) -> None:
    client.post("/v1/emotions", json={"texts": ["Que bom!"], "language": "pt"}).raise_for_status()
    wait_for(client, submit(client, flac(speech("pt-1")))["id"])
    wanted = {"job": {"POST /transcribe_bulk", "POST /classify_bulk"}, "POST /v1/emotions": {"POST /translate"}}
    give_up_s = time.monotonic() + 30
    while not all(parts <= collector.trace_of(name) for name, parts in wanted.items()):
        assert time.monotonic() < give_up_s, {span.name for span in collector.spans}
        time.sleep(0.1)


def test_many_clients_at_once_are_all_answered(service: ServiceProcess) -> None:
    """U8."""

    def ask(number: int) -> str:
        answer = httpx.post(f"{service.url}/v1/emotions", json={"texts": [f"I am happy, {number}!"]}, timeout=60)
        return str(answer.raise_for_status().json()["emotions"][0]["label"])

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(ask, range(96))) == ["happiness"] * 96


@pytest.mark.parametrize("victim", ["Transcriber", "BatchWorker"])
def test_a_job_outlives_the_process_of_its_work(service: ServiceProcess, client: httpx.Client, victim: str) -> None:
    """kill -9: the job ends once, well. The supervisor starts the process anew, which takes it up to ten seconds."""
    names = ("pt-3", "pt-2", "pt-1") if victim == "Transcriber" else ("pt-2", "pt-1", "pt-3")
    job = submit(client, flac(speech(*names * 4)))
    wait_until_running(client, job["id"])
    service.kill(victim)
    ended = wait_for(client, job["id"], within_s=240)
    assert ended["state"] == "done"
    assert result(client, job["id"])["problems"] == []


def wait_until_running(client: httpx.Client, job_id: str) -> None:
    give_up_s = time.monotonic() + DONE_S
    while client.get(f"/v1/analyses/{job_id}").json()["state"] == "queued":
        assert time.monotonic() < give_up_s
        time.sleep(0.05)


# --- one process ------------------------------------------------------------------------------


def test_everything_in_one_process(models_dir: Path, tmp_path: Path) -> None:
    with (
        ServiceProcess(["serve", "--one-process"], tmp_path) as process,
        httpx.Client(base_url=process.url, timeout=60) as client,
    ):
        assert not process.processes("--service-name Transcriber")
        job = submit(client, flac(speech("pt-3")))
        assert wait_for(client, job["id"])["state"] == "done"
        assert {s["language"] for s in result(client, job["id"])["segments"]} == {"pt"}
        answer = client.post("/v1/translations", json={"texts": ["Bom dia"], "language": "pt"})
        assert "morning" in answer.json()["translations"][0]["text_en"].lower()
        assert process.stop() == 0


# --- separate deployments -----------------------------------------------------------------------


def test_separate_runners_one_of_them_killed_under_load(models_dir: Path, tmp_path: Path) -> None:
    """Each part a process with an address of its own. No call is lost while the transcriber is away."""
    runners = {name: ServiceProcess(["runner", name], tmp_path) for name in ("Transcriber", "Translator", "Classifier")}
    addresses = [argument for name, one in runners.items() for argument in ("--runner", f"{name}={one.url}")]
    parts = [ServiceProcess([part, *addresses], tmp_path) for part in ("serve", "worker")]
    processes = [*runners.values(), *parts]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.wait_until_ready()
        with httpx.Client(base_url=parts[0].url, timeout=120) as client:
            _work_while_a_runner_restarts(client, runners["Transcriber"])
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(ServiceProcess.stop, processes))


def _work_while_a_runner_restarts(client: httpx.Client, transcriber: ServiceProcess) -> None:
    clips = [speech(first, second, first) for first in ("pt-1", "pt-2", "pt-3") for second in ("pt-3", "pt-1")]
    jobs = [submit(client, flac(clip), f"talk-{number}.flac")["id"] for number, clip in enumerate(clips)]
    wait_until_running(client, jobs[0])
    transcriber.kill_all()
    restart = threading.Timer(3.0, transcriber.start)  # at the same address
    restart.start()
    answers = [client.post("/v1/emotions", json={"texts": ["What a lovely day!"]}) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    restart.join()
    assert {wait_for(client, job, within_s=300)["state"] for job in jobs} == {"done"}
    assert all(result(client, job)["problems"] == [] for job in jobs)
    assert all(client.get(f"/v1/analyses/{job}").json()["attempts"] == 1 for job in jobs)  # it waited, it did not fail
