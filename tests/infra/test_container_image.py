"""A built image does the whole main job: read-only, as nobody in particular, without a network.

infra/container/build.sh cpu serving
EMOSCRIBE_TEST_IMAGE=localhost/emoscribe:cpu pytest tests/infra/test_container_image.py
"""

import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emoscribe import __version__
from tests import sounds
from tests.conftest import ROOT
from tests.infra.image_containers import Container, Image, Network, unpacked
from tests.infra.parts_in_containers import PORTS, UID, five_parts

REFERENCE = os.environ.get("EMOSCRIBE_TEST_IMAGE", "")
LARGEST_BYTES = 1.3e9

KILL_THE_SERVER = """
import os, pathlib, signal
servers = [path.parent.name for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
           if b"start-http-server" in path.read_bytes()]
os.kill(int(servers[0]), signal.SIGKILL)
"""

PYTHON = ("/opt/emoscribe/bin/python", "-I")
LOAD_CUDA = """
import ctypes, pathlib, subprocess
import ctranslate2, onnxruntime
for library in ("libcublas.so.12", "libcublasLt.so.12", "libcudart.so.12", "libcudnn.so.9"):
    ctypes.CDLL(library)
provider = pathlib.Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
listed = subprocess.run(["ldd", provider], capture_output=True, text=True).stdout.splitlines()
elsewhere = ("libonnxruntime_providers_shared", "libcuda.so.1")  # loaded before it; the driver's
missing = [line for line in listed if "not found" in line and not any(name in line for name in elsewhere)]
assert not missing, missing
print(onnxruntime.get_available_providers())
"""

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(
        not REFERENCE,
        reason="infra/container/build.sh cpu serving, then set EMOSCRIBE_TEST_IMAGE=localhost/emoscribe:cpu",
    ),
]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with unpacked(REFERENCE, tmp_path_factory.mktemp("image")) as found:
        yield found


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as made:
        yield made


@pytest.fixture
def models(models_dir: Path) -> dict[str, Path]:
    return {"/models:ro": models_dir}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder that the image's user may write."""
    os.chown(tmp_path, UID, UID)
    return tmp_path


def test_it_says_how_it_wants_to_be_run(image: Image) -> None:
    config = image.config
    assert config["User"] == f"{UID}:{UID}"
    assert config["Entrypoint"] == ["/opt/emoscribe/bin/dumb-init", "--single-child", "--", "emoscribe"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["ExposedPorts"] == {"3000/tcp": {}}
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    if image.docker_config:
        assert image.docker_config["Healthcheck"]["Test"][0] == "CMD"


def test_cuda_is_found_in_a_gpu_image(image: Image, network: Network, work: Path) -> None:
    """As far as that goes without a GPU: every library that the two engines ask for loads, from the image alone."""
    if image.config["Labels"]["io.emoscribe.device"] != "gpu":
        pytest.skip("this is not a GPU image: infra/container/build.sh gpu serving")
    with Container(image, ["-c", LOAD_CUDA], network, work, entrypoint=PYTHON) as container:
        assert container.wait() == 0, container.output
        assert "CUDAExecutionProvider" in container.output


def test_it_is_small_and_holds_neither_tools_nor_tests(image: Image) -> None:
    found = [path for path in image.rootfs.rglob("*") if not path.is_symlink() and path.is_file()]
    files = [path for path in found if path.stat().st_size]  # a file that was mounted for the build leaves its name
    if image.config["Labels"]["io.emoscribe.device"] == "cpu":
        assert sum(path.stat().st_size for path in files) < LARGEST_BYTES
    inside = {str(path.relative_to(image.rootfs)) for path in files}
    assert not {name for name in inside if name.rpartition("/")[2] in {"pip", "pip3", "gcc", "cc", "make", "git", "uv"}}
    ours = {name for name in inside if name.startswith(("opt/", "app/"))}
    assert not {name for name in ours if "/tests/" in name or "/.cache/" in name}
    assert not {name for name in inside if name.endswith((".whl", "pip.conf", ".netrc", ".pypirc"))}
    assert "app/service.py" in inside
    assert "app/models/emotion/tokenizer.json" in inside


def test_its_user_owns_nothing_but_the_places_of_volumes(image: Image) -> None:
    owned, loose = set(), set()
    for path in image.rootfs.rglob("*"):
        status = path.lstat()
        name = f"/{path.relative_to(image.rootfs)}"
        owned |= {name} if UID in {status.st_uid, status.st_gid} else set()
        is_open = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
        loose |= {name} if is_open and not stat.S_ISLNK(status.st_mode) else set()
    assert owned == {"/models", "/tokens", "/uploads"}
    assert loose == set()


def test_it_analyses_a_video(image: Image, network: Network, models: dict[str, Path], work: Path) -> None:
    shutil.copy(ROOT / "samples" / "demo-pt.mp4", work)
    volumes = {**models, "/work": work}
    with Container(image, ["analyse", "/work/demo-pt.mp4"], network, work, volumes) as container:
        assert container.wait(180) == 0, container.output
    analysis = json.loads((work / "demo-pt.json").read_text(encoding="utf-8"))
    assert analysis["language"]["language"] == "pt"
    assert {segment["emotion"]["label"] for segment in analysis["segments"]} >= {"fear", "happiness"}
    assert (work / "demo-pt.html").stat().st_size > 100_000
    assert (work / "demo-pt.json").stat().st_uid == UID


def test_without_models_it_says_what_to_run(image: Image, network: Network, work: Path) -> None:
    with Container(image, ["runner", "Transcriber"], network, work) as container:
        assert container.wait() == 3
        assert "emoscribe models pull" in " ".join(container.output.split())


def test_a_signal_in_its_first_moment_is_not_lost(image: Image, network: Network, work: Path) -> None:
    """Process 1 has no default handlers: what it has not asked for does not reach it."""
    with Container(image, ["serve"], network, work) as container:
        container.wait_until_running()
        container.signal("TERM")
        assert container.wait(10) in {0, 3, 143}


def served(network: Network, recording: Path, started_s: float) -> dict[str, Any]:
    url = f"http://127.0.0.1:{PORTS['EmoScribe']}"
    client = (sys.executable, "-m", "tests.infra.first_result", url, str(recording), str(started_s))
    return dict(json.loads(network.call(*client)))


@pytest.fixture
def recording(work: Path) -> Path:
    import soundfile

    soundfile.write(work / "talk.flac", sounds.read_clip("pt-3"), 16_000)
    return work / "talk.flac"


def test_one_container_serves_all(
    image: Image, network: Network, models: dict[str, Path], work: Path, recording: Path
) -> None:
    started_s = time.monotonic()
    with Container(image, ["serve"], network, work, models, {"EMOSCRIBE_AUTH": "off"}) as container:
        found = served(network, recording, started_s)["analysis"]
        health = container.execute("/opt/emoscribe/bin/python", "-I", "-S", "/opt/emoscribe/healthcheck.py")
        assert health.returncode == 0, health.stderr
        container.signal("TERM")
        assert container.wait(30) == 0, container.output
    assert {segment["emotion"]["label"] for segment in found["segments"]} & {"fear", "sadness"}
    assert found["emoscribe_version"] == __version__


def test_five_containers_are_one_service(
    image: Image, network: Network, models_dir: Path, work: Path, recording: Path
) -> None:
    started_s = time.monotonic()
    with five_parts(image, network, work, models_dir) as parts:
        found = served(network, recording, started_s)["analysis"]
        assert {segment["emotion"]["label"] for segment in found["segments"]} & {"fear", "sadness"}
        for name, part in parts.items():
            part.signal("TERM")
            assert part.wait(60) == 0, f"{name}: {part.output}"


def test_a_part_whose_process_was_killed_does_not_end_well(
    image: Image, network: Network, models: dict[str, Path], work: Path
) -> None:
    with Container(image, ["runner", "Translator"], network, work, models) as container:
        container.wait_until_running()
        give_up_s = time.monotonic() + 30
        while container.execute("/opt/emoscribe/bin/python", "-I", "-S", "-c", KILL_THE_SERVER).returncode:
            assert time.monotonic() < give_up_s, container.output
        assert container.wait(30) == 137, container.output
