"""Every test of the contract runs on each implementation of the job store; the cloud's on two S3 servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.backend import Backend, LocalBackend, MakeBackend
from tests.contract.cloud_backend import Aws, CloudBackend, connect
from tests.servers import Server, ministack, moto, seaweedfs

KINDS = ("local", "ministack", "seaweedfs")


@pytest.fixture(scope="session")
def ministack_server() -> Iterator[Server]:
    with ministack() as server:
        yield server


@pytest.fixture(scope="session")
def simulated_aws(ministack_server: Server) -> Aws:
    """S3 and SQS by the simulator."""
    return connect(ministack_server.url, ministack_server.url)


@pytest.fixture(scope="session")
def real_s3(ministack_server: Server) -> Iterator[Aws]:
    """A production S3 server; SQS by the simulator."""
    with seaweedfs() as server:
        yield connect(server.url, ministack_server.url)


@pytest.fixture(scope="session")
def moto_aws() -> Iterator[Aws]:
    """The simulator that sends two events for some uploads."""
    with moto() as server:
        yield connect(server.url, server.url)


@pytest.fixture(params=KINDS)
def make_backend(request: pytest.FixtureRequest) -> MakeBackend:
    if request.param == "local":
        return LocalBackend
    aws: Aws = request.getfixturevalue("simulated_aws" if request.param == "ministack" else "real_s3")
    return lambda folder: CloudBackend(folder, aws)


@pytest.fixture
def backend(make_backend: MakeBackend, tmp_path: Path) -> Iterator[Backend]:
    made = make_backend(tmp_path)
    yield made
    made.close()


@pytest.fixture
def machine_steps(request: pytest.FixtureRequest) -> int:
    """How many runs of the state machine are affordable."""
    return {"local": 40, "ministack": 4, "seaweedfs": 2}[request.node.callspec.params["make_backend"]]
