"""Joins the stages: a recording in, events out, an `Analysis` at the end.

It knows the model stages only as the Protocols of `stages.py`.
Sound flows through as a stream: at any time the pipeline holds a few clips, never the recording.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import emoscribe
from emoscribe.audio import AudioStream
from emoscribe.enrichment import ContextWindow, Scored, Translated, classify, emotion_requests, translate
from emoscribe.errors import EmoScribeError
from emoscribe.explanations import explain_segments, with_explanation
from emoscribe.listening import Heard, HearingOptions, Listener
from emoscribe.media import DecodeLimits, Source, open_audio
from emoscribe.segments import ReviewThresholds, make_segment
from emoscribe.sentences import Sentence
from emoscribe.stages import Stages
from emoscribe.types import Analysis, EmotionRequest, ModelInfo, Problem, Segment, SourceInfo

Stage = Literal["reading", "transcription", "translation", "emotion"]
STAGES: Final[tuple[Stage, ...]] = ("reading", "transcription", "translation", "emotion")


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """What shapes one analysis. `recorded` goes into the output as it is."""

    language: str | None = None  # pinned, ISO 639-1
    audio_track: int | None = None  # from 0; None: the first
    clips_per_batch: int = 8
    max_sentence_ms: int = 15_000
    explain: bool = False  # with the weights of each sentence's words
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
        hearing = HearingOptions(
            options.language, clips_per_batch=options.clips_per_batch, max_sentence_ms=options.max_sentence_ms
        )
        self.listener = Listener(audio, stages.transcriber, hearing)
        self.segments: list[Segment] = []
        self.context = ContextWindow()
        self.problems: list[Problem] = []
        self.translators: set[str] = set()  # names of the models that made the English

    def events(self) -> Iterator[Event]:
        yield self._progress("reading", 0)
        for clips in self.listener.batches():
            yield self._progress("reading", self.audio.duration_ms)
            heard = self.listener.hear(clips)
            yield self._progress("transcription", clips[-1].end_ms)
            yield from self._finish(heard)
        yield from self._finish(self.listener.end())
        yield from (self._progress(stage, self.audio.duration_ms) for stage in STAGES)
        yield Finished(self._analysis())

    def _progress(self, stage: Stage, position_ms: int) -> Progress:
        return Progress(stage, position_ms, self.audio.info.expected_duration_ms)

    def _finish(self, heard: Heard) -> Iterator[Event]:
        """Sentences become segments: English, scores, review reasons."""
        self.problems += heard.problems
        if not heard.sentences:
            return
        end_ms = heard.sentences[-1].end_ms
        with self.listener.clock.timed("translation"):
            english = translate(heard.sentences, heard.clips, self.stages)
        yield self._progress("translation", end_ms)
        requests = emotion_requests(heard.sentences, english, self.context)
        with self.listener.clock.timed("emotion"):
            scores = classify(requests, self.stages.classifier)
            first = len(self.segments)
            rows = zip(heard.sentences, english, scores, strict=True)
            segments = [self._segment(index, *row) for index, row in enumerate(rows, first)]
            if self.options.explain:
                segments = self._explained(segments, requests)
        self.segments += segments
        yield from map(SegmentReady, segments)
        yield self._progress("emotion", end_ms)

    def _segment(self, index: int, sentence: Sentence, translated: Translated, scored: Scored) -> Segment:
        for error in (translated.error, scored.error):
            if error:
                self.problems.append(Problem(code=error.code, message=error.message, segment_index=index))
        self.translators.add(translated.translation.model)
        return make_segment(index, sentence, translated.translation, scored.scores, self.options.thresholds)

    def _explained(self, segments: Sequence[Segment], requests: Sequence[EmotionRequest | None]) -> list[Segment]:
        """With the weights of their words, where they have an emotion."""
        outcomes = explain_segments(segments, requests, self.stages)
        explained = []
        for segment, outcome in zip(segments, outcomes, strict=True):
            if isinstance(outcome, EmoScribeError):
                self.problems.append(Problem(code=outcome.code, message=outcome.message, segment_index=segment.index))
            explained.append(with_explanation(segment, outcome))
        return explained

    def _models(self) -> tuple[ModelInfo, ...]:
        """Those that took part: of the translation models only the ones that were needed."""
        translators = [model for model in self.stages.translator.models if model.name in self.translators]
        return (*self.listener.models, *translators, *self.stages.classifier.models)

    def _analysis(self) -> Analysis:
        return Analysis(
            created_at=datetime.now(UTC),
            emoscribe_version=emoscribe.__version__,
            source=self._source_info(),
            language=self.listener.language,
            speech_ms=self.listener.speech_ms,
            segments=tuple(self.segments),
            models=self._models(),
            settings=self.options.recorded,
            problems=tuple(self.problems),
            stage_seconds={stage: round(self.listener.clock.seconds.get(stage, 0.0), 3) for stage in STAGES},
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
