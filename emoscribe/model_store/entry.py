"""What `catalog.toml` may say about a model: its schema.

Knows nothing of disks or networks: only names, sizes, hashes and where files may come from.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from emoscribe.errors import InvalidRequestError

CATALOG_PATH: Final = Path(__file__).parents[1] / "catalog.toml"

# What a model folder may hold. No pickle: `.bin` is CTranslate2's and Marian's own format, and is looked at once more
# before it is installed (model_cache.refuse_pickle).
SAFE_SUFFIXES: Final = frozenset({".bin", ".json", ".model", ".onnx", ".safetensors", ".spm", ".toml", ".txt"})

HUB_PREFIX: Final = "hub:"
ENCODER_FILES: Final = ("config.json", "model.safetensors", "tokenizer.json")

Role = Literal["speech_detection", "transcription", "translation", "emotion"]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
# One component of a path, never hidden, never `..`
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileSpec(_Part):
    """A file of a model. `bytes` and `sha256` are absent where they are only known after the first pull."""

    name: FileName
    bytes: int | None = Field(None, gt=0)
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if PurePosixPath(self.name).suffix not in SAFE_SUFFIXES:
            raise ValueError(f"{self.name}: models hold only {', '.join(sorted(SAFE_SUFFIXES))} files")
        return self


class Wheel(_Part):
    """A wheel that is only data: downloaded and unzipped, never installed."""

    requirement: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")
    filename: str = Field(pattern=r"^[A-Za-z0-9._+-]+\.whl$")
    bytes: int = Field(gt=0)
    sha256: Sha256


class WheelSource(_Part):
    """Members of one or more wheels; a file may be the concatenation of several members, in order.

    Where `archive` is given, these members joined are a zip, and `members` are those of the zip.
    """

    kind: Literal["wheel"]
    wheels: tuple[Wheel, ...] = Field(min_length=1)
    members: dict[FileName, tuple[str, ...]]
    archive: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Of all wheels."""
        return sum(wheel.bytes for wheel in self.wheels)


class HubSource(_Part):
    """A repository on the Hugging Face hub. `files` where it holds other files than the model's other sources."""

    kind: Literal["hub"]
    repo: str = Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")
    revision: str = Field("main", pattern=r"^[A-Za-z0-9._-]+$", description="A commit; `main` until the first pull.")
    files: tuple[FileSpec, ...] = ()


class BundledSource(_Part):
    """A folder that is installed with a package: nothing to pull. The first folder that exists counts."""

    kind: Literal["bundled"]
    package: Literal["emoscribe", "faster_whisper"]
    folders: tuple[str, ...] = Field(min_length=1, description="Relative to the package's folder.")


Source = Annotated[WheelSource | HubSource | BundledSource, Field(discriminator="kind")]


class ModelEntry(_Part):
    """One model of the catalogue."""

    name: ModelName
    role: Role
    title: str = Field(description="What it is, for people.")
    version: str | None = Field(None, description="Version of the pinned files; absent: the pulled revision.")
    license: str = Field(description="SPDX identifier.")
    license_source: str = Field(description="Where the licence is stated.")
    files: tuple[FileSpec, ...] = Field(min_length=1)
    sources: tuple[Source, ...] = Field(min_length=1, description="Tried in this order.")

    @property
    def variants(self) -> tuple[tuple[FileSpec, ...], ...]:
        """The sets of files that make up the model: the usual one first, then those of differing hub repositories."""
        own = [source.files for source in self.sources if isinstance(source, HubSource) and source.files]
        return (self.files, *own)

    @property
    def is_bundled(self) -> bool:
        """Whether it is installed with a package."""
        return any(isinstance(source, BundledSource) for source in self.sources)

    @property
    def is_pinned(self) -> bool:
        """Whether every hash is known before the first pull."""
        return all(file.sha256 for files in self.variants for file in files)

    @property
    def expected_bytes(self) -> int | None:
        """Size of all files, None if it is not known before the first pull."""
        sizes = [file.bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size)

    def version_of(self, files: tuple[FileSpec, ...]) -> str | None:
        """The version of one of the variants, None where only the first pull can tell."""
        hubs = [source for source in self.sources if isinstance(source, HubSource) and source.files == files]
        return self.version if files == self.files else next(hub.revision for hub in hubs)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = {file.name for file in self.files}
        for source in self.sources:
            if isinstance(source, WheelSource) and set(source.members) != names:
                raise ValueError(f"{self.name}: the wheels' members are not the model's files")
            if not isinstance(source, HubSource) and not all(file.sha256 and file.bytes for file in self.files):
                raise ValueError(f"{self.name}: files from wheels or packages need a size and a hash")
        return self


class Catalog(_Part):
    """All models and profiles."""

    models: dict[ModelName, ModelEntry]
    profiles: dict[str, tuple[ModelName, ...]]

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(models := data.get("models"), dict):
            return data | {"models": {name: {"name": name, **fields} for name, fields in models.items()}}
        return data

    @model_validator(mode="after")
    def _profiles_exist(self) -> Self:
        unknown = {name for names in self.profiles.values() for name in names} - set(self.models)
        if unknown:
            raise ValueError(f"profiles name unknown models: {', '.join(sorted(unknown))}")
        return self

    def with_encoders(self, selection: Iterable[str]) -> Self:
        """The same and the hub's encoders that are named, under their own names. Raises InvalidRequestError."""
        entries = [hub_encoder(item) for item in selection if is_hub_address(item)]
        return self.model_copy(update={"models": {**self.models, **{entry.name: entry for entry in entries}}})

    def profiles_of(self, name: str) -> tuple[str, ...]:
        """The profiles a model belongs to, in the order of the catalogue."""
        return tuple(profile for profile, names in self.profiles.items() if name in names)


def is_hub_address(item: str) -> bool:
    """Whether it names a model of the hub and not one of the catalogue."""
    return item.startswith(HUB_PREFIX)


def hub_encoder(address: str) -> ModelEntry:
    """A base encoder of the hub, `hub:OWNER/NAME@COMMIT`, for training. Raises InvalidRequestError.

    Of one commit and without pickles; its hashes are locked by the first pull, as for every model without known ones.
    """
    owner, name, commit = split_hub_address(address)
    slug = re.sub(r"[^a-z0-9]+", "-", f"{owner}-{name}".lower())[:48].strip("-")
    return ModelEntry(
        name=f"hub-{slug}-{commit[:8]}",
        role="emotion",
        title=f"{owner}/{name}, an encoder to train from",
        version=None,
        license="unknown",
        license_source=f"the model card of {owner}/{name} on the hub",
        files=tuple(FileSpec(name=file, bytes=None, sha256=None) for file in ENCODER_FILES),
        sources=(HubSource(kind="hub", repo=f"{owner}/{name}", revision=commit),),
    )


def split_hub_address(address: str) -> tuple[str, str, str]:
    """Owner, name and commit of a repository of the hub. Raises InvalidRequestError."""
    match = re.fullmatch(rf"{HUB_PREFIX}(\w[\w.-]*)/(\w[\w.-]*)@([0-9a-f]{{40}})", address, re.ASCII)
    if not match:
        raise InvalidRequestError(
            f"{address!r} is no address of the hub.", fix=f"Write {HUB_PREFIX}OWNER/NAME@COMMIT, all 40 digits of it."
        )
    owner, name, commit = match.groups()
    return owner, name, commit


def read_catalog(path: Path = CATALOG_PATH) -> Catalog:
    """A catalogue file, validated. Raises pydantic.ValidationError naming what is wrong with it."""
    return Catalog.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


@cache
def default_catalog() -> Catalog:
    """The catalogue that comes with the program."""
    return read_catalog()


def files_digest(hashes: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over a model's files: of the lines `<sha256>  <name>`, sorted by name, as `sha256sum` writes them."""
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()
