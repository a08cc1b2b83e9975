"""The commands as a user runs them: real processes, real models, the bundled sample."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emoscribe.labels import LABELS
from emoscribe.report import read_analysis
from emoscribe.types import Analysis
from tests.conftest import ROOT

SAMPLE = ROOT / "samples" / "demo-pt.mp4"
EMOSCRIBE = [sys.executable, "-m", "emoscribe"]

pytestmark = pytest.mark.models


def run(
    *arguments: str | Path, stdin: str = "", wrapper: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*wrapper, *EMOSCRIBE, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"COLUMNS": "200"} | variables,
        check=False,
    )


@pytest.fixture(scope="module")
def analysed(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The sample, analysed once in every format: the folder of the reports and what was printed."""
    out = tmp_path_factory.mktemp("reports")
    done = run("analyse", SAMPLE, "--out", out, "--formats", "all")
    assert done.returncode == 0, done.stderr
    return out, done.stdout


@pytest.fixture(scope="module")
def analysis(analysed: tuple[Path, str]) -> Analysis:
    return read_analysis((analysed[0] / "demo-pt.json").read_bytes())


def test_the_sample_is_understood(analysis: Analysis) -> None:
    assert analysis.language.language == "pt"
    assert analysis.language.probability > 0.9
    assert analysis.problems == ()
    assert {s.translation_engine for s in analysis.segments} == {"bergamot"}
    found = {s.emotion.label for s in analysis.segments if s.emotion}
    assert len(found) >= 5, found
    assert 15 <= len(analysis.segments) <= 40


def test_times_are_in_order_and_inside_the_recording(analysis: Analysis) -> None:
    for segment in analysis.segments:
        assert segment.start_ms <= segment.end_ms <= analysis.source.duration_ms
        assert segment.words[0].start_ms == segment.start_ms
        assert segment.words[-1].end_ms == segment.end_ms
    for before, after in zip(analysis.segments, analysis.segments[1:], strict=False):
        assert before.end_ms <= after.start_ms


def test_the_output_says_what_made_it(analysis: Analysis) -> None:
    assert {m.name for m in analysis.models} == {"silero-vad", "whisper-base", "bergamot-pt-en", "emotion"}
    assert all(len(m.sha256) == 64 for m in analysis.models)
    assert analysis.modalities == ("text",)
    assert "not a statement about what any person feels" in analysis.statement
    assert analysis.source.name == "demo-pt.mp4"


def test_every_format_is_written_and_nothing_else(analysed: tuple[Path, str], analysis: Analysis) -> None:
    names = {path.name for path in analysed[0].iterdir()}
    assert names >= {f"demo-pt.{suffix}" for suffix in ("json", "csv", "parquet", "srt", "vtt", "html")}
    assert not [name for name in names if name.startswith(".")]
    rows = list(csv.DictReader((analysed[0] / "demo-pt.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == len(analysis.segments)


def test_the_summary_names_file_language_and_reports(analysed: tuple[Path, str]) -> None:
    for expected in ("demo-pt.mp4", "pt ", "demo-pt.html", "x", "to review"):
        assert expected in analysed[1]


def test_one_bad_file_does_not_stop_the_others(models_dir: Path, tmp_path: Path) -> None:
    bad, missing = tmp_path / "bad.mp4", tmp_path / "missing.mp4"
    bad.write_text("#EXTM3U\nhttp://127.0.0.1:9/a.ts\n")
    good = tmp_path / "boa notícia [1].mp4"
    shutil.copy(ROOT / "tests" / "data" / "speech" / "pt-1.ogg", good)
    done = run("analyse", bad, missing, good, "--formats", "json")
    assert done.returncode == 1
    assert "[unsupported_media]" in done.stdout
    assert "[media_not_found]" in done.stdout
    assert read_analysis((tmp_path / "boa notícia [1].json").read_bytes()).segments
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".mp4", ".mp4"]


def test_files_of_one_name_do_not_overwrite_each_other(models_dir: Path, tmp_path: Path) -> None:
    clip = ROOT / "tests" / "data" / "speech" / "en-1.ogg"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(clip, tmp_path / folder / "clip.ogg")
    done = run(
        "analyse", tmp_path / "a/clip.ogg", tmp_path / "b/clip.ogg", "--out", tmp_path / "out", "--formats", "json"
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_interrupting_leaves_no_half_files(models_dir: Path, tmp_path: Path) -> None:
    command = [*EMOSCRIBE, "analyse", str(SAMPLE), str(SAMPLE), "--out", str(tmp_path), "--formats", "all"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # the name of the first file: the work has begun
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["analyse", "emotions"])
def test_without_models_one_error_names_the_command_to_run(command: str, tmp_path: Path) -> None:
    done = run(command, SAMPLE, EMOSCRIBE_MODELS_DIR=str(tmp_path / "none"))
    assert done.returncode == 3
    assert "[model_missing]" in done.stderr
    assert "emoscribe models pull embedded" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_works_without_a_network(models_dir: Path, tmp_path: Path) -> None:
    no_network = ("unshare", "--net", "--map-root-user")
    if sys.platform != "linux" or subprocess.run([*no_network, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a test make a network namespace")
    clip = ROOT / "tests" / "data" / "speech" / "pt-1.ogg"
    done = run("analyse", clip, "--out", tmp_path, "--formats", "json", wrapper=no_network)
    assert done.returncode == 0, done.stderr
    assert read_analysis((tmp_path / "pt-1.json").read_bytes()).segments


def test_emotions_keeps_lines_in_step(models_dir: Path) -> None:
    lines = ["Estou com muito medo do escuro.", "", "Que nojo, isso está podre!", '=SOMA("x")']
    done = run("emotions", "--language", "pt", stdin="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == lines
    assert [rows[0]["label"], rows[1]["label"], rows[2]["label"]] == ["fear", None, "disgust"]
    fields = {"text", "text_en", "label", "mixed", "scores", "confidence", "needs_review", "context_used"}
    assert set(rows[0]) == fields
    assert list(rows[0]["scores"]) == list(LABELS)
    assert rows[1]["needs_review"] is True


def test_emotions_says_which_language_it_cannot_do(models_dir: Path) -> None:
    done = run("emotions", "--language", "nl", stdin="Ik ben boos.\n")
    assert done.returncode == 2
    assert "[unsupported_language]" in done.stderr
    assert "quality" in done.stderr


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    done = run("analyse", SAMPLE, EMOSCRIBE_BEAM_SIZE="many")
    assert done.returncode == 2
    assert "EMOSCRIBE_BEAM_SIZE" in done.stderr


def test_languages_and_doctor(models_dir: Path) -> None:
    languages = run("languages")
    assert languages.returncode == 0
    assert "bergamot-pt-en" in languages.stdout
    doctor = run("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "failed" not in doctor.stdout
