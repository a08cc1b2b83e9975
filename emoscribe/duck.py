"""DuckDB, fenced in: in memory only, with a bound on it, without files, network, extensions or a way to change that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from emoscribe.errors import SettingsError

THREADS: Final = 2
# In this order: what is locked cannot be unlocked. Without a folder for temporary files nothing that somebody said is
# ever written to a disk.
_FENCE: Final = ("SET temp_directory = ''", "SET enable_external_access = false", "SET lock_configuration = true")


@contextmanager
def connect(memory: str) -> Iterator[Any]:
    """A database of its own; it sees only what is registered. Raises SettingsError where DuckDB is not installed."""
    try:
        import duckdb
    except ImportError:
        raise SettingsError(
            "Searching needs DuckDB, which is not installed.", fix="Run `pip install 'emoscribe[query]'`."
        ) from None
    with duckdb.connect(":memory:", config={"threads": THREADS, "memory_limit": memory}) as connection:
        for statement in _FENCE:
            connection.execute(statement)
        yield connection
