"""Writes what is made from other files in infra/monitoring/: `python -m tests.generate_monitoring`.

    prometheus-rules.yaml   rules.yaml as a PrometheusRule of the Prometheus operator
    dashboard.json          tests/infra/dashboard_panels.py as Grafana reads it

`tests/infra/test_monitoring_rules.py` fails when a file is not what this would write.
"""

import json
from collections.abc import Callable
from typing import Final

from tests.conftest import ROOT
from tests.infra.dashboard import dashboard

FOLDER: Final = ROOT / "infra" / "monitoring"
RULE_HEAD: Final = """\
# Made from rules.yaml by `python -m tests.generate_monitoring`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: emoscribe
  labels:
    app.kubernetes.io/name: emoscribe
    app.kubernetes.io/component: monitoring
spec:
"""


def prometheus_rule() -> str:
    """The rules, under `spec`."""
    lines = (FOLDER / "rules.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    while lines and lines[0].startswith("#"):
        lines.pop(0)
    return RULE_HEAD + "".join("  " + line if line.strip() else line for line in lines)


def dashboard_json() -> str:
    """The dashboard."""
    return json.dumps(dashboard(), indent=1) + "\n"


FILES: Final[dict[str, Callable[[], str]]] = {
    "prometheus-rules.yaml": prometheus_rule,
    "dashboard.json": dashboard_json,
}

if __name__ == "__main__":
    for name, content in FILES.items():
        (FOLDER / name).write_text(content(), encoding="utf-8")
