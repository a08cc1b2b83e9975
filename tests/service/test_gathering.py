"""Batches of whatever waits while the model is busy."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from runners.gathering import Gatherer


class Model:
    """Doubles numbers; a batch takes until `release` is called, a negative number breaks it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.busy = threading.Event()
        self.free = threading.Semaphore(0)

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.busy.set()
        self.free.acquire()
        if min(items) < 0:
            raise ValueError("negative")
        return [2 * item for item in items]

    def release(self, batches: int = 100) -> None:
        self.free.release(batches)


async def started(gatherer: Gatherer[int, int], model: Model) -> asyncio.Task[list[int]]:
    """The model is busy with the item 0."""
    first = asyncio.create_task(gatherer.submit([0]))
    await asyncio.to_thread(model.busy.wait)
    return first


def make(model: Model, max_items: int = 4, at_once: int = 1) -> tuple[Gatherer[int, int], list[int]]:
    sizes: list[int] = []
    return Gatherer(model, max_items, ThreadPoolExecutor(at_once), at_once, sizes.append), sizes


def test_what_waits_becomes_one_batch_and_everybody_gets_their_own() -> None:
    async def run() -> None:
        model = Model()
        gatherer, sizes = make(model)
        first = await started(gatherer, model)
        waiting = [asyncio.create_task(gatherer.submit(items)) for items in ([1, 2], [3], [4, 5, 6])]
        await asyncio.sleep(0)
        model.release()
        assert await asyncio.gather(first, *waiting) == [[0], [2, 4], [6], [8, 10, 12]]
        assert model.batches == [[0], [1, 2, 3, 4], [5, 6]]
        assert sizes == [1, 4, 2]

    asyncio.run(run())


def test_who_waits_in_person_goes_first() -> None:
    async def run() -> None:
        model = Model()
        gatherer, _ = make(model, max_items=2)
        first = await started(gatherer, model)
        bulk = asyncio.create_task(gatherer.submit([1, 2, 3]))
        urgent = asyncio.create_task(gatherer.submit([9], urgent=True))
        await asyncio.sleep(0)
        model.release()
        await asyncio.gather(first, bulk, urgent)
        assert model.batches == [[0], [9, 1], [2, 3]]

    asyncio.run(run())


def test_a_batch_that_breaks_is_told_to_its_callers_only() -> None:
    async def run() -> None:
        model = Model()
        gatherer, _ = make(model, max_items=1)
        first = await started(gatherer, model)
        bad = asyncio.create_task(gatherer.submit([-1]))
        good = asyncio.create_task(gatherer.submit([1]))
        model.release()
        with pytest.raises(ValueError, match="negative"):
            await bad
        assert await first == [0]
        assert await good == [2]
        assert await gatherer.submit([7]) == [14]  # it goes on afterwards

    asyncio.run(run())


def test_items_of_a_caller_who_has_gone_are_left_out() -> None:
    async def run() -> None:
        model = Model()
        gatherer, _ = make(model)
        first = await started(gatherer, model)
        gone = asyncio.create_task(gatherer.submit([1, 2]))
        stays = asyncio.create_task(gatherer.submit([3]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        model.release()
        assert await first == [0]
        assert await stays == [6]
        assert model.batches == [[0], [3]]

    asyncio.run(run())


def test_two_gatherers_with_one_thread_use_the_model_one_at_a_time() -> None:
    async def run() -> None:
        lock = threading.Lock()

        def work(items: Sequence[int]) -> list[int]:
            assert lock.acquire(blocking=False)
            try:
                return list(items)
            finally:
                lock.release()

        executor = ThreadPoolExecutor(1)
        one, other = Gatherer(work, 2, executor), Gatherer(work, 3, executor)
        calls = [gatherer.submit([n]) for n in range(50) for gatherer in (one, other)]
        assert await asyncio.gather(*calls) == [[n] for n in range(50) for _ in range(2)]

    asyncio.run(run())


def test_what_waits_is_shared_out_among_free_threads() -> None:
    async def run() -> None:
        model = Model()
        gatherer, sizes = make(model, max_items=8, at_once=2)
        first = await started(gatherer, model)
        rest = asyncio.create_task(gatherer.submit([1, 2, 3]))
        more = [asyncio.create_task(gatherer.submit([n])) for n in range(4, 9)]
        await asyncio.sleep(0)
        model.release()
        assert await asyncio.gather(first, rest, *more) == [[0], [2, 4, 6], *([2 * n] for n in range(4, 9))]
        assert sizes[:2] == [1, 3]  # one thread was free, and took all that waited then
        assert sum(sizes) == 9

    asyncio.run(run())


def test_a_lone_list_uses_all_threads() -> None:
    async def run() -> None:
        model = Model()
        gatherer, sizes = make(model, max_items=8, at_once=2)
        model.release()
        assert await gatherer.submit(list(range(8))) == list(range(0, 16, 2))
        assert sizes == [4, 4]

    asyncio.run(run())
