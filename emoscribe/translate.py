"""Texts of any languages into English, by the engine each language's pack names.

What no engine is needed for stays out of the engines: English, numbers, emoji, and short phrases that the pack
translates itself. What engines are bad at is tidied before (`engines/preparation.py`). Whisper's own translation of
languages without an engine is the pipeline's, which has the sound.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from emoscribe.engines.preparation import Preparation, Unit, clean, english_of, is_foreign, units_of
from emoscribe.errors import EmoScribeError, InvalidRequestError, StageError, UnsupportedLanguageError
from emoscribe.languages import LanguagePack, TranslationChoice, language_packs
from emoscribe.types import ModelInfo, Profile, Translation, TranslationRequest

logger = logging.getLogger(__name__)

MAX_TEXT_CHARACTERS: Final = 10_000
"""Longer texts are refused: one already takes a Bergamot engine up to 10 s, and others wait for it."""


class Engine(Protocol):
    """One model that puts sentences of one language into English. Thread-safe; may raise for the whole batch."""

    @property
    def name(self) -> str:
        """What `Translation.engine` says."""

    @property
    def alphabet(self) -> frozenset[str] | None:
        """The characters the model knows; None if it is not known to lack any."""

    def translate(self, sentences: Sequence[str]) -> list[str]:
        """English for each."""

    def close(self) -> None:
        """Free the model."""


@dataclass(frozen=True, slots=True)
class TranslatorOptions:
    """What is the same for all engines."""

    device: str = "cpu"  # a Bergamot engine knows only that one
    threads: int = 0  # per model; 0: all cores
    beam_size: int = 4  # a Bergamot student is made for a beam of 1, and gets it
    languages: frozenset[str] | None = None  # only these; None: every language the profile has an engine for


@dataclass(frozen=True, slots=True)
class Route:
    """How one language gets into English."""

    pack: LanguagePack
    choice: TranslationChoice
    info: ModelInfo
    load: Callable[[], Engine]


class PackTranslator:
    """Implements `stages.Translator`. Engines are loaded when their language first comes up. Thread-safe."""

    def __init__(self, routes: Iterable[Route], *, profile: str = "embedded") -> None:
        self._engines = {route.pack.code: _LazyEngine(route) for route in routes}
        self._profile = profile

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """One for each model, whether it is loaded yet or not."""
        return tuple({engine.route.info.name: engine.route.info for engine in self._engines.values()}.values())

    @property
    def languages(self) -> frozenset[str]:
        """The languages that have an engine; English is not among them."""
        return frozenset(self._engines)

    def translate(self, requests: Sequence[TranslationRequest]) -> list[Translation | EmoScribeError]:
        """One outcome for each request, in order; a bad request is answered with its error."""
        outcomes: dict[int, Translation | EmoScribeError] = {}
        waiting: defaultdict[str, list[int]] = defaultdict(list)
        for number, request in enumerate(requests):
            outcome = self._without_engine(request)
            if outcome is None:
                waiting[_base_language(request.language)].append(number)
            else:
                outcomes[number] = outcome
        for language, numbers in waiting.items():
            texts = [requests[number].text for number in numbers]
            outcomes.update(zip(numbers, self._engines[language].translate(texts), strict=True))
        return [outcomes[number] for number in range(len(requests))]

    def close(self) -> None:
        """Free all models; the translator cannot be used afterwards."""
        for engine in self._engines.values():
            engine.close()

    def _without_engine(self, request: TranslationRequest) -> Translation | EmoScribeError | None:
        """The outcome, if no engine is needed or none can help."""
        if not _is_text(request.text) or not _is_text(request.language):
            return InvalidRequestError("A text and a language are needed, as strings.")
        if not request.text.strip():
            return Translation("", "none")
        language = _base_language(request.language)
        if language == "en":
            return Translation(request.text, "none")
        if language not in self._engines:
            return self.unsupported(language)
        if len(request.text) > MAX_TEXT_CHARACTERS:
            return InvalidRequestError(
                f"The text has more than {MAX_TEXT_CHARACTERS} characters.", fix="Translate it in parts."
            )
        return None

    def unsupported(self, language: str) -> UnsupportedLanguageError:
        """What to raise for a language that has no engine here: it says which profile has one."""
        here = ", ".join(sorted(self._engines)) or "none"
        pack = language_packs().get(language)
        choice = pack.choice("quality") if pack else None
        if choice and self._profile != "quality":
            fix = f"Use the profile quality, which has {choice.engine} for {language}, or give the recording itself."
        else:
            fix = "Give the recording itself: Whisper can translate its sound."
        return UnsupportedLanguageError(
            f"The profile {self._profile} has no engine that translates {language!r} text; it has: {here}.", fix=fix
        )


class _LazyEngine:
    """The engine of one language, loaded by the first thread that needs it."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._lock = threading.Lock()
        self._loaded: tuple[Engine, Preparation] | None = None

    def translate(self, texts: Sequence[str]) -> list[Translation | EmoScribeError]:
        try:
            engine, preparation = self._load()
        except EmoScribeError as error:
            return [error] * len(texts)
        outcomes = _translate(texts, engine, preparation)
        model = self.route.info.name
        return [
            replace(o, model=model) if isinstance(o, Translation) and o.engine == engine.name else o for o in outcomes
        ]

    def close(self) -> None:
        with self._lock:
            if self._loaded:
                self._loaded[0].close()

    def _load(self) -> tuple[Engine, Preparation]:
        with self._lock:
            if self._loaded is None:
                start = time.perf_counter()
                engine = self.route.load()
                self._loaded = engine, _preparation(self.route, engine)
                logger.info("loaded %s in %.1f s", self.route.choice.model, time.perf_counter() - start)
            return self._loaded


def build_translator(
    profile: Profile,
    locate: Callable[[str], Path],
    info: Callable[[str], ModelInfo],
    options: TranslatorOptions = TranslatorOptions(),
) -> PackTranslator:
    """The engines of a profile, as the language packs name them.

    `locate` gives a catalogue model's folder and raises ModelError when it is not there: here, not while analysing.
    """
    routes = []
    for pack in language_packs().values():
        choice = pack.choice(profile)
        if choice and (options.languages is None or pack.code in options.languages):
            load = partial(load_engine, choice, locate(choice.model), options)
            routes.append(Route(pack, choice, info(choice.model), load))
    return PackTranslator(routes, profile=profile)


def load_engine(choice: TranslationChoice, model_dir: Path, options: TranslatorOptions = TranslatorOptions()) -> Engine:
    """The engine a pack names, with its model. Raises ModelError."""
    match choice.engine:
        case "bergamot":
            from emoscribe.engines.bergamot import BergamotEngine

            return BergamotEngine(model_dir)
        case "opus-mt":
            from emoscribe.engines.opus_mt import OpusMtEngine, OpusMtOptions

            return OpusMtEngine(
                model_dir, OpusMtOptions(device=options.device, threads=options.threads, beam_size=options.beam_size)
            )
        case "transformers":
            from emoscribe.engines.seq2seq import Seq2SeqEngine, Seq2SeqOptions

            return Seq2SeqEngine(
                model_dir,
                Seq2SeqOptions(choice.source_code, choice.target_code, options.device, options.beam_size),
            )


def _preparation(route: Route, engine: Engine) -> Preparation:
    choice = route.choice
    return Preparation(
        sentence_language=route.pack.sentence_language,
        abbreviations=route.pack.abbreviations,
        alphabet=engine.alphabet,
        phrases=choice.phrases,
        spellings=choice.spellings,
        writes_drawn_out_once=choice.writes_drawn_out_once,
        lowers_capitals=choice.lowers_capitals,
    )


def _translate(texts: Sequence[str], engine: Engine, preparation: Preparation) -> list[Translation | EmoScribeError]:
    """All texts in one call of the engine; one by one if that fails, to find the one to blame."""
    cleaned = [clean(text) for text in texts]
    foreign = [is_foreign(text, preparation) for text in cleaned]
    readable = [[] if is_bad else units_of(text, preparation) for text, is_bad in zip(cleaned, foreign, strict=True)]
    try:
        outcomes = _english(readable, engine)
    except Exception:  # whatever a model may raise
        outcomes = [_english_or_error(units, engine) for units in readable]
    return [_foreign_error() if is_bad else out for is_bad, out in zip(foreign, outcomes, strict=True)]


def _english_or_error(units: Sequence[Unit], engine: Engine) -> Translation | EmoScribeError:
    try:
        return _english([units], engine)[0]
    except EmoScribeError as error:
        return error
    except Exception as error:  # a bad item becomes a value, whatever went wrong
        return StageError(f"The engine {engine.name} failed on this text ({type(error).__name__}).")


def _english(texts: Sequence[Sequence[Unit]], engine: Engine) -> list[Translation | EmoScribeError]:
    answers = iter(engine.translate([unit.text for units in texts for unit in units if not unit.is_fixed]))
    return [
        _joined(units, [u.text if u.is_fixed else english_of(u, next(answers)) for u in units], engine.name)
        for units in texts
    ]


def _joined(units: Sequence[Unit], english: Sequence[str], engine: str) -> Translation | EmoScribeError:
    text = "".join(part + unit.space for unit, part in zip(units, english, strict=True)).strip()
    if units and not text:
        return StageError(f"The engine {engine} gave no English for this text.")
    if not all(unit.is_fixed for unit in units):
        return Translation(text, engine)
    return Translation(text, "phrases" if any(unit.is_phrase for unit in units) else "none")


def _foreign_error() -> InvalidRequestError:
    return InvalidRequestError(
        "Most of the text is in a script that is not its language's.", fix="Give the language it is written in."
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _base_language(code: str) -> str:
    """pt of pt-BR and PT."""
    return code.lower().replace("_", "-").split("-")[0]
