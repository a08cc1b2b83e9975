import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoscribe.engines.preparation import (
    MAX_UNIT_CHARACTERS,
    Preparation,
    Unit,
    clean,
    english_of,
    is_foreign,
    units_of,
)

LATIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789áéíóúãõâêôçàÁÉ.,;:!?'\"-$%#()")
PORTUGUESE = Preparation(
    sentence_language="pt",
    abbreviations=("sta.", "séc."),
    alphabet=LATIN,
    phrases={"que pena": "what a pity", "nossa": "wow", "não": "no"},
    spellings={"tô": "estou", "kkk": "haha", "puto da vida": "furioso", "da": "da"},
    writes_drawn_out_once=True,
    lowers_capitals=True,
)


def through(text: str, preparation: Preparation = PORTUGUESE) -> str:
    """What comes out if the engine gives back what it is given."""
    units = units_of(clean(text), preparation)
    return "".join((u.text if u.is_fixed else english_of(u, u.text)) + u.space for u in units).strip()


def given_to_engine(text: str, preparation: Preparation = PORTUGUESE) -> list[str]:
    return [unit.text for unit in units_of(clean(text), preparation) if not unit.is_fixed]


@given(st.text())
def test_without_weaknesses_nothing_but_invisible_characters_is_lost(text: str) -> None:
    assert through(text, Preparation()) == clean(text)


@given(st.text() | st.text(alphabet="ab ,.!😂К\u0301\u200d", min_size=250, max_size=900))
def test_the_engine_gets_short_readable_pieces(text: str) -> None:
    for piece in given_to_engine(text):
        assert 0 < len(piece) <= MAX_UNIT_CHARACTERS
        assert piece == piece.strip()
        assert any(ch.isalpha() for ch in piece)
        assert not any(unicodedata.category(ch) in {"So", "Cc", "Cs"} for ch in piece)


@given(st.text(alphabet="ab é.!😂❤️👩‍👧ПЖ你", max_size=60))
def test_what_the_model_cannot_read_stays_in_its_place(text: str) -> None:
    kept = re.findall(r"[😂❤👩👧ПЖ你]", through(text))
    assert kept == re.findall(r"[😂❤👩👧ПЖ你]", re.sub(r"([^\W\d_])\1{2,}", r"\1", clean(text)))  # drawn out: once


@given(st.text())
def test_clean_is_idempotent_and_encodable(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    cleaned.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        (" \n\t ", ""),
        ("nulo\x00aqui\x07", "nuloaqui"),
        ("uma\nduas\tpartes", "uma duas partes"),
        ("zero\u200blargura \u202eao contrário", "zerolargura ao contrário"),
        ("meio \ud800 par", "meio par"),
        ("cafe\u0301", "café"),
        ("\u200b", ""),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Que lindo 😂 te amo", ["Que lindo", "te amo"]),
        ("Um. Dois! Três?", ["Um.", "Dois!", "Três?"]),
        ("Dr. Silva veio.", ["Dr. Silva veio."]),
        ("Vi a Sta. Ana e a Sta. Rita. Foi bom.", ["Vi a Sta. Ana e a Sta. Rita.", "Foi bom."]),
        ("123, 45%", []),
        ("😂😂", []),
        ("...", []),
        ("tô cansado", ["estou cansado"]),
        ("Tô cansado", ["Estou cansado"]),
        ("Fiquei puto da vida", ["Fiquei furioso"]),
        ("muuuuito bom", ["muito bom"]),
        ("kkkkkkkkk boa", ["haha boa"]),
        ("QUE RAIVA DELE!", ["que raiva dele!"]),
        ("eu ODEIO a ONU", ["eu odeio a ONU"]),
        ("Ótimo dia", ["ótimo dia"]),
        ("“Oi” — disse", ['"Oi" - disse']),
        ("Custa €5", ["Custa EUR 5"]),
        ("Nossa, que dia", ["que dia"]),
    ],
)
def test_what_the_engine_is_given(text: str, pieces: list[str]) -> None:
    assert given_to_engine(text) == pieces


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("Que pena!", "What a pity!"),
        ("que pena...", "what a pity..."),
        ("QUE PENA!!!", "WHAT A PITY!!!"),
        ("Nããão!", "No!"),
        ("Nossa, que pena!", "Wow, what a pity!"),
        ("Nossa, tô bem.", "Wow, estou bem."),
        ("— Que pena!", "What a pity!"),
        ("TÔ CANSADO", "ESTOU CANSADO"),
        ("Ótimo dia", "Ótimo dia"),
        ("Nada. Que pena! Nada.", "Nada. What a pity! Nada."),
    ],
)
def test_phrases_and_case_come_back(text: str, english: str) -> None:
    assert through(text) == english


def test_phrases_are_only_whole_sentences_or_their_beginning() -> None:
    assert given_to_engine("É que pena eu não tenho") == ["É que pena eu não tenho"]


def test_long_sentences_are_cut_at_commas_then_spaces_then_anywhere() -> None:
    with_commas = given_to_engine("uma parte da frase, " * 40)
    assert all(piece.endswith(",") for piece in with_commas[:-1])
    words = given_to_engine("palavra " * 100)
    assert {word for piece in words for word in piece.split()} == {"palavra"}
    endless = Preparation(alphabet=LATIN)
    assert [len(piece) for piece in given_to_engine("ab" * 400, endless)] == [300, 300, 200]


@pytest.mark.parametrize(
    ("text", "foreign"),
    [("Привет", True), ("Olha a Жук", False), ("你好 a", True), ("", False), ("123 😂", False), ("ÓÇÃO Ñandú", False)],
)
def test_is_foreign(text: str, foreign: bool) -> None:
    assert is_foreign(text, PORTUGUESE) is foreign


def test_nothing_is_foreign_to_a_model_without_known_gaps() -> None:
    assert not is_foreign("Привет", Preparation())


@pytest.mark.parametrize(
    ("source", "answer", "english"),
    [
        ("mano que dia", "s s s s s s s s", "s"),
        ("oi", "the cat the cat the cat the cat sat", "the cat sat"),
        ("não não não não não", "no " * 30, "no no no no no"),
        ("muito muito bom", "very very very good", "very very very good"),
        ("oi", "a" * 60, "aaa"),
        ("aaaaaaaaaaaaaaaaaaaa", "a" * 20, "a" * 20),
        ("oi", " hi ", "hi"),
        ("oi", "", ""),
    ],
)
def test_loops_are_cut_back_to_what_was_said(source: str, answer: str, english: str) -> None:
    assert english_of(Unit(source), answer) == english
