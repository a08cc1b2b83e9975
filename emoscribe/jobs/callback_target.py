"""Where a callback may be sent: http or https, to public addresses only, and then to the very address that was checked.

An address given by a user is a request forged in the service's name unless it is checked: it could point at the
machine itself, its network, or the cloud's metadata service.
"""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from emoscribe.errors import CallbackRefusedError

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class CallbackTarget:
    """The parts of a callback address, ASCII only."""

    scheme: str
    host: str
    port: int
    path: str  # with the query

    @property
    def host_header(self) -> str:
        """As HTTP wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_callback_url(url: str) -> CallbackTarget:
    """Raises CallbackRefusedError for what is not a plain http(s) address."""
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise CallbackRefusedError("The callback address holds spaces or other than ASCII.", fix="Percent-encode it.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise CallbackRefusedError("The callback address is not a URL.", fix="Give https://host/path.") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise CallbackRefusedError("A callback address starts with https:// or http://.", fix="Give https://host/path.")
    if parts.username is not None or parts.password is not None:
        raise CallbackRefusedError(
            "The callback address holds a user name.", fix="Leave it out: callbacks are signed, check the signature."
        )
    if port == 0:
        raise CallbackRefusedError("The callback address has no usable port.", fix="Give https://host/path.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return CallbackTarget(parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme], path)


def resolve(target: CallbackTarget, *, allow_loopback: bool) -> list[str]:
    """The addresses of the host; every one of them may be connected to.

    Raises CallbackRefusedError if any may not, OSError if the name cannot be resolved now.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    for address in addresses:
        if not _may_connect(address, allow_loopback):
            raise CallbackRefusedError(
                f"The callback host {target.host} is not on the public internet.", fix="Give a public host."
            )
    return addresses


def check_callback_url(url: str, *, allow_loopback: bool = False) -> None:
    """For submissions. Raises CallbackRefusedError; whoever sends checks again, the name may lead elsewhere by then."""
    target = parse_callback_url(url)
    try:
        resolve(target, allow_loopback=allow_loopback)
    except (OSError, UnicodeError):
        raise CallbackRefusedError(
            f"The callback host {target.host} cannot be resolved.", fix="Check its name."
        ) from None


def _may_connect(address: str, allow_loopback: bool) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if allow_loopback and ip.is_loopback:
        return True
    return all(one.is_global and not one.is_multicast for one in (ip, *_embedded(ip)))


def _embedded(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """IPv4 addresses inside an IPv6 one, to which some networks deliver."""
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    teredo = ip.teredo[1] if ip.teredo else None
    nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
    return [one for one in (ip.sixtofour, teredo, nat64) if one is not None]  # ::ffff:0:0/96 is not global anyway
