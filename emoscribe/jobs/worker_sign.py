"""Tells the processes of one machine whether a worker is alive. A lock: the system takes it from whoever dies."""

import fcntl
import os
import weakref
from collections.abc import Callable
from pathlib import Path


class WorkerSign:
    """Put up by any number of workers at once."""

    def __init__(self, path: Path) -> None:
        self._path = path  # made by the first worker
        self._take_down: Callable[[], object] | None = None

    def put_up(self) -> None:
        """A worker lives in this process. Raises OSError if the file cannot be made."""
        if self._take_down is None:
            lock = os.open(self._path, os.O_RDONLY | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_SH)
            self._take_down = weakref.finalize(self, os.close, lock)

    def take_down(self) -> None:
        """It does no longer."""
        if self._take_down is not None:
            self._take_down()
            self._take_down = None

    @property
    def is_seen(self) -> bool:
        """Whether any process, this one included, has put it up."""
        try:
            with self._path.open("rb") as probe:
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False
