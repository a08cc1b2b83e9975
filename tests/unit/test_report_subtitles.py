import re
from itertools import pairwise

import pysubs2
import pytest
import webvtt
from hypothesis import example, given
from hypothesis import strategies as st

from emoscribe.report import render
from emoscribe.report.cue_layout import MAX_COLUMNS, Atom, broken, clean, columns, grouped, joined, lines_of
from emoscribe.report.cues import NOT_TRANSLATED, Cue, Track, cues_of
from emoscribe.report.timestamps import clock
from emoscribe.types import Analysis
from tests import analyses

TRACKS: tuple[Track, ...] = ("source", "en")
SRT_TIME = re.compile(r"^(\d{2,}):(\d\d):(\d\d),(\d{3}) --> (\d{2,}):(\d\d):(\d\d),(\d{3})$", re.MULTILINE)

around_marks = st.builds(
    lambda unit, count, offset: max(unit * count + offset, 0),
    st.sampled_from([1000, 60_000, 3_600_000]),
    st.integers(0, 400),
    st.integers(-2, 2),
)
texts = st.text(st.characters(codec="utf-8"), max_size=300) | st.lists(
    st.text("abcdeçãé,.!?", min_size=1, max_size=50), max_size=50
).map(" ".join)


@st.composite
def timed_analyses(draw: st.DrawFn) -> Analysis:
    """Sentences in order, without overlap, each at least a millisecond long, from 0 to beyond 100 hours."""
    marks = sorted(draw(st.lists(around_marks, min_size=2, max_size=12, unique=True)))
    spans = list(pairwise(marks))[::2]
    return analyses.of_texts([(draw(texts), draw(texts)) for _ in spans], spans=spans)


def milliseconds(match: re.Match[str], first: int) -> int:
    hours, minutes, seconds, rest = (int(match[at]) for at in range(first, first + 4))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


def srt_times(data: bytes) -> list[tuple[int, int]]:
    return [(milliseconds(match, 1), milliseconds(match, 5)) for match in SRT_TIME.finditer(data.decode())]


@given(st.integers(0, 10**10) | around_marks)
@example(359_999_999)
@example(360_000_000)
def test_a_clock_is_read_back_to_the_millisecond(time_ms: int) -> None:
    match = SRT_TIME.match(f"{clock(time_ms, hour_digits=2, separator=',')} --> 00:00:00,000")
    assert match
    assert milliseconds(match, 1) == time_ms
    assert int(match[2]) < 60
    assert int(match[3]) < 60


@pytest.mark.parametrize("track", TRACKS)
@given(analysis=timed_analyses())
def test_cues_keep_the_times_of_sentences_and_never_overlap(track: Track, analysis: Analysis) -> None:
    cues = cues_of(analysis, track)
    for one in cues:
        assert one.start_ms < one.end_ms
    for before, after in pairwise(cues):
        assert before.end_ms <= after.start_ms
    for segment in analysis.segments:
        own = [cue for cue in cues if cue.segment_index == segment.index]
        assert bool(own) == bool(clean(segment.text))
        if own:
            assert (own[0].start_ms, own[-1].end_ms) == (segment.start_ms, segment.end_ms)
            assert [cue.part for cue in own] == list(range(len(own)))


@given(analysis=timed_analyses())
def test_every_line_fits_and_no_line_is_blank(analysis: Analysis) -> None:
    lengths = {segment.index: segment.end_ms - segment.start_ms for segment in analysis.segments}
    for track in TRACKS:
        for cue in cues_of(analysis, track):
            assert all(line.strip() == line and line and columns(line) <= MAX_COLUMNS for line in cue.lines)
            assert len(cue.lines) <= 2 or lengths[cue.segment_index] < 300  # less than a millisecond for each cue


@pytest.mark.parametrize("track", TRACKS)
@given(analysis=timed_analyses())
def test_no_word_is_lost_or_added(track: Track, analysis: Analysis) -> None:
    cues = cues_of(analysis, track)
    for segment in analysis.segments:
        shown = "".join(line for cue in cues if cue.segment_index == segment.index for line in cue.lines)
        meant = clean(segment.text)
        if meant and track == "en":
            meant = clean(segment.text_en) or NOT_TRANSLATED + meant
        assert shown.replace(" ", "") == meant.replace(" ", "")


@given(analysis=timed_analyses())
def test_json_srt_and_vtt_name_the_same_milliseconds(analysis: Analysis) -> None:
    cues = cues_of(analysis, "source")
    times = [(cue.start_ms, cue.end_ms) for cue in cues]
    assert srt_times(render(analysis, "srt")) == times
    parsed = webvtt.from_string(render(analysis, "vtt").decode())
    assert [(cue.start_time.in_milliseconds(), cue.end_time.in_milliseconds()) for cue in parsed.captions] == times


@pytest.mark.parametrize("make", [analyses.realistic, analyses.hostile])
@pytest.mark.parametrize("track", TRACKS)
def test_parsers_of_others_read_what_was_meant(track: Track, make: analyses.Maker) -> None:
    cues, suffix = cues_of(make(), track), "" if track == "source" else "_en"
    subtitles = pysubs2.SSAFile.from_string(render(make(), f"srt{suffix}").decode(), format_="srt")
    assert [(one.start, one.end) for one in subtitles] == [(cue.start_ms, cue.end_ms) for cue in cues]
    parsed = webvtt.from_string(render(make(), f"vtt{suffix}").decode())
    assert [cue.identifier for cue in parsed.captions] == [vtt_name(cue) for cue in cues]
    for found, cue in zip(parsed.captions, cues, strict=True):
        assert found.lines == [
            line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in cue.lines
        ]


def vtt_name(cue: Cue) -> str:
    return f"{cue.segment_index}.{cue.part + 1}" if cue.part else str(cue.segment_index)


def test_subtitles_of_a_realistic_analysis_read_well() -> None:
    text = render(analyses.realistic(), "srt").decode()
    assert text.startswith(
        "1\n00:00:01,240 --> 00:00:04,857\n[happiness] Boa noite a todos,\nobrigada por terem vindo.\n\n2\n"
    )
    assert "[sadness] O meu pai construiu\naquilo com as próprias mãos,\n" in text  # 10 s of speech in readable parts
    assert "[neutral]" not in text
    assert "\nLegendas pela comunidade Amara.org\n" in text  # looks invented: no emotion
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_english_that_is_missing_is_not_passed_over_in_silence() -> None:
    analysis = analyses.of_texts([("Que frio!", "")])
    assert [cue.lines for cue in cues_of(analysis, "en")] == [(f"{NOT_TRANSLATED} Que frio!",)]


@pytest.mark.parametrize("name", ["srt", "srt_en"])
def test_no_speech_is_an_empty_srt(name: str) -> None:
    assert render(analyses.empty(), name) == b""


@pytest.mark.parametrize("name", ["vtt", "vtt_en"])
def test_no_speech_is_a_vtt_with_its_note_alone(name: str) -> None:
    assert webvtt.from_string(render(analyses.empty(), name).decode()).captions == []


def test_vtt_can_not_be_broken_from_inside() -> None:
    text = render(analyses.hostile(), "vtt").decode()
    assert text.count("-->") == len(cues_of(analyses.hostile(), "source"))
    assert not re.search(r"<|&(?!amp;|lt;|gt;)", text)
    assert "\r" not in text


def test_sentences_that_overlap_or_last_no_time_give_way() -> None:
    spans = [(0, 5000), (3000, 4000), (3000, 3000), (3000, 3000), (9000, 9000)]
    cues = cues_of(analyses.of_texts([("um", "one")] * 5, spans=spans), "source")
    assert len(cues) == 5
    assert cues[0].end_ms == 3000
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(cues))
    assert all(cue.start_ms < cue.end_ms for cue in cues)


def test_words_that_are_not_the_text_lose_their_times_only() -> None:
    text = "um texto bastante comprido, com várias partes, que não cabe de maneira nenhuma em duas linhas de legenda"
    analysis = analyses.of_texts([(text, "")])
    other = analysis.segments[0].model_copy(update={"words": analyses.spoken("outra coisa", 0, 900)})
    cues = cues_of(analysis.model_copy(update={"segments": (other,)}), "source")
    assert " ".join(line for cue in cues for line in cue.lines) == text


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("não", 3), ("na\u0303o", 3), ("会議", 4), ("👍", 2), ("a\u200db", 2)]
)
def test_width_is_what_the_eye_sees(text: str, width: int) -> None:
    assert columns(text) == width


def test_a_mark_stays_with_its_letter() -> None:
    pieces = broken(Atom("e\u0301" * 100, 0, 1000, spaced=True))
    assert [columns(piece.text) for piece in pieces] == [42, 42, 16]
    assert all(piece.text.startswith("e") for piece in pieces)
    assert [pieces[0].start_ms, pieces[-1].end_ms] == [0, 1000]


@given(st.lists(st.integers(1, MAX_COLUMNS), min_size=1, max_size=40))
def test_a_long_sentence_is_cut_into_as_few_cues_as_its_lines_allow_plus_one(widths: list[int]) -> None:
    atoms = [Atom("m" * width, at * 1000, at * 1000 + 900, spaced=at > 0) for at, width in enumerate(widths)]
    cues = grouped(atoms)
    assert [atom for cue in cues for atom in cue] == atoms
    lines = [line for cue in cues for line in lines_of(cue)]
    assert joined(atoms) == " ".join(lines)
    assert len(cues) <= len(atoms)
    assert all(len(lines_of(cue)) <= 2 for cue in cues)
