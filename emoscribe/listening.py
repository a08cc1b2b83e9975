"""The hearing half of an analysis: a recording in, sentences out, batch of clips by batch of clips.

    listener = Listener(audio, transcriber, HearingOptions())
    for clips in listener.batches():
        heard = listener.hear(clips)       # sentences that are finished now, the clips they lie in, problems
    heard = listener.end()                 # the last sentence

It knows nothing of translation and emotion. A listener belongs to one recording and to one thread at a time.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

from emoscribe.audio import AudioStream
from emoscribe.errors import EmoScribeError
from emoscribe.file_language import LOOKAHEAD_CLIPS, LanguageVote, survey_places
from emoscribe.languages import language_packs
from emoscribe.sentences import Sentence, SentenceBuilder
from emoscribe.speech import SpeechDetector
from emoscribe.stages import Transcriber
from emoscribe.types import Clip, LanguageGuess, LanguageSummary, ModelInfo, Problem, TranscriptionRequest


@dataclass(frozen=True, slots=True)
class HearingOptions:
    """How one recording is heard."""

    language: str | None = None  # pinned, ISO 639-1
    prompt: str = ""  # context for spelling; empty: that of the language pack
    clips_per_batch: int = 8
    max_sentence_ms: int = 15_000


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one batch of clips."""

    sentences: tuple[Sentence, ...]  # finished now, in the order of the recording
    clips: tuple[Clip, ...] = ()  # in which they lie
    problems: tuple[Problem, ...] = ()  # clips that failed


class StageClock:
    """Wall time spent in each stage, seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Counts the time inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


class Listener:
    """Hears one recording."""

    def __init__(self, audio: AudioStream, transcriber: Transcriber, options: HearingOptions) -> None:
        self.clock = StageClock()
        self._audio = audio
        self._transcriber = transcriber
        self._options = options
        self._detector = SpeechDetector()
        self._vote = LanguageVote(options.language)
        self._sentences = SentenceBuilder(max_sentence_ms=options.max_sentence_ms)
        self._clips: deque[Clip] = deque()  # with words, that unfinished sentences may still need
        self._first_error: EmoScribeError | None = None
        self._clips_done = 0

    @property
    def speech_ms(self) -> int:
        """Speech found so far."""
        return self._detector.speech_ms

    @property
    def language(self) -> LanguageSummary:
        """The recording's language, by what was heard so far."""
        return self._vote.summary()

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """Those that took part."""
        return (*self._detector.models, *self._transcriber.models)

    def batches(self) -> Iterator[list[Clip]]:
        """The recording's speech, in batches for `hear`. The language is asked in several places before the first."""
        clips = self._read()
        ahead = list(islice(clips, LOOKAHEAD_CLIPS))
        self._survey(ahead)
        yield from _batches(chain(ahead, clips), self._options.clips_per_batch)

    def hear(self, clips: Sequence[Clip]) -> Heard:
        """What is said in the next batch. A clip that fails is a problem; no sentence goes on over its hole."""
        with self.clock.timed("transcription"):
            outcomes = self._transcriber.transcribe(self._requests(clips))
        finished: list[Sentence] = []
        problems: list[Problem] = []
        for clip, outcome in zip(clips, outcomes, strict=True):
            if isinstance(outcome, EmoScribeError):
                self._first_error = self._first_error or outcome
                place = f"{clip.start_ms} to {clip.end_ms} ms: {outcome.message}"
                problems.append(Problem(code=outcome.code, message=place))
                finished += self._sentences.flush()
                continue
            self._clips_done += 1
            self._vote.transcribed(outcome, clip.duration_ms)
            if outcome.words:
                self._clips.append(clip)
                finished += self._sentences.add(clip, outcome)
        return self._heard(finished, problems)

    def end(self) -> Heard:
        """The sentence that was held back. Raises the error of the first clip if every clip failed."""
        if self._first_error and not self._clips_done:
            raise self._first_error
        return self._heard(self._sentences.flush(), [])

    def _read(self) -> Iterator[Clip]:
        """Clips of speech, with the time it takes to read and find them."""
        clips = self._detector.clips(self._audio)
        while True:
            with self.clock.timed("reading"):
                clip = next(clips, None)
            if clip is None:
                return
            yield clip

    def _survey(self, ahead: Sequence[Clip]) -> None:
        places = survey_places(ahead) if self._options.language is None else []
        with self.clock.timed("transcription"):
            guesses = self._transcriber.detect_languages([clip.samples for clip in places])
        for clip, guess in zip(places, guesses, strict=True):
            if isinstance(guess, LanguageGuess):
                self._vote.hear(guess, clip.duration_ms)

    def _requests(self, clips: Sequence[Clip]) -> list[TranscriptionRequest]:
        likely = self._vote.likely
        pack = language_packs().get(likely or "")
        prompt = self._options.prompt or (pack.prompt if pack else "")
        return [TranscriptionRequest(clip.samples, self._options.language, likely, prompt=prompt) for clip in clips]

    def _heard(self, finished: Sequence[Sentence], problems: Sequence[Problem]) -> Heard:
        clips = tuple(self._clips)
        while finished and self._clips and self._clips[0].end_ms <= finished[-1].end_ms:
            self._clips.popleft()
        return Heard(tuple(finished), clips if finished else (), tuple(problems))


def _batches(clips: Iterable[Clip], size: int) -> Iterator[list[Clip]]:
    clips = iter(clips)
    while batch := list(islice(clips, size)):
        yield batch
