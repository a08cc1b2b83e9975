"""The stand-ins for models do what the scenarios need of them."""

import os
import signal
import subprocess
import sys

from tests.chaos.stand_in_models import environment


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python, as a part of the service is started."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, env={**os.environ, **environment()}, capture_output=True, text=True, check=False)


def test_who_runs_out_of_memory_is_killed_without_a_word() -> None:
    ended = run("-c", "from tests.chaos.stand_in_models import run_out_of_memory as run; run(); print('alive')")
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "")


def test_only_parts_of_the_service_get_stand_ins() -> None:
    look = "from emoscribe import local_stages; print(local_stages.load_classifier.__module__)"
    assert run("-c", look).stdout.strip() == "emoscribe.local_stages"
    assert run("-c", look, "emoscribe").stdout.strip() == "tests.chaos.stand_in_models"
