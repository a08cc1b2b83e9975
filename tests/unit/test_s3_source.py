"""Reading ranges: the cache, and the socket between the process that has the bytes and the one that reads them."""

import io
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoscribe.errors import SourceUnreachableError
from emoscribe.media import DecodeLimits, open_audio
from emoscribe.s3_source import (
    CACHE_BYTES,
    KIB,
    LARGEST_FETCH_BYTES,
    LARGEST_GAP_BYTES,
    SMALLEST_FETCH_BYTES,
    ObjectVersion,
    RangeCache,
    ReadCounts,
    S3Source,
)
from emoscribe.served_file import MAX_READ_BYTES, QUESTION, ServedFile, serve

SIZE = 40 * 1024 * KIB
CONTENT = (b"".join(struct.pack(">I", number) for number in range(64 * KIB)) * (SIZE // (256 * KIB)))[:SIZE]


class Bucket:
    """Answers ranges and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def fetch(self, offset: int, size: int) -> bytes:
        assert size > 0
        assert offset + size <= SIZE
        self.asked.append((offset, size))
        return CONTENT[offset : offset + size]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def cache_of(bucket: Bucket) -> tuple[RangeCache, ReadCounts]:
    counts = ReadCounts()
    return RangeCache(bucket.fetch, SIZE, counts), counts


READS = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(1, 3 * 1024 * KIB)), max_size=30)


@given(READS)
@settings(max_examples=60, deadline=None)
def test_whatever_is_read_is_right_and_memory_is_bounded(reads: list[tuple[int, int]]) -> None:
    bucket = Bucket()
    cache, counts = cache_of(bucket)
    for offset, wanted in reads:
        size = min(wanted, SIZE - offset)
        assert cache.read(offset, size) == CONTENT[offset : offset + size]
        assert sum(map(len, cache._kept.values())) == cache._kept_bytes <= CACHE_BYTES
        pieces = [(start, start + len(cache._kept[start])) for start in cache._starts]
        assert all(end <= start for (_, end), (start, _) in pairwise(pieces))
    assert counts == ReadCounts(len(bucket.asked), sum(size for _, size in bucket.asked))
    assert all(size <= LARGEST_FETCH_BYTES for _, size in bucket.asked)


def test_reading_on_takes_few_requests_and_nothing_twice(bucket: Bucket) -> None:
    cache, counts = cache_of(bucket)
    for offset in range(0, SIZE, 32 * KIB):
        cache.read(offset, 32 * KIB)
    assert counts.bytes == SIZE
    assert counts.requests <= SIZE // LARGEST_FETCH_BYTES + 8


def test_small_gaps_are_read_through(bucket: Bucket) -> None:
    """Sound between single pictures: skipping each would cost a request for each."""
    cache, counts = cache_of(bucket)
    for offset in range(0, SIZE - KIB, 38 * KIB):
        cache.read(offset, KIB)
    assert counts.requests <= SIZE // LARGEST_FETCH_BYTES + 8


def test_leaps_cost_little(bucket: Bucket) -> None:
    """Sound between long stretches of picture."""
    cache, counts = cache_of(bucket)
    leaps = range(0, SIZE - 32 * KIB, 3 * LARGEST_GAP_BYTES)
    for offset in leaps:
        cache.read(offset, 32 * KIB)
    assert counts == ReadCounts(len(leaps), len(leaps) * SMALLEST_FETCH_BYTES)


def test_going_back_and_forth_is_answered_from_memory(bucket: Bucket) -> None:
    cache, counts = cache_of(bucket)
    for _ in range(10):
        cache.read(0, 4 * KIB)
        cache.read(SIZE - 4 * KIB, 4 * KIB)
    assert counts.requests == 2


# --- the socket ---


@contextmanager
def served(content: bytes, read_range: Callable[[int, int], bytes | None] | None = None) -> Iterator[ServedFile]:
    ours, theirs = socket.socketpair()
    answer = read_range or (lambda offset, size: content[offset : offset + size])
    thread = threading.Thread(target=serve, args=(ours, len(content), answer))
    thread.start()
    with theirs:
        yield ServedFile(theirs, len(content))
    thread.join(10)
    ours.close()
    assert not thread.is_alive()


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 3000)),
        st.tuples(st.just("set"), st.integers(0, 3000)),
        st.tuples(st.just("current"), st.integers(-3000, 3000)),
        st.tuples(st.just("end"), st.integers(-3000, 100)),
    ),
    max_size=20,
)
WHENCE = {"set": os.SEEK_SET, "current": os.SEEK_CUR, "end": os.SEEK_END}


@given(MOVES)
@settings(deadline=None)
def test_a_served_file_behaves_like_a_file(moves: list[tuple[str, int]]) -> None:
    content = os.urandom(2000)
    real = io.BytesIO(content)
    with served(content) as file:
        for move, amount in moves:
            if move == "read":
                assert file.read(amount) == real.read(amount)
            elif real.tell() + amount >= 0 and (move != "end" or amount > -2000):
                assert file.seek(amount, WHENCE[move]) == real.seek(amount, WHENCE[move])
            assert file.tell() == real.tell()


def test_large_reads_are_whole(bucket: Bucket) -> None:
    with served(CONTENT) as file:
        file.seek(5)
        assert file.read(3 * MAX_READ_BYTES) == CONTENT[5 : 5 + 3 * MAX_READ_BYTES]
        with pytest.raises(OSError, match="Invalid"):
            file.seek(-1)


def test_bytes_that_cannot_be_had_are_an_error_not_an_end() -> None:
    with served(b"x" * 100, lambda offset, size: None) as file:
        with pytest.raises(OSError, match="Input/output"):
            file.read(10)
        with pytest.raises(ConnectionError):
            file.read(10)


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 0), (0, MAX_READ_BYTES + 1), (99, 2), (2**63, 1), (2**64 - 1, 2**32 - 1)]
)
def test_questions_that_make_no_sense_end_the_conversation(offset: int, size: int) -> None:
    """Whoever has taken over the decoding process cannot make us fetch what is not there, or too much at once."""
    asked: list[int] = []
    with served(b"x" * 100, lambda offset, size: asked.append(offset)) as file:
        file._channel.sendall(QUESTION.pack(offset, size))
        assert file._channel.recv(1) == b""
    assert asked == []


def test_a_server_that_does_not_answer_is_not_the_recording_s_fault() -> None:
    answer = threading.Event()

    class Silent:
        def get_object(self, **_: object) -> dict[str, io.BytesIO]:
            answer.wait(60)
            return {"Body": io.BytesIO()}

    source = S3Source(Silent(), ObjectVersion("bucket", "key", "etag", 1000), "talk.wav")
    with pytest.raises(SourceUnreachableError) as caught, open_audio(source, limits=DecodeLimits(stall_s=3)):
        pass
    answer.set()
    assert caught.value.http_status >= 500
