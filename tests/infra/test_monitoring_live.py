"""Rules and dashboard against what the real parts expose, read by a real Prometheus."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from emoscribe.cli.app import app
from tests.conftest import ROOT
from tests.generate_monitoring import FOLDER
from tests.infra.dashboard_panels import ROWS, Panel
from tests.infra.exporters import CLOUD_ONLY, of_exporters
from tests.infra.promql import exposed_names, metric_names
from tests.infra.test_monitoring_rules import rules
from tests.infra.watched_service import Watched, watched_service
from tests.servers import installed

pytestmark = pytest.mark.models

SDK = "grafana-foundation-sdk==1769699998!10.1.0"
PANELS = [panel for row in ROWS for panel in row.panels]
CHECK_WITH_SDK = """
import json, sys
from grafana_foundation_sdk.models import dashboard
model = dashboard.Dashboard.from_json(json.load(sys.stdin))
print(json.dumps({"panels": [one.title for one in model.panels], "title": model.title,
                  "variables": [one.name for one in model.templating.list_val]}))
"""


@pytest.fixture(scope="module")
def watched(models_dir: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched_service(tmp_path_factory.mktemp("watched")) as service:
        yield service


def as_grafana_asks(query: str) -> str:
    """With Grafana's variables filled in."""
    values = {"$namespace": "emoscribe", "$__rate_interval": "1m", "$__range": "1h", "$cpu_hour_price": "0.04"}
    for name, value in values.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def test_every_metric_that_is_asked_for_is_exposed_by_somebody(watched: Watched) -> None:
    exposed = {name for page in watched.pages.values() for name in exposed_names(page)}
    known = exposed | of_exporters() | CLOUD_ONLY
    asked = [rule["expr"] for rule in rules()]
    asked += [as_grafana_asks(query) for panel in PANELS for query in panel.queries.values()]
    names = {name for expression in asked for name in metric_names(expression) if ":" not in name}
    assert names <= known, sorted(names - known)
    assert of_exporters() <= names, "exporters are named for nothing"


def test_every_metric_of_ours_is_documented_and_every_documented_one_is_there(watched: Watched) -> None:
    exposed = {
        name for page in watched.pages.values() for name in re.findall(r"^# TYPE (emoscribe_\w+)", page, re.MULTILINE)
    }
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(emoscribe_\w+)`", page, re.MULTILINE))
    assert {name.removesuffix("_total") for name in exposed | CLOUD_ONLY} == {
        name.removesuffix("_total") for name in documented
    }


def test_no_name_id_or_text_is_on_the_pages(watched: Watched) -> None:
    for part, page in watched.pages.items():
        assert not re.search(r"talk\.ogg|broken\.mp4|feliz|[0-9a-f]{64}", page), part


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_shows_something(watched: Watched, panel: Panel) -> None:
    answers = [watched.query(as_grafana_asks(query)) for query in panel.queries.values()]
    if not panel.needs:
        assert any(answers), panel.queries


def test_prometheus_evaluates_every_rule(watched: Watched) -> None:
    assert watched.query("ALERTS") is not None
    assert watched.query("sum(prometheus_rule_evaluation_failures_total)") == []  # it does not scrape itself
    for rule in rules():
        watched.query(rule["expr"])


def test_no_alert_fires_on_a_service_that_works(watched: Watched) -> None:
    assert [one["metric"]["alertname"] for one in watched.query('ALERTS{alertstate="firing"}')] == []


def test_the_runbooks_commands_see_the_same(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOSCRIBE_JOBS_DIR", str(watched.jobs))

    def told(*arguments: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.output))

    assert told("queue", "show") == {"waiting": 0, "oldest_s": 0.0, "worker": True}
    assert told("jobs", "list", "--state", "failed")["error"]["code"] == "unsupported_media"
    (counted,) = watched.query('sum(emoscribe_job_attempts_total{error_code="unsupported_media"})')
    assert counted["value"][1] == "1"


def test_grafanas_own_models_read_the_dashboard() -> None:
    python = installed(SDK) / "bin" / "python"
    text = (FOLDER / "dashboard.json").read_text(encoding="utf-8")
    ended = subprocess.run([str(python), "-c", CHECK_WITH_SDK], input=text, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    read: dict[str, Any] = json.loads(ended.stdout)
    assert read["title"] == "EmoScribe"
    assert read["variables"] == ["datasource", "namespace", "cpu_hour_price"]
    assert len(read["panels"]) == len(PANELS) + len(ROWS)
    assert [row["title"] for row in json.loads(text)["panels"] if row["type"] == "row"] == [row.title for row in ROWS]


def test_panels_lie_side_by_side_and_not_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
