"""What Prometheus gets to see of the process itself: which version it runs, since when, with what memory, CPU and disk.

prometheus_client's own figures of the process are not there when several processes share a page, and Kubernetes knows
nothing of the space that is left in an emptyDir. So each process notes them itself, every few seconds.
"""

import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

import emoscribe
from emoscribe.settings import Settings
from emoscribe.types import ModelInfo

PARTS: Final = {
    "EmoScribe": "api",
    "BatchWorker": "worker",
    "Transcriber": "transcriber",
    "Translator": "translator",
    "Classifier": "classifier",
}
EVERY_S: Final = 5.0
SPOOLS: Final = ("spool", "uploads")  # in the folder of jobs: uploads being received
MODELS: Final = Gauge(
    "emoscribe_model_info",
    "Always 1; which models are loaded.",
    ["part", "model", "version"],
    multiprocess_mode="livemax",
)


class ProcessWatch:
    """Notes the figures of this process. Use it once in a process."""

    def __init__(self, part: str, folders: Mapping[str, Path], registry: CollectorRegistry = REGISTRY) -> None:
        """`folders`: those whose disks are looked at, by the name to show them under."""

        def gauge(name: str, meaning: str, *labels: str, mode: str = "livemax") -> Gauge:
            return Gauge(f"emoscribe_{name}", meaning, labels, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]  # one of its literals

        self._folders = folders
        cpu = Counter("emoscribe_cpu_seconds", "CPU time, ended decoders included.", ["part"], registry=registry)
        self._cpu = cpu.labels(part)
        self._memory = gauge("memory_bytes", "Resident memory, without decoders.", "part", mode="livesum").labels(part)
        self._free = gauge("disk_free_bytes", "Space left to us on the disk of a folder.", "folder", mode="livemin")
        self._size = gauge("disk_bytes", "Size of the disk of a folder.", "folder")
        self._spool = gauge("spool_bytes", "Uploads that are being received, or were left.")
        info = gauge("build_info", "Always 1; which version runs.", "part", "version")
        info.labels(part, emoscribe.__version__).set(1)
        gauge("start_time_seconds", "When the process began, since 1970.", "part").labels(part).set(time.time())
        self._counted_s = 0.0
        self.look()

    def look(self) -> None:
        """Note the figures as they are now."""
        times = os.times()
        used_s = times.user + times.system + times.children_user + times.children_system
        self._cpu.inc(max(used_s - self._counted_s, 0.0))
        self._counted_s = used_s
        self._memory.set(resident_bytes())
        for name, folder in self._folders.items():
            try:
                usage = shutil.disk_usage(folder)
            except OSError:  # not there yet, or not for us
                continue
            self._free.labels(name).set(usage.free)
            self._size.labels(name).set(usage.total)
        if "jobs" in self._folders:
            self._spool.set(sum(bytes_below(self._folders["jobs"] / spool) for spool in SPOOLS))

    def look_forever(self) -> None:
        """In the background, until the process ends."""

        def look_again() -> None:
            while True:
                time.sleep(EVERY_S)
                self.look()

        threading.Thread(target=look_again, name="process-watch", daemon=True).start()


def bytes_below(folder: Path) -> int:
    """Of all files; those that go meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size if path.is_file() else 0
    return total


def tell_models(part: str, models: Iterable[ModelInfo]) -> None:
    """Which models this process has loaded."""
    for model in models:
        MODELS.labels(part, model.name, model.version).set(1)


def resident_bytes() -> int:
    """Of this process; where /proc is not there, its highest so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def watch_process(service: str, settings: Settings) -> None:
    """Watch this process, if `service` is the one that it was started for."""
    from bentoml import server_context

    if server_context.service_name != service or service not in PARTS:
        return
    folders = {"jobs": settings.jobs_dir, "models": settings.models_dir, "temporary": Path(tempfile.gettempdir())}
    ProcessWatch(PARTS[service], folders).look_forever()
