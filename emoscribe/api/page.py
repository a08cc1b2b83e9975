"""The page at `/`: a few static files, the same for everybody. Who may see what is decided by the API it asks."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response
from starlette.exceptions import HTTPException

import emoscribe

DIST: Final = Path(emoscribe.__file__).parent / "web" / "dist"
# Nothing from elsewhere, no inline script or style, no frame around it, no form that leads away; markup is never made
# of text: where browsers know trusted types, `innerHTML` is refused.
POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".ico": "image/vnd.microsoft.icon",
        ".json": "application/json",
        ".woff2": "font/woff2",
        ".txt": "text/plain; charset=utf-8",
    }
)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")  # one folder, no dot files
_HASHED: Final = re.compile(r"[.-][0-9a-f]{8,}\.[a-z0-9]+$")
_PACKED: Final = frozenset({".html", ".js", ".css", ".svg", ".json", ".txt"})
_FOR_EVER: Final = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)

IfNoneMatch = Annotated[str, Header()]
AcceptEncoding = Annotated[str, Header()]


@router.api_route("/", methods=["GET", "HEAD"])
def page(if_none_match: IfNoneMatch = "", accept_encoding: AcceptEncoding = "") -> Response:
    """The page; what it shows stands in the fragment of its address."""
    return _answer("index.html", if_none_match, accept_encoding)


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
def static(name: str, if_none_match: IfNoneMatch = "", accept_encoding: AcceptEncoding = "") -> Response:
    """What the page is made of."""
    return _answer(name, if_none_match, accept_encoding)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes | None
    etag: str


def _answer(name: str, if_none_match: str, accept_encoding: str) -> Response:
    path = DIST / name
    media_type = _TYPES.get(path.suffix)
    if media_type is None or not _NAME.fullmatch(name):
        raise HTTPException(404)
    try:
        file = _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        missing = "The page is not part of this installation." if name == "index.html" else None
        raise HTTPException(404, missing) from None
    headers = {
        "Cache-Control": _FOR_EVER if _HASHED.search(name) else "no-cache",
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "ETag": file.etag,
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if file.etag in if_none_match:
        return Response(status_code=304, headers=headers)
    if file.packed is not None and "gzip" in accept_encoding:
        return Response(file.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=media_type)
    return Response(file.content, headers=headers, media_type=media_type)


@lru_cache(maxsize=64)
def _read(path: Path, changed_ns: int) -> _File:  # read again when it was changed
    content = path.read_bytes()
    packed = gzip.compress(content, mtime=0) if path.suffix in _PACKED else None
    return _File(content, packed, f'W/"{hashlib.sha256(content).hexdigest()[:32]}"')
