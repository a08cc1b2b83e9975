"""Bearer tokens: who may call the service, for which tenant, and what they may do.

A TOML file holds them, one table a token; a token itself is never stored, only its SHA-256, which cannot be turned
back because tokens are 256 random bits:

    [[token]]
    name = "newsroom"
    sha256 = "<64 hexadecimal digits>"
    tenant = "default"
    scopes = ["owner"]
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from emoscribe.errors import InvalidRequestError, SettingsError
from emoscribe.jobs.model import Tenant

_log = logging.getLogger(__name__)

Scope = Literal["analyses:read", "analyses:write", "corrections:write", "text"]
SCOPES: Final[Mapping[Scope, str]] = MappingProxyType(
    {
        "analyses:read": "See analyses, their progress and their results.",
        "analyses:write": "Submit, cancel, retry and delete analyses.",
        "corrections:write": "Correct labels.",
        "text": "Emotions, translations and transcriptions that are answered at once and kept nowhere.",
    }
)
ROLES: Final[Mapping[str, frozenset[Scope]]] = MappingProxyType(
    {
        "viewer": frozenset({"analyses:read"}),
        "reviewer": frozenset({"analyses:read", "corrections:write"}),
        "owner": frozenset(SCOPES),
    }
)
EVERYTHING: Final = ROLES["owner"]

_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$"  # nothing that TOML would want escaped
_PREFIX: Final = "emo_"  # lets scanners of repositories and logs recognise a leaked token
_TOO_OPEN: Final = 0o027  # a group may read it: in Kubernetes a secret is the pod's group's


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in ROLES and name not in SCOPES:
            raise ValueError(f"{name!r} is none of {', '.join((*ROLES, *SCOPES))}")
    return names


class Token(BaseModel):
    """What is kept of one token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_NAME_PATTERN)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    tenant: Tenant = "default"
    scopes: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known)]  # roles, single scopes, or both

    @property
    def allowed(self) -> frozenset[Scope]:
        """Its scopes, with those of its roles."""
        single = {scope for scope in SCOPES if scope in self.scopes}
        return frozenset(single).union(*(scopes for role, scopes in ROLES.items() if role in self.scopes))


@dataclass(frozen=True, slots=True)
class TokenBook:
    """All tokens of one file. Names are unique."""

    tokens: tuple[Token, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """The book in that file; an empty one if there is no file yet. Raises SettingsError naming what is wrong."""
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & _TOO_OPEN:
                    _log.warning("the file of tokens is open to others than its owner and group: chmod 600 %s", path)
                document = tomllib.load(file)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:  # ValueError: no TOML, or no UTF-8
            raise SettingsError(f"The file of tokens cannot be read: {error}.", fix=f"See to {path}.") from None
        try:
            book = cls(_TokenDocument.model_validate(document).token)
        except ValidationError as error:
            raise SettingsError(f"The file of tokens is wrong: {_complaints(error)}.", fix=f"See to {path}.") from None
        if len({token.name for token in book.tokens}) < len(book.tokens):
            raise SettingsError("Two tokens have the same name.", fix=f"Rename one in {path}.")
        return book

    def save(self, path: Path) -> None:
        """Replace the file in one step, readable by its owner only."""
        text = "".join(_table(token) for token in self.tokens)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def add(self, name: str, *, tenant: str, scopes: tuple[str, ...]) -> tuple[Self, str]:
        """A book with one more token, and the token itself, which is shown once. Raises InvalidRequestError."""
        if any(token.name == name for token in self.tokens):
            raise InvalidRequestError(f"There is a token {name!r} already.", fix="Revoke it, or choose another name.")
        secret = new_token()
        try:
            entry = Token(name=name, sha256=digest(secret), tenant=tenant, scopes=scopes)
        except ValidationError as error:
            raise InvalidRequestError(f"No such token can be made: {_complaints(error)}.") from None
        return type(self)((*self.tokens, entry)), secret

    def without(self, name: str) -> Self:
        """A book without the token of that name. Raises InvalidRequestError if there is none."""
        left = tuple(token for token in self.tokens if token.name != name)
        if len(left) == len(self.tokens):
            raise InvalidRequestError(f"There is no token {name!r}.", fix="`emoscribe tokens list` shows them.")
        return type(self)(left)

    def find(self, secret: str) -> Token | None:
        """The entry of a token, or None. Takes the same time whichever entry it is."""
        wanted = digest(secret)
        found: Token | None = None
        for token in self.tokens:
            if hmac.compare_digest(token.sha256, wanted):
                found = token
        return found


class TokenFile:
    """A book that is read again whenever its file changes: who was revoked is out without a restart. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._version: tuple[int, int, int] | None = None
        self._book = TokenBook()

    def find(self, secret: str) -> Token | None:
        """The entry of a token as the file says now. Raises SettingsError while the file cannot be used."""
        with self._lock:
            version = self._stat()
            if version is None or version != self._version:
                self._book = TokenBook.load(self._path)
                self._version = version
            return self._book.find(secret)

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SettingsError(f"The file of tokens cannot be read: {error.strerror}.") from None
        return status.st_ino, status.st_mtime_ns, status.st_size


def new_token() -> str:
    """A token: 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a token: its SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class _TokenDocument(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: tuple[Token, ...] = ()


def _table(token: Token) -> str:
    scopes = ", ".join(f'"{scope}"' for scope in token.scopes)
    return (
        f'[[token]]\nname = "{token.name}"\nsha256 = "{token.sha256}"\n'
        f'tenant = "{token.tenant}"\nscopes = [{scopes}]\n\n'
    )


def _complaints(error: ValidationError) -> str:
    """Where and why, without the values."""
    found = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {re.sub('^Value error, ', '', one['msg'])}" for one in found)
