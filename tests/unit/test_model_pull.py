"""Pulling when things go wrong: two at once, killed, a full disk, a place that cannot be written."""

import errno
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from emoscribe import catalog
from emoscribe.catalog import PullProgress, Sources
from emoscribe.errors import ModelSourceError
from emoscribe.model_store.install import WORK_NAME
from tests.model_stand_ins import FILES, Hub, HubServer, pinned_files, small_catalog

ROOT = Path(__file__).parents[2]
# The hub library writes blocks of 10 MiB: only beyond those is there something to go on from.
BIG = {"config.json": b"{}", "model.bin": b"0123456789abcdef" * (3 * 2**20 // 2)}
STALL_BYTES = 22 * 2**20
TINY = small_catalog([{"kind": "hub", "repo": "org/tiny"}], is_pinned=True, files=pinned_files(BIG))
PULL_SCRIPT = """
import sys
from pathlib import Path
from emoscribe import catalog
from tests.unit.test_model_pull import TINY
catalog.pull(["tiny"], Path(sys.argv[1]), catalog.Sources(hub_endpoint_url=sys.argv[2]), catalog=TINY)
"""


@pytest.fixture
def stalling_hub() -> Iterator[Hub]:
    """A hub that stops in the middle of model.bin until `go_on` is set."""
    hub = Hub({"org/tiny": BIG}, stall_after_bytes=STALL_BYTES)
    with HubServer(hub):
        yield hub


@pytest.fixture
def other_process(tmp_path: Path, stalling_hub: Hub) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that pulls `tiny` and is in the middle of it."""
    process = subprocess.Popen([sys.executable, "-c", PULL_SCRIPT, str(tmp_path), stalling_hub.url], cwd=ROOT)
    try:
        assert stalling_hub.has_stalled.wait(timeout=60)
        yield process
    finally:
        process.kill()
        process.wait()


def downloads(hub: Hub, name: str) -> list[str]:
    return [request for request in hub.requests if request.startswith("GET") and f"/{name}" in request]


def test_a_second_pull_waits_for_the_first_and_finds_its_work_done(
    tmp_path: Path, stalling_hub: Hub, other_process: subprocess.Popen[bytes]
) -> None:
    told: list[str] = []

    def on_progress(progress: PullProgress) -> None:
        told.append(progress.step)
        stalling_hub.go_on.set()  # only now may the first one finish

    result = catalog.pull(["tiny"], tmp_path, Sources(hub_endpoint_url=stalling_hub.url), on_progress, catalog=TINY)[0]
    assert (result.action, told) == ("present", ["waiting"])
    assert other_process.wait() == 0
    assert len(downloads(stalling_hub, "model.bin")) == 1


def test_a_killed_pull_leaves_nothing_half_made_and_the_next_one_uses_what_was_finished(
    tmp_path: Path, stalling_hub: Hub, other_process: subprocess.Popen[bytes]
) -> None:
    other_process.kill()
    other_process.wait()
    assert catalog.list_models(tmp_path, catalog=TINY)[0].state == "missing"
    assert list(tmp_path.rglob("*.incomplete"))
    stalling_hub.stall_after_bytes = None
    stalling_hub.go_on.set()
    stalling_hub.repositories["org/tiny"] = BIG | {"model.bin": BIG["model.bin"][::-1]}
    sources = Sources(hub_endpoint_url=stalling_hub.url)
    assert catalog.pull(["tiny"], tmp_path, sources, catalog=TINY)[0].action == "failed"
    assert len(downloads(stalling_hub, "config.json")) == 1
    assert not list(tmp_path.rglob("*.incomplete"))
    stalling_hub.repositories["org/tiny"] = BIG
    assert catalog.pull(["tiny"], tmp_path, sources, catalog=TINY)[0].action == "pulled"
    assert catalog.verify(tmp_path, catalog=TINY)[0].state == "ok"
    assert not (tmp_path / WORK_NAME / "tiny").exists()


def test_a_lost_connection_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    hub = Hub({"org/tiny": BIG}, drop_after_bytes=STALL_BYTES)
    told: list[int] = []
    with HubServer(hub):
        sources = Sources(hub_endpoint_url=hub.url)
        result = catalog.pull(["tiny"], tmp_path, sources, lambda p: told.append(p.done_bytes), catalog=TINY)[0]
    assert (result.action, result.error) == ("pulled", None)
    assert downloads(hub, "model.bin")[-1].endswith(f"bytes={20 * 2**20}-")
    assert max(told) == sum(len(content) for content in BIG.values())


class TestLocalFolder:
    tiny = small_catalog([{"kind": "hub", "repo": "org/tiny"}], is_pinned=True)

    @pytest.fixture
    def sources(self, tmp_path: Path) -> Sources:
        folder = tmp_path / "source" / "tiny"
        folder.mkdir(parents=True)
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
        return Sources(folder=tmp_path / "source", hub_endpoint_url="http://127.0.0.1:9")

    def error(self, models_dir: Path, sources: Sources) -> ModelSourceError:
        result = catalog.pull(["tiny"], models_dir, sources, catalog=self.tiny)[0]
        assert isinstance(result.error, ModelSourceError)
        return result.error

    def test_what_is_there_is_left_alone(self, tmp_path: Path, sources: Sources) -> None:
        actions = [catalog.pull(["small"], tmp_path / "cache", sources, catalog=self.tiny)[0].action for _ in range(2)]
        assert actions == ["pulled", "present"]

    def test_many_threads_at_once_pull_once(self, tmp_path: Path, sources: Sources) -> None:
        actions: list[str] = []

        def pull() -> None:
            actions.append(catalog.pull(["tiny"], tmp_path / "cache", sources, catalog=self.tiny)[0].action)

        threads = [threading.Thread(target=pull) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(actions) == ["present"] * 5 + ["pulled"]

    def test_no_room_is_said_before_anything_is_copied(
        self, tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
        error = self.error(tmp_path / "cache", sources)
        assert "disk of the model cache is full" in error.message
        assert "EMOSCRIBE_MODELS_DIR" in error.fix

    def test_a_disk_that_fills_up_ends_the_pull_and_is_cleaned(
        self, tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def copyfile(source: Path, target: Path) -> None:
            target.write_bytes(b"as much as fits")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(shutil, "copyfile", copyfile)
        error = self.error(tmp_path / "cache", sources)
        assert "No space left on device" in error.message
        assert "Hugging Face" not in error.message  # the next source would not have helped
        assert not list((tmp_path / "cache").rglob("*.bin"))

    def test_a_cache_that_cannot_be_written_is_said(self, tmp_path: Path, sources: Sources) -> None:
        (tmp_path / "cache").write_text("a file, not a folder")
        assert "cannot be written" in self.error(tmp_path / "cache", sources).message

    def test_one_failure_does_not_stop_the_others(self, tmp_path: Path, sources: Sources) -> None:
        names = ["opus-mt-nl-en", "emotion"]
        results = catalog.pull(names, tmp_path / "cache", sources)
        assert [(result.name, result.action) for result in results] == [
            ("opus-mt-nl-en", "failed"),
            ("emotion", "bundled"),
        ]
