"""Corpora kept in a data set repository of the Hugging Face hub: `emoscribe corpora pull hub:OWNER/NAME@COMMIT`.

The repository is laid out like a local folder of corpora (docs/evaluation.md). Only the text files of known corpora are
taken, of one commit, so that what was trained on can be had again; nothing in a data set is ever run.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from emoscribe.errors import InvalidRequestError, ModelSourceError
from emoscribe.model_store.entry import split_hub_address
from emoscribe.model_store.hub import HUB_FIX, first_line
from emoscribe.model_store.install import is_disk_full

CORPUS_FOLDERS: Final = ("goemotions_ekman", "xed", "brighter", "meld", "isear")
RECORD_NAME: Final = "hub.json"  # what was pulled: repository, commit, SHA-256 of every file
MOST_BYTES: Final = 1_000_000_000

_FILE: Final = re.compile(rf"({'|'.join(CORPUS_FOLDERS)})(/\w[\w.-]*){{1,3}}\.(csv|tsv|txt|md)", re.ASCII)


def pull_corpora(
    address: str, folder: Path, on_file: Callable[[str], None] = lambda _: None, *, endpoint_url: str | None = None
) -> dict[str, str]:
    """Fetch the corpora of a data set into `folder`; file names and their SHA-256. Files that are whole are left alone.

    Raises InvalidRequestError for an address without its commit and for a data set without corpora, ModelSourceError
    when the hub cannot be reached or has no such data set, OSError when the disk is full.
    """
    owner, name, commit = split_hub_address(address)
    repo = f"{owner}/{name}"
    try:
        from huggingface_hub import HfApi, hf_hub_download

        siblings = HfApi(endpoint=endpoint_url).dataset_info(repo, revision=commit, files_metadata=True).siblings or []
        wanted = {one.rfilename: one.size or 0 for one in siblings if _FILE.fullmatch(one.rfilename)}
        _check(wanted, repo)
        folder.mkdir(parents=True, exist_ok=True)
        for file in wanted:
            on_file(file)
            hf_hub_download(repo, file, repo_type="dataset", revision=commit, local_dir=folder, endpoint=endpoint_url)
    except InvalidRequestError:
        raise
    except Exception as error:  # the hub's HTTP library has its own errors
        if is_disk_full(error):
            raise
        raise ModelSourceError(first_line(error), fix=HUB_FIX) from error
    digests = {file: hashlib.sha256((folder / PurePosixPath(file)).read_bytes()).hexdigest() for file in sorted(wanted)}
    record = {"repository": repo, "commit": commit, "files": digests}
    (folder / RECORD_NAME).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return digests


def _check(wanted: dict[str, int], repo: str) -> None:
    if not wanted:
        raise InvalidRequestError(
            f"The data set {repo} holds no corpus.",
            fix=f"It has to hold the folders that docs/evaluation.md names: {', '.join(CORPUS_FOLDERS)}.",
        )
    if (size := sum(wanted.values())) > MOST_BYTES:
        raise InvalidRequestError(f"The data set {repo} holds {size:,} bytes; at most {MOST_BYTES:,} are fetched.")
