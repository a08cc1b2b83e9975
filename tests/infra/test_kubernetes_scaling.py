"""Scaling on AWS: every part is counted by KEDA, and its PromQL gives what the manifests say it gives."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from emoscribe.settings import Settings
from tests.conftest import missing
from tests.infra.manifests import PARTS, RUNNERS, Manifest, environment, of_kind, render, template
from tests.infra.network_policies import passes, pods

PREFIX = "east-"
every_runner = pytest.mark.parametrize("runner", RUNNERS)


def scaled() -> dict[str, Manifest]:
    return of_kind(render("aws"), "ScaledObject")


def triggers(part: str) -> dict[str, Manifest]:
    return {trigger["name"]: trigger for trigger in scaled()[part]["spec"]["triggers"]}


def variables_of(part: str) -> dict[str, str]:
    (container,) = template(of_kind(render("aws"), "Deployment")[part])["spec"]["containers"]
    return environment(render("aws"), container)


def test_keda_counts_the_replicas_of_every_part_and_nobody_else_does() -> None:
    assert {name: one["spec"]["scaleTargetRef"]["name"] for name, one in scaled().items()} == {n: n for n in PARTS}
    for name, deployment in of_kind(render("aws"), "Deployment").items():
        assert "replicas" not in deployment["spec"], name  # `kubectl apply` would set it back to that
    assert all("replicas" in one["spec"] for one in of_kind(render("cpu-local"), "Deployment").values())
    assert not of_kind(render("cpu-local"), "ScaledObject")


def test_all_but_the_api_sleep_when_there_is_nothing_to_do() -> None:
    least = {name: one["spec"]["minReplicaCount"] for name, one in scaled().items()}
    assert least.pop("api") >= 1  # takes jobs, and says who is needed
    assert set(least.values()) == {0}
    for name, one in scaled().items():
        assert one["spec"]["maxReplicaCount"] > one["spec"]["minReplicaCount"]
        assert name == "api" or one["spec"]["cooldownPeriod"] >= 300


@pytest.mark.parametrize("part", [part for part in PARTS if part != "api"])
def test_one_job_wakes_everything_that_it_will_need(part: str) -> None:
    queue = triggers(part)["queue"]
    variables = variables_of(part)
    assert queue["metadata"]["queueURL"] == variables["EMOSCRIBE_JOBS_QUEUE_URL"]
    assert queue["metadata"]["awsRegion"] == variables["EMOSCRIBE_AWS_REGION"]
    assert queue["metadata"]["activationQueueLength"] == "0"
    assert queue["metadata"]["scaleOnInFlight"] == "true"  # a job under way needs them too
    assert queue["authenticationRef"]["name"] in of_kind(render("aws"), "TriggerAuthentication")


def test_a_worker_is_asked_for_before_the_others_are_full_twice() -> None:
    length = int(triggers("worker")["queue"]["metadata"]["queueLength"])
    at_once = int(variables_of("worker")["EMOSCRIBE_JOBS_AT_ONCE"])
    assert at_once <= length <= 2 * at_once
    assert int(triggers("worker")["age"]["metadata"]["threshold"]) == at_once
    assert Settings.model_fields["jobs_at_once"].default == at_once  # what was measured


def test_the_metrics_that_keda_asks_for_are_collected_often_enough() -> None:
    documents = render("aws")
    known = pods(documents)
    for part, monitor in of_kind(documents, "ServiceMonitor").items():
        (endpoint,) = monitor["spec"]["endpoints"]
        assert int(endpoint["interval"].removesuffix("s")) <= 10  # service.INTERACTIVE_PATIENCE_S is 20
        # else it becomes `exported_endpoint`, and the queries find nothing
        assert {"action": "labeldrop", "regex": "endpoint"} in endpoint["relabelings"]
        service = of_kind(documents, "Service")[part]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert len(known) == len(of_kind(documents, "ServiceMonitor"))
    assert not passes(documents, known["transcriber"], known["api"], 3000)


def test_names_follow_a_prefix() -> None:
    """kustomize rewrites the references it knows of; these it must be told."""
    documents = render("aws", namePrefix=PREFIX)
    deployments = of_kind(documents, "Deployment")
    assert set(deployments) == {PREFIX + part for part in PARTS}
    for one in of_kind(documents, "ScaledObject").values():
        assert one["spec"]["scaleTargetRef"]["name"] in deployments
        for trigger in one["spec"]["triggers"]:
            name = trigger.get("authenticationRef", {}).get("name", PREFIX + "keda-aws")
            assert name in of_kind(documents, "TriggerAuthentication")
    (worker,) = template(deployments[PREFIX + "worker"])["spec"]["containers"]
    called = {environment(documents, worker)[runner.upper()] for runner in RUNNERS}
    assert called == {PREFIX + runner for runner in RUNNERS}
    assert called <= set(of_kind(documents, "Service"))


def test_without_being_told_they_would_not_follow() -> None:
    documents = render("aws", namePrefix=PREFIX, configurations=[])
    targets = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(documents, "ScaledObject").values()}
    assert not targets & set(of_kind(documents, "Deployment"))


# --- what Prometheus answers --------------------------------------------------------------------

HERE = 'namespace="emoscribe"'
CALLS = {"transcriber": "/transcribe_bulk", "translator": "/translate_bulk", "classifier": "/classify_bulk"}


def series(name: str, values: str, **labels: str) -> Mapping[str, str]:
    inside = ",".join([HERE, *(f'{key}="{value}"' for key, value in labels.items())])
    return {"series": f"{name}{{{inside}}}", "values": values}


def answer(part: str, trigger: str, given: list[Mapping[str, str]], at: str, folder: Path, value: float) -> None:
    """A trigger's query has this value at that time; a sample comes every 10 s."""
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool", "apt-get install prometheus")
    query = {"record": "answer", "expr": triggers(part)[trigger]["metadata"]["query"]}
    expected = {"expr": "answer + 0", "eval_time": at, "exp_samples": [{"labels": "{}", "value": value}]}
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "10s",
        "tests": [{"interval": "10s", "input_series": given, "promql_expr_test": [expected]}],
    }
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "keda", "rules": [query]}]}))
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    command = [str(promtool), "test", "rules", "test.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_jobs_that_have_waited_for_five_minutes_call_for_more_workers(tmp_path: Path) -> None:
    running = series("emoscribe_running_jobs", "16x60", pod="worker-1")
    waiting = [
        series("emoscribe_waiting_jobs", "24x60", pod=f"api-{number}") for number in (1, 2)
    ]  # both see the queue
    answer("worker", "age", [running, *waiting], "6m", tmp_path, 40)
    answer("worker", "age", waiting, "6m", tmp_path, 24)  # no worker yet


def test_jobs_that_are_soon_taken_do_not(tmp_path: Path) -> None:
    running = series("emoscribe_running_jobs", "16x60", pod="worker-1")
    often = series("emoscribe_waiting_jobs", "24x10 0 24x49", pod="api-1")
    answer("worker", "age", [running, often], "6m", tmp_path, 0)


@every_runner
def test_a_call_that_found_nobody_is_remembered(runner: str, tmp_path: Path) -> None:
    """Of 20 s, seen twice at most: KEDA, which looks every 15 s, may come later."""
    short = series("emoscribe_runner_demand", "0x5 1 1 0x60", pod="api-1", runner=runner)
    other = series("emoscribe_runner_demand", "5x70", pod="api-1", runner="other")
    answer(runner, "demand", [short, other], "2m", tmp_path, 1)
    answer(runner, "demand", [short, other], "5m", tmp_path, 0)
    answer(runner, "demand", [], "1m", tmp_path, 0)


@every_runner
def test_calls_that_runners_hold_are_added_up_and_probes_are_not(runner: str, tmp_path: Path) -> None:
    metric, name = "bentoml_service_request_in_progress", runner.capitalize()
    held = [series(metric, "7x60", pod=pod, service_name=name, endpoint=CALLS[runner]) for pod in ("a", "b")]
    probe = series(metric, "3x60", pod="a", service_name=name, endpoint="/readyz")
    answer(runner, "in-progress", [*held, probe], "2m", tmp_path, 14)
    answer(runner, "in-progress", [], "2m", tmp_path, 0)
