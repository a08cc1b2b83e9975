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
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        """`work` runs in the executor; gatherers that share a model share an executor of one thread."""
        self._work = work
        self._max_items = max_items
        self._executor = executor
        self._observe = observe  # told the size of each batch
        self._urgent: deque[_Waiting[Item, Result]] = deque()
        self._bulk: deque[_Waiting[Item, Result]] = deque()
        self._runs: asyncio.Task[None] | None = None

    async def submit(self, items: Sequence[Item], *, urgent: bool = False) -> list[Result]:
        """The results in order. Urgent items go before all others. Raises what `work` raised for their batch."""
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(item, loop.create_future()) for item in items]
        (self._urgent if urgent else self._bulk).extend(waiting)
        if self._runs is None or self._runs.done():
            self._runs = loop.create_task(self._run())
        return list(await asyncio.gather(*(one.result for one in waiting)))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            self._observe(len(batch))
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
        batch: list[_Waiting[Item, Result]] = []
        for queue in (self._urgent, self._bulk):
            while queue and len(batch) < self._max_items:
                one = queue.popleft()
                if not one.result.done():
                    batch.append(one)
        return batch
