"""Removes from the image's packages what serving never reads: tests, headers, sources, services nobody calls.

    python strip.py SITE_PACKAGES

Licences and metadata stay, so that a list of what is in the image (an SBOM) is whole. That nothing needed is gone is
shown by tests/infra/test_container_image.py, which does the main job with the built image.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# In every package: what compilers and type checkers read.
EVERYWHERE: Final = ("**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.pxi", "**/*.a", "**/*.h", "**/*.hpp", "**/*.cuh")

FROM_PACKAGES: Final = (
    "*/tests",
    "numpy/**/tests",
    "numpy/f2py",
    "numpy/_core/include",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    # Parquet is all we write; Arrow's RPC and its own S3 are not loaded with it
    "pyarrow/*flight*",
    "pyarrow/*_s3*",
    "pyarrow/include",
    "pyarrow/src",
    "pyarrow/libarrow_python.so",  # the same file under other names; the linker asks for libarrow_python.so.NNNN
    "pyarrow/libarrow_python.so.*.*.*",
)

# boto3 describes 400 services; jobs and models need these, signing in needs the last ones.
AWS_SERVICES: Final = {"s3", "sqs", "sts", "sso", "sso-oidc", "signin"}


def unneeded(packages: Path) -> Iterator[Path]:
    """Files and folders to remove; some may lie inside others."""
    for pattern in (*FROM_PACKAGES, *EVERYWHERE):
        yield from packages.glob(pattern)
    for folder in packages.glob("botocore/data/*/"):
        if folder.name not in AWS_SERVICES:
            yield folder
    for folder in packages.glob("boto3/data/*/"):
        if folder.name not in AWS_SERVICES:
            yield folder


def remove(path: Path) -> int:
    """Bytes that were freed."""
    if not path.is_symlink() and path.is_dir():
        freed = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
        shutil.rmtree(path)
        return freed
    freed = path.lstat().st_size
    path.unlink()
    return freed


def main(packages: Path) -> None:
    """Remove, and say how much that was."""
    found = sorted(set(unneeded(packages)), key=lambda path: len(path.parts))
    freed = sum(remove(path) for path in found if path.exists() or path.is_symlink())
    print(f"{packages}: {freed / 1e6:.0f} MB that serving does not need are removed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
