"""Models come to several starting pods at once: from an S3 mirror into one shared volume."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.servers import ACCESS_KEY, SECRET_KEY, seaweedfs

pytestmark = pytest.mark.models

PODS = 4
MODELS = ("whisper-base", "bergamot-pt-en")


@pytest.fixture(scope="module")
def mirror(models_dir: Path) -> Iterator[dict[str, str]]:
    """The embedded models in a real S3 server; the settings that name it."""
    with seaweedfs() as server:
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": "us-east-1"}
        s3: Any = boto3.client(
            "s3",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        s3.create_bucket(Bucket="mirror")
        for model in MODELS:
            for path in (models_dir / model).iterdir():
                s3.upload_file(str(path), "mirror", f"models/{model}/{path.name}")
        yield keys | {
            "EMOSCRIBE_MODELS_MIRROR_URL": "s3://mirror/models",
            "EMOSCRIBE_MODELS_MIRROR_ENDPOINT_URL": server.url,
            "PIP_INDEX_URL": "http://127.0.0.1:9",  # nothing comes from anywhere else
            "HF_ENDPOINT": "http://127.0.0.1:9",
        }


def pod(volume: Path, settings: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """What an init container runs."""
    environment = os.environ | settings | {"EMOSCRIBE_MODELS_DIR": str(volume)}
    with log.open("wb") as file:
        command = [sys.executable, "-m", "emoscribe", "models", "pull", "embedded"]
        return subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True)


def test_pods_that_pull_at_once_share_the_work(mirror: dict[str, str], tmp_path: Path) -> None:
    volume, logs = tmp_path / "volume", [tmp_path / f"pod-{number}.log" for number in range(PODS)]
    pods = [pod(volume, mirror, log) for log in logs]
    assert [process.wait(120) for process in pods] == [0] * PODS, logs[0].read_text()
    said = [log.read_text() for log in logs]
    assert sum(text.count("S3 mirror") for text in said) == len(MODELS), said  # each model came once
    verify(volume)


def test_a_pod_that_dies_in_the_middle_leaves_the_work_to_the_next(mirror: dict[str, str], tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    first = pod(volume, mirror, tmp_path / "first.log")
    give_up_s = time.monotonic() + 60
    while not list(volume.glob(".pull/whisper-base/files/*")):
        assert time.monotonic() < give_up_s
        assert first.poll() is None, "it was done before it could be killed"
        time.sleep(0.005)
    second = pod(volume, mirror, tmp_path / "second.log")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert second.wait(120) == 0, (tmp_path / "second.log").read_text()
    verify(volume)


def verify(volume: Path) -> None:
    """Every byte; and nothing is left over."""
    command = [sys.executable, "-m", "emoscribe", "models", "verify"]
    environment = os.environ | {"EMOSCRIBE_MODELS_DIR": str(volume)}
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    assert {path.name for path in volume.iterdir()} == {*MODELS, ".pull"}
    assert not [path for path in (volume / ".pull").iterdir() if path.suffix != ".lock"]
