"""What is written about clips that were heard: decoded, given word times, decoded again where it loops, and judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from emoscribe.types import SAMPLES_PER_MS, Samples, SpokenWord
from emoscribe.whisper.decoding import SILENCE, Decoder, Decoding, Order
from emoscribe.whisper.invention import SUSPECT_SIGNS, Circumstances, signs_of_invention
from emoscribe.whisper.model import Encodings, WhisperModel
from emoscribe.whisper.repetition import collapse, find_repetition, is_heard
from emoscribe.whisper.words import FRAME_MS, quiet_frames, spoken_words

HOPELESS_SIGNS: Final = 5  # of invention: not decoded again, for nobody speaks
CERTAIN_SIGNS: Final = 6  # of invention: not even kept
MAX_HOLE_MS: Final = 1000  # of sound without a word; silence, of which a clip has little, does not count
MAX_CUTS: Final = 8  # how often what is left of a clip is cut out and written by itself
_SILENCE_PEAK: Final = 0.0003  # 70 dB below full scale

Words = tuple[SpokenWord, ...]


@dataclass(frozen=True, slots=True)
class Hearing:
    """A clip as it was heard, and what is wanted of it."""

    samples: Samples
    encoding: Encodings  # (1500, width)
    order: Order
    languages: Mapping[str, float] | None  # probabilities; None: nobody asked

    @property
    def is_silent(self) -> bool:
        """Nothing that could be speech is in it."""
        return float(np.abs(self.samples).max()) < _SILENCE_PEAK


@dataclass(frozen=True, slots=True)
class Written:
    """The words of one clip."""

    decoding: Decoding
    words: Words = ()
    is_suspect: bool = False
    has_repetition: bool = False

    @property
    def is_trusted(self) -> bool:
        """There are words, and they do not look invented."""
        return bool(self.words) and not self.is_suspect


class Writer:
    """Writes what was said in clips of mixed languages and tasks, each for itself."""

    def __init__(self, model: WhisperModel, beam_size: int, *, timestamp_tokens: bool) -> None:
        self._model = model
        self._decoder = Decoder(model, beam_size, timestamp_tokens=timestamp_tokens)
        self._thorough = Decoder(model, beam_size, timestamp_tokens=True)

    def write(self, hearings: Sequence[Hearing], cuts: int = MAX_CUTS) -> list[Written]:
        """One outcome for each clip, in order."""
        audible = [n for n, hearing in enumerate(hearings) if not hearing.is_silent]
        written = dict.fromkeys(range(len(hearings)), Written(SILENCE))
        if audible:
            group = [hearings[n] for n in audible]
            decodings = self._decoder.decode(_encodings(group), [hearing.order for hearing in group])
            settled = list(map(self._settle, group, decodings, self._words(group, decodings)))
            filled = self._write_holes(group, self._write_thoroughly(group, settled), cuts)
            written.update(zip(audible, map(self._judge, group, filled), strict=True))
        return list(written.values())

    def _words(self, hearings: Sequence[Hearing], decodings: Sequence[Decoding]) -> list[Words]:
        """The words of each clip with their places; aligned together are clips of one language and task."""
        words: dict[int, Words] = {n: () for n, decoding in enumerate(decodings) if not decoding.tokens}
        starts = {n: self._decoder.start(h.order) for n, h in enumerate(hearings) if n not in words}
        for start in dict.fromkeys(starts.values()):
            members = [n for n, own in starts.items() if own == start]
            group = [hearings[n] for n in members]
            texts = [decodings[n].tokens for n in members]
            alignments = self._model.align(_encodings(group), start, texts, [h.order.duration_ms for h in group])
            for n, hearing, text, alignment in zip(members, group, texts, alignments, strict=True):
                words[n] = spoken_words(text, alignment, self._model.tokenizer, hearing.samples)
        return [words[n] for n in range(len(hearings))]

    def _settle(self, hearing: Hearing, decoding: Decoding, words: Words) -> Written:
        """Keep what was written, or write it again."""
        if not words or decoding.is_silence:
            return Written(decoding)
        repetition = find_repetition(words)
        refrain = repetition is not None and is_heard(words, repetition)
        loops = not refrain and (repetition is not None or decoding.is_looping)
        failed = loops or (decoding.has_failed and not refrain)
        if failed and self._signs(hearing, decoding, words, loops) < HOPELESS_SIGNS:
            decoding = self._decoder.retry(hearing.encoding[np.newaxis], hearing.order, decoding, loops=loops)
            words = () if decoding.is_silence else self._words([hearing], [decoding])[0]
        return Written(decoding, words)

    def _write_thoroughly(self, hearings: Sequence[Hearing], written: Sequence[Written]) -> list[Written]:
        """Where Whisper passed over something, decode the clip again with timestamp tokens; keep what leaves out less.

        In a window of several utterances it may leave out whole ones, above all those that say the same again.
        """
        thorough = list(written)
        holes_ms = [_longest_ms(find_holes(w.words, h.samples)) for w, h in zip(written, hearings, strict=True)]
        members = [n for n, hole in enumerate(holes_ms) if hole and self._judge(hearings[n], written[n]).is_trusted]
        if not members:
            return thorough
        group = [hearings[n] for n in members]
        again = self._thorough.decode(_encodings(group), [hearing.order for hearing in group])
        for n, decoding, words in zip(members, again, self._words(group, again), strict=True):
            is_better = _longest_ms(find_holes(words, hearings[n].samples)) < holes_ms[n]
            if words and is_better and not decoding.has_failed:
                thorough[n] = Written(decoding, words)
        return thorough

    def _write_holes(self, hearings: Sequence[Hearing], written: Sequence[Written], cuts: int) -> list[Written]:
        """Cut out what is still left and write it by itself, up to `cuts` times: what is said twice, refrains."""
        holes = [
            (n, start_ms, end_ms)
            for n, (hearing, text) in enumerate(zip(hearings, written, strict=True))
            for start_ms, end_ms in find_holes(text.words, hearing.samples)
            if cuts and self._judge(hearing, text).is_trusted
        ]
        if not holes:
            return list(written)
        found = [list(text.words) for text in written]
        pieces = [self._cut(hearings[n], start_ms, end_ms) for n, start_ms, end_ms in holes]
        for (n, start_ms, _), text in zip(holes, self.write(pieces, cuts - 1), strict=True):
            found[n] += [_later(word, start_ms) for word in text.words if text.is_trusted]
        in_order = [tuple(sorted(words, key=lambda word: word.start_ms)) for words in found]
        return [replace(text, words=words) for text, words in zip(written, in_order, strict=True)]

    def _cut(self, hearing: Hearing, start_ms: int, end_ms: int) -> Hearing:
        samples = hearing.samples[start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS]
        order = replace(hearing.order, duration_ms=end_ms - start_ms)
        return replace(hearing, samples=samples, order=order, encoding=self._model.encode([samples])[0])

    def _judge(self, hearing: Hearing, written: Written) -> Written:
        """The words with loops cut to one round, marked if they look invented, dropped if they surely are."""
        words, decoding = written.words, written.decoding
        if not words:
            return written
        repetition = find_repetition(words)
        has_repetition = repetition is not None
        loops = repetition is not None and not is_heard(words, repetition)
        signs = self._signs(hearing, decoding, words, loops or (decoding.is_looping and not has_repetition))
        if signs >= CERTAIN_SIGNS:
            return Written(decoding)
        while repetition is not None and not is_heard(words, repetition):
            words = tuple(collapse(words, repetition))
            repetition = find_repetition(words)
        return Written(decoding, words, signs >= SUSPECT_SIGNS, has_repetition)

    def _signs(self, hearing: Hearing, decoding: Decoding, words: Words, loops: bool) -> int:
        """The signs of invention. The language is asked for only if it may matter."""
        sound_s = float((~quiet_frames(hearing.samples)).sum()) * FRAME_MS / 1000
        known = Circumstances(decoding, loops, sound_s, hearing.languages or {}, hearing.order.context)
        signs = signs_of_invention(words, known)
        if hearing.languages is not None or not signs:
            return signs
        guess = self._model.detect_languages(hearing.encoding[np.newaxis])[0]
        return signs_of_invention(words, replace(known, languages=guess.distribution))


def find_holes(words: Words, samples: Samples) -> list[tuple[int, int]]:
    """Where more than MAX_HOLE_MS of sound is before, between or behind the words of a clip: (start_ms, end_ms)."""
    heard_ms = np.concatenate([[0], np.cumsum(~quiet_frames(samples))]) * FRAME_MS
    edges = [0, *(edge for word in words for edge in (word.start_ms, word.end_ms)), len(samples) // SAMPLES_PER_MS]
    places = np.minimum(np.array(edges) // FRAME_MS, len(heard_ms) - 1)
    sound_ms = heard_ms[places[1::2]] - heard_ms[places[::2]]
    gaps = zip(edges[::2], edges[1::2], sound_ms, strict=True)
    return [(start_ms, end_ms) for start_ms, end_ms, sound in gaps if words and sound > MAX_HOLE_MS]


def _later(word: SpokenWord, by_ms: int) -> SpokenWord:
    return replace(word, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms)


def _longest_ms(holes: Sequence[tuple[int, int]]) -> int:
    return max((end_ms - start_ms for start_ms, end_ms in holes), default=0)


def _encodings(hearings: Sequence[Hearing]) -> Encodings:
    return np.stack([hearing.encoding for hearing in hearings])
