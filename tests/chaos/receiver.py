"""The customer's server that is told when jobs end."""

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

SECRET = "chaos-" * 6


class Receiver(ThreadingHTTPServer):
    """Keeps the ids of the events that came for each job."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.events: dict[str, list[str]] = defaultdict(list)
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, name="receiver")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ended"

    def settings(self, folder: Path) -> dict[str, str]:
        """For the parts of the service."""
        file = folder / "callback-secret"
        file.write_text(SECRET)
        return {"EMOSCRIBE_CALLBACK_SECRET_FILE": str(file), "EMOSCRIBE_CALLBACK_LOOPBACK": "true"}

    def keep(self, job_id: str, event_id: str) -> None:
        """One delivery."""
        with self._lock:
            self.events[job_id].append(event_id)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keep(body["data"]["id"], self.headers["webhook-id"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Quietly."""
