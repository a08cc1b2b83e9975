"""The formats an analysis can be written in, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from emoscribe.errors import InvalidRequestError
from emoscribe.report.csv_report import render_csv
from emoscribe.report.html_report import render_html
from emoscribe.report.json_report import render_json
from emoscribe.report.parquet_report import render_parquet
from emoscribe.report.srt_report import render_srt
from emoscribe.report.vtt_report import render_vtt
from emoscribe.types import Analysis


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write an analysis down."""

    name: str
    suffix: str  # of a file in this format, with the dot; no two formats share one
    media_type: str
    description: str
    render: Callable[[Analysis], bytes]


_SUBRIP, _WEBVTT = "application/x-subrip", "text/vtt; charset=utf-8"

FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        one.name: one
        for one in (
            Format("json", ".json", "application/json", "Everything; the only format that is read back.", render_json),
            Format("csv", ".csv", "text/csv; charset=utf-8", "A row per sentence, for spreadsheets.", render_csv),
            Format(
                "parquet",
                ".parquet",
                "application/vnd.apache.parquet",
                "A typed row per sentence, for data tools.",
                render_parquet,
            ),
            Format("srt", ".srt", _SUBRIP, "Subtitles, source language.", partial(render_srt, track="source")),
            Format("srt_en", ".en.srt", _SUBRIP, "Subtitles, English.", partial(render_srt, track="en")),
            Format("vtt", ".vtt", _WEBVTT, "Web subtitles, source language.", partial(render_vtt, track="source")),
            Format("vtt_en", ".en.vtt", _WEBVTT, "Web subtitles, English.", partial(render_vtt, track="en")),
            Format("html", ".html", "text/html; charset=utf-8", "A page to read, listen and review.", render_html),
        )
    }
)

_CHOICE: Final = f"Choose from {', '.join(FORMATS)}, all."


def parse_formats(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list, each once; `all` is every format. Raises InvalidRequestError."""
    names = [name for part in text.split(",") if (name := part.strip().lower())]
    if not names:
        raise InvalidRequestError("No format is named.", fix=_CHOICE)
    for name in names:
        if name != "all":
            _format(name)
    return tuple(FORMATS) if "all" in names else tuple(dict.fromkeys(names))


def render(analysis: Analysis, format_name: str) -> bytes:
    """The analysis in the format of that name. Raises InvalidRequestError if there is none."""
    return _format(format_name).render(analysis)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise InvalidRequestError(f"There is no format `{name}`.", fix=_CHOICE)
    return FORMATS[name]
