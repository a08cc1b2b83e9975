"""The network between the parts: for each service an address that leads to its replicas, and what can go wrong there.

A link chooses for each connection, among the replicas that said they are ready a moment ago, and never tries another:
as a Service of Kubernetes does it.
"""

import asyncio
import itertools
import random
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

Result = TypeVar("Result")

LOOK_EVERY_S: Final = 1.0
LOOK_TIMEOUT_S: Final = 5.0
SILENCES: Final = 3  # unanswered looks in a row, until a replica counts as gone
CHUNK_BYTES: Final = 64 * 1024


@dataclass
class Fault:
    """What is wrong with a link now."""

    delay_s: float = 0.0  # of every piece, each way
    bytes_per_s: float = 0.0  # 0: as fast as it goes
    reset_share: float = 0.0  # of connections, broken in the middle of what they carry
    is_cut: bool = False  # nothing arrives, and nobody is told


@dataclass
class Replica:
    """One address behind a link."""

    port: int
    is_ready: bool = True
    silences: int = 0


class Link:
    """An address for one service. Made by `Network.link`."""

    def __init__(self, name: str, *, looks: bool) -> None:
        self.name = name
        self.port = 0
        self.fault = Fault()
        self.connections: dict[int, int] = {}  # how many each replica got, by port
        self.looks = looks  # whether replicas are asked if they are ready
        self._replicas: list[Replica] = []
        self._carrying: set[asyncio.Task[Any] | None] = set()
        self._turn = itertools.count()
        self._chance = random.Random(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def replicas(self) -> list[Replica]:
        return list(self._replicas)

    def add(self, port: int) -> None:
        """One more replica."""
        self._replicas = [*self._replicas, Replica(port)]

    def remove(self, port: int) -> None:
        """It is no longer there."""
        self._replicas = [one for one in self._replicas if one.port != port]

    @contextmanager
    def faulty(self, fault: Fault) -> Iterator[None]:
        """For a while."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = Fault()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end or the network's."""
        task = asyncio.current_task()
        self._carrying.add(task)  # asyncio itself holds a connection that waits only weakly
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._carrying.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready = [one for one in self._replicas if one.is_ready]
        if not ready:
            writer.transport.abort()
            return
        port = ready[next(self._turn) % len(ready)].port
        self.connections[port] = self.connections.get(port, 0) + 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        breaks = self._chance.random() < self.fault.reset_share
        try:
            await asyncio.gather(self._pump(reader, back, breaks=False), self._pump(there, writer, breaks=breaks))
        finally:
            for end in (writer, back):
                end.close()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, breaks: bool) -> None:
        try:
            while piece := await source.read(CHUNK_BYTES):
                await self._hold(len(piece))
                if breaks:
                    target.write(piece[: len(piece) // 2])
                    await target.drain()
                    target.transport.abort()
                    return
                target.write(piece)
                await target.drain()
            if target.can_write_eof():
                target.write_eof()
        except OSError:
            target.transport.abort()

    async def _hold(self, size: int) -> None:
        fault = self.fault
        wait_s = fault.delay_s + (size / fault.bytes_per_s if fault.bytes_per_s else 0.0)
        if wait_s:
            await asyncio.sleep(wait_s)
        while self.fault.is_cut:
            await asyncio.sleep(0.05)

    async def look(self) -> None:
        """Ask every replica whether it is ready."""
        await asyncio.gather(*map(_look_at, self._replicas))


async def _look_at(replica: Replica) -> None:
    status = 0
    with suppress(OSError, TimeoutError, ValueError, IndexError):
        status = await asyncio.wait_for(_readiness(replica.port), LOOK_TIMEOUT_S)
    replica.silences = 0 if status else replica.silences + 1
    if status or replica.silences >= SILENCES:
        replica.is_ready = status == 200


async def _readiness(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


class Network:
    """All links, in a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network")
        self._links: list[Link] = []
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._keep_looking(), self._loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def link(self, name: str, ports: Sequence[int] = (), *, looks: bool = True) -> Link:
        """A new address."""
        link = Link(name, looks=looks)
        for port in ports:
            link.add(port)
        server = self._run(asyncio.start_server(link.carry, "127.0.0.1", 0, backlog=512))
        self._servers.append(server)
        link.port = server.sockets[0].getsockname()[1]
        self._links.append(link)
        return link

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.gather(*(link.look() for link in self._links if link.looks))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.1)  # for sockets to be closed
