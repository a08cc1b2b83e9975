"""The Grafana dashboard: `dashboard_panels.py` as Grafana reads it. `tests.generate_monitoring` writes the JSON."""

from typing import Any, Final

from tests.infra.dashboard_panels import ROWS, Panel

WIDTH: Final = 24  # of Grafana's grid


def dashboard() -> dict[str, Any]:
    """Grafana's JSON model."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in ROWS:
        panels.append({"id": len(panels) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": []})
        panels[-1]["gridPos"] = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        top, left = top + 1, 0
        for panel in row.panels:
            height = 4 if panel.kind == "stat" else 8
            if left + panel.width > WIDTH:
                left, top = 0, top + 8
            place = {"x": left, "y": top, "w": panel.width, "h": height}
            panels.append(_panel(panel, len(panels) + 1, place))
            left += panel.width
        top += 8
    return {
        "uid": "emoscribe",
        "title": "EmoScribe",
        "tags": ["emoscribe"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), _namespace(), _price()]},
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    needs = f"Needs {panel.needs}." if panel.needs else ""
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": " ".join(part for part in (panel.meaning, needs) if part),
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": source, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _namespace() -> dict[str, Any]:
    return {
        "name": "namespace",
        "type": "query",
        "label": "Namespace",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": "label_values(emoscribe_build_info, namespace)",
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": "All", "value": "$__all"},
    }


def _price() -> dict[str, Any]:
    price = "0.04"
    option = {"selected": True, "text": price, "value": price}
    return {
        "name": "cpu_hour_price",
        "type": "textbox",
        "label": "Price of a CPU hour",
        "query": price,
        "current": option,
        "options": [option],
    }
