"""A training configuration: a TOML file with the tables `[prepare]`, `[corpora.NAME]`, `[train]` and `[export]`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

from emoscribe.errors import InvalidRequestError
from emoscribe.training.options import CorpusShare, ExportOptions, PrepareOptions, TrainOptions

SHIPPED: Final = ("ci", "full", "small", "fast", "reference")
"""ci: a few hundred rows, to prove that every step works. full: a large model. small: one from MiniLM.
fast: the same, taught by a large one. reference: the same without any care, what others are compared with."""

Options = TypeVar("Options", PrepareOptions, TrainOptions, ExportOptions, CorpusShare)


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """All steps."""

    encoder: str  # name in the catalogue, or a folder
    prepare: PrepareOptions = field(default_factory=PrepareOptions)
    train: TrainOptions = field(default_factory=TrainOptions)
    export: ExportOptions = field(default_factory=ExportOptions)


def read_config(name: str) -> TrainingConfig:
    """A shipped configuration by its name, or a file. Raises InvalidRequestError naming what is wrong."""
    try:
        text = (
            (files(__package__) / "configs" / f"{name}.toml").read_text() if name in SHIPPED else Path(name).read_text()
        )
        values = tomllib.loads(text)
    except OSError as error:
        raise InvalidRequestError(
            f"The configuration {name} cannot be read: {error.strerror}.", fix=f"Give a file, or one of {SHIPPED}."
        ) from None
    except ValueError as error:
        raise InvalidRequestError(f"The configuration {name} is no TOML: {error}.") from None
    corpora = {corpus: _options(CorpusShare, table, name) for corpus, table in values.get("corpora", {}).items()}
    return TrainingConfig(
        encoder=values.get("encoder", "minilm-l6"),
        prepare=_options(PrepareOptions, values.get("prepare", {}) | {"corpora": corpora}, name),
        train=_options(TrainOptions, values.get("train", {}), name),
        export=_options(ExportOptions, values.get("export", {}), name),
    )


def _options(kind: type[Options], values: Mapping[str, Any], name: str) -> Options:
    known = {one.name for one in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise InvalidRequestError(
            f"The configuration {name} has unknown settings: {', '.join(unknown)}.",
            fix=f"Known: {', '.join(sorted(known))}.",
        )
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return kind(**{**values, **lists})
