import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoscribe.errors import InvalidRequestError
from emoscribe.evaluation.corpora import CORPORA, corpus_of, load, load_set
from emoscribe.evaluation.corpus_files import split_of, straight_apostrophes
from emoscribe.evaluation.examples import Example, gold_of
from emoscribe.evaluation.film_lines import NAMES
from emoscribe.evaluation.swaps import pairs_by_kind
from emoscribe.labels import LABELS


def put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())


def everything(corpus: str, folder: Path) -> list[Example]:
    return [one for split in ("train", "dev", "test") for one in load(corpus, split, folder)]


# --- each reader, on files as small as they can be ---------------------------------------------------------


def test_goemotions_labels_by_the_names_in_its_own_file(tmp_path: Path) -> None:
    put(tmp_path / "goemotions_ekman/labels.txt", "anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise\n")
    put(tmp_path / "goemotions_ekman/dev.tsv", 'He said "no"\u2028 twice\t3,6\tab1\nFine.\t4\tab2\n')

    first, second = load("goemotions", "dev", tmp_path)

    assert first == Example(
        'He said "no"\u2028 twice', frozenset({"happiness", "surprise"}), source="goemotions", id="ab1"
    )
    assert second.labels == {"neutral"}


def test_xed_takes_out_what_tells_the_label_and_is_no_word(tmp_path: Path) -> None:
    put(
        tmp_path / "xed/en-annotated.tsv",
        "Do n't wan na go , it 's [PERSON] half - hour .\t1, 4\r\n"
        "I trust you .\t8\r\n"
        "Wow !\t2, 7, 8\r\n"
        "10 , 000 dollars ?\t5\r\n"
        ", ...\t1\r\n"
        "Off to [LOCATION] !\t5\r\n"
        "[PERSON] !\t7\r\n",
    )
    neutral = "9\tLast card.\n9\tThe sir said sir.\n\t\t\t\t\n9\tNothing\t\t\t\n"
    put(tmp_path / "xed/neu_en.txt", neutral)

    found = {one.text: one.labels for one in everything("xed", tmp_path)}

    assert found.pop("Wow!") == {"surprise"}
    assert found.pop("10000 dollars?") == {"happiness"}
    assert found.pop("Last card.") == found.pop("The sir said sir.") == {"neutral"}
    ((angry, labels),) = found.items()  # nothing of trust alone, of no word, or malformed
    assert labels == {"anger", "fear"}
    assert angry.startswith("Don't wanna go it's ")
    assert angry.endswith(" half-hour.")
    assert set(angry.split()) & set(NAMES)


def test_names_of_neutral_lines_are_drawn_from_the_same_list(tmp_path: Path) -> None:
    lines = [f"{number} men saw Eddie and the dog at home." for number in range(200)]
    put(tmp_path / "xed/neu_en.txt", "".join(f"9\t{line}\n" for line in [*lines, "The Dog is at Home."]))
    put(tmp_path / "xed/en-annotated.tsv", "My home .\t1\r\n")

    texts = [one.text for one in everything("xed", tmp_path) if "neutral" in one.labels]

    assert "The Dog is at Home." in texts  # words that are capitalised but elsewhere are not
    assert not any("Eddie" in text for text in texts)
    assert 80 <= len(texts) <= 120  # half of those with a name
    drawn = {text.split()[3] for text in texts if "men saw" in text}
    assert drawn <= set(NAMES)
    assert len(drawn) > 30


def test_no_name_of_the_list_is_one_that_the_check_for_bias_uses() -> None:
    texts = [text for pairs in pairs_by_kind().values() for pair in pairs for text in pair]
    checked = {word for text in texts for word in re.findall(r"\w+", text)}
    assert not checked & set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_lines_that_repeat_count_once_and_are_in_one_split(tmp_path: Path) -> None:
    put(tmp_path / "xed/en-annotated.tsv", "Go away !\t1\r\nGO AWAY .\t1\r\nGo away .\t6\r\n")
    put(tmp_path / "xed/neu_en.txt", "9\tGo away\n")

    splits = [[one.labels for one in load("xed", split, tmp_path)] for split in ("train", "dev", "test")]

    assert sorted(map(len, splits)) == [0, 0, 3]
    assert [set(labels) for labels in max(splits, key=len)] == [{"anger"}, {"sadness"}, {"neutral"}]


def test_brighter_without_an_emotion_is_neutral_and_neutral_is_not_scored(tmp_path: Path) -> None:
    put(
        tmp_path / "brighter/dev/eng.csv",
        '\ufeffid,text,anger,fear,joy,sadness,surprise\na,"One, two",0,0,0,0,0\nb,Ha,1,0,1,0,0\n',
    )

    data = load_set("brighter-eng", "dev", tmp_path)

    assert [one.labels for one in data.examples] == [{"neutral"}, {"anger", "happiness"}]
    assert set(LABELS) - set(data.labels) == {"neutral", "disgust"}
    assert not data.is_single_label
    assert set(LABELS) - set(corpus_of("brighter-ptbr").labels) == {"neutral"}
    assert corpus_of("brighter-ptmz").language == "pt"


def test_meld_has_the_two_utterances_before_of_the_same_dialogue(tmp_path: Path) -> None:
    rows = [
        ("What\x92s up?", "joy", 0, 0),
        ("No\u2019thing.", "neutral", 0, 1),
        ("C", "fear", 0, 3),
        ("D", "anger", 0, 4),
    ]
    rows = [*rows[1:], ("New.", "sadness", 1, 0), rows[0]]  # in any order
    lines = [f'{n},"{text}",X,{label},-,{dialogue},{turn}' for n, (text, label, dialogue, turn) in enumerate(rows)]
    put(
        tmp_path / "meld/dev_sent_emo.csv",
        "\r\n".join(["Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID", *lines]),
    )

    data = load_set("meld", "dev", tmp_path)

    assert [(one.id, one.context) for one in data.examples] == [
        ("0-0", ""),
        ("0-1", "What's up?"),
        ("0-3", "What's up?\nNo'thing."),
        ("0-4", "No'thing.\nC"),
        ("1-0", ""),
    ]
    assert data.is_single_label
    assert data.examples[0].labels == {"happiness"}


def test_isear_drops_what_is_no_answer_and_what_is_none_of_ours(tmp_path: Path) -> None:
    texts = [
        ("joy", "When á I | won."),
        ("shame", "When I lied."),
        ("fear", "[ No response.]"),
        ("fear", "Does not apply."),
        ("joy", "when i won"),
        ("sadness", "Lost."),
    ]
    rows = ["|".join([*["x"] * 36, emotion, "x", "x", "x", text, "1", ""]) for emotion, text in texts]
    put(tmp_path / "isear/isear.csv", "\n".join(["|".join(map(str, range(43))), *rows]))

    found = [(set(one.labels), one.text) for one in everything("isear", tmp_path)]

    assert sorted(found, key=str) == [({"happiness"}, "When I | won."), ({"sadness"}, "Lost.")]


# --- what all of them keep ------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(min_size=1), st.sampled_from(["", "!", " ...", "\t"]))
def test_a_text_stays_in_its_split_whatever_its_case_and_punctuation(text: str, mark: str) -> None:
    if any(character.isalnum() for character in text):
        assert split_of(text) == split_of(f" {text}{mark}")
        assert split_of(text.casefold()) == split_of(text)


def test_splits_are_eighty_ten_ten() -> None:
    counts = Counter(split_of(f"line {number}") for number in range(20_000))
    assert counts["train"] == pytest.approx(16_000, rel=0.02)
    assert counts["dev"] == pytest.approx(2_000, rel=0.1)


def test_apostrophes_are_made_straight() -> None:
    assert straight_apostrophes("I\x92m \u2018so\u2019 — “fine”") == "I'm 'so' — “fine”"


def test_gold_has_a_column_for_each_label() -> None:
    gold = gold_of([Example("a", frozenset({"anger", "surprise"})), Example("b", frozenset({"neutral"}))])
    assert gold.tolist() == [[1, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0, 0]]
    assert gold_of([]).shape == (0, 7)


@pytest.mark.parametrize(("text", "labels"), [(" ", {"fear"}), ("a", set())])
def test_an_example_has_text_and_label(text: str, labels: set[str]) -> None:
    with pytest.raises(InvalidRequestError):
        Example(text, frozenset(labels))  # type: ignore[arg-type]  # what an adapter might do


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="No corpus is called 'semeval'") as unknown:
        load("semeval", "dev", tmp_path)
    assert "brighter-ptbr" in unknown.value.fix
    with pytest.raises(InvalidRequestError, match="no split 'valid'"):
        load("meld", "valid", tmp_path)
    with pytest.raises(InvalidRequestError, match=r"dev_sent_emo\.csv") as missing:
        load("meld", "dev", tmp_path)
    assert "--folder" in missing.value.fix
    put(tmp_path / "meld/dev_sent_emo.csv", "Utterance,Emotion\nHi,joy\n")
    with pytest.raises(InvalidRequestError, match="not as expected"):
        load("meld", "dev", tmp_path)


def test_every_corpus_says_what_it_allows() -> None:
    for name, corpus in CORPORA.items():
        assert corpus.name == name
        assert corpus.licence
        assert corpus.origin.startswith("https://")
        assert corpus.mapping
        assert set(corpus.labels) <= set(LABELS)
    assert {name for name, corpus in CORPORA.items() if not corpus.may_train} == {"meld", "isear"}


# --- the real files ---------------------------------------------------------------------------------------

COUNTS = {  # as the corpora's own notes say
    ("goemotions", "train"): 43_410,
    ("goemotions", "dev"): 5_426,
    ("goemotions", "test"): 5_427,
    ("meld", "train"): 9_989,
    ("meld", "dev"): 1_109,
    ("brighter-ptbr", "train"): 2_226,
    ("brighter-ptbr", "dev"): 200,
    ("brighter-ptmz", "dev"): 257,
    ("brighter-eng", "dev"): 115,
    ("brighter-esp", "dev"): 184,
    ("brighter-deu", "dev"): 200,
}


def test_real_files_give_as_many_examples_as_their_notes_say(shared_data: Path) -> None:
    assert {key: len(load(*key, shared_data)) for key in COUNTS} == COUNTS


def test_the_form_of_real_film_lines_does_not_tell_whether_they_are_neutral(shared_data: Path) -> None:
    splits = [load("xed", split, shared_data) for split in ("train", "dev", "test")]
    lines = [one for split in splits for one in split]
    assert len(lines) > 20_000
    for tell in (",", " .", "[PERSON]", "[LOCATION]", " n't"):
        assert not sum(tell in one.text for one in lines if "neutral" not in one.labels), tell
    is_named = re.compile(rf"\b({'|'.join(NAMES)})\b")
    named = {
        kind: [bool(is_named.search(one.text)) for one in lines if ("neutral" in one.labels) == (kind == "neutral")]
        for kind in ("neutral", "emotional")
    }
    shares = [sum(flags) / len(flags) for flags in named.values()]
    assert shares[0] == pytest.approx(shares[1], abs=0.02)
    texts = [{one.text.casefold() for one in split} for split in splits]
    assert sum(map(len, texts)) - len(set.union(*texts)) < 5  # lines that differ in the name alone
    assert len({one.id for one in lines}) == len(lines)


def test_real_corpora_that_are_said_to_have_one_label_have_one(shared_data: Path) -> None:
    for name, split in (("meld", "dev"), ("isear", "dev")):
        assert {len(one.labels) for one in load(name, split, shared_data)} == {1}
