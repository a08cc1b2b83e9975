"""infra/bentocloud/: the deployment file in BentoML's own parser, and the bento to be sent. No cloud is reached."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from emoscribe.settings import Settings
from tests.conftest import ROOT

FOLDER = ROOT / "infra" / "bentocloud"

MUITO_MEDO = "Estou com muito medo.\n"

pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # of BentoML, on import


@pytest.fixture(scope="module")
def deployment() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "deployment.yaml").read_text(encoding="utf-8")))


def test_bentoml_understands_every_word_of_the_file(deployment: dict[str, Any]) -> None:
    """It passes over unknown keys in silence, so what it read is compared with what is written."""
    from bentoml._internal.cloud.deployment import DeploymentAPI
    from bentoml._internal.cloud.schemas.schemasv2 import CreateDeploymentSchema
    from bentoml._internal.utils.cattr import bentoml_cattr

    understood = bentoml_cattr.structure(deployment | {"bento": "emoscribe:test"}, CreateDeploymentSchema)
    DeploymentAPI._fix_and_validate_schema(understood)
    read = bentoml_cattr.unstructure(understood)
    for section in ("name", "access_authorization", "secrets", "envs"):
        assert read[section] == deployment[section]
    for name, service in deployment["services"].items():
        assert read["services"][name] == service, name


def test_it_scales_the_services_that_there_are(deployment: dict[str, Any]) -> None:
    names = run([sys.executable, "-c", "import service; print(*service.EmoScribe.all_services())"], dict(os.environ))
    assert set(deployment["services"]) == set(names.split())
    for name, service in deployment["services"].items():
        assert 0 <= service["scaling"]["min_replicas"] <= service["scaling"]["max_replicas"], name
    worker = deployment["services"]["BatchWorker"]["scaling"]
    assert worker["min_replicas"] == worker["max_replicas"] >= 1  # nobody calls it, so nothing would start it


def test_its_settings_exist(deployment: dict[str, Any]) -> None:
    settings = {f"EMOSCRIBE_{name.upper()}" for name in Settings.model_fields}
    envs = [*deployment["envs"], *(env for part in deployment["services"].values() for env in part.get("envs", []))]
    assert {env["name"] for env in envs} <= settings


@pytest.mark.models
def test_the_staged_bento_works_with_nothing_but_its_own_files(models_dir: Path, tmp_path: Path) -> None:
    staged, home = tmp_path / "staged", tmp_path / "bentos"
    environment = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    stage = [sys.executable, str(FOLDER / "stage.py"), str(staged)]
    run(stage, environment | {"EMOSCRIBE_MODELS_SOURCE_DIR": str(models_dir)})
    run([sys.executable, "-m", "bentoml", "build", "--version", "test"], environment, cwd=staged)
    source = home / "bentos" / "emoscribe" / "test" / "src"
    models = source / "models" / "pulled"
    alone = environment | {"PYTHONPATH": str(source), "EMOSCRIBE_MODELS_DIR": str(models)}
    assert "ok" in run([sys.executable, "-P", "-m", "emoscribe", "models", "verify"], alone, tmp_path)
    said = run([sys.executable, "-P", "-m", "emoscribe", "emotions", "--language", "pt"], alone, tmp_path, MUITO_MEDO)
    assert '"fear"' in said


def test_the_models_are_looked_for_where_the_bento_has_them(deployment: dict[str, Any]) -> None:
    from bentoml._internal.container.generate import BENTO_PATH

    models = {env["name"]: env["value"] for env in deployment["envs"]}["EMOSCRIBE_MODELS_DIR"]
    assert models == f"{BENTO_PATH}/src/models/pulled"


def run(command: list[str], environment: dict[str, str], cwd: Path = ROOT, words: str = "") -> str:
    done = subprocess.run(
        command, env=environment, cwd=cwd, input=words, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
