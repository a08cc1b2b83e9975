"""A file that one process reads and another one has: reads travel over a socket pair.

So the decoding process can read an object in S3 without a network, without credentials and without a file: it
asks for byte ranges, and the process that started it fetches them.

    question: offset (8 bytes), size (4 bytes)          answer: length (4 bytes), that many bytes
    an answer of length FAILED carries nothing: the bytes cannot be had
"""

import errno
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

QUESTION: Final = struct.Struct(">QI")
LENGTH: Final = struct.Struct(">I")
FAILED: Final = 2**32 - 1
MAX_READ_BYTES: Final = 2**20

ReadRange = Callable[[int, int], bytes | None]  # offset, size -> all of those bytes; None: they cannot be had


class ServedFile:
    """The asking side, seekable. What lies behind the end is not asked for."""

    def __init__(self, channel: socket.socket, size_bytes: int) -> None:
        self._channel = channel
        self._size = size_bytes
        self._position = 0

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """The new position, from the start."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = start + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """`size` bytes, fewer only at the end. Raises OSError if they cannot be had."""
        available = max(self._size - self._position, 0)
        wanted = available if size < 0 else min(size, available)
        parts = []
        while wanted:
            part = self._ask(self._position, min(wanted, MAX_READ_BYTES))
            parts.append(part)
            self._position += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def _ask(self, offset: int, size: int) -> bytes:
        self._channel.sendall(QUESTION.pack(offset, size))
        (length,) = LENGTH.unpack(_receive(self._channel, LENGTH.size))
        if length != size:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return _receive(self._channel, size)


def serve(channel: socket.socket, size_bytes: int, read_range: ReadRange) -> None:
    """The answering side: answers until the other side is gone or asks for what there is not. Believes nothing."""
    try:
        while True:
            offset, size = QUESTION.unpack(_receive(channel, QUESTION.size))
            if not 0 < size <= MAX_READ_BYTES or offset + size > size_bytes:
                return
            content = read_range(offset, size)
            if content is None:
                channel.sendall(LENGTH.pack(FAILED))
                return
            channel.sendall(LENGTH.pack(size) + content)
    except OSError:  # the other side is gone
        return
    finally:
        with suppress(OSError):
            channel.shutdown(socket.SHUT_RDWR)  # whoever asks again is not kept waiting


def _receive(channel: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes. Raises ConnectionError if the other side is gone."""
    data = bytearray()
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        data += part
    return bytes(data)
