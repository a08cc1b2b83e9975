"""Reads `screenplay.toml` and lays it out in time. Knows nothing of pictures and voices."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("screenplay.toml")


@dataclass(frozen=True)
class Role:
    """A speaker of the screenplay."""

    name: str
    role: str  # shown under the name
    scene: str  # key of pictures.SCENES
    voice: dict[str, float]  # Kokoro voice -> weight
    speed: float = 1.0
    pitch: float = 1.0
    sound: str = ""  # "rain" or nothing


@dataclass(frozen=True)
class Line:
    """One sentence."""

    speaker: str  # key of Screenplay.speakers
    text: str  # as a person would write it down
    gist: str  # in English
    emotion: str  # what the words express
    spoken: str = ""  # as it is read aloud, where that differs from `text`
    also: tuple[str, ...] = ()  # further emotions in the same sentence

    @property
    def aloud(self) -> str:
        """What the voice reads."""
        return self.spoken or self.text


@dataclass(frozen=True)
class Screenplay:
    """The whole of it."""

    title: str
    subtitle: str
    ending: str
    title_ms: int
    credits_ms: int
    between_scenes_ms: int
    between_sentences_ms: int
    speakers: dict[str, Role]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Shot:
    """One speaker on the screen, from the end of the shot before to the start of the next."""

    speaker: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Schedule:
    """When everything happens."""

    line_starts_ms: tuple[int, ...]  # one per line
    line_ends_ms: tuple[int, ...]
    shots: tuple[Shot, ...]
    total_ms: int


def read_screenplay(file: Path = FILE) -> Screenplay:
    """The screenplay as written; KeyError or TypeError where a field is missing or unknown."""
    raw: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    speakers = {key: Role(**fields) for key, fields in raw.pop("speakers").items()}
    lines = tuple(Line(**{**fields, "also": tuple(fields.get("also", ()))}) for fields in raw.pop("lines"))
    return Screenplay(**raw, speakers=speakers, lines=lines)


def schedule(play: Screenplay, durations_ms: Sequence[int]) -> Schedule:
    """Places sentences of the given lengths one after the other, with the screenplay's pauses."""
    starts: list[int] = []
    cuts = [play.title_ms]
    now_ms = play.title_ms
    for number, line in enumerate(play.lines):
        new_scene = number == 0 or line.speaker != play.lines[number - 1].speaker
        if new_scene and number:
            cuts.append(now_ms + play.between_scenes_ms // 2)
        now_ms += play.between_scenes_ms if new_scene else play.between_sentences_ms
        starts.append(now_ms)
        now_ms += durations_ms[number]
    cuts.append(now_ms + play.between_scenes_ms)
    who = [line.speaker for i, line in enumerate(play.lines) if not i or line.speaker != play.lines[i - 1].speaker]
    return Schedule(
        line_starts_ms=tuple(starts),
        line_ends_ms=tuple(start + length for start, length in zip(starts, durations_ms, strict=True)),
        shots=tuple(Shot(speaker, *span) for speaker, span in zip(who, pairwise(cuts), strict=True)),
        total_ms=cuts[-1] + play.credits_ms,
    )
