"""What the processor can do, as Linux says it."""

from functools import cache
from pathlib import Path
from typing import Final

FEATURES_FILE: Final = Path("/proc/cpuinfo")


@cache
def features() -> frozenset[str]:
    """Names of its instruction sets, as avx512_vnni; none where the system does not say."""
    try:
        lines = FEATURES_FILE.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))


def has_integer_products() -> bool:
    """Whether sums of products of 8-bit numbers are one instruction: four times what 32-bit floats do."""
    return bool(features() & {"avx512_vnni", "avx_vnni"})


def has_bfloat16_products() -> bool:
    """Whether sums of products of bfloat16 are one instruction."""
    return bool(features() & {"avx512_bf16", "amx_bf16"})
