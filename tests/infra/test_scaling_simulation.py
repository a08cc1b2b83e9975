"""The simulation: every job that goes in comes out, the same each time, as computed by hand where that can be done."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.autoscaling import load as scaling_load
from tests.autoscaling.deployed import Setup, from_manifests
from tests.autoscaling.figures import CLIP_S, GPU_POD, Figures
from tests.autoscaling.load import Arrival
from tests.autoscaling.manifests import BASE, scaled_objects, scrape_interval_s
from tests.autoscaling.manifests import settings as deployed_settings
from tests.autoscaling.rules import DOWN, UP
from tests.autoscaling.simulation import HOUR_S, RUNNERS, Outcome, Simulation
from tests.bench.scaling import SPANS_H, VARIANTS, quantile, summary

NIGHT_S = 21 * HOUR_S  # after the office hours: everything is at rest
MORNING_S = 30.9 * HOUR_S
AS_DEPLOYED = from_manifests()


def recordings(*at_s: float, audio_s: float = 300) -> list[Arrival]:
    return [Arrival(NIGHT_S + one, "recording", audio_s) for one in sorted(at_s)]


def run(load: list[Arrival], setup: Setup = AS_DEPLOYED, seed: int = 1) -> tuple[Simulation, Outcome]:
    simulation = Simulation(setup, load, NIGHT_S - 300, seed)
    return simulation, simulation.run(NIGHT_S, MORNING_S)


def check_conserved(simulation: Simulation, outcome: Outcome) -> None:
    """Each job ended once, nothing is left anywhere, everything is at rest."""
    assert all(job.done_s is not None for job in outcome.jobs)
    assert all(job.attempts == 1 + job.put_off + job.given_back for job in outcome.jobs)
    assert (list(simulation.queue.items), simulation.in_flight) == ([], 0)
    assert simulation.api_demand == dict.fromkeys(RUNNERS, 0)
    assert all(one.replicas == 0 for one in simulation.deployments.values())
    assert all(pod.in_progress == 0 for pod in simulation.runner_pods)


# --- nothing is lost ---

ARRIVALS = st.lists(
    st.builds(
        lambda at_s, kind, audio_s: Arrival(NIGHT_S + at_s, kind, audio_s if kind == "recording" else 0),
        st.integers(0, 2 * 3600),
        st.sampled_from(["recording", "recording", "text"]),
        st.integers(1, 5400),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=8, deadline=None)
@given(load=ARRIVALS, seed=st.integers(0, 100))
def test_what_goes_in_comes_out_once(load: list[Arrival], seed: int) -> None:
    simulation, outcome = run(sorted(load), seed=seed)
    check_conserved(simulation, outcome)
    assert len(outcome.jobs) + len(outcome.texts) == len(load)
    assert all(job.attempts == 1 for job in outcome.jobs)  # waiting for a runner cost nobody a try
    assert all(text.done_s is not None for text in outcome.texts)


@settings(max_examples=6, deadline=None)
@given(
    at_s=st.lists(st.integers(0, 3600), min_size=1, max_size=30),
    cooldown_s=st.sampled_from([0, 15, 60]),
    grace_s=st.sampled_from([0, 5]),
    patience_s=st.sampled_from([30, 100]),
)
def test_nor_with_rules_that_pull_the_rug_away(
    at_s: list[int], cooldown_s: float, grace_s: float, patience_s: float
) -> None:
    """No cooldown, no grace, patience shorter than a node takes: attempts are wasted, jobs are not lost."""
    rules = {name: replace(one, cooldown_s=cooldown_s) for name, one in AS_DEPLOYED.rules.items()}
    setup = replace(AS_DEPLOYED, rules=rules, grace_s=grace_s, patience_s=patience_s)
    simulation, outcome = run(recordings(*at_s, audio_s=900), setup)
    check_conserved(simulation, outcome)


def test_a_worker_that_is_told_to_go_gives_its_jobs_back() -> None:
    slow = replace(AS_DEPLOYED.figures, publish_s=900.0)
    rules = {**AS_DEPLOYED.rules}
    worker = rules["worker"]
    eager = replace(worker, down=replace(worker.down, window_s=0))
    simulation, outcome = run(
        recordings(*range(40)), replace(AS_DEPLOYED, rules={**rules, "worker": eager}, figures=slow, grace_s=10)
    )
    check_conserved(simulation, outcome)
    assert simulation.most["worker"] > 1
    assert sum(job.given_back for job in outcome.jobs) > 0


def test_a_node_that_takes_hours_costs_time_and_no_job() -> None:
    figures = replace(AS_DEPLOYED.figures, gpu_pod=replace(GPU_POD, node_s=2 * HOUR_S))
    simulation, outcome = run(recordings(0, 60), replace(AS_DEPLOYED, figures=figures))
    check_conserved(simulation, outcome)
    assert all(job.put_off > 5 for job in outcome.jobs)  # 900 s of patience at a time
    assert all((job.done_s or 0) > job.arrival.at_s + 2 * HOUR_S for job in outcome.jobs)


# --- by hand ---


def test_one_job_from_zero_waits_for_a_look_a_node_and_a_start() -> None:
    """KEDA looks every 15 s, the pod takes 195 s on a new node, the caller's next try comes within 3 s."""
    rules, cold_s = AS_DEPLOYED.rules["transcriber"], GPU_POD.cold_s
    for at_s in (1, 7, 14):
        _, outcome = run(recordings(at_s, audio_s=CLIP_S))
        (job,) = outcome.jobs
        assert job.heard_s is not None
        look_s = rules.polling_s - at_s
        computing_s = Figures().transcriber.call_s + Figures().transcriber.clip_s
        wait_s = job.heard_s - job.arrival.at_s
        assert look_s + cold_s + computing_s <= wait_s <= look_s + cold_s + computing_s + 3 + 2
        assert outcome.wakes_s["transcriber"] == [pytest.approx(look_s + cold_s, abs=1)]


def test_one_job_pays_for_two_gpus_from_the_look_to_the_end_of_the_cooldown() -> None:
    _, outcome = run(recordings(1, audio_s=CLIP_S))
    rules, (job,) = AS_DEPLOYED.rules["transcriber"], outcome.jobs
    assert job.done_s is not None
    awake_s = GPU_POD.cold_s + rules.cooldown_s + GPU_POD.linger_s
    # what demand was, is remembered for two minutes; then a look, and the look after the cooldown
    most_s = awake_s + 10 + 120 + 4 * rules.polling_s
    assert 2 * awake_s <= outcome.gpu_hours * HOUR_S <= 2 * most_s
    assert outcome.most == {"worker": 1, "transcriber": 1, "translator": 1, "classifier": 1}


def test_a_text_at_night_wakes_what_it_needs_and_is_answered_when_its_caller_returns() -> None:
    _, outcome = run([Arrival(NIGHT_S + 3, "text", 0)])
    (text,) = outcome.texts
    assert text.done_s is not None
    assert text.refused >= 1
    assert GPU_POD.cold_s < text.done_s - text.arrival.at_s < GPU_POD.cold_s + 100
    assert outcome.most == {"worker": 0, "transcriber": 0, "translator": 1, "classifier": 1}


def test_the_same_each_time() -> None:
    load = recordings(*range(0, 600, 7))
    one, two, other = (summary("x", "x", run(load, seed=seed)[1], AS_DEPLOYED.figures) for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_more_transcribers_never_cost_a_drop_its_time() -> None:
    load = recordings(*[number * 0.5 for number in range(200)], audio_s=600)
    ends = []
    for most in (1, 2, 4):
        rules = {**AS_DEPLOYED.rules}
        rules["transcriber"] = replace(rules["transcriber"], max_replicas=most)
        ends.append(max(job.done_s or 0 for job in run(load, replace(AS_DEPLOYED, rules=rules))[1].jobs))
    assert ends == sorted(ends, reverse=True)
    assert ends[0] > ends[-1] + 60


# --- loads and manifests ---


@pytest.mark.parametrize("name", scaling_load.LOADS)
def test_the_loads_are_what_their_script_makes(name: str, tmp_path: Path) -> None:
    scaling_load.write(name, tmp_path)
    committed = (scaling_load.FOLDER / f"{name}.csv").read_bytes()
    assert (tmp_path / f"{name}.csv").read_bytes() == committed
    load = scaling_load.read(name)
    assert load == sorted(load)
    assert SPANS_H[name][0] * HOUR_S <= load[0].at_s
    assert load[-1].at_s < 24 * HOUR_S


def test_all_rules_are_read_and_belong_to_a_deployment() -> None:
    rules = scaled_objects()
    assert set(rules) == {"api", "worker", *RUNNERS}
    assert all((BASE / f"{name}.yaml").is_file() for name in rules)
    assert rules["api"].at_rest > 0  # it wakes the others


MANIFEST = """
kind: ScaledObject
spec:
  scaleTargetRef: {name: worker}
  triggers:
    - type: aws-sqs-queue
      metadata: {queueURL: x}
    - type: prometheus
      metricType: METRIC_TYPE
      metadata: {query: up, threshold: "2.5", activationThreshold: "3"}
"""


def test_what_a_manifest_does_not_say_is_as_keda_and_kubernetes_have_it(tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(MANIFEST.replace("METRIC_TYPE", "AverageValue"), encoding="utf-8")
    one = scaled_objects(file)["worker"]
    assert (one.min_replicas, one.max_replicas, one.polling_s, one.cooldown_s) == (0, 100, 30, 300)
    assert (one.up, one.down, one.idle_replicas, one.at_rest) == (UP, DOWN, None, 0)
    assert [(trigger.target, trigger.activation) for trigger in one.triggers] == [(5, 0), (2.5, 3)]


def test_what_is_not_modelled_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(MANIFEST.replace("METRIC_TYPE", "Value"), encoding="utf-8")
    with pytest.raises(ValueError, match="not modelled"):
        scaled_objects(file)


def test_times_that_hang_together() -> None:
    """Why these figures must not be set one without the other: docs/scaling.md."""
    deployed, rules = deployed_settings(), scaled_objects()
    slow_node_s = 300 + GPU_POD.image_s + GPU_POD.process_s
    for name in RUNNERS:
        assert rules[name].cooldown_s > slow_node_s  # else a runner goes before it was of use
        assert any(trigger.name == "demand" for trigger in rules[name].triggers)
    assert float(deployed["EMOSCRIBE_RUNNER_PATIENCE_S"]) > 2 * slow_node_s
    assert scrape_interval_s() <= Figures().interactive_patience_s / 2  # a refused call must have been seen


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_changes_something(name: str) -> None:
    assert (VARIANTS[name].change(AS_DEPLOYED) == AS_DEPLOYED) == (name == "as deployed")


def test_quantiles() -> None:
    assert [quantile([3, 1, 2, 4], share) for share in (0, 0.5, 0.95, 1)] == [1, 3, 4, 4]
