"""From the pipeline's events to what a job tells: one number, the stage, the new segments."""

from typing import Final

from emoscribe.jobs.model import Update
from emoscribe.pipeline import Event, Progress, SegmentReady, Stage
from emoscribe.types import Segment

# Share of the whole work, roughly as measured on CPU; transcription is nearly all of it.
STAGE_SHARE: Final[dict[Stage, float]] = {"reading": 0.05, "transcription": 0.8, "translation": 0.05, "emotion": 0.1}
HIGHEST_UNFINISHED: Final = 0.99  # 1.0 is kept for a job whose results are published


class ProgressMeter:
    """Sums up what one attempt has reported. Not thread-safe."""

    def __init__(self) -> None:
        self._share_done: dict[Stage, float] = dict.fromkeys(STAGE_SHARE, 0.0)
        self._stage: Stage | None = None
        self._segments: list[Segment] = []

    def add(self, event: Event) -> None:
        """Take an event in."""
        if isinstance(event, SegmentReady):
            self._segments.append(event.segment)
        elif isinstance(event, Progress):
            self._stage = event.stage
            if event.duration_ms:
                share = min(event.position_ms / event.duration_ms, 1.0)
                self._share_done[event.stage] = max(self._share_done[event.stage], share)

    @property
    def fraction(self) -> float:
        """0 to HIGHEST_UNFINISHED, never falling. Stays 0 while the length of the recording is unknown."""
        return min(sum(STAGE_SHARE[stage] * done for stage, done in self._share_done.items()), HIGHEST_UNFINISHED)

    def take(self) -> Update:
        """What is to be told now; its segments will not be told again."""
        segments, self._segments = tuple(self._segments), []
        return Update(self._stage, self.fraction, segments)

    def put_back(self, update: Update) -> None:
        """Telling failed: keep the segments for the next time."""
        self._segments = [*update.segments, *self._segments]
