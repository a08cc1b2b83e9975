"""Adaptive batches for a slow model: whatever waits when the model becomes free is one batch.

Nobody waits while the model is idle, and under load the batches fill by themselves. BentoML's own batching learns how
long calls have waited and then makes a lone call wait as long: seconds, when a batch of Whisper takes seconds
(docs/service.md has the figures). It serves the two fast models.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    result: "asyncio.Future[Result]"


class Gatherer(Generic[Item, Result]):
    """Gathers the items of concurrent calls. To be used in one event loop."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        max_items: int,
        executor: Executor,
        at_once: int = 1,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        """`work` runs in the executor, `at_once` batches at the same time. Gatherers may share an executor."""
        self._work = work
        self._max_items = max_items
        self._executor = executor
        self._observe = observe  # told the size of each batch
        self._urgent: deque[_Waiting[Item, Result]] = deque()
        self._bulk: deque[_Waiting[Item, Result]] = deque()
        self._at_once = at_once
        self._running: set[asyncio.Task[None]] = set()

    async def submit(self, items: Sequence[Item], *, urgent: bool = False) -> list[Result]:
        """The results in order. Urgent items go before all others. Raises what `work` raised for their batch."""
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(item, loop.create_future()) for item in items]
        (self._urgent if urgent else self._bulk).extend(waiting)
        self._start()
        return list(await asyncio.gather(*(one.result for one in waiting)))

    def _start(self) -> None:
        """What waits is shared out among the threads that are free."""
        while len(self._running) < self._at_once and (batch := self._next_batch()):
            self._observe(len(batch))
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start()

    async def _run(self, batch: Sequence[_Waiting[Item, Result]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._executor, self._work, [one.item for one in batch])
            for one, result in zip(batch, results, strict=True):
                if not one.result.done():  # done: the caller has gone
                    one.result.set_result(result)
        except Exception as error:
            for one in batch:
                if not one.result.done():
                    one.result.set_exception(error)

    def _next_batch(self) -> list[_Waiting[Item, Result]]:
        for queue in (self._urgent, self._bulk):
            present = [one for one in queue if not one.result.done()]  # the others' callers have gone
            queue.clear()
            queue.extend(present)
        free = self._at_once - len(self._running)
        size = min(-(-(len(self._urgent) + len(self._bulk)) // free), self._max_items)
        return [(self._urgent or self._bulk).popleft() for _ in range(size)]
