"""What is done to the service while clients use it. Each returns when the disturbance is over."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from tests.chaos.clients import recording
from tests.chaos.cloud import UPLOADS
from tests.chaos.network import Fault, Link
from tests.chaos.topology import PARTS, Topology

DISTURBED_S: Final = 20.0
PARTITION_S: Final = 25.0  # longer than interactive calls wait for a runner
CLOCK: Final = "clock-jumps"  # the parts have to be started for it
KILL_EVERY_S: Final = 8.0
RESPAWN_S: Final = 12.0  # BentoML's supervisor looks every 10 s


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of trouble."""

    disturb: Callable[[Topology], None]
    may_break: bool = False  # whether connections of clients to the API may break: what was killed cannot say goodbye
    clients: int = 16


def rolling_restart(topology: Topology) -> None:
    """A new version of everything, as Kubernetes rolls it out: a replica of each part at a time, all parts at once."""
    for number in range(max(map(len, topology.processes.values()))):
        parts = [part for part in PARTS if number < len(topology.processes[part])]
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(topology.replace, parts))


def kills(topology: Topology) -> None:
    """kill -9 of a replica of each part, one soon after the other, in any order; the network has to find out."""
    parts = list(PARTS)
    random.Random(1).shuffle(parts)
    with ThreadPoolExecutor(len(parts)) as pool:
        killing = []
        for part in parts:
            killing.append(pool.submit(topology.kill, part))
            time.sleep(KILL_EVERY_S)
        for one in killing:
            one.result()


def latency(topology: Topology) -> None:
    """Each piece between the parts takes 50 ms longer, each way."""
    _all_links(topology, Fault(delay_s=0.05))


def resets(topology: Topology) -> None:
    """A tenth of the connections to runners, S3 and SQS breaks in the middle of an answer."""
    _all_links(topology, Fault(reset_share=0.1))


def slow_s3(topology: Topology) -> None:
    """200 ms and 200 KB/s."""
    _for_a_while(topology.cloud.s3, Fault(delay_s=0.2, bytes_per_s=200_000), DISTURBED_S)


def no_transcriber(topology: Topology) -> None:
    """Nothing gets through to it; nobody is told."""
    _for_a_while(topology.links["transcriber"], Fault(is_cut=True), PARTITION_S)


def no_sqs(topology: Topology) -> None:
    """The same with SQS."""
    _for_a_while(topology.cloud.sqs, Fault(is_cut=True), PARTITION_S)


def no_s3(topology: Topology) -> None:
    """The same with S3: nothing can be accepted, and nothing that was is lost."""
    _for_a_while(topology.cloud.s3, Fault(is_cut=True), PARTITION_S)


def duplicates(topology: Topology) -> None:
    """Uploads to S3 whose events come ten times more, in any order, some of them late."""
    names = [f"upload-{time.time_ns()}-{number}.flac" for number in range(8)]
    for name in names:
        topology.cloud.upload(name, recording())
    topology.cloud.repeat_events(names, 10)
    topology.uploads += [f"{UPLOADS}{name}" for name in names]


def out_of_memory(topology: Topology) -> None:
    """Each transcriber that gets work wants more memory than there is, and is killed for it."""
    topology.memory_file.touch()
    time.sleep(DISTURBED_S)
    topology.memory_file.unlink()
    time.sleep(RESPAWN_S)


def clock_jumps(topology: Topology) -> None:
    """The clock of all parts is an hour ahead, then an hour behind, then right again."""
    for ahead_s in (3600, -3600, 0):
        topology.set_clock(ahead_s)
        time.sleep(DISTURBED_S / 2)


def load(topology: Topology) -> None:  # the clients are the trouble
    """Nothing but many clients."""
    time.sleep(DISTURBED_S)


def _all_links(topology: Topology, fault: Fault) -> None:
    links = [link for part, link in topology.links.items() if part != "api"]
    with ThreadPoolExecutor(len(links) + 2) as pool:
        everything = [*links, topology.cloud.s3, topology.cloud.sqs]
        list(pool.map(lambda link: _for_a_while(link, fault, DISTURBED_S), everything))


def _for_a_while(link: Link, fault: Fault, seconds: float) -> None:
    with link.faulty(fault):
        time.sleep(seconds)


SCENARIOS: Final[dict[str, Scenario]] = {
    "rolling": Scenario(rolling_restart),
    "latency": Scenario(latency),
    "resets": Scenario(resets),
    "slow-s3": Scenario(slow_s3),
    "no-transcriber": Scenario(no_transcriber),
    "no-sqs": Scenario(no_sqs),
    "no-s3": Scenario(no_s3),
    "duplicates": Scenario(duplicates),
    "out-of-memory": Scenario(out_of_memory),
    CLOCK: Scenario(clock_jumps),
    "kills": Scenario(kills, may_break=True),
    "load-4": Scenario(load, clients=4),
    "load-32": Scenario(load, clients=32),
}
