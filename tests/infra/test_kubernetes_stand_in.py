"""The stand-in of the overlay cpu-local: its script makes, in the very server, what the settings of the parts name."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from emoscribe.job_setup import open_store
from emoscribe.jobs import JobQuery
from emoscribe.settings import Settings, load_settings
from tests.infra.manifests import Manifest, environment, of_kind, render, template
from tests.servers import Server, ministack

OVERLAY = "cpu-local"


def container(name: str) -> Manifest:
    found: Manifest = template(of_kind(render(OVERLAY), "Deployment")[name])["spec"]["containers"][0]
    return found


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server with its script run, as it does itself when the script lies in its folder."""
    (scripts,) = (one for name, one in of_kind(render(OVERLAY), "ConfigMap").items() if name.startswith("stand-in"))
    script = tmp_path_factory.mktemp("ready.d") / "create_queues.py"
    script.write_text(scripts["data"]["create_queues.py"], encoding="utf-8")
    with ministack() as server:
        command = [sys.executable, "-I", "-S", str(script)]  # without site-packages: its image has other ones
        for _ in range(2):  # it may be run again
            subprocess.run(command, check=True, env={**os.environ, "AWS_ENDPOINT_URL": server.url})
        yield server


@pytest.fixture
def settings(stand_in: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Those of the API's pod; only the address is another."""
    service = "http://aws:4566"
    for name, value in environment(render(OVERLAY), container("api")).items():
        monkeypatch.setenv(name, value.replace(service, stand_in.url))
    assert of_kind(render(OVERLAY), "Service")["aws"]["spec"]["ports"][0]["port"] == 4566
    return load_settings(jobs_dir=tmp_path)


def client(kind: str, server: Server) -> Any:
    keys = {"aws_access_key_id": "stand-in", "aws_secret_access_key": "stand-in"}
    return boto3.client(kind, endpoint_url=server.url, region_name="us-east-1", **keys)


def test_the_store_of_the_settings_is_there(settings: Settings, stand_in: Server) -> None:
    store = open_store(settings)
    assert list(store.list(JobQuery(limit=1)).jobs) == []
    attributes = client("sqs", stand_in).get_queue_attributes(QueueUrl=settings.jobs_queue_url, AttributeNames=["All"])[
        "Attributes"
    ]
    assert attributes["VisibilityTimeout"] == "60"
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(":" + str(settings.jobs_dead_letter_url).rpartition("/")[2])
    assert int(redrive["maxReceiveCount"]) >= 10


def test_an_upload_becomes_a_message(settings: Settings, stand_in: Server) -> None:
    bucket = str(settings.s3_uploads).removeprefix("s3://").strip("/")
    client("s3", stand_in).put_object(Bucket=bucket, Key="talk.mp4", Body=b"sound")
    sqs = client("sqs", stand_in)
    bodies = []
    for _ in range(3):  # the test event may come first
        answer = sqs.receive_message(QueueUrl=settings.jobs_queue_url, WaitTimeSeconds=2, MaxNumberOfMessages=10)
        bodies += [message["Body"] for message in answer.get("Messages", ())]
    assert any("talk.mp4" in body for body in bodies)


def test_it_is_ready_when_its_script_has_run() -> None:
    pod = template(of_kind(render(OVERLAY), "Deployment")["aws"])["spec"]
    (server,) = pod["containers"]
    assert server["readinessProbe"]["httpGet"]["path"] == "/_ministack/ready"
    mounts = {one["name"]: one["mountPath"] for one in server["volumeMounts"]}
    assert mounts["scripts"] == "/docker-entrypoint-initaws.d/ready.d"
    assert server["image"].endswith(":1.5.33")  # the version that our tests run against
