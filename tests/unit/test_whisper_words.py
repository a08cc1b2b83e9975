"""Tokens to words: what belongs together, and times without the pauses beside them."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoscribe.types import SpokenWord
from emoscribe.whisper.words import Piece, is_spoken, join_pieces, quiet_frames, repair_times
from tests.sounds import place, read_clip, silence, white_noise


def joined(*texts: str) -> list[str]:
    """The words that these tokens make, each token 100 ms long."""
    pieces = [Piece(text, n * 100, n * 100 + 100, (0.5,)) for n, text in enumerate(texts)]
    return [word.text for word in join_pieces(pieces)]


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ((" R", "$", " 13", ",", "60", " em", " 2014"), [" R$", " 13,60", " em", " 2014"]),
        (("O", "lá", ",", " mundo", "!"), ["Olá,", " mundo!"]),
        ((" guard", "a", "-", "chu", "va"), [" guarda-chuva"]),
        ((" D", "'", "Á", "v", "ila", " disse"), [" D'Ávila", " disse"]),
        ((" ¿", "cómo", "?", " «", "sim", "»"), [" ¿cómo?", " «sim»"]),
        ((" não", "...", " —", " disse", " ele", "."), [" não...", " — disse", " ele."]),
        ((" 50", "%", " Tom", " &", " Jerry", " ..."), [" 50%", " Tom", " &", " Jerry ..."]),
        ((" ", "13", " dias"), [" 13", " dias"]),
        (
            ("今日", "は", "2024", "年", "、", "i", "Phone", "「", "はい", "」"),
            ["今日", "は", "2024", "年、", "iPhone", "「はい」"],
        ),
        (("ส", "วั", "ส", "ดี"), ["ส", "วั", "ส", "ดี"]),
        ((" 안", "녕", "하세요", " 여러분"), [" 안녕하세요", " 여러분"]),
        ((" -", " ...", "?"), []),
        ((" ♪", "♪"), []),
        ((), []),
    ],
)
def test_tokens_are_joined_at_spaces(tokens: Sequence[str], words: list[str]) -> None:
    assert joined(*tokens) == words


@given(st.lists(st.text(min_size=1, max_size=4).filter(lambda text: not text.isspace() or len(text) == 1), max_size=30))
def test_no_text_is_lost_or_added(tokens: list[str]) -> None:
    text = "".join(tokens)
    assert "".join(joined(*tokens)) == (text if any(map(is_spoken, text)) else "")


def test_punctuation_does_not_stretch_a_word() -> None:
    pieces = [Piece(" fim", 0, 300, (0.8,)), Piece(".", 300, 2000, (0.2,)), Piece(" Oi", 2000, 2400, (0.9,))]
    first, second = join_pieces(pieces)
    assert (first.text, first.start_ms, first.end_ms, first.probability) == (" fim.", 0, 300, 0.8)
    assert (second.start_ms, second.end_ms) == (2000, 2400)


def test_words_keep_away_from_pauses() -> None:
    """The alignment has each word end where the next one begins; the sound tells where it really ends."""
    sound = read_clip("pt-2")[: 16 * 800]
    samples, truth = place([(1000, sound), (4000, sound)], total_ms=6000)
    words = [
        SpokenWord(" Meu", 0, 1900, 0.9),
        SpokenWord(" nome.", 1900, 3900, 0.9),
        SpokenWord(" Meu", 3900, 6000, 0.9),
    ]
    first, _, last = repair_times(words, samples)
    assert abs(first.start_ms - truth[0].start_ms) <= 100
    assert first.end_ms <= truth[0].end_ms
    assert abs(last.start_ms - truth[1].start_ms) <= 100
    assert abs(last.end_ms - truth[1].end_ms) <= 100


def test_a_word_across_a_pause_keeps_the_longer_side() -> None:
    sound = read_clip("pt-2")
    samples, truth = place([(0, sound[: 16 * 200]), (2000, sound[: 16 * 1000])], total_ms=3000)
    (word,) = repair_times([SpokenWord(" nome", 100, 3000, 0.9)], samples)
    assert abs(word.start_ms - truth[1].start_ms) <= 100


def test_in_steady_noise_only_impossible_lengths_are_cut() -> None:
    noise = white_noise(6000)
    assert not quiet_frames(noise).any()
    words = [
        SpokenWord(" Oi.", 0, 3000, 0.9),
        SpokenWord(" Tudo", 3000, 5900, 0.9),
        SpokenWord(" bem", 5900, 6000, 0.9),
    ]
    times = [(word.start_ms, word.end_ms) for word in repair_times(words, noise)]
    assert times == [(1500, 3000), (4400, 5900), (5900, 6000)]


SPANS = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 1500)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(SPANS, st.integers(0, 3000), st.booleans())
def test_words_are_in_order_and_inside_the_clip(
    gaps_and_lengths: list[tuple[int, int]], duration_ms: int, with_sound: bool
) -> None:
    samples = read_clip("pt-1")[: duration_ms * 16] if with_sound else silence(duration_ms)
    words, at = [], 0
    for gap, length in gaps_and_lengths:
        start = min(at + gap, duration_ms)
        at = min(start + length, duration_ms)
        words.append(SpokenWord(" la", start, at, 0.5))
    edges = [ms for word in repair_times(words, samples) for ms in (word.start_ms, word.end_ms)]
    assert len(edges) == 2 * len(words)
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0 and edges[-1] <= duration_ms)


@pytest.mark.parametrize("length", [0, 1, 159, 160])
def test_tiny_clips_have_no_or_one_frame(length: int) -> None:
    assert len(quiet_frames(np.zeros(length, np.float32))) == length // 160
