"""The five parts of the service as separate processes, each with replicas, with a network between them."""

import itertools
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emoscribe.cli.serve import RUNNERS
from tests.chaos import stand_in_models
from tests.chaos.cloud import Cloud
from tests.chaos.network import Link, Network
from tests.chaos.receiver import Receiver
from tests.contract.cloud_backend import connect
from tests.servers import ministack
from tests.service_processes import ServiceProcess

PARTS: Final = ("api", "worker", *(name.lower() for name in RUNNERS))
SERVICES: Final = {"api": "EmoScribe", "worker": "BatchWorker"} | {name.lower(): name for name in RUNNERS}
WALL_CLOCK: Final = Path(__file__).with_name("wall_clock.c")
START_S: Final = 240.0  # all at once, on a machine that others use too


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be started."""

    replicas: Mapping[str, int]
    is_real: bool = False  # with models
    batch_s: float = 1.0  # what stand-ins take for a batch of clips
    has_clock: bool = False  # whether the parts' wall clock can be set (needs a C compiler)


class Topology:
    """Made by `deployed`."""

    def __init__(self, folder: Path, plan: Plan, network: Network, cloud: Cloud[Link], receiver: Receiver) -> None:
        self.cloud = cloud
        self.receiver = receiver
        self.temporary = folder / "tmp"
        self.memory_file = folder / "hog"
        self.clock_file = folder / "clock"
        self.is_real = plan.is_real
        self.uploads: list[str] = []  # put into the bucket, each to become one job
        self.links: dict[str, Link] = {part: network.link(part) for part in PARTS if part != "worker"}
        self.processes: dict[str, list[ServiceProcess]] = {part: [] for part in PARTS}
        self._folder = folder
        self._places = itertools.count()
        self._temporary_of: dict[int, Path] = {}  # by port
        self._plan = plan
        self.temporary.mkdir()
        self.set_clock(0)

    @property
    def url(self) -> str:
        """Of the API."""
        return self.links["api"].url

    def start(self) -> None:
        """Everything."""
        self._together([(part, number) for part in PARTS for number in range(self._plan.replicas[part])])

    def _together(self, wanted: list[tuple[str, int]]) -> None:
        made = [(part, self._made(part)) for part, _ in wanted]
        for _, process in made:
            process.start()
        with ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(lambda one: one[1].wait_until_ready(START_S), made))
        for part, process in made:
            self._put_up(part, process)

    def _made(self, part: str) -> ServiceProcess:
        if part in SERVICES and part not in {"api", "worker"}:
            arguments = ["runner", SERVICES[part]]
        else:
            addresses = [word for name in RUNNERS for word in ("--runner", f"{name}={self.links[name.lower()].url}")]
            arguments = [{"api": "serve"}.get(part, part), *addresses]
        place = self.temporary / str(next(self._places))
        place.mkdir()
        process = ServiceProcess(arguments, self._folder, {**self._settings(), "TMPDIR": str(place)})
        self._temporary_of[process.port] = place
        return process

    def _settings(self) -> dict[str, str]:
        stand_ins = stand_in_models.environment() | {
            stand_in_models.BATCH_S_VARIABLE: str(self._plan.batch_s),
            stand_in_models.MEMORY_FILE_VARIABLE: str(self.memory_file),
        }
        return {
            **self.cloud.settings(),
            **self.receiver.settings(self._folder),
            "EMOSCRIBE_THREADS": "1",
            **({} if self._plan.is_real else stand_ins),
            **self._clock(),
        }

    def _clock(self) -> dict[str, str]:
        """The wall clock alone, read anew from the file each time; timers go on as ever."""
        if not self._plan.has_clock:
            return {}
        library = self.clock_file.with_suffix(".so")
        if not library.exists():
            subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(WALL_CLOCK)], check=True)
        return {"LD_PRELOAD": str(library), "WALL_CLOCK_FILE": str(self.clock_file)}

    def set_clock(self, ahead_s: int) -> None:
        """Of all parts, from now on."""
        with self.clock_file.open("r+b" if self.clock_file.exists() else "wb") as file:  # in place: it is mapped
            file.write(struct.pack("q", ahead_s))

    def _put_up(self, part: str, process: ServiceProcess) -> None:
        self.processes[part].append(process)
        if part in self.links:
            self.links[part].add(process.port)

    def replace(self, part: str) -> None:
        """The oldest replica by a new one, which is ready before the old one is told to stop."""
        old = self.processes[part].pop(0)
        self._together([(part, 0)])
        old.stop(within_s=120)
        if part in self.links:
            self.links[part].remove(old.port)

    def kill(self, part: str) -> None:
        """kill -9 of everything of one replica, as when its machine dies; then a new one is started."""
        killed = self.processes[part].pop(0)
        killed.kill_all()
        shutil.rmtree(self._temporary_of[killed.port])  # as the file system of its container would go
        self._together([(part, 0)])
        if part in self.links:
            self.links[part].remove(killed.port)

    def resident_bytes(self) -> dict[str, int]:
        """Of the process that serves, the largest replica of each part."""
        return {
            part: max(
                sum(process.memory_info().rss for process in one.processes(f"--service-name {SERVICES[part]}")[-1:])
                for one in replicas
            )
            for part, replicas in self.processes.items()
        }

    def stop(self) -> None:
        """Everything, at once."""
        everything = [one for replicas in self.processes.values() for one in replicas]
        with ThreadPoolExecutor(max(len(everything), 1)) as pool:
            list(pool.map(lambda one: one.stop(within_s=120), everything))

    def rubbish(self) -> list[str]:
        """What stopped parts have left of temporary files."""
        return sorted(path.name for place in self.temporary.iterdir() for path in place.iterdir())


@contextmanager
def deployed(folder: Path, plan: Plan) -> Iterator[Topology]:
    """Everything up, and gone afterwards."""
    with ExitStack() as stack:
        server = stack.enter_context(ministack())
        network = stack.enter_context(Network())
        receiver = stack.enter_context(Receiver())
        port = int(server.url.rpartition(":")[2])
        s3, sqs = (network.link(name, [port], looks=False) for name in ("s3", "sqs"))
        topology = Topology(folder, plan, network, Cloud(connect(server.url, server.url), s3, sqs), receiver)
        stack.callback(topology.stop)
        topology.start()
        yield topology
