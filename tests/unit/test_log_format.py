"""Lines that machines can read, with who they are about, and without what anybody said."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emoscribe.errors import CorruptMediaError
from emoscribe.job_setup import Asked, Submissions, make_worker
from emoscribe.jobs import JobOptions, LocalJobStore
from emoscribe.log_format import (
    JsonFormatter,
    TextFormatter,
    configure_logging,
    current_job_id,
    current_request_id,
)
from emoscribe.settings import load_settings
from emoscribe.stages import Stages
from emoscribe.types import Transcript, TranscriptionRequest
from tests.conftest import ROOT
from tests.fakes import FakeClassifier, FakeTranscriber, FakeTranslator, saying

CLIP = ROOT / "tests/data/speech/pt-1.ogg"
SAID = "Zanzibar"


@pytest.fixture
def restored() -> Iterator[None]:
    """The loggers as they were."""
    root = logging.getLogger()
    names = list(logging.Logger.manager.loggerDict)
    before = {name: (one.handlers[:], one.level, one.propagate) for name in names for one in [logging.getLogger(name)]}
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    for name in list(logging.Logger.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.level, logger.propagate = before.get(name, ([], logging.NOTSET, True))
    logging.Logger.manager._clear_cache()  # type: ignore[attr-defined]  # levels were set behind its back


def record(message: str = "job claimed", error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.getLogger("emoscribe.jobs").makeRecord(
        "emoscribe.jobs", logging.INFO, "local.py", 1, message, (), info, extra=extra
    )


def parsed(one: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(one)
    assert "\n" not in line
    fields: dict[str, Any] = json.loads(line)
    return fields


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_a_line_says_when_what_and_about_whom() -> None:
    fields = parsed(record(job_id="j1", worker="w", outcome="done", error_code=None, text=SAID))
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "INFO",
        "logger": "emoscribe.jobs",
        "message": "job claimed",
        "job_id": "j1",
        "worker": "w",
        "outcome": "done",
    }


def test_ids_come_from_the_context_too() -> None:
    tokens = current_job_id.set("j2"), current_request_id.set("r2")
    try:
        assert parsed(record())["job_id"] == "j2"
        assert parsed(record())["request_id"] == "r2"
        assert parsed(record(job_id="j3"))["job_id"] == "j3"
        assert TextFormatter().format(record()).endswith("job claimed job=j2 request=r2")
    finally:
        current_job_id.reset(tokens[0])
        current_request_id.reset(tokens[1])
    assert "job_id" not in parsed(record())


def test_a_trace_is_named_while_there_is_one() -> None:
    from opentelemetry import trace
    from opentelemetry.trace import NonRecordingSpan, SpanContext

    assert "trace_id" not in parsed(record())
    with trace.use_span(NonRecordingSpan(SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False))):
        fields = parsed(record())
    assert fields["trace_id"] == f"{0xABC:032x}"
    assert fields["span_id"] == f"{0xDEF:016x}"


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_of_an_exception_kind_and_place_are_told_but_not_its_words(formatter: logging.Formatter) -> None:
    error = raised(ValueError(SAID), raised(KeyError(SAID)))
    line = formatter.format(record(error=error))
    assert SAID not in line
    assert "ValueError" in line
    assert "KeyError" in line
    assert "test_log_format.py" in line
    logging.Formatter().format(one := record(error=error))  # leaves the words in the record
    assert SAID not in formatter.format(one)


def test_our_own_errors_say_what_they_say_to_users() -> None:
    fields = parsed(record(error=raised(CorruptMediaError("No sound."))))
    assert fields["exception"] == "CorruptMediaError: [corrupt_media] No sound."
    assert "raise error from cause" in fields["stack"]


@pytest.mark.parametrize("message", ["two\nlines", "lone \udcff surrogate", "zero\x00", "日本 \u2028"])
def test_any_message_is_one_line_of_utf8(message: str) -> None:
    assert parsed(record(message))["message"] == message
    JsonFormatter().format(record(message)).encode("ascii")


@pytest.mark.usefixtures("restored")
def test_everything_goes_to_standard_error_once(capsys: pytest.CaptureFixture[str]) -> None:
    foreign = logging.getLogger("bentoml.access")
    foreign.addHandler(logging.StreamHandler(io.StringIO()))
    foreign.propagate = False
    for _ in range(2):
        configure_logging(load_settings(log_format="json"))
    foreign.info("GET /")
    logging.getLogger("emoscribe.jobs").info("claimed")
    logging.getLogger("emoscribe.jobs").debug("not this")
    logging.getLogger("someone.else").info("nor this")
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["GET /", "claimed"]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_whole_analysis_logs_nothing_of_what_was_said(
    log_format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(jobs_dir=tmp_path / "jobs", log_format=log_format)
    configure_logging(settings, logging.DEBUG)
    store = LocalJobStore(tmp_path / "jobs")
    submissions = Submissions(settings, store)
    said = f"{SAID} happiness. {SAID} BROKEN. {SAID} FAIL."

    def say(request: TranscriptionRequest) -> Transcript:
        if request.language == "de":
            raise RuntimeError(SAID)
        return saying(said)(request)

    for language in ("pt", "de"):
        store.submit(submissions.from_path(CLIP, Asked(JobOptions(language=language), "default")))
    stages = Stages(FakeTranscriber(say), FakeTranslator(), FakeClassifier())
    make_worker(settings, store, stages).run_until_idle()
    logged = capsys.readouterr().err
    store.close()
    assert SAID.lower() not in logged.lower()
    assert "happiness" not in logged
    assert "claim ended: done" in logged
    assert "unexpected RuntimeError" in logged
