"""Server-sent events: their order, their end, and going on where one was."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from emoscribe.errors import CorruptMediaError, JobStoreError
from emoscribe.jobs import Update
from emoscribe.stages import Stages
from emoscribe.types import Segment, Transcript, TranscriptionRequest
from tests.analyses import realistic
from tests.conftest import ROOT
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying
from tests.job_cases import segment
from tests.service.api_harness import (
    Service,
    check_problem,
    events_of,
    listening,
    service,
    until,
    working,
)
from tests.unit.test_jobs_analysis_run import wav

CLIP = ROOT / "tests" / "data" / "speech" / "pt-1.ogg"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with service(tmp_path) as made:
        yield made


def watch(api: Service, job_id: str, last_event_id: str | None = None) -> httpx.Response:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    return api.get(f"/v1/analyses/{job_id}/events", headers=headers)


def test_an_analysis_is_told_from_its_start_to_its_end(api: Service) -> None:
    job_id = api.upload(wav()).json()["id"]
    said = realistic().segments
    with listening(api.app) as address, ThreadPoolExecutor() as pool:
        stream = pool.submit(httpx.get, f"{address}/v1/analyses/{job_id}/events", timeout=30)
        claim = api.claim()
        assert api.store.heartbeat(claim, Update("transcription", 0.4, said[:2]))
        assert api.store.heartbeat(claim, Update("emotion", 0.8, said[2:3]))
        api.finish(claim, realistic())
        response = stream.result()
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.text)
    told = [Segment.model_validate(data) for name, _, data in events if name == "segment"]
    assert told == list(said)
    assert [id_ for name, id_, _ in events if name == "segment"] == [str(n) for n in range(len(said))]
    progress = [data["progress"] for name, _, data in events if name == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    name, id_, data = events[-1]
    assert (name, id_, data["state"], data["id"]) == ("done", "end", "done", job_id)


def test_one_that_is_done_is_told_again_from_where_one_was(api: Service) -> None:
    job = api.done()
    everything = events_of(watch(api, job.id).text)
    count = len(realistic().segments)
    assert [name for name, _, _ in everything] == ["progress", *["segment"] * count, "done"]
    rest = events_of(watch(api, job.id, "3").text)
    assert [id_ for name, id_, _ in rest if name == "segment"] == [str(n) for n in range(4, count)]
    assert watch(api, job.id, "end").status_code == 204
    assert [name for name, _, _ in events_of(watch(api, job.id, "99").text)] == ["progress", "done"]
    for wrong in ("-1", "x", "9" * 30):
        check_problem(watch(api, job.id, wrong), 400, "invalid_request")


def test_one_that_fails_says_why(api: Service) -> None:
    job_id = api.upload(wav()).json()["id"]
    api.store.fail(api.claim(), CorruptMediaError("Broken.", fix="Mend it."), retry=False)
    name, _, data = events_of(watch(api, job_id).text)[-1]
    assert name == "failed"
    assert data["error"] == {"code": "corrupt_media", "message": "Broken.", "fix": "Mend it."}


def test_one_that_is_cancelled_or_deleted_ends_its_stream(api: Service) -> None:
    first, second = (api.upload(wav(n)).json()["id"] for n in (1, 2))
    begun = threading.Barrier(3, timeout=30)

    def watch(address: str, job_id: str) -> str:
        with httpx.stream("GET", f"{address}/v1/analyses/{job_id}/events", timeout=30) as response:
            parts = response.iter_text()
            text = next(parts)
            begun.wait()
            return text + "".join(parts)

    with listening(api.app) as address, ThreadPoolExecutor() as pool:
        streams = [pool.submit(watch, address, job_id) for job_id in (first, second)]
        begun.wait()
        api.post(f"/v1/analyses/{first}/cancel")
        api.request("DELETE", f"/v1/analyses/{second}")
        ends = [events_of(stream.result())[-1] for stream in streams]
    assert ends[0][:2] == ("cancelled", "end")
    assert ends[1] == ("deleted", "end", {"id": second})
    check_problem(api.get(f"/v1/analyses/{second}/events"), 404, "job_not_found")


def test_a_second_attempt_tells_its_segments_again(api: Service) -> None:
    job_id = api.upload(wav()).json()["id"]
    claim = api.claim()
    api.store.heartbeat(claim, Update("transcription", 0.1, (segment(0, "First."),)))
    lines: list[str] = []

    def read(address: str) -> None:
        with httpx.stream("GET", f"{address}/v1/analyses/{job_id}/events", timeout=30) as response:
            lines.extend(response.iter_lines())

    with listening(api.app) as address:
        reader = threading.Thread(target=read, args=(address,))
        reader.start()
        until(lambda: "id: 0" in lines)
        assert api.store.release(claim)
        until(lambda: any('"queued"' in line for line in lines))
        claim = api.claim()
        api.store.heartbeat(claim, Update("transcription", 0.1, (segment(0, "Second."),)))
        until(lambda: lines.count("id: 0") == 2)
        api.finish(claim, realistic())
        reader.join()
    assert [line for line in lines if line.startswith("event")][-1] == "event: done"


def test_a_store_that_fails_is_told_and_ends_the_stream(api: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = api.upload(wav()).json()["id"]

    def refuse(*_: object) -> None:
        raise JobStoreError("The disk is gone.")

    monkeypatch.setattr(type(api.store), "read_segments", refuse)
    name, id_, data = events_of(watch(api, job_id).text)[-1]
    assert (name, id_, data["code"]) == ("problem", "", "job_store_unavailable")


def test_a_real_worker_is_watched_and_stopped(tmp_path: Path) -> None:
    """Its second clip does not come to an end before somebody cancels the job."""
    waiting, going_on = threading.Event(), threading.Event()

    def say(request: TranscriptionRequest) -> Transcript:
        waiting.set()
        assert going_on.wait(30)
        return saying("que happiness")(request)

    stages = Stages(FakeTranscriber(say), FakeTranslator(), FakeClassifier())
    with service(tmp_path, stages) as api, working(api) as worker:
        job_id = api.upload(CLIP.read_bytes()).json()["id"]
        assert waiting.wait(20)
        assert api.get(f"/v1/analyses/{job_id}").json()["state"] == "running"
        assert api.post(f"/v1/analyses/{job_id}/cancel").json()["state"] == "cancelled"
        assert [name for name, _, _ in events_of(watch(api, job_id).text)] == ["progress", "cancelled"]
        going_on.set()
        until(lambda: worker.running == 0, patience_s=5)
        assert api.get(f"/v1/analyses/{job_id}").json()["state"] == "cancelled"
