"""infra/compose/compose.yaml: read by Docker Compose itself, and its services run as processes in its order."""

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import soundfile
from botocore.config import Config

from tests import sounds
from tests.infra.compose_processes import FILE, ComposeProcesses, Service, configuration

OURS = ("models", "transcriber", "translator", "classifier", "worker", "api", "tokens", "setup")
RUNNERS = {"transcriber", "translator", "classifier"}
DONE_S = 120.0


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return configuration("tools")


@pytest.mark.parametrize("name", [*OURS, "aws"])
def test_each_container_can_do_no_more_than_it_must(compose: dict[str, Any], name: str) -> None:
    service: Service = compose["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert not service.get("privileged")
    assert service["user"] == ("0:0" if name == "aws" else "10001:10001")


def test_nothing_is_open_to_other_machines(compose: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in compose["services"].items() if service.get("ports")}
    assert set(ports) == {"api"}
    assert [port["host_ip"] for port in ports["api"]] == ["127.0.0.1"]


def test_only_those_that_call_a_runner_can_reach_one(compose: dict[str, Any]) -> None:
    networks = {name: set(service.get("networks") or ()) for name, service in compose["services"].items()}
    assert {name for name, joined in networks.items() if "runners" in joined} == RUNNERS | {"worker", "api"}
    assert all(networks[name] == {"runners"} for name in RUNNERS)
    assert compose["networks"]["runners"]["internal"]
    assert compose["networks"]["jobs"]["internal"]


def test_images_are_pinned_and_models_are_pulled_by_the_image_that_can(compose: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in compose["services"].items()}
    assert re.fullmatch(r"ministackorg/ministack:\d+\.\d+\.\d+", images.pop("aws"))
    assert images.pop("models") == "emoscribe:cpu-models-pull"
    assert set(images.values()) == {"emoscribe:cpu"}
    containerfile = (FILE.parents[1] / "container" / "Containerfile").read_text(encoding="utf-8")
    assert "FROM serving AS models-pull" in containerfile


def test_every_part_is_watched_by_its_readiness(compose: dict[str, Any]) -> None:
    for name in (*RUNNERS, "worker", "api"):
        assert compose["services"][name]["healthcheck"]["test"][-1] == "/readyz"


def test_workers_are_given_the_time_their_jobs_may_take_to_end(compose: dict[str, Any]) -> None:
    from emoscribe.settings import Settings

    grace_s = Settings.model_fields["job_grace_s"].default
    assert int(compose["services"]["worker"]["stop_grace_period"].removesuffix("s")) > grace_s


def s3_of(parts: ComposeProcesses) -> Any:
    credentials = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    retries = Config(retries={"mode": "standard", "max_attempts": 10})  # until it is up
    return boto3.client("s3", endpoint_url=parts.url("aws"), config=retries, **credentials)


def test_what_the_stand_in_keeps_survives_a_stop(models_dir: Path, tmp_path: Path) -> None:
    with ComposeProcesses(tmp_path, models_dir) as parts:
        parts.start("aws")
        parts.run("setup")
        s3_of(parts).put_object(Bucket="emoscribe", Key="results/one", Body=b"1")
        parts.stop("aws")
        parts.start("aws")
        assert s3_of(parts).get_object(Bucket="emoscribe", Key="results/one")["Body"].read() == b"1"
        uploads = s3_of(parts).get_bucket_notification_configuration(Bucket="emoscribe-incoming")
        assert [told["QueueArn"].rpartition(":")[2] for told in uploads["QueueConfigurations"]] == ["emoscribe-jobs"]


@pytest.fixture(scope="module")
def parts(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProcesses]:
    with ComposeProcesses(tmp_path_factory.mktemp("compose"), models_dir) as processes:
        yield processes


@pytest.fixture(scope="module")
def client(parts: ComposeProcesses) -> Iterator[httpx.Client]:
    """The order of the file's head: a token first, then everything."""
    token = parts.run("tokens", "add", "me").strip()
    order = parts.up()
    assert order.index("models") < min(order.index(name) for name in RUNNERS)
    assert order.index("aws") < order.index("setup") < min(order.index("worker"), order.index("api"))
    with httpx.Client(base_url=parts.url("api"), timeout=60, headers={"Authorization": f"Bearer {token}"}) as caller:
        yield caller


def recording() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sounds.read_clip("pt-3"), 16_000, format="FLAC")
    return file.getvalue()


def finished(client: httpx.Client, path: str) -> dict[str, Any]:
    give_up_s = time.monotonic() + DONE_S
    while time.monotonic() < give_up_s:
        job = dict(client.get(path).raise_for_status().json())
        if job["state"] in {"done", "failed", "cancelled"}:
            return job
        time.sleep(0.3)
    raise AssertionError("the job has not ended")


@pytest.mark.models
def test_a_recording_sent_to_the_api_is_analysed(client: httpx.Client) -> None:
    job = client.post("/v1/analyses", files={"file": ("talk.flac", recording())}).raise_for_status().json()
    assert finished(client, f"/v1/analyses/{job['id']}")["state"] == "done"
    analysis = client.get(f"/v1/analyses/{job['id']}/result.json").raise_for_status().json()
    assert {segment["emotion"]["label"] for segment in analysis["segments"]} & {"fear", "sadness"}


@pytest.mark.models
def test_an_object_put_into_the_bucket_is_analysed(client: httpx.Client, parts: ComposeProcesses) -> None:
    s3_of(parts).put_object(Bucket="emoscribe-incoming", Key="interviews/ana.flac", Body=recording() + b"\0")
    give_up_s = time.monotonic() + DONE_S
    jobs: list[dict[str, Any]] = []
    while not jobs and time.monotonic() < give_up_s:
        answer = client.get("/v1/analyses").raise_for_status().json()
        jobs = [job for job in answer["analyses"] if "interviews/ana.flac" in str(job)]
        time.sleep(0.3)
    assert finished(client, f"/v1/analyses/{jobs[0]['id']}")["state"] == "done"


@pytest.mark.models
def test_the_setup_may_be_run_again(client: httpx.Client, parts: ComposeProcesses) -> None:
    assert "become jobs" in parts.run("setup")


@pytest.mark.models
def test_nobody_gets_in_without_a_token(client: httpx.Client, parts: ComposeProcesses) -> None:
    assert httpx.get(f"{parts.url('api')}/v1/analyses", timeout=30).status_code == 401
