"""Finds speech in a stream of samples and packs it into clips that fill Whisper's window.

    samples -> frames with their probability of speech (speech_frames.py)
            -> regions of speech
            -> sounds: regions with a little silence on each side
            -> clips

Everything is a stream: at most two regions and one clip are in memory, however long the recording.
This module does not know what is said, nor in which language.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from typing import Final

import numpy as np

from emoscribe.speech_frames import FRAME_MS, MODEL_FILE, Block, FrameModel, load_model, model_path, score
from emoscribe.types import MAX_CLIP_MS, SAMPLES_PER_MS, Clip, ModelInfo, Piece, Samples

SMOOTHING_FRAMES: Final = 5  # 160 ms, a short syllable: what is looked at for a place to cut


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """What counts as speech, and how it is packed."""

    start_threshold: float = 0.5  # speech begins at this probability
    end_threshold: float = 0.35  # and ends when it stays below this one
    min_silence_ms: int = 160  # for so long
    min_speech_ms: int = 96  # shorter sounds are clicks, not words
    padding_ms: int = 288  # silence kept on each side of speech: Silero hears its beginning up to 266 ms late
    max_gap_ms: int = 3_000  # speech before and after a longer silence does not share a clip
    max_clip_ms: int = MAX_CLIP_MS
    cut_within_ms: int = 6_000  # a full clip ends at the longest silence in its last so many ms


class SpeechDetector:
    """Finds the speech of one recording. The model holds no state and may be shared; without one it is loaded."""

    def __init__(self, options: SpeechOptions | None = None, model: FrameModel | None = None) -> None:
        self.speech_ms = 0  # found so far, padding not counted
        self._options = options or SpeechOptions()
        self._model = model

    @cached_property
    def models(self) -> tuple[ModelInfo, ...]:
        """The model, for the output: what the catalogue says of it, with the digest of the file that is used."""
        digest = sha256(model_path().read_bytes()).hexdigest()
        digest = sha256(f"{digest}  {MODEL_FILE}\n".encode()).hexdigest()
        return (ModelInfo(role="speech_detection", name="silero-vad", version="6", sha256=digest, license="MIT"),)

    def clips(self, chunks: Iterable[Samples]) -> Iterator[Clip]:
        """The recording's speech, in clips, in order; `chunks` may be of any length.

        A clip is given out when the speech after it does not fit. Raises ModelMissingError.
        """
        packer = _Packer(self._options)
        for sound in self._sounds(chunks):
            yield from packer.add(sound)
        yield from packer.flush()

    def _sounds(self, chunks: Iterable[Samples]) -> Iterator["_Sound"]:
        finder = _RegionFinder(self._options)
        tape = _Tape(self._options.padding_ms)
        for block in score(self._model or load_model(), chunks):
            regions = finder.add(block)
            yield from tape.add(block.samples, regions, finder.open_since_ms)
            self.speech_ms += sum(region.duration_ms for region in regions)
        regions = finder.flush(tape.end_ms)
        yield from tape.flush(regions)
        self.speech_ms += sum(region.duration_ms for region in regions)


# --- probabilities to regions -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Region:
    """Speech in the recording, without padding."""

    start_ms: int
    end_ms: int

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms


class _RegionFinder:
    """Frames to regions with two thresholds, as Silero and faster-whisper do it.

    A region too long for a clip is cut where it sounds least like speech; its parts touch.
    """

    def __init__(self, options: SpeechOptions) -> None:
        self._options = options
        self._max_frames = (options.max_clip_ms - 2 * options.padding_ms) // FRAME_MS
        self._frame = 0  # the next one
        self._start: int | None = None  # first frame of the open region
        self._quiet_since: int | None = None  # first frame of the silence that may end it
        self._goes_on = False  # the open region is the rest of one that was cut
        self._sound: list[tuple[float, float]] = []  # probability and loudness of the open region's frames

    @property
    def open_since_ms(self) -> int:
        """Where the open region starts; if there is none, the place up to which was heard."""
        return FRAME_MS * (self._frame if self._start is None else self._start)

    def add(self, block: Block) -> list[_Region]:
        """The regions that end in the block."""
        ended: list[_Region] = []
        for probability, loudness in zip(block.probabilities.tolist(), block.loudness.tolist(), strict=True):
            ended += self._hear(probability, loudness)
            self._frame += 1
        return ended

    def flush(self, end_ms: int) -> list[_Region]:
        """The region that is open when the recording ends at `end_ms`."""
        return [] if self._start is None else self._close(self._start, end_ms)

    def _hear(self, probability: float, loudness: float) -> list[_Region]:
        options = self._options
        if probability >= options.start_threshold:
            self._quiet_since = None
            if self._start is None:
                self._start = self._frame
        if self._start is None:
            return []
        self._sound.append((probability, loudness))
        if probability < options.end_threshold:
            self._quiet_since = self._frame if self._quiet_since is None else self._quiet_since
            if (self._frame - self._quiet_since) * FRAME_MS >= options.min_silence_ms:
                return self._close(self._start, self._quiet_since * FRAME_MS)
        if len(self._sound) >= self._max_frames:
            return self._cut(self._start)
        return []

    def _close(self, start: int, end_ms: int) -> list[_Region]:
        region = _Region(start * FRAME_MS, end_ms)
        is_speech = self._goes_on or region.duration_ms >= self._options.min_speech_ms
        self._start = self._quiet_since = None
        self._goes_on = False
        self._sound.clear()
        return [region] if is_speech else []

    def _cut(self, start: int) -> list[_Region]:
        """End the open region at the place least like speech in its last third; the rest stays open."""
        place = start + _quietest(self._sound, first=len(self._sound) * 2 // 3)
        if self._quiet_since is not None and place >= self._quiet_since:
            return self._close(start, self._quiet_since * FRAME_MS)
        del self._sound[: place - start]
        self._start = place
        self._goes_on = True
        return [_Region(start * FRAME_MS, place * FRAME_MS)]


def _quietest(sound: Sequence[tuple[float, float]], first: int) -> int:
    """Index, not below `first`, around which probability and loudness are lowest; both count alike."""
    probability, loudness = np.array(sound).T
    speechiness = probability + loudness / max(float(loudness.max()), 1e-9)
    smooth = np.convolve(speechiness, np.ones(SMOOTHING_FRAMES), mode="same")
    last = len(sound) - SMOOTHING_FRAMES // 2  # beyond, the window would reach over the end
    return first + int(np.argmin(smooth[first:last]))


# --- regions to sounds ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sound:
    """A region with its padding: whole ms."""

    start_ms: int
    samples: Samples
    gap_ms: int  # silence between this region and the one before, padding included

    @property
    def duration_ms(self) -> int:
        return len(self.samples) // SAMPLES_PER_MS


class _Tape:
    """Keeps what was heard until it is known to be silence, or given out as sounds.

    The silence between two regions is halved between them, up to the padding.
    """

    def __init__(self, padding_ms: int) -> None:
        self._padding_ms = padding_ms
        self._samples: Samples = np.zeros(0, np.float32)
        self._start_ms = 0
        self._last: _Region | None = None  # waits for the region after it
        self._given_ms: int | None = None  # end of the last region that was given out

    @property
    def end_ms(self) -> int:
        return self._start_ms + len(self._samples) // SAMPLES_PER_MS

    def add(self, samples: Samples, ended: Sequence[_Region], open_since_ms: int) -> Iterator[_Sound]:
        """The sounds that are complete now that more was heard and regions have ended."""
        self._samples = np.concatenate([self._samples, samples])
        yield from self._give(ended)
        if self._last and open_since_ms - self._last.end_ms >= 2 * self._padding_ms:
            yield self._sound(self._last, open_since_ms)
            self._last = None
        needed_ms = self._last.start_ms if self._last else open_since_ms
        self._forget(needed_ms - self._padding_ms)

    def flush(self, ended: Sequence[_Region]) -> Iterator[_Sound]:
        """The sounds that are left at the end of the recording."""
        yield from self._give(ended)
        if self._last:
            yield self._sound(self._last, 2 * self.end_ms - self._last.end_ms)  # no region after: all of the rest

    def _give(self, ended: Sequence[_Region]) -> Iterator[_Sound]:
        for region in ended:
            if self._last:
                yield self._sound(self._last, region.start_ms)
            self._last = region

    def _sound(self, region: _Region, next_ms: int) -> _Sound:
        gap_ms = 2 * region.start_ms if self._given_ms is None else region.start_ms - self._given_ms
        start_ms = region.start_ms - min(self._padding_ms, gap_ms // 2)
        end_ms = region.end_ms + min(self._padding_ms, (next_ms - region.end_ms) // 2)
        self._given_ms = region.end_ms
        first, last = (SAMPLES_PER_MS * (ms - self._start_ms) for ms in (start_ms, end_ms))
        return _Sound(start_ms, self._samples[first:last].copy(), gap_ms)

    def _forget(self, before_ms: int) -> None:
        surplus_ms = max(0, before_ms - self._start_ms)
        self._samples = self._samples[surplus_ms * SAMPLES_PER_MS :]
        self._start_ms += surplus_ms


# --- sounds to clips --------------------------------------------------------------------------


class _Packer:
    """Fills clips with sounds."""

    def __init__(self, options: SpeechOptions) -> None:
        self._options = options
        self._sounds: list[_Sound] = []

    def add(self, sound: _Sound) -> Iterator[Clip]:
        """The clip that is complete because `sound` does not belong into it."""
        if sound.gap_ms > self._options.max_gap_ms:
            yield from self.flush()
        if sum(held.duration_ms for held in self._sounds) + sound.duration_ms > self._options.max_clip_ms:
            count = self._cut(sound)
            yield _clip(self._sounds[:count])
            del self._sounds[:count]
        self._sounds.append(sound)

    def flush(self) -> Iterator[Clip]:
        """The last clip."""
        if self._sounds:
            yield _clip(self._sounds)
            self._sounds = []

    def _cut(self, sound: _Sound) -> int:
        """How many sounds make the clip: the longest silence near its end, the rest leaving room for `sound`."""
        ends_ms = list(accumulate(held.duration_ms for held in self._sounds))
        earliest_ms = max(
            self._options.max_clip_ms - self._options.cut_within_ms,
            ends_ms[-1] + sound.duration_ms - self._options.max_clip_ms,
        )
        counts = [count for count, end_ms in enumerate(ends_ms, start=1) if end_ms >= earliest_ms]
        gaps_ms = [held.gap_ms for held in (*self._sounds[1:], sound)]
        return max(counts, key=lambda count: (gaps_ms[count - 1], count), default=len(self._sounds))


def _clip(sounds: Sequence[_Sound]) -> Clip:
    """Join sounds; those that touch in the recording make one piece."""
    pieces: list[Piece] = []
    clip_ms = 0
    for sound in sounds:
        last = pieces[-1] if pieces else None
        if last and last.start_ms + last.duration_ms == sound.start_ms:
            pieces[-1] = Piece(last.clip_ms, last.start_ms, last.duration_ms + sound.duration_ms)
        else:
            pieces.append(Piece(clip_ms, sound.start_ms, sound.duration_ms))
        clip_ms += sound.duration_ms
    return Clip(np.concatenate([sound.samples for sound in sounds]), tuple(pieces))
