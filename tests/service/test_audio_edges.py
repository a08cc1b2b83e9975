"""The audio routes where something is wrong, long, slow or given up; on real sound, with fake models."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import soundfile
from faster_whisper.tokenizer import _LANGUAGE_CODES

from emoscribe.api.audio_languages import NAMES
from emoscribe.errors import EmoScribeError, StageError
from emoscribe.stages import Stages
from emoscribe.types import SAMPLE_RATE_HZ, Samples, Transcript, TranscriptionRequest
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying, transcript
from tests.service.api_harness import Service, check_problem, listening, service, until, write_tokens
from tests.sounds import place, read_clip, silence

TRANSCRIPTIONS, TRANSLATIONS = "/v1/audio/transcriptions", "/v1/audio/translations"
Say = Callable[[TranscriptionRequest], Transcript | EmoScribeError]


def flac(samples: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, "PCM_16", format="FLAC")
    return file.getvalue()


def claiming(content: bytes, duration_s: int) -> bytes:
    """The same FLAC file with another length in its header; 0: not known."""
    start, end = 18, 26  # of STREAMINFO's rate, channels and depth (28 bits) and number of samples (36 bits)
    facts = int.from_bytes(content[start:end], "big") >> 36 << 36 | duration_s * SAMPLE_RATE_HZ
    return content[:start] + facts.to_bytes(8, "big") + content[end:]


SHORT = flac(read_clip("pt-2"))
LONG = flac(place([(start_ms, read_clip("pt-2")) for start_ms in range(0, 60_000, 5000)], 60_000)[0])
SYLLABLE = read_clip("pt-2")[:SAMPLE_RATE_HZ]
# so far apart that each is a clip of its own
CALLS = flac(place([(start_ms, SYLLABLE) for start_ms in range(0, 135_000, 4500)], 135_000)[0])
CLIPS = 30


def stages_saying(say: Say) -> Stages:
    return Stages(FakeTranscriber(say), FakeTranslator(), FakeClassifier())


@contextmanager
def speaking(folder: Path, say: Say, **settings: object) -> Iterator[Service]:
    with service(folder, stages_saying(say), **settings) as made:
        yield made


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Service]:
    with speaking(tmp_path, saying("Que dia! Tudo bem.")) as made:
        yield made


@contextmanager
def connected(made: Service) -> Iterator[openai.OpenAI]:
    with listening(made.app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        yield client


def send(made: Service, content: bytes = SHORT, path: str = TRANSCRIPTIONS, **fields: Any) -> httpx.Response:
    return made.post(path, data={"model": "whisper-1", **fields}, files={"file": ("talk.flac", content)})


def heard_by(made: Service) -> list[TranscriptionRequest]:
    transcriber = made.parts.stages.transcriber
    assert isinstance(transcriber, FakeTranscriber)
    return transcriber.requests


def openai_error(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == response.json()["code"]
    return error


# --- what is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "status", "code", "said"),
    [
        ({"response_format": "diarized_json"}, 400, "invalid_request", "speakers are not told apart"),
        ({"response_format": "docx"}, 400, "invalid_request", "response_format"),
        ({"temperature": "1.5"}, 400, "invalid_request", "temperature"),
        ({"temperature": "warm"}, 400, "invalid_request", "temperature"),
        ({"timestamp_granularities[]": "hour"}, 400, "invalid_request", "timestamp_granularities"),
        ({"stream": "true", "response_format": "srt"}, 400, "invalid_request", "no stream of srt"),
        ({"stream": "perhaps"}, 400, "invalid_request", "stream"),
        ({"known_speaker_names[]": "Ana"}, 400, "invalid_request", "not known"),
        ({"model": ["a", "b"]}, 400, "invalid_request", "twice"),
        ({"language": "klingon"}, 422, "unsupported_language", "klingon"),
    ],
)
def test_wrong_fields(api: Service, fields: dict[str, Any], status: int, code: str, said: str) -> None:
    response = send(api, **fields)
    check_problem(response, status, code)
    assert said in openai_error(response)["message"]
    assert openai_error(response)["type"] == "invalid_request_error"
    assert (heard_by(api), api.spooled()) == ([], [])


def test_the_parameter_that_is_wrong_is_named(api: Service) -> None:
    assert openai_error(send(api, temperature="7"))["param"] == "temperature"
    missing = api.post(TRANSCRIPTIONS, files={"file": ("a.flac", SHORT)})
    assert openai_error(missing)["param"] == "model"


def test_translations_are_not_streamed(api: Service) -> None:
    check_problem(send(api, path=TRANSLATIONS, stream="true"), 400, "invalid_request")


def test_a_form_without_a_file(api: Service) -> None:
    response = api.post(TRANSCRIPTIONS, files={"model": (None, "whisper-1")})
    assert "no file" in openai_error(response)["message"]
    check_problem(api.post(TRANSCRIPTIONS, json={"model": "whisper-1"}), 400, "invalid_request")


def test_fields_reach_the_model(api: Service) -> None:
    send(api, language="pt-BR", prompt="Mariana Sousa")
    assert {(one.language, one.prompt, one.task) for one in heard_by(api)} == {("pt", "Mariana Sousa", "transcribe")}


@pytest.mark.parametrize("language", ["", "auto"])
def test_a_language_that_is_left_open_is_detected(api: Service, language: str) -> None:
    assert send(api, language=language).json()["languages"] == [{"code": "pt"}]
    assert {one.language for one in heard_by(api)} == {None}


def test_the_prompt_of_a_translation_has_no_effect(api: Service) -> None:
    with_prompt = send(api, path=TRANSLATIONS, prompt="A talk about weather.").json()
    assert with_prompt["text"] == "QUE DIA! TUDO BEM."
    assert "weather" not in {one.prompt for one in heard_by(api)}


def test_what_has_no_effect_is_accepted(api: Service) -> None:
    with connected(api) as client:
        found = client.audio.transcriptions.create(
            file=("talk.flac", SHORT),
            model="gpt-4o-transcribe",
            include=["logprobs"],
            chunking_strategy={"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 300},
            temperature=0.7,
            timestamp_granularities=["word", "segment"],
        )
    assert found.text == "Que dia! Tudo bem."


def test_every_language_has_a_name() -> None:
    assert set(NAMES) == set(_LANGUAGE_CODES)
    assert len(set(NAMES.values())) == len(NAMES)


# --- what is sent -------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["false", "true"])
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "corrupt_media"),
        (b"no recording " * 99, 415, "unsupported_media"),
        (SHORT[:60], 422, "corrupt_media"),
    ],
)
def test_files_that_are_no_recordings(api: Service, content: bytes, status: int, code: str, stream: str) -> None:
    response = send(api, content, stream=stream)
    check_problem(response, status, code)
    assert openai_error(response)["message"]
    assert api.spooled() == []


def test_a_video_without_sound(api: Service, tmp_path: Path) -> None:
    import av

    path = tmp_path / "mute.mp4"
    with av.open(path, "w") as file:
        video = file.add_stream("mpeg4", rate=10, width=16, height=16, pix_fmt="yuv420p")
        frame = av.VideoFrame(16, 16, "yuv420p")
        file.mux([*video.encode(frame), *video.encode(None)])
    check_problem(send(api, path.read_bytes()), 422, "no_audio_track")


@pytest.mark.parametrize("stream", ["false", "true"])
@pytest.mark.parametrize("content", [LONG, claiming(LONG, 0)], ids=["known", "unknown"])
def test_a_long_recording_is_a_job(tmp_path: Path, content: bytes, stream: str) -> None:
    with speaking(tmp_path, saying("Oi."), audio_max_duration_s=30) as api:
        response = send(api, content, stream=stream)
        check_problem(response, 413, "media_too_large")
        assert "/v1/analyses" in openai_error(response)["message"]
        assert (heard_by(api), api.spooled()) == ([], [])


def test_a_header_that_claims_too_much_is_not_believed(tmp_path: Path) -> None:
    with speaking(tmp_path, saying("Oi."), audio_max_duration_s=30) as api:
        assert send(api, claiming(SHORT, 3600)).json()["text"] == "Oi."


def test_an_upload_that_is_too_large(tmp_path: Path) -> None:
    with speaking(tmp_path, saying("Oi."), max_upload_bytes=10_000) as api:
        check_problem(send(api), 413, "media_too_large")
        assert api.spooled() == []


def test_tokens_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    headers = write_tokens(path, reader=("default", ("analyses:read",)), writer=("default", ("text",)))
    with speaking(tmp_path, saying("Oi."), auth="tokens", tokens_file=path) as api, listening(api.app) as url:

        def client(key: str) -> openai.OpenAI:
            return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

        with pytest.raises(openai.AuthenticationError, match="not known here"):
            client("wrong").audio.transcriptions.create(file=("a.flac", SHORT), model="m")
        with pytest.raises(openai.PermissionDeniedError, match="lacks the scope text"):
            client(headers["reader"]["Authorization"][7:]).models.list()
        allowed = client(headers["writer"]["Authorization"][7:])
        assert allowed.audio.transcriptions.create(file=("a.flac", SHORT), model="m").text == "Oi."


# --- what goes wrong ----------------------------------------------------------------------------


def failing_after(count: int) -> Say:
    """The first clips are heard, the others fail."""
    left = iter(range(count))

    def say(request: TranscriptionRequest) -> Transcript | StageError:
        return StageError("This clip failed.") if next(left, None) is None else saying("Oi, tudo bem.")(request)

    return say


@pytest.mark.parametrize("stream", ["false", "true"])
def test_when_every_clip_fails_so_does_the_request(tmp_path: Path, stream: str) -> None:
    with speaking(tmp_path, failing_after(0)) as api:
        response = send(api, stream=stream)
        check_problem(response, 500, "stage_failed")
        assert openai_error(response)["type"] == "server_error"


def test_a_part_that_is_missing_is_told(tmp_path: Path) -> None:
    with speaking(tmp_path, failing_after(1)) as api:
        response = send(api, LONG)
        assert response.json()["text"] == "Oi, tudo bem."
        assert {problem["code"] for problem in response.json()["problems"]} == {"stage_failed"}
        assert response.headers["x-emoscribe-problems"] == "stage_failed"


def test_every_form_tells_of_missing_parts_and_only_of_those(tmp_path: Path, api: Service) -> None:
    for wanted in ("text", "srt", "vtt", "verbose_json"):
        with speaking(tmp_path / wanted, failing_after(1)) as partly:
            assert send(partly, LONG, response_format=wanted).headers["x-emoscribe-problems"] == "stage_failed"
        assert "x-emoscribe-problems" not in send(api, response_format=wanted).headers


def test_sentences_that_cannot_be_translated(tmp_path: Path) -> None:
    with speaking(tmp_path / "some", saying("FAIL agora. Tudo bem.")) as api:
        response = send(api, path=TRANSLATIONS)
        assert response.json()["text"] == "TUDO BEM."
        assert [problem["code"] for problem in response.json()["problems"]] == ["stage_failed"]
        assert "[not translated]" in send(api, path=TRANSLATIONS, response_format="srt").text
    with speaking(tmp_path / "all", saying("FAIL agora. FAIL sempre.")) as api:
        check_problem(send(api, path=TRANSLATIONS), 500, "stage_failed")


def test_a_stream_that_breaks_says_why(tmp_path: Path) -> None:
    """Here: it grows too long while it is read."""
    with speaking(tmp_path, saying("Oi."), audio_max_duration_s=130) as api, connected(api) as client:
        sound = ("talk.flac", claiming(CALLS, 0))
        stream = client.audio.transcriptions.create(file=sound, model="m", stream=True, language="pt")
        assert next(stream).type == "transcript.text.delta"
        with pytest.raises(openai.APIError, match="longer than 130 s") as caught:
            list(stream)
        assert caught.value.code == "media_too_large"


def test_errors_nobody_foresaw_tell_nothing(tmp_path: Path) -> None:
    def say(request: TranscriptionRequest) -> Transcript:
        raise RuntimeError("what somebody said")

    with speaking(tmp_path, say) as api:
        for stream in ("true", "false"):
            response = send(api, stream=stream)
            check_problem(response, 500, "internal_error")
            assert "somebody" not in response.text
            assert openai_error(response)["code"] == "internal_error"


# --- languages without spaces -------------------------------------------------------------------


def test_sentences_are_joined_as_their_language_does(tmp_path: Path) -> None:
    def say(request: TranscriptionRequest) -> Transcript:
        spoken = transcript("今日は。 元気です。", len(request.samples) // 16, "ja")
        words = tuple(type(word)(word.text.strip(), word.start_ms, word.end_ms, 0.9) for word in spoken.words)
        return Transcript(words, "ja", 0.9)

    with speaking(tmp_path, say) as api:
        found = send(api, language="ja", response_format="verbose_json").json()
        assert found["text"] == "今日は。元気です。"
        assert "".join(segment["text"] for segment in found["segments"]) == found["text"]
        assert found["language"] == "japanese"


# --- clients that go away -----------------------------------------------------------------------


class Slow:
    """Speech whose first clip takes until `go_on` is set, and whose others take a while."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.calls = 0

    def __call__(self, request: TranscriptionRequest) -> Transcript:
        self.calls += 1
        assert self.go_on.wait(60)
        threading.Event().wait(0.1)
        return saying("Oi.")(request)


def children() -> set[str]:
    return {child for task in Path("/proc/self/task").glob("*/children") for child in task.read_text().split()}


@pytest.mark.parametrize("stream", ["false", "true"])
def test_when_the_client_goes_away_the_work_ends(tmp_path: Path, stream: str) -> None:
    slow, before = Slow(), children()
    form = {"model": "m", "stream": stream, "language": "pt"}
    with speaking(tmp_path, slow, clips_per_batch=1) as api, listening(api.app) as url:
        with httpx.Client() as client, pytest.raises(httpx.ReadTimeout):
            client.post(f"{url}{TRANSCRIPTIONS}", data=form, files={"file": ("a.flac", CALLS)}, timeout=2)
        until(lambda: slow.calls > 0)
        slow.go_on.set()
        until(lambda: not api.spooled() and children() <= before)
        until(lambda: api.app.state.audio_places.borrowed_tokens == 0)
        assert slow.calls < CLIPS // 2


def test_who_finds_all_places_taken_is_told_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emoscribe.api.audio_stream.LONGEST_WAIT_S", 0.05)
    slow = Slow()
    with speaking(tmp_path, slow, audio_at_once=1) as api, listening(api.app) as url:
        answers: list[httpx.Response] = []

        def ask() -> httpx.Response:
            with httpx.Client(timeout=60) as client:
                return client.post(f"{url}{TRANSCRIPTIONS}", data={"model": "m"}, files={"file": ("a.flac", SHORT)})

        first = threading.Thread(target=lambda: answers.append(ask()))
        first.start()
        until(lambda: slow.calls == 1)
        refused = ask()
        slow.go_on.set()
        first.join()
        check_problem(refused, 503, "runner_unavailable")
        assert refused.headers["retry-after"]
        assert answers[0].json()["text"] == "Oi."


# --- how it looks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "media_type"),
    [
        ("json", "application/json"),
        ("verbose_json", "application/json"),
        ("text", "text/plain; charset=utf-8"),
        ("srt", "application/x-subrip; charset=utf-8"),
        ("vtt", "text/vtt; charset=utf-8"),
    ],
)
def test_media_types(api: Service, wanted: str, media_type: str) -> None:
    response = send(api, response_format=wanted)
    assert (response.headers["content-type"], response.headers["cache-control"]) == (media_type, "no-store")


def test_events_are_lines_of_json(api: Service) -> None:
    response = send(api, stream="true")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *blocks, rest = response.text.split("\n\n")
    assert rest == ""
    events = [json.loads(block.removeprefix("data: ")) for block in blocks]
    assert [event["type"] for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"] == "Que dia! Tudo bem."


def test_silence_is_an_ordinary_answer(api: Service) -> None:
    found = send(api, flac(silence(1500)), response_format="verbose_json").json()
    assert (found["text"], found["segments"], found["language"], found["duration"]) == ("", [], "unknown", 1.5)
    assert heard_by(api) == []


def test_the_document_describes_the_forms(api: Service) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    forms = [
        paths[path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        for path in (TRANSCRIPTIONS, TRANSLATIONS)
    ]
    for form in forms:
        assert form["required"] == ["file", "model"]
        assert {"language", "prompt", "response_format", "temperature"} <= set(form["properties"])
    assert ["stream" in form["properties"] for form in forms] == [True, False]
