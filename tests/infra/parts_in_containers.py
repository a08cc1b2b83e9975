"""The five parts of the service, each in a container of one image, in one network, over one folder of jobs."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.infra.image_containers import Container, Image, Network

PORTS: Final[Mapping[str, int]] = MappingProxyType(
    {"EmoScribe": 3000, "BatchWorker": 3004, "Transcriber": 3001, "Translator": 3002, "Classifier": 3003}
)
UID: Final = 10001  # of the image
RUNNERS: Final = ("Transcriber", "Translator", "Classifier")


@contextmanager
def five_parts(image: Image, network: Network, folder: Path, models_dir: Path) -> Iterator[dict[str, Container]]:
    """All started at once. `folder` is owned by the image's user; jobs are in it."""
    settings = {"EMOSCRIBE_AUTH": "off", "EMOSCRIBE_JOBS_DIR": "/work/jobs"}
    addresses = [f"--runner={name}=http://127.0.0.1:{PORTS[name]}" for name in RUNNERS]
    commands = {"EmoScribe": ["serve", *addresses], "BatchWorker": ["worker", *addresses]}
    commands |= {name: ["runner", name] for name in RUNNERS}
    parts: dict[str, Container] = {}
    with ExitStack() as stack:
        for name, command in commands.items():
            volumes = {"/models:ro": models_dir} if name in RUNNERS else {"/work": folder}
            arguments = [*command, f"--port={PORTS[name]}"]
            parts[name] = stack.enter_context(Container(image, arguments, network, folder, volumes, settings))
        yield parts
