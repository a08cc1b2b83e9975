"""Analysis -> SubRip (.srt). The format has no escapes and no comments.

So what a parser would take for the times of another cue is written with signs that look the same.
"""

import re
from collections.abc import Iterable

from emoscribe.report.cues import Cue, Track, cues_of
from emoscribe.report.timestamps import clock
from emoscribe.types import Analysis

# also without an arrow: some parsers take any line with two of these for the times of a cue
_TIME = re.compile(r"(\d:\d{1,2}):(\d{1,2}[.,]\d)")


def render_srt(analysis: Analysis, track: Track) -> bytes:
    """UTF-8 SubRip; empty when nothing was said."""
    return subrip(cues_of(analysis, track))


def subrip(cues: Iterable[Cue]) -> bytes:
    """The cues as UTF-8 SubRip."""
    blocks = []
    for number, cue in enumerate(cues, 1):
        times = " --> ".join(clock(time, hour_digits=2, separator=",") for time in (cue.start_ms, cue.end_ms))
        lines = [_TIME.sub(r"\1∶\2", line.replace("-->", "→")) for line in cue.lines]
        blocks.append("\n".join([str(number), times, *lines]) + "\n")
    return "\n".join(blocks).encode()
