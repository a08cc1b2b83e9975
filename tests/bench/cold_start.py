"""How long from starting the service to the first result, models on disk.

    python -m tests.bench.cold_start [--image localhost/emoscribe:cpu] [--rounds 3]

With an image: one container that serves all, and five containers, one a part, each with a read-only root and no network
but a loopback (needs root, runc, buildah). Without: `emoscribe serve` from this checkout. The first result is that of a
spoken sentence of five seconds, sent as soon as the service says that it is ready. Goal: 15 s. cpu_s is the processor
time that all processes of the containers took until then: on a machine that others use, it says more than the clock.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import soundfile

from emoscribe.settings import load_settings
from tests import sounds
from tests.bench.output import save
from tests.infra.image_containers import Container, Image, Network, unpacked
from tests.infra.parts_in_containers import PORTS, UID, five_parts
from tests.service_processes import ServiceProcess

Times = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default=os.environ.get("EMOSCRIBE_TEST_IMAGE", ""))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.image:
        with tempfile.TemporaryDirectory() as folder, unpacked(arguments.image, Path(folder)) as image:
            ways = {"one container": one_container, "five containers": five_containers}
            rounds = {name: [way(image) for _ in range(arguments.rounds)] for name, way in ways.items()}
    else:
        rounds = {"from the checkout": [from_checkout() for _ in range(arguments.rounds)]}
    for name, times in rounds.items():
        for what in times[0]:
            figures = [time_of[what] for time_of in times]
            print(f"{name:18} {what:9} median {median(figures):.1f}, {min(figures):.1f} to {max(figures):.1f}")
    save("cold_start", {"image": arguments.image, **rounds})


def one_container(image: Image) -> Times:
    """`emoscribe serve` in one."""
    with tempfile.TemporaryDirectory() as name, Network() as network:
        folder, recording = _prepared(name)
        volumes = {"/models:ro": load_settings().models_dir}
        started_s = time.monotonic()
        with Container(image, ["serve"], network, folder, volumes, {"EMOSCRIBE_AUTH": "off"}) as container:
            times = _times(network.call(*_client(PORTS["EmoScribe"], recording, started_s)))
            return times | {"cpu_s": container.cpu_s()}


def five_containers(image: Image) -> Times:
    """All started at once, as after a power cut."""
    with tempfile.TemporaryDirectory() as name, Network() as network:
        folder, recording = _prepared(name)
        started_s = time.monotonic()
        with five_parts(image, network, folder, load_settings().models_dir) as parts:
            times = _times(network.call(*_client(PORTS["EmoScribe"], recording, started_s)))
            return times | {"cpu_s": sum(part.cpu_s() for part in parts.values())}


def from_checkout() -> Times:
    """`emoscribe serve` without a container."""
    with tempfile.TemporaryDirectory() as name:
        folder, recording = _prepared(name)
        service = ServiceProcess(["serve"], folder)
        started_s = time.monotonic()
        service.start()
        try:
            done = subprocess.run(_client(service.port, recording, started_s), capture_output=True, check=True)
        finally:
            service.stop()
        return _times(done.stdout)


def _prepared(name: str) -> tuple[Path, Path]:
    folder = Path(name)
    os.chown(folder, UID, UID)
    soundfile.write(folder / "talk.flac", sounds.read_clip("pt-3"), 16_000)
    return folder, folder / "talk.flac"


def _client(port: int, recording: Path, started_s: float) -> tuple[str, ...]:
    url = f"http://127.0.0.1:{port}"
    return (sys.executable, "-m", "tests.infra.first_result", url, str(recording), str(started_s))


def _times(output: str | bytes) -> Times:
    answer: dict[str, Any] = json.loads(output)
    if not answer["analysis"]["segments"]:
        raise RuntimeError("the result is empty")
    return {"ready_s": answer["ready_s"], "result_s": answer["result_s"]}


if __name__ == "__main__":
    main()
