"""The bento as it is built and served from its own files, not from the checkout."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests import sounds
from tests.conftest import ROOT
from tests.e2e.test_service import flac, result, submit, wait_for
from tests.service_processes import ServiceProcess


def test_the_bento_asks_for_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {*project["dependencies"], *extras["cpu"], *extras["s3"], *extras["query"], *extras["serve"]}
    wanted -= {"emoscribe[query,s3]"}
    bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    assert set(bento["python"]["packages"]) == wanted


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built bento's source folder, marked by a version of its own."""
    home = tmp_path_factory.mktemp("bentos")
    command = [sys.executable, "-m", "bentoml", "build", str(ROOT), "--version", "test"]
    environment = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    built = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    source = home / "bentos" / "emoscribe" / "test" / "src"
    (source / "emoscribe" / "__init__.py").write_text('"""In a bento."""\n\n__version__ = "0.0.0+bento"\n')
    return source


@pytest.fixture(scope="module")
def served(bento: Path, models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        ServiceProcess(["serve"], tmp_path_factory.mktemp("bento"), {"PYTHONPATH": str(bento)}) as process,
        httpx.Client(base_url=process.url, timeout=60) as client,
    ):
        yield client


@pytest.mark.models
def test_a_job_goes_through_the_built_bento(served: httpx.Client) -> None:
    assert served.get("/openapi.json").json()["info"]["version"] == "0.0.0+bento"
    job = submit(served, flac(sounds.read_clip("pt-3")))
    assert wait_for(served, job["id"])["state"] == "done"
    analysis = result(served, job["id"])
    assert analysis["emoscribe_version"] == "0.0.0+bento"
    assert {segment["emotion"]["label"] for segment in analysis["segments"]} & {"fear", "sadness"}


def test_nothing_is_in_the_bento_that_does_not_serve(bento: Path) -> None:
    names = {path.name for path in bento.iterdir()}
    assert names <= {"service.py", "runners", "emoscribe", "models", "LICENSE", "bentofile.yaml", "README.md"}, names
    assert not [path for path in bento.rglob("*") if "__pycache__" in path.parts]
    assert (bento / "emoscribe/report/viewer/dist").is_dir()
