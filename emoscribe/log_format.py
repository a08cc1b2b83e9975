"""How the service logs: one line an event, as text or as JSON; who it was about; nothing of what anybody said.

Our own messages are written without transcript text. What is not ours is the message of an exception, which may quote
anything: of exceptions only kind and place are logged, except of our own errors, whose messages may be shown to users.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from emoscribe.errors import EmoScribeError
from emoscribe.settings import Settings

current_request_id: ContextVar[str] = ContextVar("request_id", default="")
current_job_id: ContextVar[str] = ContextVar("job_id", default="")

FIELDS: Final = ("worker", "outcome", "error_code")  # of `extra` that are logged; others are not
MAX_CAUSES: Final = 5  # of an exception that are followed
TEXT_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """A JSON object a line: time, level, logger, message, and what is known of job, request, trace and exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        job_id = getattr(record, "job_id", "") or current_job_id.get()
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "job_id": job_id,
            "request_id": current_request_id.get(),
            **{name: getattr(record, name, None) for name in FIELDS},
            **_trace(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = error_name(record.exc_info[1])
            fields["stack"] = "".join(_stack(record.exc_info[1]))
        return json.dumps({name: value for name, value in fields.items() if value not in {None, ""}}, default=str)


class TextFormatter(logging.Formatter):
    """For people: a line, with the job behind it; exceptions without their messages."""

    def __init__(self) -> None:
        super().__init__(TEXT_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the stack of an exception."""
        record.exc_text = None  # another formatter may have left the whole of it there
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class's name
        """With the first digits of the ids."""
        job_id = getattr(record, "job_id", "") or current_job_id.get()
        ids = (("job", job_id), ("request", current_request_id.get()))
        known = "".join(f" {name}={value[:12]}" for name, value in ids if value)
        return super().formatMessage(record) + known

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the base class's name
        """Kind and place."""
        return "".join(_stack(ei[1])).rstrip() if ei and ei[1] is not None else ""


def configure_logging(settings: Settings, level: int = logging.INFO) -> None:
    """Have everything in this process logged to standard error in the settings' format.

    What other libraries have set up for their loggers is taken down, or their lines would come twice or otherwise.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in list(logging.Logger.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("emoscribe", "runners", "bentoml"):
        logging.getLogger(name).setLevel(level)


def error_name(error: BaseException) -> str:
    """The kind of an exception; of our own errors also what they say."""
    kind = type(error).__qualname__
    return f"{kind}: [{error.code}] {error.message}" if isinstance(error, EmoScribeError) else kind


def _stack(error: BaseException) -> Iterator[str]:
    """Where it came from, causes last, each without its message."""
    seen: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if seen is None:
            return
        yield from traceback.format_tb(seen.__traceback__)
        yield f"{error_name(seen)}\n"
        following = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
        if following is not None:
            yield "caused by\n"
        seen = following


def _trace() -> dict[str, str]:
    """The ids of the trace and the span we are in, if anything traces."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
