"""The network that chaos plays with does what its scenarios say."""

import gc
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.chaos.network import Fault, Link, Network


class Replica(ThreadingHTTPServer):
    """Answers with its port; says that it is ready, or not."""

    def __init__(self) -> None:
        self.is_ready = True
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Replica)
        is_refused = self.path == "/readyz" and not self.server.is_ready
        body = str(self.server.server_port).encode()
        self.send_response(503 if is_refused else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Quietly."""


@pytest.fixture
def replicas() -> Iterator[list[Replica]]:
    made = [Replica(), Replica()]
    threads = [threading.Thread(target=one.serve_forever) for one in made]
    for thread in threads:
        thread.start()
    yield made
    for one in made:
        one.shutdown()
        one.server_close()


@pytest.fixture
def link(replicas: list[Replica]) -> Iterator[Link]:
    with Network() as network:
        yield network.link("api", [one.server_port for one in replicas])


def ask(link: Link, timeout: float = 20.0) -> int:
    return int(httpx.get(link.url, timeout=timeout).text)


def test_connections_are_spread_over_replicas_that_are_ready(link: Link, replicas: list[Replica]) -> None:
    assert {ask(link) for _ in range(4)} == {one.server_port for one in replicas}
    replicas[0].is_ready = False
    give_up_s = time.monotonic() + 20
    while all(one.is_ready for one in link.replicas) and time.monotonic() < give_up_s:
        time.sleep(0.05)
    assert {ask(link) for _ in range(4)} == {replicas[1].server_port}


def test_what_is_cut_waits_and_what_is_reset_breaks(link: Link) -> None:
    with link.faulty(Fault(is_cut=True)), pytest.raises(httpx.ReadTimeout):
        ask(link, timeout=1)
    with link.faulty(Fault(reset_share=1.0)), pytest.raises(httpx.RemoteProtocolError):
        ask(link)
    with link.faulty(Fault(delay_s=0.3)):
        start = time.monotonic()
        ask(link)
        assert time.monotonic() - start >= 0.6
    assert ask(link)


def test_it_lets_go_of_connections_that_are_still_open(replicas: list[Replica]) -> None:
    """What it forgot would be a warning here, and those are errors."""
    with httpx.Client() as client, Network() as network:
        link = network.link("api", [one.server_port for one in replicas])
        assert client.get(link.url).is_success
        link.fault = Fault(is_cut=True)
        with pytest.raises(httpx.ReadTimeout):
            client.get(link.url, timeout=0.5)
    gc.collect()
