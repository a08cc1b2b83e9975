"""The service as real processes on loopback, for end-to-end tests and benchmarks."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError

import psutil

START_S = 120.0  # on a machine that others use too


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class ServiceProcess:
    """`emoscribe <arguments>` on a port of its own, ready when the context begins, gone when it ends."""

    def __init__(self, arguments: Sequence[str], folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{'-'.join(arguments[:2]).lower()}-{self.port}.log"
        self._command = [sys.executable, "-m", "emoscribe", *arguments, "--port", str(self.port)]
        self._environment = {
            **os.environ,
            "EMOSCRIBE_AUTH": "off",
            "EMOSCRIBE_JOBS_DIR": str(folder / "jobs"),
            "EMOSCRIBE_THREADS": "2",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_until_ready()
        return self

    def start(self) -> None:
        """Returns at once."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=self.log.parent, stdout=log, stderr=log
            )

    def wait_until_ready(self, within_s: float = START_S) -> None:
        """Raises AssertionError with the end of its log if it does not come up."""
        give_up_s = time.monotonic() + within_s
        while time.monotonic() < give_up_s and self._process is not None and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310  # our own
                    if answer.status == 200:
                        return
            except (URLError, OSError):
                time.sleep(0.2)
        raise AssertionError(f"{self._command} is not ready:\n{self.log.read_text()[-4000:]}")

    def get(self, path: str) -> str:
        """The body of an answer."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:  # noqa: S310  # our own
            return str(answer.read().decode())

    def processes(self, containing: str = "") -> list[psutil.Process]:
        """Our processes whose command line holds `containing`; without it all of them."""
        if self._process is None or not psutil.pid_exists(self._process.pid):
            return []
        found = []
        for process in [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]:
            try:
                if containing in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def kill(self, service: str) -> None:
        """kill -9 of the process of one service; its supervisor stays."""
        for process in self.processes(f"--service-name {service}"):
            process.send_signal(signal.SIGKILL)

    def kill_all(self) -> None:
        """kill -9 of everything, without a word."""
        for process in reversed(self.processes()):
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        if self._process is not None:
            self._process.wait()

    def stop(self, within_s: float = 60.0) -> int | None:
        """SIGTERM; the exit code."""
        if self._process is None or self._process.poll() is not None:
            return None
        left_over = self.processes()
        self._process.terminate()
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise
        finally:
            psutil.wait_procs(left_over, timeout=10)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
