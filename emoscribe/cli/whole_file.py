"""Files that appear whole or not at all."""

import os
import tempfile
from pathlib import Path

from emoscribe.errors import InvalidRequestError


def write_whole(path: Path, content: bytes) -> None:
    """Write to a hidden sibling and rename, so that Ctrl-C never leaves half a file. Raises InvalidRequestError."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    except OSError as error:
        raise InvalidRequestError(
            f"Cannot write to {path.parent}: {error.strerror}.", fix="Choose another --out."
        ) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
