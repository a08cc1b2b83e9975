"""`emoscribe doctor`: what is installed, which device each model gets, and whether each part really works.

Every part is tried in a process of its own (doctor_probe.py): a native library that crashes there is a failed check
here, not the end of the program.
"""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from emoscribe import catalog
from emoscribe.doctor_probe import PROBES
from emoscribe.errors import ModelError
from emoscribe.settings import Settings

LIBRARIES: Final = ("av", "ctranslate2", "faster-whisper", "fxtranslate", "numpy", "sentencex", "tokenizers")
RUNTIMES: Final = ("onnxruntime", "onnxruntime-gpu")
ON_DEVICE: Final = frozenset({"transcription", "emotion"})  # the parts that may run on a GPU
MIN_FREE_BYTES: Final = 2**30  # reports and temporary files of some hours of video
PROBE_TIMEOUT_S: Final = 300  # a large model from a slow disk


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    fix: str = ""


def diagnose(settings: Settings) -> list[Check]:
    """All checks, in the order of their dependence. Takes some seconds; downloads nothing."""
    versions = _versions()
    return [
        check_platform(),
        check_libraries(versions),
        check_runtime(versions),
        check_torch(versions),
        *check_models(settings),
        check_disk(settings.models_dir),
        *(probe(part, settings) for part in PROBES),
    ]


def check_platform() -> Check:
    """Python and the machine."""
    cores = len(os.sched_getaffinity(0))
    python, system = platform.python_version(), f"{platform.system()} {platform.machine()}"
    return Check("platform", "ok", f"Python {python}, {system}, {cores} cores")


def check_libraries(versions: Mapping[str, str]) -> Check:
    """The libraries the models run on."""
    missing = [name for name in LIBRARIES if name not in versions]
    if missing:
        return Check("libraries", "failed", f"missing: {', '.join(missing)}", "Run `pip install 'emoscribe[cpu]'`.")
    return Check("libraries", "ok", ", ".join(f"{name} {versions[name]}" for name in LIBRARIES))


def check_runtime(versions: Mapping[str, str]) -> Check:
    """ONNX Runtime comes in two packages that overwrite each other's files."""
    found = [name for name in RUNTIMES if name in versions]
    detail = ", ".join(f"{name} {versions[name]}" for name in found)
    if not found:
        fix = "Run `pip install 'emoscribe[cpu]'`, or [gpu] for an NVIDIA GPU."
        return Check("onnx runtime", "failed", "neither onnxruntime nor onnxruntime-gpu is installed", fix)
    if len(found) > 1:
        fix = "Run `pip uninstall -y onnxruntime onnxruntime-gpu`, then `pip install 'emoscribe[gpu]'` (or [cpu])."
        return Check("onnx runtime", "failed", f"{detail}: they overwrite each other, and the GPU goes unused", fix)
    return Check("onnx runtime", "ok", detail)


def check_torch(versions: Collection[str]) -> Check:
    """PyTorch is for training and conversion only."""
    is_there = "installed; only training, conversion and the transformers engine use it"
    return Check("torch", "ok", is_there if "torch" in versions else "not installed, and not needed")


def check_models(settings: Settings) -> list[Check]:
    """The models of the profile, every byte hashed."""
    checks = []
    for status in catalog.verify(settings.models_dir, [settings.profile]):
        name = f"model {status.name}"
        if status.is_usable:
            checks.append(Check(name, "ok", f"{status.state}, version {status.version[:20]}, hashes verified"))
            continue
        checks.append(
            Check(name, "failed", f"{status.state} {status.detail}".strip(), _model_fix(status.name, settings))
        )
    return checks


def _model_fix(name: str, settings: Settings) -> str:
    """What `locate` says to do."""
    try:
        catalog.locate(name, settings.models_dir)
    except ModelError as error:
        return error.fix
    return f"Run `emoscribe models verify {name}`."  # somebody has repaired it meanwhile


def check_disk(models_dir: Path) -> Check:
    """Room where the models are."""
    place = next(folder for folder in (models_dir, *models_dir.absolute().parents) if folder.exists())
    free_bytes = shutil.disk_usage(place).free
    detail = f"{free_bytes / 1e9:.1f} GB free for models"
    if free_bytes < MIN_FREE_BYTES:
        return Check("disk", "warning", detail, "Free space, or set EMOSCRIBE_MODELS_DIR to another disk.")
    return Check("disk", "ok", detail)


def probe(part: str, settings: Settings) -> Check:
    """Try one part; where the GPU fails it, also on the CPU."""
    check = _run_probe(part, settings)
    if check.status != "failed" or part not in ON_DEVICE or settings.device == "cpu":
        return check
    on_cpu = _run_probe(part, settings.model_copy(update={"device": "cpu"}))
    if on_cpu.status == "failed":
        return on_cpu
    detail = f"not with EMOSCRIBE_DEVICE={settings.device}: {check.detail}; with cpu: {on_cpu.detail}"
    return Check(part, "warning", detail, "Set EMOSCRIBE_DEVICE=cpu, or repair the GPU's driver, CUDA and cuDNN.")


def _run_probe(part: str, settings: Settings) -> Check:
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", "emoscribe.doctor_probe", part],
            input=settings.model_dump_json(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Check(
            part, "failed", f"no answer in {PROBE_TIMEOUT_S} s", "Look at the machine's load, memory and disk."
        )
    if done.returncode < 0:
        return Check(
            part, "failed", f"the process died of {_signal_name(-done.returncode)}", _crash_fix(-done.returncode)
        )
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return Check(part, "failed", last_line, "Reinstall emoscribe.")
    return Check(part, **json.loads(done.stdout))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _crash_fix(number: int) -> str:
    """What usually helps against a native crash."""
    if number == signal.SIGKILL:
        return "It was killed, most likely for want of memory: give the machine more, or use the profile embedded."
    if number == signal.SIGILL:
        return "A library uses instructions this CPU lacks: try CT2_FORCE_CPU_ISA=GENERIC, or another machine."
    return "Set EMOSCRIBE_DEVICE=cpu; if it still crashes, reinstall the packages of `emoscribe doctor`'s list."


def _versions() -> dict[str, str]:
    """Versions of the packages that matter and are installed."""
    versions = {}
    for name in (*LIBRARIES, *RUNTIMES, "torch"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
