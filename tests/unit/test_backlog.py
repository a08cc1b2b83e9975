"""Which recordings a folder or a manifest names, and where their results go. S3 is in tests/contract."""

import os
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emoscribe.backlog import LONGEST_PART_BYTES, Recording, find_recordings, result_stems
from emoscribe.errors import InvalidRequestError, MediaNotFoundError
from emoscribe.jobs import JobOptions
from emoscribe.report import FORMATS
from emoscribe.settings import load_settings

OPTIONS = JobOptions(language="pt", formats=("srt",))
SETTINGS = load_settings()


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


# --- folders ---


def test_a_folder_is_searched_through_and_what_is_no_recording_is_counted(tmp_path: Path) -> None:
    make(tmp_path, "b.MP4", "a/x.mp3", "a/deep/er/é.ogg", "a/notes.txt", "read me", "a/talk.srt", "b.srt")
    make(tmp_path, ".hidden.mp4", ".git/x.mp4")
    found = find_recordings(str(tmp_path), OPTIONS, SETTINGS)
    assert [one.name for one in found.recordings] == ["a/deep/er/é.ogg", "a/x.mp3", "b.MP4"]
    assert found.recordings[1] == Recording(str(tmp_path / "a/x.mp3"), "a/x.mp3", OPTIONS)
    assert found.skipped == {".srt files": 2, ".txt files": 1, "other files": 1, "hidden files": 1}


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "in/a.mp4")
    (tmp_path / "in/loop").symlink_to(tmp_path)
    assert [one.name for one in find_recordings(str(tmp_path / "in"), OPTIONS, SETTINGS).recordings] == ["a.mp4"]


def test_a_folder_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    make(tmp_path, "a/x.mp4", "b/y.mp4")
    (tmp_path / "a").chmod(0)
    found = find_recordings(str(tmp_path), OPTIONS, SETTINGS)
    (tmp_path / "a").chmod(0o700)
    assert [one.name for one in found.recordings] == ["b/y.mp4"]
    assert found.skipped == {"folders that cannot be read": 1}


def test_a_single_recording_is_a_backlog_of_one(tmp_path: Path) -> None:
    make(tmp_path, "whatever.bin")
    (one,) = find_recordings(str(tmp_path / "whatever.bin"), OPTIONS, SETTINGS).recordings
    assert one.name == "whatever.bin"


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError):
        find_recordings(str(tmp_path / "nothing"), OPTIONS, SETTINGS)
    assert find_recordings(str(tmp_path), OPTIONS, SETTINGS).recordings == []


# --- manifests ---


def manifest(folder: Path, content: str | bytes) -> str:
    path = folder / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_are_recordings_with_options_of_their_own(tmp_path: Path, mark: str, delimiter: str, end: str) -> None:
    rows = [
        ["Source", "language", "audio_track", "formats", "callback_url", "budget"],
        ["talks/a.mp4", "de", "1", "json html", "", "100"],
        ["s3://videos/in/b, 100%.mp4", "", "", "", "https://example.org/", ""],
        ["/data/c.mp4"],
        [""],
    ]
    quoted = [delimiter.join(f'"{value}"' if "," in value else value for value in row) for row in rows]
    found = find_recordings(manifest(tmp_path, mark + end.join(quoted)), OPTIONS, SETTINGS)
    assert found.unknown_columns == ("budget",)
    first, second, third = found.recordings
    options = JobOptions(language="de", audio_track=1, formats=("html", "json"))
    assert first == Recording(str(tmp_path / "talks/a.mp4"), "talks/a.mp4", options)
    assert second == Recording("s3://videos/in/b, 100%.mp4", "in/b, 100%.mp4", OPTIONS, "https://example.org/")
    assert third == Recording("/data/c.mp4", "c.mp4", OPTIONS)


def test_bad_rows_fail_by_themselves_and_say_their_line(tmp_path: Path) -> None:
    text = "source,audio_track,formats\n,1,\na.mp4,-1,\nb.mp4,x,\nc.mp4,,docx\nd.mp4,,\nd.mp4,,\n"
    found = find_recordings(manifest(tmp_path, text), OPTIONS, SETTINGS)
    errors = [one.error.message if one.error else None for one in found.recordings]
    assert [error.partition(":")[0] if error else None for error in errors] == [
        "Line 2",
        "Line 3",
        "Line 4",
        "Line 5",
        None,
    ]
    assert found.skipped == {"repeated rows": 1}


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"file,language\na.mp4,pt\n", b"source\n\xff\xfe\n", b"source\n" + b"x" * 200_000]
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidRequestError, match=r"list\.csv"):
        find_recordings(manifest(tmp_path, content), OPTIONS, SETTINGS)


# --- names of results ---

ODD = [
    "..",
    ".",
    "",
    "/",
    "\\",
    "a",
    "A",
    "a.en",
    "a.mp4",
    "é",
    "e\u0301",
    "\x00",
    "\udcff",
    "x" * 300,
    "日" * 100,
    " ",
]
NAMES = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(ODD)), max_size=4).map("/".join)


@given(st.lists(NAMES, max_size=12))
@example(["../../etc/passwd", "/etc/passwd", "C:\\x\\y.mp4", "..\\..\\z.mp4", "a//./b.mp4"])
@example(["talk.mp4", "talk.mov", "Talk.mp4", "talk.mp4", "talk", "talk.mp4-2"])
@example(["talk.mp4", "talk.en.mp4"])
def test_results_stay_below_their_folder_and_apart(names: list[str]) -> None:
    stems = result_stems(names)
    assert len(stems) == len(names)
    files = [
        unicodedata.normalize("NFC", f"{stem}{one.suffix}").casefold() for stem in stems for one in FORMATS.values()
    ]
    assert len(set(files)) == len(files)
    for stem in stems:
        assert not stem.is_absolute()
        assert not {"..", ".", ""} & set(stem.parts)
        assert "\x00" not in str(stem)
        for part in stem.parts:
            assert len(part.encode()) <= LONGEST_PART_BYTES + 10


def test_names_that_are_plain_stay_as_they_are() -> None:
    names = ["a/talk.mp4", "b/talk.mp4", "b/talk.mov", "c/Größe 1.2.mp4", "d/.mp4"]
    stems = ["a/talk", "b/talk.mp4", "b/talk.mov", "c/Größe 1.2", "d/.mp4"]
    assert result_stems(names) == [PurePosixPath(stem) for stem in stems]
