"""What the processor can do, read from what Linux says of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emoscribe import processor

LINES = "processor\t: 0\nmodel name\t: Some\nflags\t\t: fpu avx2 {}\n\nprocessor\t: 1\nflags\t\t: fpu avx2 {}\n"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    processor.features.cache_clear()
    yield
    processor.features.cache_clear()


@pytest.mark.parametrize(
    ("extra", "integers", "halves"),
    [
        ("", False, False),
        ("avx512_vnni", True, False),
        ("avx_vnni", True, False),
        ("avx512_bf16 avx512_vnni", True, True),
        ("amx_bf16", False, True),
        ("not_avx_vnni_at_all", False, False),
    ],
)
def test_instructions_are_found_by_their_whole_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: str, integers: bool, halves: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(LINES.format(extra, extra))
    monkeypatch.setattr(processor, "FEATURES_FILE", tmp_path / "cpuinfo")
    assert (processor.has_integer_products(), processor.has_bfloat16_products()) == (integers, halves)


def test_a_system_that_does_not_say_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "FEATURES_FILE", tmp_path / "nowhere")
    assert processor.features() == frozenset()
    monkeypatch.setattr(processor, "FEATURES_FILE", tmp_path / "arm")
    (tmp_path / "arm").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    processor.features.cache_clear()
    assert processor.features() == frozenset()
