"""How much each runner is wanted, for whoever starts and stops runners: docs/scaling.md."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from emoscribe.metrics import runner_demand

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class _Caller(Protocol):
    @property
    def demand(self) -> Any:
        """The gauge of its runner, as `demand_of` gives it."""
        ...


Caller = TypeVar("Caller", bound=_Caller)


def demand_of(runner: str) -> Any:
    """The gauge of one runner; from now on it is seen, at 0."""
    return runner_demand().labels(runner)


def while_wanted(
    call: Callable[Concatenate[Caller, Arguments], Result],
) -> Callable[Concatenate[Caller, Arguments], Result]:
    """Counts a call from its beginning to its end, so also while its runner is away and the call is repeated."""

    @wraps(call)
    def counted(caller: Caller, /, *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        with caller.demand.track_inprogress():
            return call(caller, *arguments, **options)

    return counted
