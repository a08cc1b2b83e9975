"""Analysis -> subtitle cues, shared by SRT and VTT: the sentences, cut to readable size, with the emotion in front.

A sentence's first cue starts at its start_ms and its last ends at its end_ms. Cues never overlap and none is
empty in time or text; only sentences that overlap or last 0 ms give way to that, by as little as needed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from emoscribe.report.cue_layout import MAX_COLUMNS, Atom, broken, clean, columns, grouped, lines_of
from emoscribe.types import Analysis, Segment

Track = Literal["source", "en"]

NOT_TRANSLATED: Final = "[not translated]"
CLOSED_GAP_MS: Final = 500  # a shorter gap inside a sentence would flicker


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen at one time."""

    segment_index: int
    part: int  # of the sentence, from 0
    start_ms: int
    end_ms: int  # > start_ms, <= the next cue's start_ms
    lines: tuple[str, ...]  # at least one, none empty


@dataclass(frozen=True, slots=True)
class _Span:
    """The time a sentence has on the screen."""

    start_ms: int
    end_ms: int  # > start_ms

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.start_ms


def cues_of(analysis: Analysis, track: Track) -> list[Cue]:
    """The cues of the source text or of the English, in order. Sentences without text have none."""
    return cues_of_segments(analysis.segments, track)


def cues_of_segments(segments: Iterable[Segment], track: Track) -> list[Cue]:
    """The same for segments alone."""
    spoken = [segment for segment in segments if clean(segment.text)]
    return [cue for segment, span in _without_overlap(spoken) for cue in _cues(segment, span, track)]


def _without_overlap(segments: Iterable[Segment]) -> list[tuple[Segment, _Span]]:
    """Each sentence with its time; one that runs into the next ends there, one without length gets a millisecond."""
    ordered = sorted(segments, key=lambda segment: (segment.start_ms, segment.end_ms))
    spans: list[tuple[Segment, _Span]] = []
    free_ms = 0
    for at, segment in enumerate(ordered):
        start_ms = max(segment.start_ms, free_ms)
        next_ms = ordered[at + 1].start_ms if at + 1 < len(ordered) else segment.end_ms
        end_ms = min(segment.end_ms, next_ms) if next_ms > start_ms else segment.end_ms
        free_ms = max(end_ms, start_ms + 1)
        spans.append((segment, _Span(start_ms, free_ms)))
    return spans


def _cues(segment: Segment, span: _Span, track: Track) -> list[Cue]:
    groups = grouped(_tagged(_atoms(segment, span, track), segment))
    if span.length_ms < len(groups):  # not even a millisecond each: one cue with all the lines
        groups = [[atom for group in groups for atom in group]]
    times = _times(groups, span)
    return [
        Cue(segment.index, part, start_ms, end_ms, lines_of(group))
        for part, (group, (start_ms, end_ms)) in enumerate(zip(groups, times, strict=True))
    ]


def _times(groups: Sequence[Sequence[Atom]], span: _Span) -> list[tuple[int, int]]:
    """When each group is shown: strictly ascending, from the start of the span to its end."""
    starts = [span.start_ms]
    for at, group in enumerate(groups[1:], 1):
        latest_ms = span.end_ms - (len(groups) - at)
        starts.append(max(starts[-1] + 1, min(group[0].start_ms, latest_ms)))
    ends = []
    for at, next_ms in enumerate(starts[1:]):
        said_ms = max(groups[at][-1].end_ms, starts[at] + 1)
        ends.append(next_ms if next_ms - said_ms < CLOSED_GAP_MS else said_ms)
    return list(zip(starts, [*ends, span.end_ms], strict=True))


def _atoms(segment: Segment, span: _Span, track: Track) -> list[Atom]:
    text = clean(segment.text)
    if track == "source":
        atoms = _timed_words(segment, text) or _spread(text, span)
    else:
        atoms = _spread(clean(segment.text_en) or f"{NOT_TRANSLATED} {text}", span)
    return [piece for atom in atoms for piece in (broken(atom) if columns(atom.text) > MAX_COLUMNS else [atom])]


def _timed_words(segment: Segment, text: str) -> list[Atom]:
    """The words with their own times; nothing if they are not exactly the text."""
    atoms: list[Atom] = []
    rest = text
    for word in segment.words:
        written = clean(word.text)
        if not written:
            continue
        spaced = rest.startswith(" ")
        rest = rest.removeprefix(" ")
        if not rest.startswith(written):
            return []
        rest = rest[len(written) :]
        atoms.append(Atom(written, word.start_ms, word.end_ms, spaced))
    return [] if rest else atoms


def _spread(text: str, span: _Span) -> list[Atom]:
    """The words of a text without word times: the span shared out by length."""
    atoms, place = [], 0
    for word in text.split(" "):
        start_ms = span.start_ms + span.length_ms * place // len(text)
        end_ms = span.start_ms + span.length_ms * (place + len(word)) // len(text)
        atoms.append(Atom(word, start_ms, end_ms, spaced=place > 0))
        place += len(word) + 1
    return atoms


def _tagged(atoms: list[Atom], segment: Segment) -> list[Atom]:
    """The emotion in front of the first word. None for neutral, which would only be noise on the screen."""
    if segment.emotion is None or segment.emotion.label == "neutral":
        return atoms
    tag, first = f"[{segment.emotion.label}]", atoms[0]
    if columns(f"{tag} {first.text}") <= MAX_COLUMNS:
        return [replace(first, text=f"{tag} {first.text}"), *atoms[1:]]
    return [Atom(tag, first.start_ms, first.start_ms, spaced=False), replace(first, spaced=True), *atoms[1:]]
