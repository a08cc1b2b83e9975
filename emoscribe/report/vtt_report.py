"""Analysis -> WebVTT (.vtt). Text is escaped; a NOTE at the top says what the emotions mean and who found them."""

import html
from collections.abc import Iterable

from emoscribe.report.cue_layout import clean
from emoscribe.report.cues import Cue, Track, cues_of
from emoscribe.report.timestamps import clock
from emoscribe.types import Analysis


def render_vtt(analysis: Analysis, track: Track) -> bytes:
    """UTF-8 WebVTT. A cue is named by its segment's index, further cues of the same sentence 7.2, 7.3 and so on."""
    return webvtt(cues_of(analysis, track), _note(analysis))


def webvtt(cues: Iterable[Cue], note: str = "") -> bytes:
    """The cues as UTF-8 WebVTT; `note` is a whole NOTE block."""
    return "\n".join([f"WEBVTT\n\n{note}" if note else "WEBVTT\n", *map(_cue, cues)]).encode()


def _note(analysis: Analysis) -> str:
    models = ", ".join(f"{model.name} {model.version}" for model in analysis.models) or "none"
    lines = [
        analysis.statement,
        f"EmoScribe {analysis.emoscribe_version}; from {', '.join(analysis.modalities)}; models: {models}",
    ]
    return "\n".join(["NOTE", *(html.escape(clean(line), quote=False) for line in lines)]) + "\n"


def _cue(cue: Cue) -> str:
    name = str(cue.segment_index) if cue.part == 0 else f"{cue.segment_index}.{cue.part + 1}"
    times = " --> ".join(clock(time, hour_digits=2) for time in (cue.start_ms, cue.end_ms))
    return "\n".join([name, times, *(html.escape(line, quote=False) for line in cue.lines)]) + "\n"
