"""Words to sentences: the languages we know, the joints of clips, and what must hold for any words."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoscribe.sentences import MAX_PAUSE_MS, MAX_WIDTH, Sentence, SentenceBuilder
from emoscribe.types import SAMPLES_PER_MS, Clip, Piece, SpokenWord, Transcript

WITHOUT_SPACES = ("zh", "ja", "th", "yue")


def clip_at(start_ms: int, duration_ms: int = 30_000) -> Clip:
    """One stretch of the recording without a gap."""
    return Clip(np.zeros(duration_ms * SAMPLES_PER_MS, np.float32), (Piece(0, start_ms, duration_ms),))


def spoken(text: str, *, start_ms: int = 0, word_ms: int = 200, language: str = "pt") -> tuple[SpokenWord, ...]:
    """The words of a text as Whisper would give them; "|" stands for a pause of a second, "~" for a tenth."""
    words: list[SpokenWord] = []
    for part in re.findall(r"[|~]|\s*[^\s|~]" if language in WITHOUT_SPACES else r"[|~]|\s*[^\s|~]+", text):
        if part in "|~":
            start_ms += 1000 if part == "|" else 100
            continue
        words.append(SpokenWord(part, start_ms, start_ms + word_ms, 0.9))
        start_ms += word_ms
    return tuple(words)


def said(text: str, language: str = "pt", **times: int) -> Transcript:
    return Transcript(spoken(text, language=language, **times), language, 0.9)


def sentences(*heard: tuple[Clip, Transcript], max_sentence_ms: int = 15_000) -> list[Sentence]:
    builder = SentenceBuilder(max_sentence_ms)
    found = [sentence for clip, transcript in heard for sentence in builder.add(clip, transcript)]
    return found + builder.flush()


def texts(*heard: tuple[Clip, Transcript], max_sentence_ms: int = 15_000) -> list[str]:
    return [sentence.text for sentence in sentences(*heard, max_sentence_ms=max_sentence_ms)]


# --- languages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("pt", ["O Sr. Silva pagou R$ 13,60 em 2014.", "Foi barato!", "Não foi?", "Sim."]),
        ("pt", ["Bom... não sei... talvez amanhã.", 'Ele disse: "Vá embora!" e saiu.', '"Que pena."']),
        ("pt", ["O quê?!", "Não acredito!!", "Isso custa 1.234,56 reais.", "A pág. 5, art. 3º, da lei nº 10."]),
        ("pt", ["A V. Exa. sabe.", "O prof. João e a profa. Maria etc. e tal.", "Moram na Av. Paulista, n. 5."]),
        ("pt", ["Veja globo.com hoje.", "São 3,5 milhões de reais.", "O João F. Silva veio às 10h30."]),
        ("en", ["Mr. Smith went to Washington, D.C. at 5 p.m.", "He paid $13.60.", '"Really?!" she asked.', "Yes."]),
        ("es", ["El Sr. García pagó 13,60 euros.", "¿De verdad?", "¡Sí!", "La Dña. Ana vive en EE. UU. y trabaja."]),
        ("fr", ["M. Dupont a payé 13,60 euros.", "Vraiment ?", "Oui !", "Mme. Durand est là...", "Non."]),
        ("de", ["Am 3. Oktober 1990 wurde z.B. gefeiert.", "Das kostet 13,60 Euro.", "Herr Dr. Müller kommt.", "Ja!"]),
        ("it", ["Il Sig. Rossi ha pagato 13,60 euro.", "Davvero?", "La Dott.ssa Bianchi è qui...", "No."]),
        ("nl", ["Dhr. Jansen betaalde 13,60 euro.", "Echt waar?", "Mevr. de Vries is er bijv. ook...", "Nee."]),
        ("pl", ["Pan dr. Kowalski zapłacił 13,60 zł.", "Naprawdę?", "W 2014 r. było zimno.", "To jest np. dobre."]),
        ("ru", ["Г-н Иванов заплатил 13,60 руб. за это.", "Правда?", "В 2014 г. было холодно...", "Т.е. вот так."]),
        ("uk", ["Пан Іваненко заплатив 13,60 грн. за це.", "Справді?", "У 2014 р. було холодно...", "Ні."]),
        ("et", ["Hr. Tamm maksis 13,60 eurot.", "Tõesti?", "3. mail sadas...", "Ei."]),
        ("lv", ["Bērziņš samaksāja 13,60 eiro.", "Tiešām?", "3. maijā lija...", "Nē."]),
        ("zh", ["你好。", "今天天气很好！", "真的吗？", "他说：“走吧！”", "然后离开了。"]),
        ("ja", ["こんにちは。", "今日はいい天気ですね！", "本当ですか？", "はい。"]),
        ("ar", ["مرحبا.", "هل هذا صحيح؟", "نعم!", "لا أعرف..."]),
        ("hi", ["नमस्ते।", "क्या यह सच है?", "हाँ!"]),
        ("haw", ["Aloha.", "Pehea ʻoe?"]),  # a language without a pack and without rules of its own
    ],
)
def test_sentences_of(language: str, expected: list[str]) -> None:
    space = "" if language in WITHOUT_SPACES else " "
    assert texts((clip_at(0), said(space.join(expected), language, word_ms=80))) == expected


def test_an_ellipsis_in_one_character_ends_a_sentence() -> None:
    assert texts((clip_at(0), said("Bom… não sei… Talvez."))) == ["Bom… não sei…", "Talvez."]


def test_a_small_letter_after_a_pause_begins_a_sentence() -> None:
    assert texts((clip_at(0), said("Foi assim. ~ migrações."))) == ["Foi assim. migrações."]
    assert texts((clip_at(0), said("Foi assim. | migrações."))) == ["Foi assim.", "migrações."]


def test_lone_marks_stay_with_the_words_before() -> None:
    assert texts((clip_at(0), said("Vamos! ... Agora."))) == ["Vamos! ...", "Agora."]


def test_words_and_times_are_kept() -> None:
    words = spoken(" O Sr. Silva pagou R$ 13,60. Foi em 2014.", start_ms=500)
    first, second = sentences((clip_at(60_000), Transcript(words, "pt", 0.8, average_log_probability=-0.3)))
    assert [word.text for word in first.words] == [" O", " Sr.", " Silva", " pagou", " R$", " 13,60."]
    assert (first.start_ms, first.end_ms) == (60_500, 61_700)
    assert second.words[0] == SpokenWord(" Foi", 61_700, 61_900, 0.9)
    assert second.language == "pt"
    assert second.language_probability == pytest.approx(0.8)
    assert second.average_log_probability == pytest.approx(-0.3)


def test_words_that_overlap_are_put_one_after_the_other() -> None:
    words = (SpokenWord(" Bom", 100, 500, 0.9), SpokenWord(" dia", 400, 450, 0.9), SpokenWord(".", 600, 600, 0.9))
    [sentence] = sentences((clip_at(0), Transcript(words, "pt", 0.9)))
    assert [(word.start_ms, word.end_ms) for word in sentence.words] == [(100, 500), (500, 500), (600, 600)]


# --- the joint of two clips -------------------------------------------------------------------


def test_a_sentence_goes_on_in_the_next_clip() -> None:
    heard = [(clip_at(0, 2_000), said("Eu fui à", word_ms=600)), (clip_at(2_300), said("casa dela. Foi bom."))]
    first, second = sentences(*heard)
    assert (first.text, first.start_ms, first.end_ms) == ("Eu fui àcasa dela.", 0, 2_700)
    assert second.text == "Foi bom."


def test_a_full_stop_that_only_the_cut_put_there_ends_nothing() -> None:
    heard = [(clip_at(0, 1_000), said("Moro na.", word_ms=500)), (clip_at(1_200), said(" cidade de São Paulo."))]
    assert texts(*heard) == ["Moro na. cidade de São Paulo."]


@pytest.mark.parametrize(
    ("start_ms", "change"),
    [
        pytest.param(2_000 + MAX_PAUSE_MS + 1, {}, id="long silence"),
        pytest.param(2_100, {"language": "es"}, id="other language"),
        pytest.param(2_100, {"is_suspect": True}, id="suspect"),
    ],
)
def test_a_sentence_does_not_go_on(start_ms: int, change: dict[str, str | bool]) -> None:
    before = said("Eu fui à", word_ms=600)
    after = Transcript(words=spoken(" casa dela."), **{"language": "pt", "language_probability": 0.9} | change)  # type: ignore[arg-type]  # the changes fit
    assert texts((clip_at(0, 2_000), before), (clip_at(start_ms), after)) == ["Eu fui à", "casa dela."]
    assert len(sentences((clip_at(0, 2_000), before), (clip_at(2_100), said(" casa dela.")))) == 1


def test_only_the_last_sentence_is_held_back() -> None:
    builder = SentenceBuilder()
    assert builder.flush() == []
    assert [s.text for s in builder.add(clip_at(0), said("Um. Dois. Três"))] == ["Um.", "Dois."]
    assert builder.add(clip_at(30_000), said("")) == []
    assert [s.text for s in builder.flush()] == ["Três"]
    assert builder.flush() == []


def test_what_is_known_of_both_clips_is_joined() -> None:
    loop = Transcript(spoken("Eu fui à", word_ms=600), "pt", 0.6, average_log_probability=-0.2, has_repetition=True)
    end = Transcript(spoken(" casa."), "pt", 1.0, average_log_probability=-0.6)
    [sentence] = sentences((clip_at(0, 2_000), loop), (clip_at(2_100), end))
    assert sentence.language_probability == pytest.approx(0.7)
    assert sentence.average_log_probability == pytest.approx(-0.3)
    assert sentence.has_repetition
    assert not sentence.is_suspect


# --- pauses and length ------------------------------------------------------------------------


def test_a_sentence_ends_in_a_long_silence() -> None:
    assert texts((clip_at(0), said("Espera, | eu já vou."))) == ["Espera, eu já vou."]
    assert texts((clip_at(0), said("Espera, ||| eu já vou."))) == ["Espera,", "eu já vou."]


def test_without_punctuation_pauses_end_sentences() -> None:
    assert texts((clip_at(0), said("eu não sei | quem ~ sabe | ninguém"))) == ["eu não sei", "quem sabe", "ninguém"]
    assert texts((clip_at(0), said("我不知道|谁知道", "zh"))) == ["我不知道", "谁知道"]


def test_long_sentences_are_split_at_pauses_near_the_middle() -> None:
    text = "a b c ~~~ d e f, g h i | j k l m n ~~~ o p."
    assert texts((clip_at(0), said(text)), max_sentence_ms=4_000) == ["a b c d e f, g h i", "j k l m n o p."]
    even = " ".join(str(number) for number in range(40))
    parts = texts((clip_at(0), said(even, word_ms=500)), max_sentence_ms=5_000)
    assert [len(part.split()) for part in parts] == [10, 10, 10, 10]


def test_long_sentences_are_split_at_commas() -> None:
    text = "a b c d, e f g h i j k l."
    assert texts((clip_at(0), said(text)), max_sentence_ms=2_000) == ["a b c d,", "e f g h i j k l."]


def test_no_single_words_are_split_off() -> None:
    text = "a | b c d e f g h i j k l m n | o"
    assert texts((clip_at(0), said(text + ".")), max_sentence_ms=4_000) == ["a b c d e f g", "h i j k l m n o."]


def test_a_loop_is_cut_to_what_the_emotion_model_reads() -> None:
    parts = texts((clip_at(0), said("e então eu disse " * 100, word_ms=10)))
    assert len(parts) > 3
    assert all(MAX_WIDTH / 4 < len(part) <= MAX_WIDTH for part in parts)
    assert max(map(len, texts((clip_at(0), said("然后我说" * 100, "zh", word_ms=10))))) <= MAX_WIDTH / 3


# --- any words --------------------------------------------------------------------------------

word_texts = st.one_of(
    st.sampled_from(
        [" a", " Sr.", " R$", " 13,60", ".", " fim.", " E", "?!", "...", " ", "", "。", "字", " «Oi»", "…", "😀"]
    ),
    st.text(max_size=4),
)
languages = st.sampled_from(["pt", "en", "zh", "ja", "ar", "uk", "jw", "xx", ""])


@st.composite
def heard_clips(draw: st.DrawFn) -> list[tuple[Clip, Transcript]]:
    """Clips in order, of up to three pieces, with words at any monotone places."""
    heard = []
    end_ms = 0
    for _ in range(draw(st.integers(0, 4))):
        pieces: list[Piece] = []
        clip_ms = 0
        for _ in range(draw(st.integers(1, 3))):
            gap_ms, duration_ms = draw(st.integers(0, 3_000)), draw(st.integers(1, 9_000))
            pieces.append(Piece(clip_ms, end_ms + gap_ms, duration_ms))
            clip_ms += duration_ms
            end_ms += gap_ms + duration_ms
        clip = Clip(np.zeros(clip_ms * SAMPLES_PER_MS, np.float32), tuple(pieces))
        said = draw(st.lists(word_texts, max_size=30))
        places = sorted(draw(st.lists(st.integers(0, clip_ms), min_size=2 * len(said), max_size=2 * len(said))))
        words = tuple(SpokenWord(t, places[2 * n], places[2 * n + 1], 0.5) for n, t in enumerate(said))
        language = draw(languages)
        heard.append((clip, Transcript(words, language, 0.9, is_suspect=draw(st.booleans()))))
    return heard


@settings(max_examples=200, deadline=None)
@given(heard_clips(), st.integers(1_000, 15_000))
def test_no_word_is_lost_doubled_or_moved(heard: list[tuple[Clip, Transcript]], max_sentence_ms: int) -> None:
    found = sentences(*heard, max_sentence_ms=max_sentence_ms)
    words = [word for sentence in found for word in sentence.words]
    assert [word.text for word in words] == [word.text for _, transcript in heard for word in transcript.words]
    assert all(sentence.words for sentence in found)
    assert all(0 <= word.start_ms <= word.end_ms for word in words)
    assert all(word.end_ms <= following.start_ms for word, following in pairwise(words))
    if words:
        assert words[0].start_ms >= heard[0][0].start_ms
        assert words[-1].end_ms <= heard[-1][0].end_ms
    for sentence in found:
        is_one_word = len(sentence.words) == 1
        assert is_one_word or sentence.end_ms - sentence.start_ms <= max_sentence_ms
        assert all(b.start_ms - a.end_ms <= MAX_PAUSE_MS for a, b in pairwise(sentence.words))


@settings(max_examples=100, deadline=None)
@given(heard_clips())
def test_words_keep_their_places(heard: list[tuple[Clip, Transcript]]) -> None:
    words = iter([word for sentence in sentences(*heard) for word in sentence.words])
    for clip, transcript in heard:
        for before in transcript.words:
            word = next(words)
            assert (word.start_ms, word.end_ms) == clip.span_in_recording(before.start_ms, before.end_ms)


@settings(max_examples=100, deadline=None)
@given(heard_clips())
def test_languages_and_suspects_are_not_mixed(heard: list[tuple[Clip, Transcript]]) -> None:
    kinds = [(t.language, t.is_suspect) for _, t in heard for _ in t.words]
    found = sentences(*heard)
    assert [(s.language, s.is_suspect) for s in found for _ in s.words] == kinds
