"""Which files the emotion classifier is: a model of the catalogue, or a folder that `emoscribe train` made."""

import hashlib
from pathlib import Path

from emoscribe import catalog
from emoscribe.errors import ModelMissingError
from emoscribe.model_store.entry import files_digest
from emoscribe.types import ModelInfo


def is_folder(name: str) -> bool:
    """Whether it is one that is there, or can only mean one. Names of the catalogue hold no slash."""
    return "/" in name or Path(name).is_dir()


def locate_emotion_model(name: str, models_dir: Path) -> tuple[Path, ModelInfo]:
    """The folder of the files, and what results say about them. Raises ModelError, InvalidRequestError."""
    if not is_folder(name):
        return catalog.locate(name, models_dir), catalog.model_info(name, models_dir)
    folder = Path(name)
    if not folder.is_dir():
        raise ModelMissingError(f"There is no folder {name}.", fix="Give a folder with a model, or a catalogue name.")
    files = sorted(path for path in folder.iterdir() if path.suffix in {".onnx", ".json"})
    digest = files_digest((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)
    info = ModelInfo(role="emotion", name=folder.resolve().name, version=digest[:12], sha256=digest, license="unknown")
    return folder, info
