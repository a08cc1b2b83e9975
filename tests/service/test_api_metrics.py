"""What Prometheus gets to see of the requests."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send

from emoscribe.api.http_metrics import HttpMetrics
from tests.service.api_harness import Service
from tests.service.api_harness import service as running_service

SECRET = "0123456789abcdef" * 4


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path) as service:
        yield service


def counted(app: object, registry: CollectorRegistry, *requests: tuple[str, str]) -> dict[tuple[str, ...], float]:
    """How many requests, by route, method and status."""

    async def send() -> None:
        transport = httpx.ASGITransport(HttpMetrics(app, registry), raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as client:
            for method, path in requests:
                await client.request(method, path)

    asyncio.run(send())
    return {
        (sample.labels["route"], sample.labels["method"], sample.labels["status"]): sample.value
        for family in registry.collect()
        if family.name == "emoscribe_http_requests"
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def test_requests_count_by_route_and_no_id_becomes_a_label(service: Service) -> None:
    registry = CollectorRegistry()
    asked = [("GET", f"/v1/analyses/{SECRET}"), ("GET", f"/v1/analyses/{SECRET[::-1]}"), ("GET", "/v1/analyses")]
    assert counted(service.app, registry, *asked) == {
        ("/v1/analyses/{analysis_id}", "GET", "4xx"): 2,
        ("/v1/analyses", "GET", "2xx"): 1,
    }
    labels = {str(value) for family in registry.collect() for one in family.samples for value in one.labels.values()}
    assert not [label for label in labels if SECRET[:6] in label]


def test_what_callers_make_up_is_one_line(service: Service) -> None:
    made_up = [("GET", "/admin.php"), ("GET", "/v2/x"), ("BREW", "/v1/pots")]
    assert counted(service.app, CollectorRegistry(), *made_up) == {
        ("none", "GET", "4xx"): 2,
        ("none", "other", "4xx"): 1,
    }


def test_refusals_are_told_apart(service: Service) -> None:
    registry = CollectorRegistry()
    counted(service.app, registry, ("GET", "/v1/analyses"))
    assert registry.get_sample_value("emoscribe_http_refusals_total", {"status": "401"}) == 0


@pytest.mark.parametrize("has_begun", [False, True])
def test_what_breaks_off_is_a_server_error_and_nothing_stays_under_way(*, has_begun: bool) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        if has_begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    registry = CollectorRegistry()
    status = "2xx" if has_begun else "5xx"
    assert counted(broken, registry, ("GET", "/x")) == {("none", "GET", status): 1}
    assert registry.get_sample_value("emoscribe_http_requests_under_way") == 0
    assert registry.get_sample_value("emoscribe_http_request_seconds_count", {"route": "none", "method": "GET"}) == 1
