"""What a process notes of itself."""

import time
from pathlib import Path

from prometheus_client import CollectorRegistry

import emoscribe
from runners.process_watch import ProcessWatch, resident_bytes


def test_a_process_tells_its_version_start_memory_cpu_and_disks(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    before_s = time.time()
    (tmp_path / "uploads/one").mkdir(parents=True)
    (tmp_path / "uploads/one/talk").write_bytes(b"x" * 1000)
    ProcessWatch("worker", {"jobs": tmp_path, "models": tmp_path / "not there"}, registry)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"emoscribe_{name}", labels)

    assert value("build_info", part="worker", version=emoscribe.__version__) == 1
    assert before_s <= (value("start_time_seconds", part="worker") or 0) <= time.time()
    assert 10**6 < (value("memory_bytes", part="worker") or 0) <= resident_bytes() + 10**8
    assert 0 < (value("disk_free_bytes", folder="jobs") or 0) < (value("disk_bytes", folder="jobs") or 0)
    assert value("disk_free_bytes", folder="models") is None
    assert value("spool_bytes") == 1000


def test_cpu_time_only_rises_and_is_that_of_this_process(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    watch = ProcessWatch("api", {}, registry)

    def used_s() -> float:
        return registry.get_sample_value("emoscribe_cpu_seconds_total", {"part": "api"}) or 0

    first_s, end_s = used_s(), time.process_time() + 0.3
    while time.process_time() < end_s:
        pass
    watch.look()
    assert 0.25 < used_s() - first_s < 30
