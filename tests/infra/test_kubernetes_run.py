"""The pods of the overlay cpu-local as processes of this machine: their arguments, their variables, real models.

What a container adds (the user, the read-only root) is tested with the image; what a cluster adds is not tested.
"""

import io
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import soundfile

from emoscribe.tokens import TokenBook
from tests import sounds
from tests.infra.manifests import PARTS, RUNNERS, Manifest, arguments, environment, of_kind, render, template
from tests.infra.test_kubernetes_stand_in import stand_in
from tests.servers import Server
from tests.service_processes import ServiceProcess

__all__ = ["stand_in"]  # a fixture

pytestmark = pytest.mark.models

OVERLAY = "cpu-local"
DONE_S = 180.0


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A token, and the file that knows it."""
    path = tmp_path_factory.mktemp("secret") / "tokens.toml"
    book, secret = TokenBook().add("me", tenant="default", scopes=("owner",))
    book.save(path)
    return secret, path


@pytest.fixture(scope="module")
def parts(
    stand_in: Server,
    token: tuple[str, Path],
    models_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, ServiceProcess]]:
    """Every part, ready. What stands for a place of the cluster is put in the place of its name."""
    folder = tmp_path_factory.mktemp("pods")
    here = {
        "http://aws:4566": stand_in.url,
        "/etc/emoscribe/tokens/tokens.toml": str(token[1]),
        "/models": str(models_dir),
        "/tmp/": f"{folder}/",  # noqa: S108  # a volume of the pod
    }
    started: dict[str, ServiceProcess] = {}
    try:
        for name in (*RUNNERS, "worker", "api"):
            words, variables = _pod(name, here)
            started[name] = ServiceProcess([*words, "--host", "127.0.0.1"], folder, variables)
            started[name].start()
            here[f"http://{name}:3000"] = started[name].url
        for process in started.values():
            process.wait_until_ready()
        yield started
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(ServiceProcess.stop, started.values()))


def _container(name: str) -> Manifest:
    found: Manifest = template(of_kind(render(OVERLAY), "Deployment")[name])["spec"]["containers"][0]
    return found


def _pod(name: str, here: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Arguments and variables of its container."""

    pattern = re.compile("|".join(map(re.escape, here)))

    def placed(text: str) -> str:
        return pattern.sub(lambda match: here[match[0]], text)

    documents, container = render(OVERLAY), _container(name)
    variables = {key: placed(value) for key, value in environment(documents, container).items() if key != "HOME"}
    return [placed(word) for word in arguments(documents, container)], {**variables, "EMOSCRIBE_AUTH": "tokens"}


def _recording() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sounds.read_clip("pt-3"), 16_000, format="FLAC")
    return file.getvalue()


def test_a_recording_goes_through_all_parts(parts: Mapping[str, ServiceProcess], token: tuple[str, Path]) -> None:
    headers = {"Authorization": f"Bearer {token[0]}"}
    with httpx.Client(base_url=parts["api"].url, timeout=60, headers=headers) as client:
        job = client.post("/v1/analyses", files={"file": ("talk.flac", _recording())}).raise_for_status().json()
        give_up_s = time.monotonic() + DONE_S
        while job["state"] in {"queued", "running"}:
            assert time.monotonic() < give_up_s, job
            time.sleep(0.3)
            job = client.get(f"/v1/analyses/{job['id']}").raise_for_status().json()
        assert job["state"] == "done", job
        assert job["attempts"] == 1
        result = client.get(f"/v1/analyses/{job['id']}/result.json").raise_for_status().json()
        assert {segment["language"] for segment in result["segments"]} == {"pt"}
        assert all(segment["emotion"] for segment in result["segments"])
    assert httpx.post(parts["api"].url + "/v1/emotions", json={"texts": ["Hello."]}).status_code == 401


@pytest.mark.parametrize("name", PARTS)
def test_probes_and_metrics_answer(parts: Mapping[str, ServiceProcess], name: str) -> None:
    container = _container(name)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        parts[name].get(container[probe]["httpGet"]["path"])
    page = parts[name].get("/metrics")
    expected = {"api": "emoscribe_waiting_jobs", "worker": "emoscribe_running_jobs"}
    assert expected.get(name, f'service_name="{name.capitalize()}"') in page
