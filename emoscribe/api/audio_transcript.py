"""A recording to text that is answered at once: heard, put into English if wanted, not classified and not kept."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from emoscribe.audio import AudioInfo, AudioStream
from emoscribe.enrichment import Translated, translate
from emoscribe.errors import EmoScribeError, MediaLimitError
from emoscribe.listening import Heard, HearingOptions, Listener
from emoscribe.media import DecodeLimits, Source, open_audio
from emoscribe.sentences import Sentence
from emoscribe.stages import Stages
from emoscribe.types import LanguageSummary, Problem, Samples, Translation
from emoscribe.whisper.words import is_spaceless

Check = Callable[[], None]  # raises when the work is no longer wanted


@dataclass(frozen=True, slots=True)
class TranscriptOptions:
    """How a recording becomes text."""

    hearing: HearingOptions
    limits: DecodeLimits
    max_duration_s: int  # of the recording
    to_english: bool = False


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence."""

    text: str  # as asked for: in its language, or in English; empty if it could not be translated
    gap: str  # what parts it from the text before: a space, or nothing
    sentence: Sentence
    translation: Translation | None = None  # None: no English was wanted


@dataclass(frozen=True, slots=True)
class SpokenText:
    """All that was said. The end of a transcript."""

    utterances: tuple[Utterance, ...]
    language: LanguageSummary
    duration_ms: int  # of the recording
    is_english: bool  # a translation
    model: str  # that heard it
    problems: tuple[Problem, ...]  # parts that are missing

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return "".join(one.gap + one.text for one in self.utterances)


Transcript = Generator[Utterance | SpokenText, None, None]


def transcribe(source: Source, stages: Stages, options: TranscriptOptions, check: Check) -> Transcript:
    """The sentences in order, as they are ready, then everything. `check` is called every few seconds of sound.

    Raises MediaError for a recording that cannot be read or is too long and, where every clip or every translation
    failed, the error of the first. A recording without speech has an empty text.
    """
    with open_audio(source, limits=options.limits) as audio:
        watched = _Watched(audio, options, check)
        if not watched.claims_too_much:
            yield from _listen(watched, stages, options)
            return
        for _ in watched:  # to its end, before anything is transcribed: what it claims may be wrong
            pass
    with open_audio(source, limits=options.limits) as audio:
        yield from _listen(_Watched(audio, options, check), stages, options)


def _listen(audio: "_Watched", stages: Stages, options: TranscriptOptions) -> Transcript:
    listener = Listener(audio, stages.transcriber, options.hearing)
    writer = _Writer(stages, to_english=options.to_english)
    for clips in listener.batches():
        audio.check()  # many clips may have been read before the first is heard
        yield from writer.write(listener.hear(clips))
    yield from writer.write(listener.end())
    writer.check_not_all_failed()
    yield SpokenText(
        utterances=tuple(writer.utterances),
        language=listener.language,
        duration_ms=audio.duration_ms,
        is_english=options.to_english,
        model=stages.transcriber.models[0].name,
        problems=tuple(writer.problems),
    )


class _Writer:
    """Puts sentences one after the other."""

    def __init__(self, stages: Stages, *, to_english: bool) -> None:
        self.utterances: list[Utterance] = []
        self.problems: list[Problem] = []
        self._stages = stages
        self._to_english = to_english
        self._failures: list[EmoScribeError] = []
        self._last = ""  # text with anything in it

    def write(self, heard: Heard) -> Iterator[Utterance]:
        """The sentences that are finished."""
        self.problems += heard.problems
        for sentence, english in zip(heard.sentences, self._english(heard), strict=True):
            if english and english.error:
                self._failures.append(english.error)
                self.problems.append(Problem(code=english.error.code, message=english.error.message))
            text = english.translation.text_en if english else sentence.text
            gap = _gap(self._last, text)
            self._last = text or self._last
            self.utterances.append(Utterance(text, gap, sentence, english.translation if english else None))
            yield self.utterances[-1]

    def check_not_all_failed(self) -> None:
        """Raises the error of the first sentence if none could be translated."""
        if self._failures and len(self._failures) == len(self.utterances):
            raise self._failures[0]

    def _english(self, heard: Heard) -> Sequence[Translated | None]:
        if not self._to_english:
            return [None] * len(heard.sentences)
        return translate(heard.sentences, heard.clips, self._stages)


def _gap(before: str, text: str) -> str:
    if not before or not text:
        return ""
    return "" if is_spaceless(before[-1]) or is_spaceless(text[0]) else " "


# --- how long -----------------------------------------------------------------------------------


class _Watched:
    """A recording that is no longer read once it is unwanted or too long."""

    def __init__(self, audio: AudioStream, options: TranscriptOptions, check: Check) -> None:
        self._audio = audio
        self._max_ms = 1000 * options.max_duration_s
        self.check = check

    @property
    def claims_too_much(self) -> bool:
        """Whether it says that it is too long; containers guess."""
        return (self.info.expected_duration_ms or 0) > self._max_ms

    @property
    def info(self) -> AudioInfo:
        return self._audio.info

    @property
    def duration_ms(self) -> int:
        return self._audio.duration_ms

    @property
    def truncated(self) -> bool:
        return self._audio.truncated

    def __iter__(self) -> Iterator[Samples]:
        for samples in self._audio:
            self.check()
            if self.duration_ms > self._max_ms:
                raise MediaLimitError(
                    f"The recording is longer than {self._max_ms // 1000} s, the most that is answered at once.",
                    fix="Submit it to /v1/analyses, whose result holds the text too, or cut it into parts.",
                )
            yield samples
