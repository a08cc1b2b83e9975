"""English words led back to source words: by place for English, by dictionary for translations."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoscribe.explanations.alignment import align_by_dictionary, align_same_text, bare, to_look_up
from emoscribe.local_stages import load_translator
from emoscribe.settings import load_settings
from emoscribe.types import Translation, TranslationRequest

# Aligned by hand: the words with content of what the Portuguese engine made of these sentences, and all source words
# that each may be said to stand for. English = source words, separated by ";".
GOLD = """
Sinto tanto a falta dele.
    feel=Sinto; much=tanto; lack=falta;
Odeio quando você faz isso comigo.
    hate=Odeio; when=quando; do=faz; me.=comigo.;
Ninguém me avisou de nada, absolutamente nada!
    one=Ninguém; warned=avisou; anything,=nada,; absolutely=absolutamente; nothing!=nada!;
Tenho medo de que volte a acontecer.
    afraid=medo; happens=acontecer.; again.=volte;
Foi a coisa mais bonita que já vi na vida.
    most=mais; beautiful=bonita; thing=coisa; seen=vi; life.=vida.;
Não acredito que você mentiu para a sua própria mãe.
    don't=Não; believe=acredito; lied=mentiu; own=própria; mother.=mãe.;
O cheiro lá dentro era nojento, dava vómitos.
    smell=cheiro; inside=dentro lá; disgusting,=nojento,; gave=dava; vomiting.=vómitos.;
Estou tão feliz por você, parabéns!
    so=tão; happy=feliz; congratulations!=parabéns!;
Que raiva, perdi o ônibus de novo!
    angry,=raiva,; lost=perdi; bus=ônibus; again!=novo!;
Minha avó morreu ontem e eu não consigo parar de chorar.
    grandmother=avó; died=morreu; yesterday=ontem; can't=não consigo; stop=parar; crying.=chorar.;
Uau, eu não esperava por essa surpresa.
    Wow,=Uau,; didn't=não; expect=esperava; surprise.=surpresa.;
Não tenho medo de nada.
    not=Não; afraid=medo; anything.=nada.;
Ele gritou com as crianças e bateu a porta.
    yelled=gritou; children=crianças; knocked=bateu; door.=porta.;
Que vergonha, você não tem respeito por ninguém!
    embarrassing,=vergonha,; no=não; respect=respeito; anyone!=ninguém!;
Acordei assustado no meio da noite com um barulho estranho.
    woke=Acordei; scared=assustado; middle=meio; night=noite; strange=estranho.; noise.=barulho;
Essa comida está horrível, quase vomitei.
    food=comida; horrible,=horrível,; almost=quase;
Fiquei muito triste quando soube da notícia.
    very=muito; sad=triste; when=quando; heard=soube; news.=notícia.;
Nunca pensei que isso pudesse acontecer com a gente.
    never=Nunca; thought=pensei; happen=acontecer; us.=gente.;
Meu filho passou no vestibular e eu chorei de alegria.
    son=filho; passed=passou; exam=vestibular; cried=chorei; joy.=alegria.;
Cuidado, tem um homem armado lá fora!
    careful,=Cuidado,; armed=armado; man=homem; out=fora! lá;
"""


def by_hand() -> Iterator[tuple[str, list[list[str]]]]:
    """Each sentence, with pairs of an English word and its source words."""
    for block in re.split(r"\n(?=\S)", GOLD.strip()):
        source, pairs = block.split("\n", 1)
        yield source, [pair.strip().split("=") for pair in pairs.split(";") if pair.strip()]


def test_translations_are_led_back_to_the_right_words(models_dir: Path) -> None:
    """Counted by hand-aligned words: right only if all the source words named are among those of the hand."""
    translator = load_translator(load_settings(models_dir=models_dir))
    found = right = total = 0
    for source, pairs in by_hand():
        words = source.split()
        looked_up = to_look_up(words)
        texts = [source, *looked_up]
        english, *meanings = translator.translate([TranslationRequest(text, "pt") for text in texts])
        assert isinstance(english, Translation)
        known = {
            one: meaning.text_en
            for one, meaning in zip(looked_up, meanings, strict=True)
            if isinstance(meaning, Translation)
        }
        parts = english.text_en.split()
        aligned = dict(zip(parts, align_by_dictionary(words, parts, known), strict=True))
        for word, hand in pairs:
            assert word in parts, f"the engine says {english.text_en!r} now: align it by hand again"
            named = {words[number] for number in aligned[word]}
            total += 1
            found += bool(named)
            right += bool(named) and named <= set(hand.split())
    translator.close()
    print(f"{total} words, {found} found, {right} right")
    assert right / found >= 0.85
    assert found / total >= 0.7


def test_what_the_dictionary_says_counts_and_where_it_stands() -> None:
    words = ["Não", "gosto", "do", "João,", "e", "o", "João", "não", "gosta", "de", "mim."]
    meanings = {"Não": "No", "não": "no", "gosto": "I like", "gosta": "He likes", "mim": "me", "e": "and"}
    english = ["I", "don't", "like", "João,", "and", "João", "doesn't", "like", "me."]
    assert align_by_dictionary(words, english, meanings) == [(), (0,), (1,), (3,), (4,), (6,), (7,), (8,), (10,)]


def test_a_pair_says_what_its_words_do_not_say_alone() -> None:
    meanings = {"Tenho": "I have", "medo": "Fear", "Tenho medo": "I am afraid"}
    assert align_by_dictionary(["Tenho", "medo."], ["I'm", "afraid."], meanings)[1] == (1,)


@pytest.mark.parametrize(("source", "english"), [("13,60", "13,60"), ("família", "family"), ("Ana!", "Ana,")])
def test_names_numbers_and_cognates_need_no_dictionary(source: str, english: str) -> None:
    assert align_by_dictionary([source], [english], {}) == [(0,)]


def test_what_is_not_found_has_no_place() -> None:
    assert align_by_dictionary(["saudade"], ["I", "miss", "you"], {"saudade": "longing"}) == [(), (), ()]
    assert align_by_dictionary([], ["what", "now"], {}) == [(), ()]
    assert align_by_dictionary(["—", "?!"], ["—"], {}) == [()]


def test_english_words_are_where_they_stand() -> None:
    text = "I can 't go. I can."
    words = ["I", "can", "'t", "go.", "I", "can."]
    parts = [(0, 1), (2, 5), (6, 8), (9, 12), (13, 14), (15, 19)]
    assert align_same_text(text, words, parts) == [(0,), (1,), (2,), (3,), (4,), (5,)]
    assert align_same_text("can't go", ["can", "'t", "go"], [(0, 5), (6, 8)]) == [(0, 1), (2,)]
    assert align_same_text("x", ["not there", ""], [(0, 1)]) == [()]


@given(st.lists(st.text(max_size=8), max_size=6), st.lists(st.text(max_size=8), max_size=6))
def test_any_words_at_all(words: list[str], english: list[str]) -> None:
    meanings = {one: f"{one} {bare(one)} the" for one in to_look_up(words)}
    aligned = align_by_dictionary(words, english, meanings)
    assert len(aligned) == len(english)
    assert all(0 <= number < len(words) for numbers in aligned for number in numbers)
