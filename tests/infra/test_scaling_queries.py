"""Our answers to the queries of the scaling rules, against those of Prometheus itself."""

import random
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from tests.autoscaling.manifests import scaled_objects
from tests.autoscaling.queries import Prometheus
from tests.autoscaling.rules import Trigger
from tests.autoscaling.triggers import QueueCounts, TriggerReader, is_in_window
from tests.conftest import missing

QUERIES = {
    f"{one.name}, {trigger.name}": trigger.metadata["query"]
    for one in scaled_objects().values()
    for trigger in one.triggers
    if trigger.kind == "prometheus"
}
STEP_S, STEPS = 10, 90
NAMES: list[tuple[str, dict[str, str]]] = [
    ("emoscribe_waiting_jobs", {"pod": "api-1"}),
    ("emoscribe_waiting_jobs", {"pod": "api-2"}),
    *(("emoscribe_running_jobs", {"pod": pod}) for pod in ("worker-1", "worker-2")),
    *(
        ("emoscribe_runner_demand", {"pod": pod, "runner": runner})
        for pod in ("api-1", "worker-1")
        for runner in ("transcriber", "translator", "classifier")
    ),
    *(
        ("bentoml_service_request_in_progress", {"pod": service, "service_name": service, "endpoint": endpoint})
        for service, endpoint in (
            ("Transcriber", "/transcribe_bulk"),
            ("Transcriber", "/describe"),
            ("Translator", "/translate"),
            ("Classifier", "/explain"),
        )
    ),
]


def some_series(seed: int) -> list[list[int | None]]:
    """Values of each series at each step; None: its process was not there."""
    chance = random.Random(seed)
    series: list[list[int | None]] = []
    for _ in NAMES:
        begin, end = sorted((chance.randrange(STEPS), chance.randrange(STEPS)))
        rate = chance.choice((0.1, 0.9))
        series.append(
            [
                (chance.randrange(1, 30) if chance.random() < rate else 0) if begin <= step <= end else None
                for step in range(STEPS)
            ]
        )
    return series


def ours(series: list[list[int | None]]) -> Prometheus:
    prometheus = Prometheus({"namespace": "emoscribe"})
    for step in range(STEPS):
        for number, (name, labels) in enumerate(NAMES):
            value = series[number][step]
            samples = [] if value is None else [(name, labels, float(value))]
            prometheus.scraped(step * STEP_S, f"target-{number}", samples)
    return prometheus


def prometheus_test(series: list[list[int | None]], answers: dict[tuple[str, int], float]) -> dict[str, Any]:
    """For `promtool test rules`: these series, and our answers as what is expected."""
    inputs = []
    for (name, labels), values in zip(NAMES, series, strict=True):
        text = ",".join(f'{key}="{value}"' for key, value in {"namespace": "emoscribe", **labels}.items())
        # a series that ends is stale from then on; before its beginning there is nothing
        steps = [
            "_"
            if value is None and not any(v is not None for v in values[:step])
            else "stale"
            if value is None
            else str(value)
            for step, value in enumerate(values)
        ]
        inputs.append({"series": f"{name}{{{text}}}", "values": " ".join(steps)})
    tests = [
        {"expr": query, "eval_time": f"{at_s}s", "exp_samples": [{"labels": "{}", "value": value}]}
        for (query, at_s), value in answers.items()
    ]
    group = {"interval": f"{STEP_S}s", "input_series": inputs, "promql_expr_test": tests}
    return {"evaluation_interval": f"{STEP_S}s", "tests": [group]}


@pytest.mark.parametrize("seed", range(6))
def test_we_answer_as_prometheus_does(seed: int, tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        missing("promtool", "apt-get install prometheus")
    series = some_series(seed)
    prometheus = ours(series)
    # not at the steps: whether a window holds its left end differs between Prometheus 2 and 3
    times_s = range(5, STEPS * STEP_S, 30)
    answers = {(query, at_s): prometheus.ask(query, at_s) for query in QUERIES.values() for at_s in times_s}
    assert len(set(answers.values())) > 5
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump(prometheus_test(series, answers)), encoding="utf-8")
    run = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]


@pytest.mark.parametrize("query", ["rate(a[5m])", "sum(a) by (pod)", "a offset 5m", "sum(a) > bool 0", "abs(a)", "-a"])
def test_what_is_not_carried_out_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="not carried out"):
        Prometheus({}).ask(query, 0)


def test_one_number_is_asked_for() -> None:
    prometheus = Prometheus({})
    prometheus.scraped(0, "a", [("jobs", {}, 1.0)])
    prometheus.scraped(0, "b", [("jobs", {}, 2.0)])
    assert prometheus.ask("sum(jobs)", 0) == 3
    with pytest.raises(ValueError, match="more than one series"):
        prometheus.ask("jobs", 0)


def test_a_call_of_twenty_seconds_is_seen_and_remembered_until_keda_looks() -> None:
    """Whoever asks a runner that is at zero is told 503 after 20 s; by then it must have been woken."""
    query = QUERIES["classifier, demand"]
    prometheus = Prometheus({"namespace": "emoscribe"})
    for at_s in range(0, 400, 10):
        calls = float(103 <= at_s < 123)
        prometheus.scraped(at_s, "api-1", [("emoscribe_runner_demand", {"runner": "classifier"}, calls)])
    assert [prometheus.ask(query, at_s) for at_s in (105, 115, 130, 145, 300)] == [0, 1, 1, 1, 0]


# --- the other triggers ---

OFFICE = {"timezone": "America/Sao_Paulo", "start": "0 7 * * 1-5", "end": "0 20 * * 1-5", "desiredReplicas": "2"}


@pytest.mark.parametrize(
    ("time", "is_open"),
    [
        ("2026-11-24T06:59", False),  # a Tuesday
        ("2026-11-24T07:00", True),
        ("2026-11-24T19:59", True),
        ("2026-11-24T20:00", False),
        ("2026-11-27T21:00", False),  # Friday
        ("2026-11-28T12:00", False),  # Saturday
        ("2026-11-30T08:00", True),  # Monday
    ],
)
def test_office_hours_begin_and_end_in_their_time_zone(time: str, *, is_open: bool) -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    trigger = Trigger("office-hours", "cron", 1, 0, OFFICE)
    now = datetime.fromisoformat(time).replace(tzinfo=zone)
    assert is_in_window(trigger, now) == is_open
    assert is_in_window(trigger, now.astimezone(ZoneInfo("UTC"))) == is_open


def test_messages_that_are_worked_on_count_unless_it_is_said_otherwise() -> None:
    def value(**metadata: str) -> float:
        trigger = Trigger("queue", "aws-sqs-queue", 5, 6, metadata)
        reader = TriggerReader(Prometheus({}), lambda: QueueCounts(3, 4, 5), datetime.now(ZoneInfo("UTC")))
        return reader.reading(trigger, 0).value

    assert value() == 7
    assert value(scaleOnInFlight="false") == 3
    assert value(scaleOnDelayed="true") == 12
