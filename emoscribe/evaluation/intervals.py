"""Figures with their uncertainty: how far each would wander with other examples of the same kind.

The bootstrap of Efron: examples are drawn again, as many as there are, with replacement; an interval holds the middle
95 % of what a figure then becomes. All figures of one evaluation share the draws.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Floats = npt.NDArray[np.float64]
Measure = Callable[[Floats], Mapping[str, Floats]]
"""From weights (draws, n), how often each example counts, to figures, each (draws,) or (draws, labels)."""

RESAMPLES: Final = 1000
SEED: Final = 20_261_123
_DRAWS_AT_ONCE: Final = 100  # 100 draws of 50,000 examples are 40 MB


class Figure(BaseModel):
    """A figure with the bootstrap interval of 95 % and its standard error. All None where it is not defined."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    value: float | None = Field(description="The figure itself; absent where nothing defines it.")
    low: float | None = Field(default=None, description="2.5 % of the resamples are below.")
    high: float | None = Field(default=None, description="2.5 % of the resamples are above.")
    error: float | None = Field(default=None, description="Standard deviation over the resamples.")

    @classmethod
    def of(cls, value: Any, draws: Floats) -> Self:
        """`draws` (resamples,) may hold NaN where a resample does not define the figure."""
        defined = draws[np.isfinite(draws)]
        if not np.isfinite(value) or not len(defined):
            return cls(value=None)
        low, high = np.percentile(defined, (2.5, 97.5))
        numbers = (float(value), float(low), float(high), float(defined.std()))
        value, low, high, error = (round(number, 6) for number in numbers)
        return cls(value=value, low=low, high=high, error=error)


def with_intervals(measure: Measure, count: int, *, resamples: int = RESAMPLES) -> dict[str, list[Figure]]:
    """Each figure of `measure` over `count` examples, one for each label or a single one. The same every time."""
    once = measure(np.ones((1, count)))
    drawn: dict[str, list[Floats]] = {name: [] for name in once}
    for weights in _draws(count, resamples):
        for name, values in measure(weights).items():
            drawn[name].append(values)
    return {name: _figures(once[name], np.concatenate(drawn[name])) for name in once}


def _figures(once: Floats, draws: Floats) -> list[Figure]:
    columns = draws.reshape(len(draws), -1)
    return [Figure.of(value, columns[:, k]) for k, value in enumerate(once.reshape(-1))]


def _draws(count: int, resamples: int) -> Iterator[Floats]:
    """How often each example is drawn, (draws, count) at a time."""
    random = np.random.default_rng(SEED)
    for start in range(0, resamples, _DRAWS_AT_ONCE):
        rows = min(_DRAWS_AT_ONCE, resamples - start)
        picks = random.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        yield np.bincount(picks.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)
