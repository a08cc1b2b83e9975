"""Analyses to write down, read and look at: a realistic one, a long one, an empty one and a hostile one. No models."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from emoscribe.labels import LABELS, Label
from emoscribe.types import (
    Analysis,
    Emotion,
    EmotionExplanation,
    ExplainedWord,
    LanguageSummary,
    ModelInfo,
    Problem,
    ReviewReason,
    Segment,
    SourceInfo,
    Word,
)

Maker = Callable[[], Analysis]

CREATED_AT = datetime(2026, 5, 12, 10, 4, 37, tzinfo=UTC)

# Portuguese, English, label, its probability, further labels, reasons for review
_Line = tuple[str, str, Label, float, dict[Label, float], tuple[ReviewReason, ...]]
_LONG = (
    "O meu pai construiu aquilo com as próprias mãos, em mil novecentos e setenta e dois, e agora não sobra nem uma "
    "parede, nem uma fotografia, nada que eu possa guardar."
)
_LONG_EN = (
    "My father built it with his own hands in nineteen seventy-two, and now not a wall is left, not a photograph, "
    "nothing that I can keep."
)
_LINES: tuple[_Line, ...] = (
    ("Boa noite a todos, obrigada por terem vindo.", "Good evening everyone, thank you for coming.",
     "happiness", 0.81, {}, ()),
    ("Vamos falar do que aconteceu na terça-feira, no mercado da vila.",
     "We are going to talk about what happened on Tuesday at the town market.", "neutral", 0.93, {}, ()),
    ("Ninguém me avisou de nada, absolutamente nada!", "Nobody warned me about anything, absolutely nothing!",
     "anger", 0.78, {"surprise": 0.41}, ()),
    ("Cheguei e a loja já estava toda a arder.", "I arrived and the shop was already all on fire.",
     "fear", 0.64, {"sadness": 0.46}, ()),
    (_LONG, _LONG_EN, "sadness", 0.88, {}, ()),
    ("Sinto tanto a falta dele.", "I miss him so much.", "sadness", 0.94, {}, ()),
    ("Espera, o quê? Quem é que disse isso?", "Wait, what? Who said that?", "surprise", 0.83, {"anger": 0.38}, ()),
    ("O cheiro lá dentro era nojento, dava vómitos.", "The smell inside was disgusting, it made you sick.",
     "disgust", 0.86, {}, ()),
    ("A câmara prometeu pagar 13,60 euros por metro.", "The council promised to pay 13.60 euros per metre.",
     "neutral", 0.9, {}, ()),
    ("Isso é uma vergonha, uma falta de respeito.", "That is a disgrace, a lack of respect.",
     "anger", 0.57, {"disgust": 0.52}, ()),
    ("Pois, pronto, é o que é.", "Well, that's it, it is what it is.", "neutral", 0.44,
     {"sadness": 0.39}, ("low_confidence",)),
    ("Mas depois apareceram os vizinhos, todos, com baldes e cobertores.",
     "But then the neighbours turned up, all of them, with buckets and blankets.", "surprise", 0.52,
     {"happiness": 0.49}, ()),
    ("Foi a coisa mais bonita que já vi na vida.", "It was the most beautiful thing I have ever seen in my life.",
     "happiness", 0.91, {}, ()),
    ("Tenho medo de que volte a acontecer.", "I am afraid that it will happen again.", "fear", 0.92, {}, ()),
    ("E os miúdos do bairro a trazerem pão quente, imagina!",
     "And the kids of the neighbourhood bringing warm bread, imagine!", "happiness", 0.72, {"surprise": 0.47}, ()),
    ("Ó Zé, tira daí a mangueira que isso ainda rebenta.",
     "Zé, take that hose away, that is going to burst.", "fear", 0.41, {"anger": 0.36},
     ("uncertain_transcript", "low_confidence")),
    ("No puedo creer que nadie haya llamado a los bomberos.", "I cannot believe that nobody called the fire brigade.",
     "surprise", 0.61, {"anger": 0.44}, ("uncertain_language",)),
    ("Vamos reconstruir, pedra por pedra.", "We are going to rebuild, stone by stone.", "neutral", 0.71, {}, ()),
    ("Obrigada, do fundo do coração.", "Thank you, from the bottom of my heart.", "happiness", 0.9, {}, ()),
)  # fmt: skip


def realistic() -> Analysis:
    """90 seconds of a Portuguese town meeting: every emotion, mixed ones, every reason for review, an invented text."""
    rng = random.Random(7)
    segments: list[Segment] = []
    cursor_ms = 1240
    for text, text_en, label, probability, others, reasons in _LINES:
        length_ms = 900 + 58 * len(text) + rng.randrange(300)
        emotion = _emotion(label, probability, others, rng)
        segments.append(
            _segment(len(segments), (cursor_ms, cursor_ms + length_ms), text, text_en=text_en, emotion=emotion)
            .model_copy(update={"review_reasons": reasons, "needs_review": bool(reasons)})
            .model_copy(update={"language": "es", "language_probability": 0.46} if text.startswith("No puedo") else {})
        )
        cursor_ms += length_ms + rng.choice((180, 240, 620, 950))
    segments.append(_invented(len(segments), cursor_ms))
    return _analysis(segments, duration_ms=90_000, name="assembleia-de-vila.mp4")


def three_hours(count: int = 2000) -> Analysis:
    """A three-hour recording: `count` sentences, moods that come and go, one in twenty to review."""
    rng = random.Random(3)
    duration_ms = 3 * 3600 * 1000
    slot_ms = duration_ms // count
    segments = []
    for index in range(count):
        mood = LABELS[(index * 13 // count * 5 + rng.choice((0, 0, 0, 1, 4))) % len(LABELS)]
        candidates = [line for line in _LINES if line[2] == mood]
        text, text_en, label, probability, others, _ = rng.choice(candidates)
        start_ms = index * slot_ms + rng.randrange(200)
        span = (start_ms, start_ms + rng.randrange(slot_ms // 2, slot_ms - 300))
        segment = _segment(index, span, text, text_en=text_en, emotion=_emotion(label, probability, others, rng))
        if rng.random() < 0.05:
            segment = segment.model_copy(update={"needs_review": True, "review_reasons": ("low_confidence",)})
        segments.append(segment)
    return _analysis(segments, duration_ms=duration_ms, name="sessao-plenaria.mp4")


def empty() -> Analysis:
    """Twelve seconds in which nobody speaks."""
    silent = _analysis([], duration_ms=12_000, name="chuva.wav")
    return silent.model_copy(
        update={"language": LanguageSummary(language=None, probability=0, pinned=False), "problems": ()}
    )


HOSTILE_TEXTS = (
    "</script><img src=x onerror=\"document.title='pwned'\">",
    "<!-- <script>document.title='pwned'</script>",
    "line\u2028separator\u2029paragraph\x0bfeed\x00nul",
    "\u202eright to left override\u202c and \u2067isolate",
    "javascript:document.title='pwned'",
    "=HYPERLINK(\"http://example.invalid\",\"click\")",
    "+1-1 --> 00:00:01.000 --> 00:00:02.000",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "-2+3\n\n\nblank lines\r\n\r\n1\r\n00:00:00,000 --> 00:00:09,000\r\nforged",
    "a & b < c > d &amp; &lt;b&gt; </title></style> ]]> {{7*7}} ${7*7}",
    "Pneumoultramicroscopicossilicovulcanoconiótico" * 4,
    "\t\ttabs and \ufeffmarks\u200b\u200d and combining e\u0301\u0301\u0301\u0301",
    "会議は踊る、されど進まず。全員が反対したにもかかわらず、誰も何も言わなかったのは本当に驚くべきことだと思います。",
    "مرحبا بكم جميعا في هذا الاجتماع المهم جدا",
    "\"quoted\", with, commas; and 'apostrophes'",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 flag",
)  # fmt: skip


def hostile() -> Analysis:
    """Everything a transcript, a file name, a model name or a message could try."""
    rng = random.Random(1)
    segments = [
        _segment(at, (1000 * at, 1000 * at + 990), text, text_en=text, emotion=_emotion("fear", 0.6, {}, rng))
        for at, text in enumerate(HOSTILE_TEXTS)
    ]
    segments[1] = segments[1].model_copy(update={"translation_engine": HOSTILE_TEXTS[0], "language": "x<script>"})
    name = "../..\\</title><script>document.title='pwned'</script>\u202e4pm.mp4"
    analysis = _analysis(segments, duration_ms=60_000, name=name)
    model = analysis.models[0].model_copy(update={"name": HOSTILE_TEXTS[0], "version": "--> <b>"})
    problem = Problem(code=HOSTILE_TEXTS[1], message=HOSTILE_TEXTS[0], segment_index=999_999)
    return analysis.model_copy(
        update={
            "models": (model, *analysis.models[1:]),
            "problems": (problem,),
            "settings": {HOSTILE_TEXTS[0]: HOSTILE_TEXTS[5]},
            "statement": analysis.statement + HOSTILE_TEXTS[0],
        }
    )


def explained(analysis: Analysis) -> Analysis:
    """The same with made-up weights for every word of the English; every third word has no place in the source."""
    weights = (0.1, 3.4, -0.7, 1.8, 0.6, -3.1, 0.0)
    segments = []
    for segment in analysis.segments:
        words = [
            ExplainedWord(text=text, weight=weights[at % len(weights)])
            if at % 3 == 2 or at >= len(segment.words)
            else ExplainedWord(
                text=text,
                weight=weights[at % len(weights)],
                source_words=(at,),
                start_ms=segment.words[at].start_ms,
                end_ms=segment.words[at].end_ms,
            )
            for at, text in enumerate(segment.text_en.split())
        ]
        if emotion := segment.emotion:
            explanation = EmotionExplanation(
                label=emotion.label,
                method="with_and_without",
                alignment="lexical",
                words=tuple(words),
                context_weight=1.2 if segment.index > 0 else 0.0,
            )
            emotion = emotion.model_copy(update={"explanation": explanation, "context_used": segment.index > 0})
        segments.append(segment.model_copy(update={"emotion": emotion}))
    return analysis.model_copy(update={"segments": tuple(segments)})


def _analysis(segments: list[Segment], *, duration_ms: int, name: str) -> Analysis:
    return Analysis(
        created_at=CREATED_AT,
        emoscribe_version="0.1.0",
        source=SourceInfo(
            name=name,
            sha256="3a7bd3e2" * 8,
            bytes=3_412_870,
            duration_ms=duration_ms,
            container="mp4",
            codec="aac",
            audio_track=0,
            audio_tracks=1,
            truncated=False,
        ),
        language=LanguageSummary(language="pt", probability=0.99, pinned=False),
        speech_ms=sum(segment.end_ms - segment.start_ms for segment in segments),
        segments=tuple(segments),
        models=(
            _model("speech_detection", "silero-vad", "MIT"),
            _model("transcription", "whisper-base", "MIT"),
            _model("translation", "bergamot-pt-en", "CC-BY-SA-4.0"),
            _model("emotion", "emotion", "Apache-2.0"),
        ),
        settings={"profile": "embedded", "language": None, "beam_size": 5, "review_emotion_confidence": 0.5},
        problems=(
            Problem(
                code="stage_failed", message="A sentence could not be classified.", segment_index=len(segments) - 1
            ),
        ),
        stage_seconds={"media": 0.21, "transcribe": 5.83, "translate": 0.64, "emotion": 0.11},
    )


def _model(role: Any, name: str, license_name: str) -> ModelInfo:
    return ModelInfo(role=role, name=name, version="1.0.0", sha256="9c1f" * 16, license=license_name)


def _emotion(label: Label, probability: float, others: dict[Label, float], rng: random.Random) -> Emotion:
    scores = {one: round(rng.uniform(0.01, 0.12), 4) for one in LABELS} | others | {label: probability}
    mixed = sorted((one for one in scores if scores[one] >= 0.36), key=lambda one: -scores[one])
    return Emotion(label=label, confidence=probability, mixed=tuple(mixed), scores=scores)


def _segment(index: int, span: tuple[int, int], text: str, *, text_en: str, emotion: Emotion) -> Segment:
    words = spoken(text, *span)
    return Segment(
        index=index,
        start_ms=span[0],
        end_ms=span[1],
        text=text,
        language="pt",
        language_probability=0.98,
        text_en=text_en,
        translation_engine="bergamot",
        transcript_confidence=round(sum(word.probability for word in words) / len(words), 4),
        emotion=emotion,
        needs_review=False,
        review_reasons=(),
        words=words,
    )


def spoken(text: str, start_ms: int, end_ms: int) -> tuple[Word, ...]:
    """The words of a text, their times shared out by length, as Whisper would give them."""
    pieces = text.split() or [text]
    total, done, words = sum(map(len, pieces)), 0, []
    for at, piece in enumerate(pieces):
        begin = start_ms + (end_ms - start_ms) * done // max(total, 1)
        done += len(piece)
        finish = start_ms + (end_ms - start_ms) * done // max(total, 1)
        words.append(Word(text=piece, start_ms=begin, end_ms=finish, probability=0.31 if at % 5 == 3 else 0.96))
    return tuple(words)


def _invented(index: int, start_ms: int) -> Segment:
    text = "Legendas pela comunidade Amara.org"
    return Segment(
        index=index,
        start_ms=start_ms,
        end_ms=start_ms + 2100,
        text=text,
        language="pt",
        language_probability=0.71,
        text_en="Subtitles by the Amara.org community",
        translation_engine="bergamot",
        transcript_confidence=0.38,
        emotion=None,
        needs_review=True,
        review_reasons=("suspect_hallucination",),
        words=spoken(text, start_ms, start_ms + 2100),
    )


def of_texts(texts: Sequence[tuple[str, str]], spans: Sequence[tuple[int, int]] | None = None) -> Analysis:
    """An analysis of these texts and their English, neutral, at these times (by default two seconds each)."""
    rng = random.Random(5)
    times = spans or [(2000 * at, 2000 * at + 1900) for at in range(len(texts))]
    segments = [
        _segment(at, span, text, text_en=text_en, emotion=_emotion("neutral", 0.9, {}, rng))
        for at, ((text, text_en), span) in enumerate(zip(texts, times, strict=True))
    ]
    return _analysis(segments, duration_ms=max((span[1] for span in times), default=0), name="textos.wav")
