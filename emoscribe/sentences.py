"""Joins the words of a recording's clips into sentences, the unit of everything that follows.

Where a sentence ends is decided by sentencex (Wikimedia's rules), by long pauses, and by what the readers
of the sentences can take. No word is lost, doubled, moved or rewritten.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean
from typing import Final

from emoscribe.languages import language_packs
from emoscribe.types import Clip, SpokenWord, Transcript, text_of

MAX_WIDTH: Final = 320  # columns, a Chinese character takes three: below 128 tokens of the emotion model in English
MAX_PAUSE_MS: Final = 2_000  # a sentence does not go on after a longer one
FULL_STOP_MS: Final = 600  # a longer pause is a full stop where punctuation is missing or odd
COMMA_MS: Final = 300  # to split after a comma is as good as at a pause so much longer
ANYWHERE_MS: Final = 50  # what a place without pause and comma is worth: then the middle one is best

PUNCTUATION: Final = frozenset(".,;:!?…。、，．！？；：؟،؛।॥")
CLOSING: Final = "\"'”’»)]"
OPENING: Final = "\"'“‘«([¿¡-–—"


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was said from one full stop to the next, and how far to trust it."""

    words: tuple[SpokenWord, ...]  # at least one; with their times in the recording, in order, without overlap
    language: str  # ISO 639-1
    language_probability: float
    average_log_probability: float  # per token, <= 0
    is_suspect: bool  # from a transcript that looks invented
    has_repetition: bool  # from a transcript with a refrain or loop
    no_speech_probability: float  # the highest of its transcripts
    temperature: float  # of the accepted decoding, the highest of its transcripts

    @property
    def start_ms(self) -> int:
        """Start of the first word in the recording."""
        return self.words[0].start_ms

    @property
    def end_ms(self) -> int:
        """End of the last word in the recording."""
        return self.words[-1].end_ms

    @property
    def text(self) -> str:
        """The words as one text."""
        return text_of(self.words)


@dataclass(frozen=True, slots=True)
class _Said:
    """A word with its times in the recording, and the transcript it is from."""

    word: SpokenWord
    transcript: Transcript


class SentenceBuilder:
    """Takes the clips of one recording in order and gives its sentences in order.

    The last sentence of a clip is held back, because it may go on in the next clip: a clip ends
    where Whisper's window does, not where the speaker stops.
    """

    def __init__(self, max_sentence_ms: int = 15_000) -> None:
        self._max_sentence_ms = max_sentence_ms
        self._held: list[_Said] = []
        self._end_ms = 0  # of the last word so far

    def add(self, clip: Clip, transcript: Transcript) -> list[Sentence]:
        """The sentences that are finished now."""
        said = [_Said(self._place(clip, word), transcript) for word in transcript.words]
        if not said:
            return []
        finished = []
        if self._held and not _may_go_on(self._held[-1], said[0]):
            finished = self.flush()
        *parts, self._held = _split(self._held + said, self._max_sentence_ms)
        return finished + [_sentence(part) for part in parts]

    def flush(self) -> list[Sentence]:
        """The sentence that was held back: at the end of the recording, or where a clip is missing."""
        held, self._held = self._held, []
        return [_sentence(held)] if held else []

    def _place(self, clip: Clip, word: SpokenWord) -> SpokenWord:
        """The word with its times in the recording, not before the end of the previous word."""
        start_ms, end_ms = clip.span_in_recording(word.start_ms, word.end_ms)
        start_ms = max(start_ms, self._end_ms)
        self._end_ms = max(start_ms, end_ms)
        return SpokenWord(word.text, start_ms, self._end_ms, word.probability)


def _may_go_on(last: _Said, following: _Said) -> bool:
    """Whether a sentence may reach over the joint of two clips between these words."""
    before, after = last.transcript, following.transcript
    is_same_voice = before.language == after.language and not (before.is_suspect or after.is_suspect)
    return is_same_voice and following.word.start_ms - last.word.end_ms <= MAX_PAUSE_MS


def _sentence(said: Sequence[_Said]) -> Sentence:
    transcripts = [item.transcript for item in said]
    return Sentence(
        words=tuple(item.word for item in said),
        language=transcripts[0].language,
        language_probability=fmean(transcript.language_probability for transcript in transcripts),
        average_log_probability=fmean(transcript.average_log_probability for transcript in transcripts),
        is_suspect=any(transcript.is_suspect for transcript in transcripts),
        has_repetition=any(transcript.has_repetition for transcript in transcripts),
        no_speech_probability=max(transcript.no_speech_probability for transcript in transcripts),
        temperature=max(transcript.temperature for transcript in transcripts),
    )


# --- where a sentence ends --------------------------------------------------------------------

_Part = list[_Said]  # never empty


def _split(said: _Part, max_ms: int) -> list[_Part]:
    """Words of one language as sentences; where Whisper wrote no punctuation at all, pauses take its place."""
    is_punctuated = any(char in PUNCTUATION for item in said for char in item.word.text)
    pause_ms = MAX_PAUSE_MS if is_punctuated else FULL_STOP_MS
    utterances = [part for sentence in _by_rules(said) for part in _by_pauses(sentence, pause_ms)]
    return [part for utterance in utterances for part in _by_length(utterance, max_ms)]


def _by_rules(said: _Part) -> list[_Part]:
    """Split where sentencex does; but not within a word, and not where the sentence evidently goes on."""
    from sentencex import get_sentence_boundaries

    language = said[0].transcript.language
    pack = language_packs().get(language)
    texts = [item.word.text for item in said]
    text = "".join(texts).replace("…", ".")  # sentencex does not know it as an end
    ends = [found["end_index"] for found in get_sentence_boundaries(pack.sentence_language if pack else language, text)]
    starts = [
        offset + _indent(word) for offset, word in zip(accumulate(map(len, texts), initial=0), texts, strict=False)
    ]
    sentence_of = [bisect_right(ends, start) for start in starts]  # number of the sentence a word starts in
    abbreviations = pack.abbreviations if pack else ()
    breaks = [
        index
        for index in range(1, len(said))
        if sentence_of[index] != sentence_of[index - 1] and not _runs_on(said, index, abbreviations)
    ]
    return _join_marks(_cut(said, breaks))


def _indent(text: str) -> int:
    """Length of the space that most languages write before a word: it belongs to the sentence before."""
    return len(text) - len(text.lstrip())


def _runs_on(said: _Part, index: int, abbreviations: Collection[str]) -> bool:
    """Whether the full stop before a word ends no sentence: the word is small, or the stop is of an abbreviation."""
    last, first = (said[place].word.text.strip().lstrip(OPENING) for place in (index - 1, index))
    if not last.rstrip(CLOSING).endswith((".", "…")):
        return False
    return last.lower() in abbreviations or (first[:1].islower() and _pause_ms(said, index) <= FULL_STOP_MS)


def _join_marks(parts: list[_Part]) -> list[_Part]:
    """Put parts without a letter or digit, such as a lone dash, to the part before them."""
    joined = parts[:1]
    for part in parts[1:]:
        if any(char.isalnum() for item in part for char in item.word.text):
            joined.append(part)
        else:
            joined[-1] = joined[-1] + part
    return joined


def _by_pauses(said: _Part, limit_ms: int) -> list[_Part]:
    """Split at the pauses that are longer than the limit."""
    return _cut(said, [index for index in range(1, len(said)) if _pause_ms(said, index) > limit_ms])


def _by_length(said: _Part, max_ms: int) -> Iterator[_Part]:
    """Split until each part can be read, at the longest pauses and commas near the middle."""
    start_ms = said[0].word.start_ms
    duration_ms = said[-1].word.end_ms - start_ms
    widths = list(accumulate(map(_width, said), initial=0))
    if len(said) == 1 or (duration_ms <= max_ms and widths[-1] <= MAX_WIDTH):
        yield said
        return
    if duration_ms > max_ms:
        shares = [(item.word.start_ms - start_ms) / duration_ms for item in said]
    else:
        shares = [width / widths[-1] for width in widths]
    index = _best_place(said, shares)
    yield from _by_length(said[:index], max_ms)
    yield from _by_length(said[index:], max_ms)


def _best_place(said: _Part, shares: Sequence[float]) -> int:
    """The first word of the second of two parts; each has two words or more, if there are four.

    `shares`: how much of the whole lies before each word, in [0, 1].
    """

    def value(index: int) -> float:
        comma_ms = COMMA_MS if said[index - 1].word.text.rstrip()[-1:] in PUNCTUATION else 0
        return (_pause_ms(said, index) + comma_ms + ANYWHERE_MS) * shares[index] * (1 - shares[index])

    margin = 2 if len(said) >= 4 else 1
    return max(range(margin, len(said) - margin + 1), key=value)


def _cut(said: _Part, breaks: Sequence[int]) -> list[_Part]:
    """The parts between the breaks, each the index of a first word."""
    return [said[first:last] for first, last in pairwise([0, *breaks, len(said)])]


def _pause_ms(said: _Part, index: int) -> int:
    """Silence before a word."""
    return said[index].word.start_ms - said[index - 1].word.end_ms


def _width(said: _Said) -> int:
    """Columns of a word: a character of Chinese, Japanese or Korean says as much as three of an alphabet."""
    return sum(3 if unicodedata.east_asian_width(char) in "WF" else 1 for char in said.word.text)
