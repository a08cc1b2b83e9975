"""The manifests against the program: settings, arguments, probes, grace."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer.main

from emoscribe.cli.app import app
from emoscribe.cli.serve import RUNNERS as RUNNER_NAMES
from emoscribe.jobs.worker import WorkerOptions
from emoscribe.settings import Settings, load_settings
from tests.conftest import ROOT
from tests.infra.manifests import (
    OVERLAYS,
    PARTS,
    RUNNERS,
    Manifest,
    arguments,
    containers,
    deployment,
    environment,
    main_container,
    of_kind,
    render,
    template,
)

BESIDE_SETTINGS = {
    "HOME",
    "PIP_NO_CACHE_DIR",
    "ORT_DISABLE_TELEMETRY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    *map(str.upper, RUNNERS),
}
GIB = 2**30
PROGRAM = typer.main.get_command(app)

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
every_part = pytest.mark.parametrize("part", PARTS)


def settings_of(overlay: str, part: str) -> Settings:
    """What the part would make of its environment."""
    variables = environment(render(overlay), main_container(overlay, part))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return load_settings()


def seconds(probe: Manifest) -> int:
    """How long it may fail before anything is done about it."""
    return int(probe.get("periodSeconds", 10)) * int(probe.get("failureThreshold", 3))


def size(text: str) -> int:
    """Bytes of a Kubernetes quantity such as 512Mi."""
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()  # type: ignore[union-attr]  # else the test fails
    return int(number) * (2**20 if unit == "Mi" else GIB)


@every_overlay
@every_part
def test_every_variable_is_a_setting(overlay: str, part: str) -> None:
    known = {f"EMOSCRIBE_{name.upper()}" for name in Settings.model_fields} | BESIDE_SETTINGS
    for container in containers(deployment(overlay, part)):
        assert set(environment(render(overlay), container)) <= known
    settings_of(overlay, part)  # and each value is one


@every_overlay
@every_part
def test_every_argument_is_understood_by_the_command_line(overlay: str, part: str) -> None:
    for container in containers(deployment(overlay, part)):
        words = arguments(render(overlay), container)
        assert "command" not in container  # the image's own: emoscribe
        command: Any = PROGRAM
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words).close()


@every_overlay
@every_part
def test_each_part_is_started_as_what_it_is(overlay: str, part: str) -> None:
    words = arguments(render(overlay), main_container(overlay, part))
    expected = {"api": ["serve"], "worker": ["worker"]} | {name.lower(): ["runner", name] for name in RUNNER_NAMES}
    assert words[: len(expected[part])] == expected[part]
    assert words[words.index("--port") + 1] == "3000"
    if part in {"api", "worker"}:
        services = of_kind(render(overlay), "Service")
        called = dict(word.split("=", 1) for word in words if "=" in word)
        assert called == {name: f"http://{name.lower()}:3000" for name in RUNNER_NAMES}
        assert {name.lower() for name in called} <= set(services)


@every_overlay
def test_a_worker_that_is_told_to_stop_has_the_time_it_takes(overlay: str) -> None:
    pod = template(deployment(overlay, "worker"))["spec"]
    takes_s = settings_of(overlay, "worker").job_grace_s + WorkerOptions().give_back_s
    assert pod["terminationGracePeriodSeconds"] >= takes_s + 20  # calls that end, connections that close


@every_overlay
@pytest.mark.parametrize("part", [part for part in PARTS if part != "worker"])
def test_who_is_called_has_the_time_to_answer_what_is_under_way(overlay: str, part: str) -> None:
    pod = template(deployment(overlay, part))["spec"]
    turning_away_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert turning_away_s >= 5
    assert pod["terminationGracePeriodSeconds"] >= turning_away_s + 60


@every_overlay
def test_calls_wait_longer_than_a_runner_takes_to_come_back(overlay: str) -> None:
    """Else a job fails while the runner it needs is being started. On AWS a node comes first: ten minutes."""
    starting_s = max(seconds(main_container(overlay, part)["startupProbe"]) for part in RUNNERS)
    node_s = 600 if overlay == "aws" else -starting_s
    assert settings_of(overlay, "worker").runner_patience_s >= starting_s + node_s
    assert settings_of(overlay, "worker").runner_patience_s < timedelta(seconds=WorkerOptions().stall_s).total_seconds()


@every_overlay
def test_uploads_have_room(overlay: str) -> None:
    settings = settings_of(overlay, "api")
    container = main_container(overlay, "api")
    volume = next(one for one in template(deployment(overlay, "api"))["spec"]["volumes"] if one["name"] == "tmp")
    assert str(settings.jobs_dir).startswith("/tmp/")  # noqa: S108  # a volume of the pod
    assert size(volume["emptyDir"]["sizeLimit"]) >= 10 * settings.max_upload_bytes
    assert size(container["resources"]["limits"]["ephemeral-storage"]) >= size(volume["emptyDir"]["sizeLimit"])


@every_overlay
def test_one_decoder_at_its_limit_does_not_end_the_worker(overlay: str) -> None:
    limit = size(main_container(overlay, "worker")["resources"]["limits"]["memory"])
    wanted = size(main_container(overlay, "worker")["resources"]["requests"]["memory"])
    assert limit >= wanted + settings_of(overlay, "worker").decoder_memory_bytes


@every_overlay
@pytest.mark.parametrize("part", RUNNERS)
def test_threads_do_not_wait_for_each_other(overlay: str, part: str) -> None:
    limits = main_container(overlay, part)["resources"]["limits"]
    assert 0 < settings_of(overlay, part).threads <= int(limits["cpu"])


@every_overlay
@every_part
def test_probes_ask_what_they_should(overlay: str, part: str) -> None:
    container = main_container(overlay, part)
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startupProbe": "/livez",  # a store that is away must not restart what has just been started
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert all(ports[get["port"]] == 3000 for get in asked.values())
    assert seconds(container["livenessProbe"]) >= 60
    assert seconds(container["startupProbe"]) >= 120


def test_the_probed_paths_are_those_of_the_service() -> None:
    documented = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    assert "`/livez`" in documented
    assert "`/readyz`" in documented


def test_the_tokens_are_where_the_api_looks() -> None:
    pod = template(deployment("aws", "api"))["spec"]
    (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "tokens")
    file = settings_of("aws", "api").tokens_file
    assert file is not None
    assert file.parent == Path(mount["mountPath"])
    secret = of_kind(render("aws"), "Secret")["tokens"]  # by this very name: no restart when a token is added
    assert file.name in secret["data"]


@pytest.mark.parametrize("part", PARTS)
def test_who_has_a_gpu_says_so_when_it_does_not_work(part: str) -> None:
    has_gpu = "nvidia.com/gpu" in main_container("aws", part)["resources"]["limits"]
    assert settings_of("aws", part).device == ("cuda" if has_gpu else "auto")


def test_callbacks_are_a_component() -> None:
    secrets = [
        {"name": "tokens", "files": ["tokens.toml"]},
        {"name": "callbacks", "literals": ["callback-secret=made up"]},
    ]
    documents = render("cpu-local", components=["../../components/callbacks"], secretGenerator=secrets, patches=[])
    made = of_kind(documents, "Secret")
    for part in ("api", "worker"):
        pod = template(of_kind(documents, "Deployment")[part])["spec"]
        (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "callbacks")
        (volume,) = (one for one in pod["volumes"] if one["name"] == "callbacks")
        file = Path(environment(documents, pod["containers"][0])["EMOSCRIBE_CALLBACK_SECRET_FILE"])
        assert file.parent == Path(mount["mountPath"])
        assert file.name in made[volume["secret"]["secretName"]]["data"]
