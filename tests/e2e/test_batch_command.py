"""`emoscribe batch` as its user runs it: a process of its own, the embedded models, and Ctrl-C in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emoscribe.jobs import JobQuery, LocalJobStore
from tests.conftest import ROOT

CLIPS = ROOT / "tests/data/speech"
GIVE_UP_S = 240.0

pytestmark = pytest.mark.models


@pytest.fixture
def store(models_dir: Path, tmp_path: Path) -> Iterator[LocalJobStore]:  # the command needs the models
    made = LocalJobStore(tmp_path / "jobs")
    yield made
    made.close()


def start(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"EMOSCRIBE_JOBS_DIR": str(tmp_path / "jobs"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "emoscribe", "batch", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*command, *arguments], env=environment, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def test_a_folder_is_worked_off_here_and_after_ctrl_c_it_goes_on(store: LocalJobStore, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("pt-1.ogg", "en-1.ogg"):
        (tmp_path / "in" / name).write_bytes((CLIPS / name).read_bytes())
    with start(tmp_path) as first:
        give_up_s = time.monotonic() + GIVE_UP_S
        while not any(job.state == "running" for job in store.list(JobQuery()).jobs):
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < give_up_s
            time.sleep(0.02)
        first.send_signal(signal.SIGINT)
        output, complaints = first.communicate(timeout=60)
    assert first.returncode == 130, complaints
    assert "This process does the work" in output
    assert "Run the same command again" in output
    left = store.list(JobQuery()).jobs
    assert not any(job.state == "running" for job in left), "jobs were not given back"
    assert all(job.attempts == 0 for job in left if job.state == "queued"), "an interrupted attempt was counted"
    with start(tmp_path) as second:
        output, complaints = second.communicate(timeout=GIVE_UP_S)
    assert second.returncode == 0, complaints
    assert complaints == ""
    assert {job.state for job in store.list(JobQuery()).jobs} == {"done"}
    assert {job.id for job in store.list(JobQuery()).jobs} == {job.id for job in left}
    analysis = json.loads((tmp_path / "out/pt-1.json").read_bytes())
    assert analysis["language"]["language"] == "pt"
    assert all(segment["text_en"] for segment in analysis["segments"])
    assert json.loads((tmp_path / "out/en-1.json").read_bytes())["language"]["language"] == "en"
    assert not store.has_worker
