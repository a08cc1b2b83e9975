"""Where Whisper runs: a GPU that cannot be used is a warning, never a crash (U11). There may be none to test with."""

import logging
import sys
from pathlib import Path
from typing import Literal

import pytest

from emoscribe import catalog
from emoscribe.whisper.device import choose_compute_type, choose_device, cuda_works, keep_freed_memory

Wanted = Literal["auto", "cpu", "cuda"]


def never_asked() -> bool:
    pytest.fail("the GPU was tried")


@pytest.mark.parametrize(
    ("wanted", "gpus", "works", "device", "warnings"),
    [
        ("cpu", 1, None, "cpu", 0),
        ("auto", 0, None, "cpu", 0),
        ("cuda", 0, None, "cpu", 1),
        ("auto", 1, True, "cuda", 0),
        ("cuda", 1, True, "cuda", 0),
        ("auto", 1, False, "cpu", 1),
        ("cuda", 1, False, "cpu", 1),
    ],
)
def test_a_gpu_is_used_if_it_works(
    wanted: Wanted, gpus: int, works: bool | None, device: str, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert choose_device(wanted, gpus, never_asked if works is None else lambda: bool(works)) == device
    assert len(caplog.records) == warnings


def test_cuda_is_tried_in_a_process_of_its_own(models_dir: Path) -> None:
    """Here it fails for want of a GPU, and this process is none the worse for it."""
    if _gpus():
        pytest.skip("this machine has a GPU")
    assert not cuda_works(catalog.locate("whisper-base", models_dir))


def _gpus() -> int:
    import ctranslate2

    return int(ctranslate2.get_cuda_device_count())


@pytest.mark.parametrize(
    ("wanted", "chosen", "warnings"), [("auto", "int8", 0), ("float32", "float32", 0), ("float16", "int8", 1)]
)
def test_numbers_the_device_cannot_do_are_replaced(
    wanted: str, chosen: str, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert choose_compute_type(wanted, "cpu") == chosen
    assert len(caplog.records) == warnings


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt belongs to glibc")
def test_glibc_takes_our_settings() -> None:
    assert keep_freed_memory()
