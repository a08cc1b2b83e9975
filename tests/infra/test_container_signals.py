"""How a part ends: what watches it, an engine or a cluster, sees from its status whether it was well."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.service_processes import free_port

pytestmark = pytest.mark.models

PATIENCE_S = 60.0


@pytest.fixture
def runner(models_dir: Path, tmp_path: Path) -> Iterator[psutil.Popen]:
    """The smallest part, started as in a container."""
    command = [sys.executable, "-m", "emoscribe", "runner", "Translator", "--port", str(free_port())]
    environment = os.environ | {"EMOSCRIBE_MODELS_DIR": str(models_dir)}
    with (tmp_path / "log").open("wb") as log:
        process = psutil.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        for left in [*process.children(recursive=True), process] if process.is_running() else []:
            left.kill()
        process.wait()


def server_of(runner: psutil.Popen) -> psutil.Process:
    """The process that it starts."""
    give_up_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_s and runner.poll() is None:
        for child in runner.children():
            if "start-http-server" in child.cmdline():
                return child
        time.sleep(0.05)
    raise AssertionError("it has started nothing")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_part_that_a_signal_ended_says_which(runner: psutil.Popen, number: signal.Signals) -> None:
    server_of(runner).send_signal(number)
    assert runner.wait(PATIENCE_S) == 128 + number


def test_a_part_without_models_says_what_to_run(tmp_path: Path) -> None:
    environment = os.environ | {"EMOSCRIBE_MODELS_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "emoscribe", "runner", "Transcriber"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 3
    assert "emoscribe models pull" in " ".join(done.stderr.split())
