"""Where decoded sound belongs in time. Pure arithmetic: knows nothing of files and codecs.

The stream that comes out has one rule: the index of a sample is its time. Tracks that start late,
lose packets or pause are filled with silence; what was heard already is dropped; timestamps that
cannot be true (a clock that jumps, as where two broadcasts were joined) do not move anything.
"""

from dataclasses import dataclass
from typing import Final

TOLERANCE_S: Final = 0.1  # jitter that is left alone; FFmpeg's aresample=async does the same
MAX_OVERLAP_S: Final = 1.0  # a longer jump back is a clock that was set anew, not a repetition


@dataclass(frozen=True, slots=True)
class Plausible:
    """Which gaps are believed: short ones, and those that end before the recording does; others are jumps."""

    max_gap_s: float
    end_s: float = 0.0  # 0: not known


class Timeline:
    """Places frames one after the other. All positions are in output samples."""

    def __init__(self, rate_hz: int, plausible: Plausible) -> None:
        self._rate_hz = rate_hz
        self._plausible = plausible
        self._clock_shift = 0  # added to timestamps since the clock jumped
        self._is_empty = True
        self._part_start = 0  # of the frames since the last change of rate or gap, which are counted exactly
        self._part_samples = 0
        self._part_rate_hz = rate_hz

    @property
    def position(self) -> int:
        """Where the next frame belongs if it follows at once."""
        return self._part_start + self._part_samples * self._rate_hz // self._part_rate_hz

    def place(self, start_s: float | None, samples: int, rate_hz: int) -> int | None:
        """Silence needed before the frame, in output samples; None if the frame is to be dropped.

        `start_s`: its timestamp from the start of the recording, None if it has none;
        `samples` at `rate_hz`: its length.
        """
        gap = 0 if start_s is None else self._gap(round(start_s * self._rate_hz))
        if gap < 0:
            return None
        if gap or rate_hz != self._part_rate_hz:
            self._part_start, self._part_samples, self._part_rate_hz = self.position + gap, 0, rate_hz
        self._part_samples += samples
        self._is_empty = False
        return gap

    def _gap(self, start: int) -> int:
        """Samples between the position and `start`; 0 if they are to be joined, negative if `start` was heard."""
        tolerance = 0 if self._is_empty else round(TOLERANCE_S * self._rate_hz)
        if abs(start - self.position) <= tolerance:
            self._clock_shift = 0
            return 0
        gap = start + self._clock_shift - self.position
        if abs(gap) <= tolerance:
            return 0
        if not self._is_believed(gap):
            self._clock_shift -= gap
            return 0
        return gap

    def _is_believed(self, gap: int) -> bool:
        gap_s, target_s = gap / self._rate_hz, (self.position + gap) / self._rate_hz
        if gap < 0:
            return gap_s >= -MAX_OVERLAP_S
        return gap_s <= self._plausible.max_gap_s or target_s <= self._plausible.end_s
