"""What Prometheus gets to see of the requests: by route template, method and class of status.

The template (`/v1/analyses/{analysis_id}`) and not the path: a label for each path would be one for each job. The time
is that until the response begins, so that event streams and downloads do not count for as long as somebody watches;
an upload counts while it arrives, and `Prefer: wait` while it waits.
"""

import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

SECONDS_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE: Final = "none"  # no route has this path: whatever callers think of is one line
NOT_COUNTED: Final = frozenset({"/metrics"})
REFUSALS: Final = frozenset({401, 403, 413, 429, 503})  # told apart: each has another cause for the operator
BROKEN_OFF: Final = 500  # nothing was answered: the server's fault


class HttpMetrics:
    """ASGI, around everything that answers with a status."""

    def __init__(self, app: ASGIApp, registry: "CollectorRegistry | None" = None) -> None:
        """`registry`: the process's own if none is given, looked up at the first request."""
        self._app = app
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        figures = self._figures()
        started_s = time.monotonic()
        answered: tuple[int, float] | None = None

        async def watched_send(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"], time.monotonic() - started_s
            await send(message)

        figures.under_way.inc()
        try:
            await self._app(scope, receive, watched_send)
        finally:
            figures.under_way.dec()
            status, seconds = answered or (BROKEN_OFF, time.monotonic() - started_s)
            figures.count(_template(scope), scope["method"], status, seconds)

    def _figures(self) -> "_Figures":
        if self._registry is None:
            from prometheus_client import REGISTRY  # late: see emoscribe.metrics

            self._registry = REGISTRY
        return _figures(self._registry)


def _template(scope: Mapping[str, Any]) -> str:
    """The route that the router has found for it; set while the request was answered."""
    return str(getattr(scope.get("route"), "path", NO_ROUTE))


class _Figures:
    """The metrics, in one registry."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self._requests = Counter(
            "emoscribe_http_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self._refused = Counter(
            "emoscribe_http_refusals", "Requests refused, by the exact status.", ["status"], registry=registry
        )
        for refusal in REFUSALS:
            self._refused.labels(str(refusal))
        self._seconds = Histogram(
            "emoscribe_http_request_seconds",
            "Until the response began.",
            ["route", "method"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.under_way = Gauge(
            "emoscribe_http_requests_under_way",
            "Requests being answered, event streams among them.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request."""
        if route in NOT_COUNTED:
            return
        method = method if method in METHODS else "other"
        self._requests.labels(route, method, f"{status // 100}xx").inc()
        self._seconds.labels(route, method).observe(seconds)
        if status in REFUSALS:
            self._refused.labels(str(status)).inc()


@cache
def _figures(registry: "CollectorRegistry") -> _Figures:
    """Made once in each registry: a second time it would refuse them."""
    return _Figures(registry)
