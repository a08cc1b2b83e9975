"""Time for leases that survives clock changes, across the processes of one machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class LeaseClock:
    """`monotonic_s` counts since boot, the same in every process; it means nothing after the next boot."""

    boot: str
    monotonic_s: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _utc_now  # what people see; decides nothing but retention


def system_clock() -> LeaseClock:
    """The clock of this machine; without /proc, boots are not told apart."""
    return LeaseClock(_BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else "")
