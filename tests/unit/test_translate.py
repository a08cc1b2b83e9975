import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoscribe import catalog
from emoscribe.errors import (
    EmoScribeError,
    InvalidRequestError,
    ModelIntegrityError,
    ModelMissingError,
    StageError,
    UnsupportedLanguageError,
)
from emoscribe.languages import LanguagePack, TranslationChoice
from emoscribe.translate import (
    MAX_TEXT_CHARACTERS,
    Engine,
    PackTranslator,
    Route,
    TranslatorOptions,
    build_translator,
)
from emoscribe.types import ModelInfo, Profile, Translation, TranslationRequest


@dataclass
class UpperEngine:
    """Upper-cases, records its batches, and fails a batch that holds "FAIL"."""

    name: str = "opus-mt"
    alphabet: frozenset[str] | None = None
    batches: list[list[str]] = field(default_factory=list)
    is_closed: bool = False

    def translate(self, sentences: Sequence[str]) -> list[str]:
        self.batches.append(list(sentences))
        if any("FAIL" in sentence for sentence in sentences):
            raise RuntimeError("secret words of the text")
        return [sentence.upper() for sentence in sentences]

    def close(self) -> None:
        self.is_closed = True


def info(name: str) -> ModelInfo:
    return ModelInfo(role="translation", name=name, version="1", sha256="0" * 64, license="MIT")


def route(language: str, load: Callable[[], Engine], **choice: object) -> Route:
    pack = LanguagePack.model_validate({"code": language, "name": language, "sentence_language": language})
    chosen = TranslationChoice.model_validate({"engine": "opus-mt", "model": f"model-{language}", **choice})
    return Route(pack, chosen, info(f"model-{language}"), load)


def translate(translator: PackTranslator, *items: tuple[str, str]) -> list[Translation | EmoScribeError]:
    return translator.translate([TranslationRequest(text, language) for text, language in items])


def english(outcomes: Sequence[Translation | EmoScribeError]) -> list[str]:
    return [outcome.text_en if isinstance(outcome, Translation) else type(outcome).__name__ for outcome in outcomes]


def test_mixed_languages_keep_their_order_and_go_to_their_engines_in_one_batch_each() -> None:
    dutch, polish = UpperEngine(name="opus-mt"), UpperEngine(name="transformers")
    translator = PackTranslator([route("nl", lambda: dutch), route("pl", lambda: polish)])
    outcomes = translate(translator, ("een", "nl"), ("raz", "pl"), ("one", "en"), ("twee", "nl"), ("", "pl"))
    assert outcomes == [
        Translation("EEN", "opus-mt", "model-nl"),
        Translation("RAZ", "transformers", "model-pl"),
        Translation("one", "none"),
        Translation("TWEE", "opus-mt", "model-nl"),
        Translation("", "none"),
    ]
    assert dutch.batches == [["een", "twee"]]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "een", "a. b. c", "FAIL", "x" * 700, "😀"]), st.sampled_from(["nl", "en", "xx"]))
    )
)
def test_an_outcome_does_not_depend_on_its_neighbours(items: list[tuple[str, str]]) -> None:
    translator = PackTranslator([route("nl", UpperEngine)])
    together = english(translate(translator, *items))
    assert together == [english(translate(translator, item))[0] for item in items]


def test_no_requests_give_no_outcomes_and_load_no_engine() -> None:
    translator = PackTranslator([route("nl", lambda: pytest.fail("loaded"))])
    assert translator.translate([]) == []
    assert english(translate(translator, ("hello", "en"), ("  ", "nl"))) == ["hello", ""]


def test_english_is_not_touched() -> None:
    text = "  I'd  never…\n 😀 "
    assert translate(PackTranslator([]), (text, "en"), (text, "en-GB")) == [Translation(text, "none")] * 2


def test_a_failing_text_fails_alone_and_its_error_does_not_quote_it() -> None:
    translator = PackTranslator([route("nl", UpperEngine)])
    good, bad, other = translate(translator, ("een", "nl"), ("FAIL", "nl"), ("twee", "nl"))
    assert english([good, other]) == ["EEN", "TWEE"]
    assert isinstance(bad, StageError)
    assert "secret" not in bad.message


def test_silence_of_the_engine_is_an_error() -> None:
    class Mute(UpperEngine):
        def translate(self, sentences: Sequence[str]) -> list[str]:
            return [""] * len(sentences)

    translator = PackTranslator([route("nl", Mute)])
    assert english(translate(translator, ("een", "nl"), ("42", "nl"))) == ["StageError", "42"]


@pytest.mark.parametrize("text", [None, 5, b"x", float("nan")])
def test_what_is_no_text_fails_alone(text: str) -> None:
    translator = PackTranslator([route("nl", UpperEngine)])
    assert english(translate(translator, (text, "nl"), ("een", "nl"))) == ["InvalidRequestError", "EEN"]
    assert english(translate(translator, ("een", text))) == ["InvalidRequestError"]


def test_unknown_language_names_the_way_out() -> None:
    translator = PackTranslator([route("pt", UpperEngine)], profile="embedded")
    dutch, swahili = translate(translator, ("een", "nl"), ("moja", "sw"))
    assert isinstance(dutch, UnsupportedLanguageError)
    assert isinstance(swahili, UnsupportedLanguageError)
    assert "pt" in dutch.message
    assert "profile quality" in dutch.fix
    assert "opus-mt" in dutch.fix
    assert "Whisper" in swahili.fix


def test_region_and_case_of_the_code_do_not_matter() -> None:
    translator = PackTranslator([route("pt", UpperEngine)])
    assert english(translate(translator, ("um", "pt-BR"), ("dois", "PT"), ("três", "pt_PT"))) == ["UM", "DOIS", "TRÊS"]


def test_an_endless_text_is_refused_and_a_long_one_is_cut() -> None:
    engine = UpperEngine()
    translator = PackTranslator([route("nl", lambda: engine)])
    refused, taken = translate(translator, ("a" * (MAX_TEXT_CHARACTERS + 1), "nl"), ("woord " * 900, "nl"))
    assert isinstance(refused, InvalidRequestError)
    assert isinstance(taken, Translation)
    assert taken.text_en == " ".join(["WOORD"] * 900)
    assert max(len(sentence) for sentence in engine.batches[0]) <= 300


def test_text_in_another_script_is_an_error_not_noise() -> None:
    engine = UpperEngine(alphabet=frozenset("abcdefghijklmnopqrstuvwxyz"))
    translator = PackTranslator([route("nl", lambda: engine)])
    assert english(translate(translator, ("Привет, мир", "nl"), ("een", "nl"))) == ["InvalidRequestError", "EEN"]
    assert engine.batches == [["een"]]


def test_the_engine_is_named_only_where_it_worked() -> None:
    translator = PackTranslator([route("pt", UpperEngine, phrases={"que pena": "what a pity"})])
    outcomes = translate(translator, ("Que pena!", "pt"), ("Que pena! Um.", "pt"), ("😀 42", "pt"))
    assert outcomes == [
        Translation("What a pity!", "phrases"),
        Translation("What a pity! UM.", "opus-mt", "model-pt"),
        Translation("😀 42", "none"),
    ]


def test_an_engine_is_loaded_once_and_only_when_needed() -> None:
    loads: list[str] = []

    def load(language: str) -> Engine:
        loads.append(language)
        return UpperEngine()

    translator = PackTranslator([route(code, partial(load, code)) for code in ("nl", "pl")])
    assert loads == []
    gate = threading.Barrier(8)

    def work(number: int) -> list[str]:
        gate.wait()
        return english(translate(translator, (f"woord {number}", "nl")))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert results == [[f"WOORD {number}"] for number in range(8)]
    assert loads == ["nl"]


def test_an_engine_that_cannot_load_is_the_error_of_its_texts() -> None:
    def load() -> Engine:
        raise ModelIntegrityError("The file is damaged.")

    translator = PackTranslator([route("nl", load), route("pl", UpperEngine)])
    outcomes = english(translate(translator, ("een", "nl"), ("raz", "pl"), ("twee", "nl")))
    assert outcomes == ["ModelIntegrityError", "RAZ", "ModelIntegrityError"]


def test_languages_models_and_close() -> None:
    engine = UpperEngine()
    translator = PackTranslator([route("nl", lambda: engine), route("pl", UpperEngine)])
    assert translator.languages == {"nl", "pl"}
    assert [model.name for model in translator.models] == ["model-nl", "model-pl"]
    translate(translator, ("een", "nl"))
    translator.close()
    assert engine.is_closed


@pytest.mark.parametrize(("profile", "languages"), [("embedded", 1), ("fast", 1), ("quality", 11)])
def test_a_profile_has_the_engines_of_the_packs(tmp_path: Path, profile: Profile, languages: int) -> None:
    translator = build_translator(profile, lambda name: tmp_path / name, info)
    assert len(translator.languages) == languages
    assert {"bergamot-pt-en"} <= {model.name for model in translator.models}


def test_only_the_wanted_languages_need_their_models(tmp_path: Path) -> None:
    located: list[str] = []

    def locate(name: str) -> Path:
        located.append(name)
        return tmp_path

    build_translator("quality", locate, info, TranslatorOptions(languages=frozenset({"nl", "xx"})))
    assert located == ["opus-mt-nl-en"]


def test_a_missing_model_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="bergamot-pt-en"):
        build_translator("embedded", partial(catalog.locate, models_dir=tmp_path), info)


# --- the real Portuguese model ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def portuguese(models_dir: Path) -> PackTranslator:
    return build_translator(
        "embedded", partial(catalog.locate, models_dir=models_dir), partial(catalog.model_info, models_dir=models_dir)
    )


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Estou com muito medo.", {"afraid", "fear", "scared"}),
        ("Que nojo!", {"disgusting"}),
        ("EU ESTOU COM MUITA RAIVA!", {"ANGRY", "ANGER"}),
        ("Que pena!", {"pity"}),
        ("Tô tão feliz, né?", {"happy"}),
        ("Nossa, que susto!", {"scare"}),
        ("Minha mãe morreu ontem.", {"died"}),
        ("Eu te odeio 😡", {"hate"}),
        ("Muuuuito obrigada, João!", {"Thank"}),
    ],
)
def test_the_emotion_of_portuguese_survives(portuguese: PackTranslator, text: str, words: set[str]) -> None:
    (outcome,) = translate(portuguese, (text, "pt"))
    assert isinstance(outcome, Translation)
    assert any(word in outcome.text_en for word in words), outcome.text_en


@pytest.mark.models
def test_marks_names_numbers_and_emoji_survive(portuguese: PackTranslator) -> None:
    text = "João gastou R$ 13,60 em 2014! Por quê? 😢"
    (outcome,) = translate(portuguese, (text, "pt"))
    assert isinstance(outcome, Translation)
    for kept in ("13,60", "2014", "!", "?", "😢", "R$"):
        assert kept in outcome.text_en
    assert any(name in outcome.text_en for name in ("João", "Joao", "John"))


HOSTILE = (
    "?", "...", "a", "é", "123", "42,50", "😂😂😂", "QUE ÓDIO", "#ForaTudo", "https://exemplo.com/a?b=1", "@joao kkkk",
    "I am already English, thank you.", "\x00\x07", "\ud800 olá", "a " * 100, "não " * 200, "kkkkkkkkkkkkkkkkkkkkk",
    "=1+1", "<b>oi</b> & tchau", "']; DROP TABLE x", "x" * 1000, "Привет мир", "你好世界", "🏳️‍🌈", "\u202eolá",
)  # fmt: skip


@pytest.mark.models
@pytest.mark.parametrize("text", HOSTILE)
def test_odd_text_gives_no_noise(portuguese: PackTranslator, text: str) -> None:
    (outcome,) = translate(portuguese, (text, "pt"))
    if isinstance(outcome, EmoScribeError):
        assert isinstance(outcome, InvalidRequestError)
        return
    assert len(outcome.text_en) <= 2 * len(text) + 20
    assert '" " "' not in outcome.text_en
    assert "s s s" not in outcome.text_en


@pytest.mark.models
def test_5000_characters_without_a_full_stop(portuguese: PackTranslator) -> None:
    text = ("eu nunca pensei que isso pudesse acontecer comigo e agora estou muito triste " * 70)[:5000]
    (outcome,) = translate(portuguese, (text, "pt"))
    assert isinstance(outcome, Translation)
    assert 2500 < len(outcome.text_en) < 8000
    assert outcome.text_en.count("sad") >= 30
