"""From settings to a store, to requests and to a worker; S3 itself is in tests/contract/test_cloud_submissions.py."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoscribe.errors import (
    CallbackRefusedError,
    EmoScribeError,
    InvalidRequestError,
    MediaLimitError,
    MediaNotFoundError,
    SettingsError,
    UnsupportedLanguageError,
)
from emoscribe.job_setup import Asked, Submissions, callback_sender, make_worker, open_store
from emoscribe.jobs import CloudJobStore, JobOptions, JobQuery, LocalJobStore, Upload
from emoscribe.jobs.s3_address import S3Address, S3Place, is_allowed, parse_s3_address
from emoscribe.jobs.spool import PrivateSpool
from emoscribe.pipeline import Event
from emoscribe.report import read_analysis
from emoscribe.request_rules import settings_fingerprint
from emoscribe.settings import Settings, load_settings
from emoscribe.stages import Stages
from tests.conftest import ROOT
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying

CLIP = ROOT / "tests/data/speech/pt-1.ogg"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(jobs_dir=tmp_path / "jobs", models_dir=tmp_path / "no-models")


@pytest.fixture
def store(settings: Settings) -> Iterator[LocalJobStore]:
    made = open_store(settings)
    assert isinstance(made, LocalJobStore)
    yield made
    made.close()


def changed(settings: Settings, **values: object) -> Settings:
    return Settings.model_validate({**settings.model_dump(), **values})


def asked(tenant: str = "default", **fields: Any) -> Asked:
    return Asked(JobOptions(**fields.pop("options", {})), tenant, **fields)


# --- which store ---


def test_a_bucket_and_a_queue_make_it_the_cloud(settings: Settings) -> None:
    cloud = changed(settings, jobs_bucket="jobs", jobs_queue_url="https://queue/1", aws_region="eu-west-1")
    assert isinstance(open_store(cloud), CloudJobStore)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"jobs_bucket": "jobs"}, "EMOSCRIBE_JOBS_QUEUE_URL"),
        ({"jobs_queue_url": "https://queue/1"}, "EMOSCRIBE_JOBS_BUCKET"),
        ({"s3_uploads": "s3://videos/in/"}, "EMOSCRIBE_S3_UPLOADS"),
        (
            {"jobs_bucket": "jobs", "jobs_queue_url": "https://queue/1", "aws_region": "x", "s3_uploads": "videos/in"},
            "EMOSCRIBE_S3_UPLOADS",
        ),
    ],
)
def test_half_a_configuration_is_refused_with_the_remedy(
    settings: Settings, given: dict[str, str], missing: str
) -> None:
    with pytest.raises(SettingsError, match=missing) as refusal:
        open_store(changed(settings, **given))
    assert refusal.value.fix


# --- requests ---


def test_an_upload_and_the_same_file_are_the_same_job(settings: Settings, store: LocalJobStore) -> None:
    submissions = Submissions(settings, store)
    assert submissions.spool == store.spool
    with Upload(submissions.spool, "talk.ogg", 10**6) as upload:
        upload.write(CLIP.read_bytes())
        received = upload.finish()
    uploaded = submissions.from_upload(received, asked())
    assert uploaded.job_id == submissions.from_path(CLIP, asked()).job_id
    assert uploaded.source.identity == {"sha256": received.sha256}


def test_the_same_wish_in_other_words_is_the_same_job(settings: Settings, store: LocalJobStore) -> None:
    submissions = Submissions(settings, store)
    wishes: list[dict[str, object]] = [
        {"language": "pt", "formats": ("json", "srt")},
        {"language": "PT-br", "formats": ("srt",)},
        {"language": "pt_BR", "formats": ("SRT", "srt", "json")},
    ]
    assert len({submissions.from_path(CLIP, asked(options=wish)).job_id for wish in wishes}) == 1
    detected: list[dict[str, object]] = [{}, {"language": "auto"}, {"formats": ()}]
    assert len({submissions.from_path(CLIP, asked(options=wish)).job_id for wish in detected}) == 1


def test_auto_wins_over_a_pinned_language(settings: Settings, store: LocalJobStore) -> None:
    submissions = Submissions(changed(settings, language="de"), store)
    request = submissions.from_path(CLIP, asked(options={"language": "auto"}))
    assert request.options.language == "auto"
    assert submissions.from_path(CLIP, asked()).options.language is None  # the settings' own


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"options": {"language": "klingon"}}, UnsupportedLanguageError),
        ({"options": {"formats": ("docx",)}}, InvalidRequestError),
        ({"tenant": "../other"}, InvalidRequestError),
        ({"idempotency_key": ""}, InvalidRequestError),
        ({"idempotency_key": "k" * 256}, InvalidRequestError),
    ],
)
def test_what_cannot_be_is_refused(
    settings: Settings, store: LocalJobStore, bad: dict[str, Any], error: type[EmoScribeError]
) -> None:
    with pytest.raises(error):
        Submissions(settings, store).from_path(CLIP, asked(**bad))


def test_files_that_are_missing_or_too_large_are_refused(
    settings: Settings, store: LocalJobStore, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (CLIP.parent / "nothing.ogg", CLIP.parent, tmp_path / "pipe.mp4", Path("a\0.mp4"), Path("x" * 300)):
        with pytest.raises(MediaNotFoundError):
            Submissions(settings, store).from_path(path, asked())
    with pytest.raises(MediaLimitError):
        Submissions(changed(settings, max_source_bytes=1000), store).from_path(CLIP, asked())


def test_nothing_is_read_from_s3_unless_the_operator_says_from_where(settings: Settings, store: LocalJobStore) -> None:
    with pytest.raises(InvalidRequestError, match="reads nothing from S3"):
        Submissions(settings, store).from_s3("s3://videos/talk.mp4", asked())
    with pytest.raises(InvalidRequestError, match="may not be read"):
        Submissions(changed(settings, s3_sources=("s3://videos/in/",)), store).from_s3("s3://videos/x.mp4", asked())
    with pytest.raises(SettingsError, match="EMOSCRIBE_S3_SOURCES"):
        Submissions(changed(settings, s3_sources=("videos",)), store)


# --- callbacks ---


def test_without_a_secret_no_callback_is_promised(settings: Settings, store: LocalJobStore) -> None:
    with pytest.raises(CallbackRefusedError, match="no secret") as refusal:
        Submissions(settings, store).from_path(CLIP, asked(callback_url="https://example.org/"))
    assert "EMOSCRIBE_CALLBACK_SECRET_FILE" in refusal.value.fix
    assert callback_sender(settings) is None


def test_callbacks_go_where_they_may(settings: Settings, store: LocalJobStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"0123456789abcdef0123456789\n")
    with_secret = changed(settings, callback_secret_file=secret)
    with pytest.raises(CallbackRefusedError, match="public internet"):
        Submissions(with_secret, store).from_path(CLIP, asked(callback_url="http://127.0.0.1/done"))
    here = changed(with_secret, callback_loopback=True)
    request = Submissions(here, store).from_path(CLIP, asked(callback_url="http://127.0.0.1/done"))
    assert request.callback_url == "http://127.0.0.1/done"


@pytest.mark.parametrize(
    "content", [b"0123456789abcdef01234567\n", b"whsec_" + base64.b64encode(b"0123456789abcdef01234567")]
)
def test_a_secret_may_be_written_in_two_ways(settings: Settings, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    sender = callback_sender(changed(settings, callback_secret_file=tmp_path / "secret"))
    assert sender is not None
    assert sender._options.secret == b"0123456789abcdef01234567"


@pytest.mark.parametrize("content", [b"short", b"", b"whsec_not base64!", None])
def test_a_bad_secret_is_refused_at_the_start(settings: Settings, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(SettingsError, match="secret"):
        callback_sender(changed(settings, callback_secret_file=tmp_path / "secret"))


# --- what shapes a result ---


@pytest.mark.parametrize(
    "change",
    [
        {"beam_size": 1},
        {"profile": "quality"},
        {"language": "pt"},
        {"max_sentence_ms": 5000},
        {"review_emotion_confidence": 0.1},
        {"review_transcript_confidence": 0.1},
        {"review_language_probability": 0.1},
    ],
)
def test_what_shapes_the_result_makes_another_job(settings: Settings, change: dict[str, object]) -> None:
    assert settings_fingerprint(changed(settings, **change)) != settings_fingerprint(settings)


def test_the_machine_does_not(settings: Settings, models_dir: Path) -> None:
    machine = {"threads": 3, "device": "cpu", "compute_type": "float32", "jobs_at_once": 1, "models_dir": models_dir}
    assert settings_fingerprint(changed(settings, **machine)) == settings_fingerprint(settings)


def test_another_emotion_model_does_and_its_bytes_count(settings: Settings, tmp_path: Path) -> None:
    own = changed(settings, emotion_model=str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    found = {settings_fingerprint(settings)}
    for content in (b"one", b"two"):
        (tmp_path / "mine" / "model.onnx").write_bytes(content)
        found.add(settings_fingerprint(own))
    assert len(found) == 3
    with pytest.raises(InvalidRequestError, match="nonesuch"):
        settings_fingerprint(changed(settings, emotion_model="nonesuch"))


def test_models_that_were_locked_by_a_pull_count(settings: Settings, tmp_path: Path) -> None:
    quality = changed(settings, profile="quality")
    before = settings_fingerprint(quality)
    quality.models_dir.mkdir()
    locked = {"opus-mt-de-en": {"version": "abc", "source": "hub", "files": {"model.bin": "1" * 64}}}
    (quality.models_dir / "models.lock.json").write_text(json.dumps({"models": locked}), encoding="utf-8")
    assert settings_fingerprint(quality) != before
    assert settings_fingerprint(settings) == settings_fingerprint(changed(settings, models_dir=tmp_path / "other"))


# --- addresses ---

BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)
PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=12).filter(
    lambda part: part not in {".", ".."}
)
KEYS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@given(BUCKETS, KEYS)
def test_every_key_survives_its_address(bucket: str, key: str) -> None:
    address = parse_s3_address(f"s3://{bucket}/{key}")
    assert address == S3Address(bucket, key)
    assert parse_s3_address(str(address)) == address


@given(BUCKETS, KEYS, KEYS)
def test_a_place_holds_what_lies_below_it_and_nothing_else(bucket: str, prefix: str, key: str) -> None:
    folder, name = S3Place.parse(f"s3://{bucket}/{prefix}/"), S3Place.parse(f"s3://{bucket}/{prefix}")
    whole = S3Place.parse(f"s3://{bucket}")
    for place in (folder, name, whole):
        assert place.holds(bucket, f"{prefix}/{key}")
        assert not place.holds(f"{bucket}x", f"{prefix}/{key}")
        assert not place.holds(bucket[:-1], f"{bucket[-1]}/{prefix}/{key}")
    assert name.holds(bucket, prefix)
    assert not name.holds(bucket, f"{prefix}x/{key}")
    assert folder.holds(bucket, key) == key.startswith(f"{prefix}/")
    assert not is_allowed([], bucket, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "talk.mp4",
        "http://bucket/key",
        "S3://bucket/key",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "s3://b/key",
        "s3://buck et/key",
        "s3://bucket?x/key",
        "s3://../key",
        "s3://arn:aws:s3:eu:1:accesspoint/x/key",
        "s3://user:pass@bucket/key",
        "s3://bucket/in/../secret",
        "s3://bucket/./in",
        "s3://bucket/..",
        "s3://bucket/" + "k" * 1025,
        "s3://bucket/\udcff",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_s3_address(text)
    refusal.value.message.encode()


# --- uploads for the cloud ---


def test_the_spool_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from emoscribe.jobs.spool import PrivateSpool\n"
        "spool = PrivateSpool(Path(sys.argv[1])); (spool.folder / 'video').write_bytes(b'secret')\n"
        "print(spool.folder, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    theirs = Path(process.stdout.readline().strip())
    ours = PrivateSpool(tmp_path)
    assert (theirs / "video").exists()
    assert theirs.stat().st_mode & 0o077 == 0
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    third = PrivateSpool(tmp_path)
    assert not theirs.exists()
    assert ours.folder.exists()
    ours.close()
    third.close()
    assert list(tmp_path.iterdir()) == []


# --- the worker ---


def is_worked_on(store: LocalJobStore) -> bool:
    return store.has_worker


def test_a_worker_does_what_was_submitted(settings: Settings, store: LocalJobStore) -> None:
    request = Submissions(settings, store).from_path(CLIP, asked(options={"language": "pt", "formats": ("srt",)}))
    job = store.submit(request)
    seen: list[Event | object] = []
    transcriber = FakeTranscriber(saying("Que alegria happiness."))
    assert not is_worked_on(store)
    worker = make_worker(
        settings, store, Stages(transcriber, FakeTranslator(), FakeClassifier()), lambda _, event: seen.append(event)
    )
    assert is_worked_on(store)
    worker.run_until_idle()
    done = store.get("default", job.id)
    assert (done.state, done.results) == ("done", ("analysis.json", "analysis.srt"))
    analysis = read_analysis(store.read_result("default", job.id, "analysis.json"))
    assert (analysis.language.language, analysis.language.pinned) == ("pt", True)
    assert analysis.settings["beam_size"] == settings.beam_size
    assert seen
    assert store.list(JobQuery()).jobs == (done,)


def test_a_worker_is_seen_from_other_processes_until_it_dies(settings: Settings, store: LocalJobStore) -> None:
    code = (
        "import sys, time; from pathlib import Path; from emoscribe.jobs import LocalJobStore\n"
        "store = LocalJobStore(Path(sys.argv[1])); store.announce_worker(); print('up', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(settings.jobs_dir)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    assert is_worked_on(store)
    process.kill()
    process.wait()
    process.stdout.close()
    assert not is_worked_on(store)


def test_the_queue_knows_how_long_the_oldest_waits(settings: Settings, store: LocalJobStore) -> None:
    assert (store.backlog().waiting, store.backlog().oldest_s) == (0, None)
    store.submit(Submissions(settings, store).from_path(CLIP, asked()))
    before_s = time.monotonic()
    age_s = store.backlog().oldest_s
    assert age_s is not None
    assert 0 <= age_s <= time.monotonic() - before_s + 60
