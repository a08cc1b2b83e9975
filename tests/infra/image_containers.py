"""Containers of a built image without an engine: runc, a read-only root, no network but a loopback of their own.

An image is named as `EMOSCRIBE_TEST_IMAGE`: a name in buildah's storage (localhost/emoscribe:cpu), or oci:FOLDER:TAG.
Needs root, runc, iproute2, and buildah or umoci.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import psutil

GIVE_UP_S: Final = 60.0
NAMESPACES: Final = ("pid", "ipc", "uts", "mount", "cgroup")


@dataclass(frozen=True, slots=True)
class Image:
    """An image, unpacked: its files, and what its author says about running it."""

    rootfs: Path
    config: dict[str, Any]  # of the OCI image specification: User, Env, Entrypoint, ...
    docker_config: dict[str, Any]  # Docker's fields beyond that, such as Healthcheck; empty for oci: images


@contextmanager
def unpacked(reference: str, folder: Path) -> Iterator[Image]:
    """The image, as long as the context lasts."""
    if reference.startswith("oci:"):
        layout, _, tag = reference.removeprefix("oci:").rpartition(":")
        _run("umoci", "unpack", "--image", f"{layout}:{tag}", str(folder / "bundle"))
        yield Image(folder / "bundle" / "rootfs", _oci_config(Path(layout), tag), {})
        shutil.rmtree(folder / "bundle")
        return
    described = json.loads(_run("buildah", "inspect", "--type", "image", reference))
    container = _run("buildah", "from", "--pull-never", reference).strip()
    try:
        rootfs = Path(_run("buildah", "mount", container).strip())
        yield Image(rootfs, described["OCIv1"]["config"], described["Docker"]["config"])
    finally:
        _run("buildah", "rm", container)


def _oci_config(layout: Path, tag: str) -> dict[str, Any]:
    def blob(digest: str) -> Any:
        return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text(encoding="utf-8"))

    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    name = "org.opencontainers.image.ref.name"
    manifest = next(entry for entry in index["manifests"] if entry.get("annotations", {}).get(name) == tag)
    return dict(blob(blob(manifest["digest"])["config"]["digest"])["config"])


@dataclass
class Network:
    """A loopback that only those who join it have: what a pod is, and nothing leads out of it."""

    name: str = field(default_factory=lambda: f"emoscribe-{uuid4().hex[:8]}")

    def __enter__(self) -> Self:
        _run("ip", "netns", "add", self.name)
        _run("ip", "-n", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        _run("ip", "netns", "del", self.name)

    def call(self, *command: str) -> str:
        """A program of this machine inside the network; its standard output."""
        return _run("ip", "netns", "exec", self.name, *command)


class Container:
    """One run of the image: `docker run --read-only --network=NETWORK --tmpfs /tmp -v ... IMAGE ARGUMENTS`."""

    def __init__(
        self,
        image: Image,
        arguments: Sequence[str],
        network: Network,
        folder: Path,
        volumes: Mapping[str, Path] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        entrypoint: Sequence[str] = (),
    ) -> None:
        self.name = f"emoscribe-{uuid4().hex[:8]}"
        self._bundle = folder / self.name
        self._log = folder / f"{self.name}.log"
        self._hosts = self._bundle / "hosts"
        self._network = network
        self._image = image
        command = [*(entrypoint or image.config["Entrypoint"]), *arguments]
        self._spec = self._specification(command, volumes or {}, settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Returns at once."""
        self._bundle.mkdir()
        self._hosts.write_text("127.0.0.1 localhost\n", encoding="utf-8")  # engines give each container one
        (self._bundle / "config.json").write_text(json.dumps(self._spec), encoding="utf-8")
        with self._log.open("wb") as log:
            command = ["runc", "run", "--bundle", str(self._bundle), self.name]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def wait(self, within_s: float = GIVE_UP_S) -> int:
        """The exit status of the program."""
        assert self._process is not None
        return self._process.wait(within_s)

    def signal(self, name: str) -> None:
        """To process 1 of the container."""
        _run("runc", "kill", self.name, name)

    def execute(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """`docker exec`: a program of the image, inside."""
        return subprocess.run(["runc", "exec", self.name, *command], capture_output=True, text=True, check=False)

    def wait_until_running(self) -> None:
        """Until process 1 is there."""
        give_up_s = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up_s:
            state = subprocess.run(["runc", "state", self.name], capture_output=True, text=True, check=False)
            if state.returncode == 0 and json.loads(state.stdout)["status"] == "running":
                return
            assert self._process is not None
            assert self._process.poll() is None, self.output
            time.sleep(0.02)
        raise AssertionError(f"{self.name} does not run: {self.output}")

    def cpu_s(self) -> float:
        """Processor time of all its processes so far, in seconds."""
        assert self._process is not None
        total_s = 0.0
        for process in psutil.Process(self._process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total_s += times.user + times.system + times.children_user + times.children_system
        return total_s

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def _specification(
        self, command: Sequence[str], volumes: Mapping[str, Path], settings: Mapping[str, str]
    ) -> dict[str, Any]:
        config = self._image.config
        user, _, group = config["User"].partition(":")
        spec = json.loads(_default_specification())
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": int(user), "gid": int(group)},
            "args": command,
            "env": [*config["Env"], *(f"{name}={value}" for name, value in settings.items())],
            "cwd": config["WorkingDir"],
            "capabilities": {},
            "noNewPrivileges": True,
        }
        spec["root"] = {"path": str(self._image.rootfs), "readonly": True}
        binds = {"/etc/hosts:ro": self._hosts, **volumes}
        spec["mounts"] += [_tmpfs("/tmp"), *(_bind(path, target) for target, path in binds.items())]  # noqa: S108
        joined = {"type": "network", "path": f"/run/netns/{self._network.name}"}
        spec["linux"]["namespaces"] = [*({"type": name} for name in NAMESPACES), joined]
        return dict(spec)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None) -> None:
        subprocess.run(["runc", "delete", "--force", self.name], capture_output=True, check=False)
        if self._process is not None:
            self._process.wait(GIVE_UP_S)
        shutil.rmtree(self._bundle, ignore_errors=True)


def _default_specification() -> str:
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"runc-spec-{uuid4().hex}"  # noqa: S108  # a name nobody guesses
    folder.mkdir()
    try:
        _run("runc", "spec", "--bundle", str(folder))
        return (folder / "config.json").read_text(encoding="utf-8")
    finally:
        shutil.rmtree(folder)


def _tmpfs(target: str) -> dict[str, Any]:
    options = ["nosuid", "nodev", "mode=1777", "size=1g"]
    return {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": options}


def _bind(path: Path, target: str) -> dict[str, Any]:
    """Read-only if it is named so: /models:ro."""
    place, _, how = target.partition(":")
    return {"destination": place, "type": "bind", "source": str(path), "options": ["rbind", how or "rw"]}


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
