"""Joins the stages: a recording in, events out, an `Analysis` at the end.

It knows the model stages only as the Protocols of `stages.py`.
Sound flows through as a stream: at any time the pipeline holds a few clips, never the recording.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Final, Literal

import emoscribe
from emoscribe.audio import AudioStream
from emoscribe.enrichment import Scored, Translated, classify, translate
from emoscribe.errors import EmoScribeError
from emoscribe.file_language import LOOKAHEAD_CLIPS, LanguageVote, survey_places
from emoscribe.languages import language_packs
from emoscribe.media import DecodeLimits, Source, open_audio
from emoscribe.segments import ReviewThresholds, make_segment
from emoscribe.sentences import Sentence, SentenceBuilder
from emoscribe.speech import SpeechDetector
from emoscribe.stages import Stages
from emoscribe.types import (
    Analysis,
    Clip,
    LanguageGuess,
    ModelInfo,
    Problem,
    Segment,
    SourceInfo,
    TranscriptionRequest,
)

Stage = Literal["reading", "transcription", "translation", "emotion"]
STAGES: Final[tuple[Stage, ...]] = ("reading", "transcription", "translation", "emotion")


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """What shapes one analysis. `recorded` goes into the output as it is."""

    language: str | None = None  # pinned, ISO 639-1
    audio_track: int | None = None  # from 0; None: the first
    clips_per_batch: int = 8
    max_sentence_ms: int = 15_000
    thresholds: ReviewThresholds = field(default_factory=ReviewThresholds)
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    recorded: dict[str, str | int | float | bool | None] = field(default_factory=dict)


# --- what it tells ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage has come. `position_ms` never goes back; `duration_ms` is None while unknown."""

    stage: Stage
    position_ms: int
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class SegmentReady:
    """A segment of the timeline, final, in order."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event."""

    analysis: Analysis


Event = Progress | SegmentReady | Finished


def analyse(source: Source, stages: Stages, options: AnalysisOptions) -> Iterator[Event]:
    """Analyse one recording; the last event is `Finished`. Closing the iterator stops the work at once.

    Raises MediaError for a source that cannot be analysed and, if no clip could be transcribed,
    the error of the first; the failure of a single clip or sentence is a `Problem` of the analysis.
    """
    with open_audio(source, track=options.audio_track, limits=options.limits) as audio:
        yield from _Run(audio, stages, options).events()


# --- how --------------------------------------------------------------------------------------


class _Run:
    """The state of one analysis."""

    def __init__(self, audio: AudioStream, stages: Stages, options: AnalysisOptions) -> None:
        self.audio = audio
        self.stages = stages
        self.options = options
        self.detector = SpeechDetector()
        self.vote = LanguageVote(options.language)
        self.sentences = SentenceBuilder(max_sentence_ms=options.max_sentence_ms)
        self.segments: list[Segment] = []
        self.problems: list[Problem] = []
        self.heard: deque[Clip] = deque()  # clips that unfinished sentences may still need
        self.clips_failed: list[EmoScribeError] = []
        self.clips_done = 0
        self.translators: set[str] = set()  # names of the models that made the English
        self.stage_seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)

    def events(self) -> Iterator[Event]:
        yield self._progress("reading", 0)
        clips = self._read()
        ahead = list(islice(clips, LOOKAHEAD_CLIPS))
        self._survey(ahead)
        for batch in _batches(chain(ahead, clips), self.options.clips_per_batch):
            yield self._progress("reading", self.audio.duration_ms)
            finished = self._transcribe(batch)
            yield self._progress("transcription", batch[-1].end_ms)
            yield from self._finish(finished)
        yield from self._finish(self.sentences.flush())
        if self.clips_failed and not self.clips_done:
            raise self.clips_failed[0]
        yield from (self._progress(stage, self.audio.duration_ms) for stage in STAGES)
        yield Finished(self._analysis())

    @contextmanager
    def _timed(self, stage: Stage) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stage_seconds[stage] += time.perf_counter() - start

    def _progress(self, stage: Stage, position_ms: int) -> Progress:
        return Progress(stage, position_ms, self.audio.info.expected_duration_ms)

    def _read(self) -> Iterator[Clip]:
        """Clips of speech, with the time it takes to read and find them."""
        clips = self.detector.clips(self.audio)
        while True:
            with self._timed("reading"):
                clip = next(clips, None)
            if clip is None:
                return
            yield clip

    def _survey(self, ahead: Sequence[Clip]) -> None:
        places = survey_places(ahead) if self.options.language is None else []
        with self._timed("transcription"):
            guesses = self.stages.transcriber.detect_languages([clip.samples for clip in places])
        for clip, guess in zip(places, guesses, strict=True):
            if isinstance(guess, LanguageGuess):
                self.vote.hear(guess, clip.duration_ms)

    def _transcribe(self, batch: Sequence[Clip]) -> list[Sentence]:
        likely = self.vote.likely
        pack = language_packs().get(likely or "")
        prompt = pack.prompt if pack else ""
        requests = [TranscriptionRequest(clip.samples, self.options.language, likely, prompt=prompt) for clip in batch]
        with self._timed("transcription"):
            outcomes = self.stages.transcriber.transcribe(requests)
        finished: list[Sentence] = []
        for clip, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, EmoScribeError):
                self.clips_failed.append(outcome)
                place = f"{clip.start_ms} to {clip.end_ms} ms: {outcome.message}"
                self.problems.append(Problem(code=outcome.code, message=place))
                finished += self.sentences.flush()  # no sentence goes on over the hole
                continue
            self.clips_done += 1
            self.vote.transcribed(outcome, clip.duration_ms)
            self.heard.append(clip)
            finished += self.sentences.add(clip, outcome)
        return finished

    def _finish(self, sentences: Sequence[Sentence]) -> Iterator[Event]:
        """Sentences become segments: English, scores, review reasons."""
        if not sentences:
            return
        with self._timed("translation"):
            english = translate(sentences, self.heard, self.stages)
        yield self._progress("translation", sentences[-1].end_ms)
        with self._timed("emotion"):
            scores = classify(sentences, english, self.stages.classifier)
        for sentence, translated, scored in zip(sentences, english, scores, strict=True):
            yield SegmentReady(self._segment(sentence, translated, scored))
        while self.heard and self.heard[0].end_ms <= sentences[-1].end_ms:
            self.heard.popleft()
        yield self._progress("emotion", sentences[-1].end_ms)

    def _segment(self, sentence: Sentence, translated: Translated, scored: Scored) -> Segment:
        index = len(self.segments)
        for error in (translated.error, scored.error):
            if error:
                self.problems.append(Problem(code=error.code, message=error.message, segment_index=index))
        segment = make_segment(index, sentence, translated.translation, scored.scores, self.options.thresholds)
        self.segments.append(segment)
        self.translators.add(translated.translation.model)
        return segment

    def _models(self) -> tuple[ModelInfo, ...]:
        """Those that took part: of the translation models only the ones that were needed."""
        stages = self.stages
        translators = [model for model in stages.translator.models if model.name in self.translators]
        return (*self.detector.models, *stages.transcriber.models, *translators, *stages.classifier.models)

    def _analysis(self) -> Analysis:
        return Analysis(
            created_at=datetime.now(UTC),
            emoscribe_version=emoscribe.__version__,
            source=self._source_info(),
            language=self.vote.summary(),
            speech_ms=self.detector.speech_ms,
            segments=tuple(self.segments),
            models=self._models(),
            settings=self.options.recorded,
            problems=tuple(self.problems),
            stage_seconds={stage: round(seconds, 3) for stage, seconds in self.stage_seconds.items()},
        )

    def _source_info(self) -> SourceInfo:
        info = self.audio.info
        return SourceInfo(
            name=info.name,
            sha256=info.sha256,
            bytes=info.size_bytes,
            duration_ms=self.audio.duration_ms,
            container=info.container,
            codec=info.codec,
            audio_track=info.audio_track,
            audio_tracks=info.audio_tracks,
            truncated=self.audio.truncated,
        )


def _batches(clips: Iterable[Clip], size: int) -> Iterator[list[Clip]]:
    clips = iter(clips)
    while batch := list(islice(clips, size)):
        yield batch
