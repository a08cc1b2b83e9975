"""A job from a file to its reports: the real pipeline on a real file, with models that say what they are told."""

import io
import json
import os
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoscribe.jobs import (
    AnalysisRun,
    Job,
    JobOptions,
    JobRequest,
    LocalFile,
    LocalJobStore,
    Update,
    Worker,
    WorkerOptions,
    local_file,
)
from emoscribe.jobs.progress import HIGHEST_UNFINISHED, ProgressMeter
from emoscribe.pipeline import STAGES, AnalysisOptions, Progress, SegmentReady
from emoscribe.report import read_analysis
from emoscribe.stages import Stages
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying
from tests.job_cases import s3_request, segment, upload

FORMATS = ("csv", "srt_en", "html")
FILES = {"analysis.json", "analysis.csv", "analysis.en.srt", "analysis.html"}


def wav(seconds: float = 1.0) -> bytes:
    """Silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(int(seconds * 32_000)))
    return file.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalJobStore]:
    made = LocalJobStore(tmp_path / "jobs")
    yield made
    made.close()


def options(chosen: JobOptions) -> AnalysisOptions:
    return AnalysisOptions(language=chosen.language, audio_track=chosen.audio_track, recorded={"profile": "test"})


def work_off(store: LocalJobStore, request: JobRequest) -> Job:
    """Submit and do the work."""
    stages = Stages(FakeTranscriber(saying("que happiness")), FakeTranslator(), FakeClassifier())
    job = store.submit(request)
    Worker(store, AnalysisRun(stages, options), WorkerOptions(concurrency=1)).run_until_idle()
    return store.get(job.tenant, job.id)


def request_for(source: LocalFile, **chosen: object) -> JobRequest:
    return JobRequest.model_validate({"source": source, "options": {"formats": FORMATS, **chosen}})


def test_an_upload_becomes_reports_under_the_user_s_name(store: LocalJobStore) -> None:
    job = work_off(store, request_for(upload(store.spool, wav(), "minha conversa.wav"), language="pt"))
    assert (job.state, job.error, set(job.results)) == ("done", None, FILES)
    analysis = read_analysis(store.read_result("default", job.id, "analysis.json"))
    assert (analysis.source.name, analysis.source.duration_ms) == ("minha conversa.wav", 1000)
    assert (analysis.language.language, analysis.language.pinned) == ("pt", True)
    assert analysis.settings == {"profile": "test"}
    assert store.read_result("default", job.id, "analysis.html").startswith(b"<!")


def test_speech_becomes_segments(store: LocalJobStore, shared_data: Path) -> None:
    clip = next(iter(sorted((shared_data / "speech").rglob("*.flac"))))
    job = work_off(store, request_for(local_file(clip), language="pt"))
    assert job.state == "done"
    segments = json.loads(store.read_result("default", job.id, "analysis.json"))["segments"]
    assert "happiness" in {one["emotion"]["label"] for one in segments}
    assert clip.exists()


def test_a_broken_recording_fails_with_its_cause(store: LocalJobStore) -> None:
    job = work_off(store, request_for(upload(store.spool, b"no recording at all" * 100)))
    assert job.error is not None
    assert (job.state, job.attempts, job.error.code) == ("failed", 1, "unsupported_media")


def test_a_missing_audio_track_fails_with_its_cause(store: LocalJobStore) -> None:
    job = work_off(store, request_for(upload(store.spool, wav()), audio_track=3))
    assert job.error is not None
    assert job.error.code == "no_audio_track"


@pytest.mark.parametrize("change", ["overwritten", "touched", "removed"])
def test_a_file_that_is_no_longer_the_submitted_one_fails(store: LocalJobStore, tmp_path: Path, change: str) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(wav())
    source = local_file(path)
    if change == "overwritten":
        path.write_bytes(wav(2.0))
    elif change == "touched":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
    job = work_off(store, request_for(source))
    assert job.error is not None
    assert job.error.code == ("media_not_found" if change == "removed" else "source_changed")


def test_a_worker_without_s3_says_so(store: LocalJobStore) -> None:
    job = store.submit(s3_request())
    stages = Stages(FakeTranscriber(saying("x")), FakeTranslator(), FakeClassifier())
    Worker(store, AnalysisRun(stages, options), WorkerOptions(concurrency=1)).run_until_idle()
    error = store.get("default", job.id).error
    assert error is not None
    assert "S3" in error.fix


# --- progress ---


EVENTS = st.builds(
    Progress, st.sampled_from(STAGES), st.integers(0, 10**9), st.none() | st.integers(0, 10**9)
) | st.just(SegmentReady(segment(0)))


@given(st.lists(EVENTS))
def test_progress_never_falls_and_never_says_done(events: list[Progress | SegmentReady]) -> None:
    meter, last, segments = ProgressMeter(), 0.0, 0
    for event in events:
        meter.add(event)
        update = meter.take()
        assert last <= update.progress <= HIGHEST_UNFINISHED
        last = update.progress
        segments += len(update.segments)
    assert segments == sum(isinstance(event, SegmentReady) for event in events)
    assert meter.take().segments == ()


def test_progress_follows_the_work() -> None:
    meter = ProgressMeter()
    meter.add(Progress("reading", 1000, None))
    assert meter.take() == Update("reading", 0.0, ())
    for stage in STAGES:
        meter.add(Progress(stage, 500, 1000))
    assert meter.fraction == pytest.approx(0.5)
    assert meter.take().stage == "emotion"
    for stage in STAGES:
        meter.add(Progress(stage, 1000, 1000))
    assert meter.take().progress == HIGHEST_UNFINISHED


def test_segments_that_could_not_be_told_come_again_in_order() -> None:
    meter = ProgressMeter()
    meter.add(SegmentReady(segment(0)))
    update = meter.take()
    meter.add(SegmentReady(segment(1)))
    meter.put_back(update)
    assert [one.index for one in meter.take().segments] == [0, 1]
