"""Where Whisper runs: a GPU only if it really works, and memory that is kept for the next clip."""

import ctypes
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

logger = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]

# In order of preference; measured by CTranslate2's authors: int8 weights are the smallest and fastest on both.
_BEST_COMPUTE_TYPES: Final = {
    "cpu": ("int8", "int8_float32", "float32"),
    "cuda": ("int8_float16", "float16", "float32"),
}

_PROBE: Final = """
import sys, numpy, ctranslate2
model = ctranslate2.models.Whisper(sys.argv[1], device="cuda")
model.encode(ctranslate2.StorageView.from_array(numpy.zeros((1, model.n_mels, 3000), numpy.float32)), to_cpu=True)
"""
_PROBE_TIMEOUT_S: Final = 300


def choose_device(wanted: Device, gpus: int, works: Callable[[], bool]) -> Literal["cpu", "cuda"]:
    """The device to use; whether CUDA `works` is asked only if it is wanted and there are `gpus`."""
    if wanted == "cpu":
        return "cpu"
    if gpus == 0:
        if wanted == "cuda":
            logger.warning("No CUDA device was found: Whisper runs on the CPU.")
        return "cpu"
    if works():
        return "cuda"
    logger.warning("The GPU cannot run Whisper (see `emoscribe doctor`): it runs on the CPU.")
    return "cpu"


def cuda_works(folder: Path) -> bool:
    """Whether the model in `folder` can be loaded and run on the GPU.

    Tried in a process of its own: with a driver or cuDNN that does not fit, CTranslate2 aborts the process.
    """
    try:
        tried = subprocess.run(  # noqa: S603  # our own interpreter and code, and the folder of a model
            [sys.executable, "-c", _PROBE, str(folder)], capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def choose_compute_type(wanted: str, device: Literal["cpu", "cuda"]) -> str:
    """The compute type asked for, or the best one if it is "auto" or the device cannot do it."""
    import ctranslate2

    supported: set[str] = ctranslate2.get_supported_compute_types(device)
    if wanted in supported:
        return wanted
    if wanted != "auto":
        logger.warning("Compute type %s is not supported on %s: the best one is used.", wanted, device)
    return next((kind for kind in _BEST_COMPUTE_TYPES[device] if kind in supported), "default")


def count_gpus() -> int:
    """How many CUDA devices there are; 0 as well if the driver is broken."""
    import ctranslate2

    try:
        count: int = ctranslate2.get_cuda_device_count()
    except RuntimeError:
        return 0
    return count


# mallopt(3), <malloc.h>
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
_M_ARENA_MAX: Final = -8
_KEPT_BYTES: Final = 2**30


def keep_freed_memory() -> bool:
    """Have the C library keep up to 1 GiB of freed memory for reuse; False where it is not glibc.

    Whisper's encoder takes and frees 72 MB blocks for each layer of each clip. glibc maps such blocks anew every
    time, and the kernel clears them page by page: a third of the encoder's time on a virtual machine (measured:
    1.5 s of CPU time for a clip of 30 s with, 1.06 s without). There is no setting of CTranslate2 for it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_M_ARENA_MAX, 1), (_M_TRIM_THRESHOLD, _KEPT_BYTES), (_M_MMAP_MAX, 0))
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings)
