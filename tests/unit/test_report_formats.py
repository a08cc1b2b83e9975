import pytest

from emoscribe.errors import InvalidRequestError
from emoscribe.report import FORMATS, parse_formats, render
from tests import analyses


def test_names_and_suffixes_are_each_used_once() -> None:
    assert list(FORMATS) == [one.name for one in FORMATS.values()]
    assert len({one.suffix for one in FORMATS.values()}) == len(FORMATS)
    assert all(one.suffix.startswith(".") for one in FORMATS.values())


@pytest.mark.parametrize("make", [analyses.realistic, analyses.empty, analyses.hostile])
@pytest.mark.parametrize("name", FORMATS)
def test_the_same_analysis_gives_the_same_bytes(name: str, make: analyses.Maker) -> None:
    assert render(make(), name) == render(make(), name)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"srt", "srt_en"}))  # SRT has no place for it
def test_every_format_that_can_says_what_the_labels_mean(name: str) -> None:
    assert b"It is not a statement about what any person feels." in render(analyses.realistic(), name)


@pytest.mark.parametrize("name", ["json", "parquet", "vtt", "vtt_en", "html"])  # a CSV without rows is its header
def test_so_does_the_result_of_a_recording_without_speech(name: str) -> None:
    assert b"It is not a statement about what any person feels." in render(analyses.empty(), name)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("json", ("json",)),
        (" JSON , srt_en,json,", ("json", "srt_en")),
        ("all", tuple(FORMATS)),
        ("html,all", tuple(FORMATS)),
    ],
)
def test_a_list_of_formats_is_read(text: str, names: tuple[str, ...]) -> None:
    assert parse_formats(text) == names


@pytest.mark.parametrize("text", ["", " , ", "docx", "json;csv", "all,docx"])
def test_what_is_no_format_is_refused_with_the_choice(text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_formats(text)
    assert "vtt_en" in caught.value.fix


def test_rendering_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="docx"):
        render(analyses.empty(), "docx")
