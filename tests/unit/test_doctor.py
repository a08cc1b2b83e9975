"""The doctor against healthy, missing and crashing parts."""

import json
import re
import signal
from pathlib import Path

import pytest

from emoscribe import doctor
from emoscribe.doctor import (
    Check,
    check_disk,
    check_libraries,
    check_models,
    check_runtime,
    check_torch,
    diagnose,
    probe,
)
from emoscribe.doctor_probe import PROBES, SENTENCES_ABOUT_TOMORROW, find
from emoscribe.languages import language_packs
from emoscribe.settings import Settings, load_settings

HEALTHY = dict.fromkeys((*doctor.LIBRARIES, "onnxruntime"), "1.0")


@pytest.fixture
def no_models(tmp_path: Path) -> Settings:
    return load_settings(models_dir=tmp_path / "empty", device="cpu")


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the interpreter that runs a probe: a shell script to be written by the test."""
    script = tmp_path / "python"
    monkeypatch.setattr("sys.executable", str(script))
    return script


def answer_with(python: Path, commands: str) -> None:
    python.write_text(f"#!/bin/sh\nsettings=$(cat)\n{commands}\n")
    python.chmod(0o755)


OK_ANSWER = f"echo '{json.dumps({'status': 'ok', 'detail': 'fine', 'fix': ''})}'"


@pytest.mark.models
def test_everything_works_here(models_dir: Path) -> None:
    checks = diagnose(load_settings(models_dir=models_dir))
    assert [check for check in checks if check.status != "ok"] == []
    assert {check.name for check in checks} >= {"platform", "libraries", "onnx runtime", "model whisper-base", *PROBES}
    by_name = {check.name: check.detail for check in checks}
    for part in ("transcription", "translation", "emotion"):
        assert re.search(r"on (cpu|cuda).*; .*\d m?s", by_name[part])


class TestMissing:
    def test_models_that_are_not_there_are_named_with_the_command(self, no_models: Settings) -> None:
        failed = {check.name: check for check in check_models(no_models) if check.status == "failed"}
        assert set(failed) == {"model whisper-base", "model bergamot-pt-en"}
        assert all("`emoscribe models pull embedded`" in check.fix for check in failed.values())

    def test_a_part_without_its_model_fails_with_the_same_command(self, no_models: Settings) -> None:
        check = probe("transcription", no_models)
        assert (check.status, check.fix) == ("failed", "Run `emoscribe models pull embedded`.")

    def test_libraries(self) -> None:
        versions = {name: version for name, version in HEALTHY.items() if name != "ctranslate2"}
        assert check_libraries(HEALTHY).status == "ok"
        assert check_libraries(versions).status == "failed"
        assert "ctranslate2" in check_libraries(versions).detail

    @pytest.mark.parametrize(
        ("installed", "status"),
        [
            (["onnxruntime"], "ok"),
            (["onnxruntime-gpu"], "ok"),
            ([], "failed"),
            (["onnxruntime", "onnxruntime-gpu"], "failed"),
        ],
    )
    def test_exactly_one_onnx_runtime(self, installed: list[str], status: str) -> None:
        check = check_runtime(dict.fromkeys(installed, "1.0"))
        assert check.status == status
        assert bool(check.fix) == (status == "failed")

    def test_torch_is_never_demanded(self) -> None:
        assert check_torch([]) == Check("torch", "ok", "not installed, and not needed")

    def test_a_cache_that_does_not_exist_yet_is_measured_where_it_will_be(self, tmp_path: Path) -> None:
        assert check_disk(tmp_path / "not" / "yet").status == "ok"

    def test_little_room_is_a_warning(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 2**60)
        assert check_disk(tmp_path).status == "warning"


class TestCrash:
    @pytest.mark.parametrize(
        ("number", "hint"),
        [
            (signal.SIGSEGV, "EMOSCRIBE_DEVICE=cpu"),
            (signal.SIGABRT, "EMOSCRIBE_DEVICE=cpu"),
            (signal.SIGILL, "CT2_FORCE_CPU_ISA"),
            (signal.SIGKILL, "memory"),
        ],
    )
    def test_a_native_crash_is_a_failed_check(
        self, python: Path, no_models: Settings, number: signal.Signals, hint: str
    ) -> None:
        answer_with(python, f"kill -{number.value} $$")
        check = probe("translation", no_models)
        assert check.status == "failed"
        assert check.detail == f"the process died of {number.name}"
        assert hint in check.fix

    @pytest.mark.parametrize("failure", ["kill -SEGV $$", "exit 1", "sleep 60"])
    def test_a_broken_gpu_becomes_a_warning_and_the_cpu_is_tried(
        self, python: Path, no_models: Settings, failure: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(doctor, "PROBE_TIMEOUT_S", 2)
        answer_with(
            python, f'case $settings in *\'"device":"cpu"\'*) {OK_ANSWER};; *) exec 2>/dev/null; {failure};; esac'
        )
        check = probe("transcription", no_models.model_copy(update={"device": "auto"}))
        assert check.status == "warning"
        assert "with cpu: fine" in check.detail
        assert "EMOSCRIBE_DEVICE=cpu" in check.fix

    def test_when_the_cpu_fails_too_it_is_a_failure(self, python: Path, no_models: Settings) -> None:
        answer_with(python, "kill -SEGV $$")
        assert probe("emotion", no_models.model_copy(update={"device": "cuda"})).status == "failed"

    def test_an_interpreter_that_cannot_start_the_probe(self, python: Path, no_models: Settings) -> None:
        answer_with(python, "echo 'ImportError: libfoo.so' >&2; exit 1")
        assert probe("media", no_models).detail == "ImportError: libfoo.so"

    def test_a_real_crash_in_a_real_probe_leaves_no_core_file(
        self, no_models: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A sitecustomize that crashes as a broken native library does, once the probe has begun."""
        (tmp_path / "crash").mkdir()
        script = "import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.SIGSEGV))\n"
        (tmp_path / "crash" / "sitecustomize.py").write_text(script)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "crash"))
        monkeypatch.chdir(tmp_path)
        assert probe("speech detection", no_models).detail == "the process died of SIGSEGV"
        assert not list(tmp_path.glob("*core*"))


class TestProbe:
    def test_every_pack_has_a_sentence(self) -> None:
        translated = {code for code, pack in language_packs().items() if pack.translation}
        assert translated - {"en"} <= set(SENTENCES_ABOUT_TOMORROW)

    def test_an_unexpected_error_of_a_library_is_a_finding(
        self, no_models: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def explode(_: object) -> str:
            raise RuntimeError("cuDNN is not what it was")

        monkeypatch.setitem(PROBES, "media", explode)
        assert find("media", no_models).detail == "RuntimeError: cuDNN is not what it was"

    def test_what_a_stage_warns_of_is_told(self, no_models: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        import logging

        def warn(_: object) -> str:
            logging.getLogger("emoscribe.emotion").warning("runs on the CPU: the driver is too old")
            return "on the CPU"

        monkeypatch.setitem(PROBES, "emotion", warn)
        finding = find("emotion", no_models)
        assert (finding.status, finding.detail) == ("warning", "on the CPU; runs on the CPU: the driver is too old")
