"""The alert rules: valid, tested both ways, each with an entry in the runbook."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.generate_monitoring import FILES, FOLDER
from tests.infra.promql import metric_names
from tests.infra.watched_service import tool
from tests.servers import installed

RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))
RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TEST_FILES = sorted((FOLDER / "tests").glob("*.yaml"))
OPERATOR_MODELS = "cloudcoil-models-prometheus-operator==0.80.1.0"
CHECK_WITH_MODELS = """
import json, sys
from cloudcoil.models.prometheus_operator import v1
v1.PrometheusRule.model_validate_json(sys.stdin.read(), strict=True)
"""
SEVERITIES = {"critical", "warning", "info"}


def rules() -> Iterator[dict[str, Any]]:
    for group in RULES["groups"]:
        yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def promtool(*arguments: str) -> None:
    ended = subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_promtool_accepts_the_rules_and_the_example_configuration() -> None:
    promtool("check", "rules", str(FOLDER / "rules.yaml"))
    promtool("check", "config", str(FOLDER / "prometheus.yaml"))


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_only_then(file: Any) -> None:
    promtool("test", "rules", str(file))


def test_every_alert_is_tested_both_ways() -> None:
    tested: set[tuple[str, bool]] = set()
    for file in TEST_FILES:
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
            (asked,) = case["promql_expr_test"]
            found = re.search(r'ALERTS\{alertname="(\w+)", alertstate="firing"\}', asked["expr"])
            assert found is not None, case["name"]
            fires = bool(asked["exp_samples"])
            assert case["name"].startswith(found[1])
            assert case["name"].endswith("fires" if fires else "is silent")
            assert case["input_series"]
            tested.add((found[1], fires))
    assert tested == {(alert, fires) for alert in ALERTS for fires in (True, False)}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_means_and_leads_to_the_runbook(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"]["summary"].endswith(".")
    page, _, anchor = rule["annotations"]["runbook_url"].rpartition("#")
    assert page.endswith("/docs/operations.md")
    assert anchor == alert.lower()
    found = re.search(rf"^### {alert}\n+(.+?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/operations.md has no section {alert}"
    wait = f", after {rule['for']}" if "for" in rule else ""
    assert found[1].startswith(f"*{rule['labels']['severity']}{wait}.* "), "severity and time stand in the rules"
    for part in ("**See:**", "**Causes:**", "**Do:**"):
        assert part in found[1], f"{alert} lacks {part}"


def test_the_runbook_knows_no_alert_that_is_not_there() -> None:
    assert set(re.findall(r"^### (EmoScribe\w+)", RUNBOOK, re.MULTILINE)) == set(ALERTS)


def test_recorded_series_exist() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in metric_names(rule["expr"]) if ":" in name}
    assert used <= recorded


@pytest.mark.parametrize("name", FILES)
def test_generated_files_are_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == FILES[name](), "run `python -m tests.generate_monitoring`"


def test_the_operators_rule_holds_the_same_rules() -> None:
    rule = yaml.safe_load((FOLDER / "prometheus-rules.yaml").read_text(encoding="utf-8"))
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == RULES


def test_the_operators_own_model_accepts_the_rule() -> None:
    python = installed(OPERATOR_MODELS) / "bin" / "python"
    rule = yaml.safe_load((FOLDER / "prometheus-rules.yaml").read_text(encoding="utf-8"))

    def accepts(document: dict[str, Any]) -> bool:
        command = [str(python), "-c", CHECK_WITH_MODELS]
        return (
            subprocess.run(command, input=json.dumps(document), text=True, capture_output=True, check=False).returncode
            == 0
        )

    assert accepts(rule)
    rule["spec"]["groups"][0]["rules"][0]["expr"] = None
    assert not accepts(rule), "the check cannot fail"
