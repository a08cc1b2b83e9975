import re
import tomllib

import pytest
from pydantic import ValidationError

from emoscribe.languages import PACKS_DIR, LanguagePack, TranslationChoice, language_packs

PACKS = language_packs()
CHOICES = [(pack.code, choice) for pack in PACKS.values() for choice in pack.translation.values()]


def test_the_promised_languages_have_packs() -> None:
    assert set(PACKS) == {"de", "en", "es", "et", "fr", "it", "lv", "nl", "pl", "pt", "ru", "uk"}


@pytest.mark.parametrize("code", PACKS)
def test_file_name_is_the_code_and_whisper_knows_it(code: str) -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    stored = tomllib.loads((PACKS_DIR / f"{code}.toml").read_text(encoding="utf-8"))
    assert stored["code"] == code
    assert code in _LANGUAGE_CODES


@pytest.mark.parametrize("code", PACKS)
def test_the_sentence_splitter_knows_the_language(code: str) -> None:
    from sentencex import segment

    assert [part.strip() for part in segment(PACKS[code].sentence_language, "Aa bb. Cc dd!")] == ["Aa bb.", "Cc dd!"]


def test_only_portuguese_has_an_engine_in_embedded_and_all_have_one_in_quality() -> None:
    assert [code for code, pack in PACKS.items() if pack.choice("embedded")] == ["pt"]
    assert [code for code, pack in PACKS.items() if not pack.choice("quality")] == ["en"]


def test_quality_falls_back_on_the_engine_of_embedded() -> None:
    assert PACKS["pt"].choice("quality") == PACKS["pt"].choice("embedded")


def test_models_are_in_the_catalogue_and_in_its_profile() -> None:
    from emoscribe.catalog import select

    for code, pack in PACKS.items():
        for profile in ("embedded", "quality"):
            choice = pack.choice(profile)
            if choice:
                assert choice.model in select([profile]), f"{code}: {choice.model} is not in {profile}"


@pytest.mark.parametrize(("code", "choice"), CHOICES)
def test_phrases_are_bare_lower_case_sentences(code: str, choice: TranslationChoice) -> None:
    for phrase, english in choice.phrases.items():
        assert re.fullmatch(r"[^\W\d_]+( [^\W\d_]+)*", phrase), phrase
        assert phrase == phrase.lower()
        assert english == english.strip(" .!?")
        assert english


@pytest.mark.parametrize(("code", "choice"), CHOICES)
def test_spellings_are_lower_case_and_do_not_lead_to_another(code: str, choice: TranslationChoice) -> None:
    for spoken, written in choice.spellings.items():
        assert spoken == spoken.lower()
        assert spoken != written
        assert written not in choice.spellings, f"{spoken} leads to {written}, which leads on"


def test_every_figure_says_whose_it_is() -> None:
    for pack in PACKS.values():
        for figure in pack.quality:
            assert figure.source
            assert figure.data
            assert 0 < figure.value <= 100


def test_every_figure_is_of_an_engine_the_pack_uses() -> None:
    for pack in PACKS.values():
        engines = {choice.engine for choice in pack.translation.values()}
        assert {figure.engine for figure in pack.quality} <= engines


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="promt"):
        LanguagePack.model_validate({"code": "xx", "name": "X", "sentence_language": "xx", "promt": ""})
