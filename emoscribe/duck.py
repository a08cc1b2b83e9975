"""DuckDB, fenced in: in memory only, with a bound on it, without files, network, extensions or a way to change that."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from emoscribe.errors import SettingsError

THREADS: Final = 2
# In this order: what is locked cannot be unlocked. Without a folder for temporary files nothing that somebody said is
# ever written to a disk.
_FENCE: Final = ("SET temp_directory = ''", "SET enable_external_access = false", "SET lock_configuration = true")


class Duck:
    """One database without tables. What a session registers is seen by that session alone. Thread-safe."""

    def __init__(self, memory: str) -> None:
        """`memory`: of all sessions together, as DuckDB writes it: 256MB."""
        self._memory = memory

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A connection. Raises SettingsError where DuckDB is not installed."""
        with self._database.cursor() as connection:
            yield connection

    @cached_property
    def _database(self) -> Any:
        try:
            import duckdb
        except ImportError:
            raise SettingsError(
                "Searching needs DuckDB, which is not installed.", fix="Run `pip install 'emoscribe[query]'`."
            ) from None
        database = duckdb.connect(":memory:", config={"threads": THREADS, "memory_limit": self._memory})
        for statement in _FENCE:
            database.execute(statement)
        return database
