"""A connection of its own for each call to a runner elsewhere.

Load balancers choose once for each connection: calls over connections that are kept all go on to the replicas of old,
however many are added. What a connection costs is in docs/chaos.md. On one machine (Unix sockets) they are kept.
"""

import socket
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

CONNECT_S: Final = 5.0
NAMES_S: Final = 5  # an address that was looked up is believed
# a peer that has vanished without a word is noticed after 30 s, not after the hours of the system's default
KEEPALIVE: Final = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


class FreshConnections:
    """Takes the place of BentoML's `SessionManager`: gives the session to make a call with."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        self._url = url
        self._headers = headers
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S)
        self._session: aiohttp.ClientSession | None = None

    async def get_session(self) -> aiohttp.ClientSession:
        """The same for all calls, in whose loop it is made."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                base_url=self._url,
                headers=self._headers,
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(force_close=True, ttl_dns_cache=NAMES_S, socket_factory=_watched_socket),
            )
        return self._session

    async def close(self) -> None:
        """No more calls."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _watched_socket(address: Any) -> socket.socket:
    """One that finds out by itself that the other side is gone."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if (option := getattr(socket, name, None)) is not None:  # macOS has other names
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    made.setblocking(False)
    return made


def connect_for_each_call(client: Any) -> None:
    """For the `to_async` of a BentoML proxy, before its first call. It has no option for it."""
    if client.url.startswith(("http://", "https://")):
        client._session_manager = FreshConnections(client.url, client.default_headers, client.timeout)
