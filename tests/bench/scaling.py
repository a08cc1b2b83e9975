"""The scaling rules of `infra/kubernetes/` on two loads: waits, costs, and what other numbers would do.

    python -m tests.bench.scaling [--load agency-day|video-drop] [--only NAME ...]

A discrete-event simulation: minutes of one CPU, the same figures each time. Speeds of a GPU, starting times of nodes
and prices are assumed (tests/autoscaling/figures.py says which). docs/scaling.md has the tables and how to read them.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from tests.autoscaling.deployed import Setup, from_manifests
from tests.autoscaling.figures import CLIP_S, CPU_POD, Figures, RunnerSpeed
from tests.autoscaling.load import read
from tests.autoscaling.rules import ScaledObject, Trigger
from tests.autoscaling.simulation import HOUR_S, Outcome, Simulation
from tests.bench.output import save

RUNNERS: Final = ("transcriber", "translator", "classifier")
# begins at rest, ends at rest; at 31 h it is 7:00 and the office hours begin
SPANS_H: Final = {"agency-day": (0.0, 24.0, 30.9), "video-drop": (20.5, 22.0, 30.9)}

Change = Callable[[Setup], Setup]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    load: str
    variant: str
    wait_p50_s: float  # from arrival until the first clips are transcribed
    wait_p95_s: float
    wait_max_s: float
    done_p95_s: float  # from arrival to the result
    all_done_h: float  # from the first arrival to the last result
    longest_wake_s: float  # from the first that waits to the transcriber's readiness
    texts_refused: int  # texts that were told 503 at least once
    text_max_s: float
    gpu_hours: float
    gpu_used: float  # share of them in which a transcriber computed
    cpu_hours: float  # of worker, translator, and what else is not on a GPU
    dollars: float
    scalings: int
    most: dict[str, int]
    put_off: int  # attempts that were given back because a runner stayed away


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", choices=SPANS_H, action="append")
    parser.add_argument("--only", choices=VARIANTS, nargs="+", default=list(VARIANTS))
    asked = parser.parse_args()
    figures = []
    for load in asked.load or SPANS_H:
        print(f"\n{load}\n\n{HEADING}", flush=True)
        for variant in [one for one in asked.only if load in VARIANTS[one].loads]:
            figures.append(figure(load, variant))
            print(row(figures[-1]), flush=True)
    save("scaling", [asdict(one) for one in figures])


def figure(load: str, variant: str) -> Figure:
    """One run."""
    setup = VARIANTS[variant].change(from_manifests())
    begin_h, least_h, most_h = SPANS_H[load]
    simulation = Simulation(setup, read(load), begin_h * HOUR_S)
    outcome = simulation.run(least_h * HOUR_S, most_h * HOUR_S)
    return summary(load, variant, outcome, setup.figures)


def summary(load: str, variant: str, outcome: Outcome, figures: Figures) -> Figure:
    """The figures of a run."""
    waits = [job.heard_s - job.arrival.at_s for job in outcome.jobs if job.heard_s is not None]
    dones = [job.done_s - job.arrival.at_s for job in outcome.jobs if job.done_s is not None]
    texts = [text.done_s - text.arrival.at_s for text in outcome.texts if text.done_s is not None]
    last_s = max((job.done_s or 0.0) for job in outcome.jobs)
    return Figure(
        load=load,
        variant=variant,
        wait_p50_s=quantile(waits, 0.5),
        wait_p95_s=quantile(waits, 0.95),
        wait_max_s=max(waits),
        done_p95_s=quantile(dones, 0.95),
        all_done_h=(last_s - outcome.jobs[0].arrival.at_s) / HOUR_S,
        longest_wake_s=max(outcome.wakes_s["transcriber"], default=0.0),
        texts_refused=sum(text.refused > 0 for text in outcome.texts),
        text_max_s=max(texts, default=0.0),
        gpu_hours=outcome.gpu_hours,
        gpu_used=outcome.gpu_busy_hours / outcome.gpu_hours if outcome.gpu_hours else 0.0,
        cpu_hours=outcome.cpu_hours,
        dollars=outcome.gpu_hours * figures.dollars_per_gpu_hour + outcome.cpu_hours * figures.dollars_per_cpu_hour,
        scalings=sum(outcome.scalings.values()),
        most=outcome.most,
        put_off=sum(job.put_off for job in outcome.jobs),
    )


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that this share does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


COLUMNS: Final = (
    "numbers",
    "wait p50, p95, max (s)",
    "result p95 (s)",
    "all done (h)",
    "longest wake-up (s)",
    "texts told 503, longest (s)",
    "GPU hours (used)",
    "CPU hours",
    "$",
    "scalings",
    "most pods: worker, transcriber",
)
HEADING: Final = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def row(one: Figure) -> str:
    """As Markdown."""
    waits = f"{one.wait_p50_s:.0f}, {one.wait_p95_s:.0f}, {one.wait_max_s:.0f}"
    return (
        f"| {one.variant} | {waits} | {one.done_p95_s:.0f} | {one.all_done_h:.2f} | {one.longest_wake_s:.0f} "
        f"| {one.texts_refused}, {one.text_max_s:.0f} | {one.gpu_hours:.1f} ({one.gpu_used:.0%}) | {one.cpu_hours:.1f} "
        f"| {one.dollars:.2f} | {one.scalings} | {one.most['worker']}, {one.most['transcriber']} |"
    )


# --- other numbers ------------------------------------------------------------------------------


def with_rules(*names: str, **fields: Any) -> Change:
    """Other bounds or times for some objects."""
    return lambda setup: replace(
        setup, rules={**setup.rules, **{name: replace(setup.rules[name], **fields) for name in names}}
    )


def with_target(name: str, trigger: str, target: float) -> Change:
    """Another target of one trigger."""
    return _with_triggers([name], lambda one: replace(one, target=target) if one.name == trigger else one)


def without(trigger: str, *names: str) -> Change:
    """Some objects without one of their triggers."""
    return _with_triggers(names, lambda one: None if one.name == trigger else one)


def _with_triggers(names: Iterable[str], change: Callable[[Trigger], Trigger | None]) -> Change:
    def changed(one: ScaledObject) -> ScaledObject:
        triggers = tuple(new for old in one.triggers if (new := change(old)) is not None)
        return replace(one, triggers=triggers)

    return lambda setup: replace(setup, rules={**setup.rules, **{name: changed(setup.rules[name]) for name in names}})


def with_figures(**fields: Any) -> Change:
    """Other assumptions."""
    return lambda setup: replace(setup, figures=replace(setup.figures, **fields))


def both(*changes: Change) -> Change:
    """One after the other."""

    def changed(setup: Setup) -> Setup:
        for change in changes:
            setup = change(setup)
        return setup

    return changed


def gpu_speed(times_real_time: float) -> Change:
    """Another GPU, or another model."""
    return with_figures(transcriber=RunnerSpeed(0.3, CLIP_S / times_real_time, 16))


def all_on_cpu(setup: Setup) -> Setup:
    """Two CPUs for each transcriber, at the speed measured here: 9.7 times real time with int8."""
    figures = replace(
        setup.figures,
        transcriber=RunnerSpeed(0.05, CLIP_S / 9.7, 16),
        on_gpu=frozenset(),
        cpu_pod=replace(CPU_POD, node_s=60, image_s=25),  # it takes nodes of its own
    )
    return replace(setup, figures=figures, cpus={**setup.cpus, "transcriber": 2.0})


@dataclass(frozen=True, slots=True)
class Variant:
    """Other numbers, and the loads on which they make a difference."""

    change: Change
    loads: tuple[str, ...] = ("agency-day", "video-drop")


DAY: Final = ("agency-day",)
DROP: Final = ("video-drop",)
VARIANTS: Final[Mapping[str, Variant]] = {
    "as deployed": Variant(lambda setup: setup),
    "as first written: queueLength 64, at most 4, cooldown 900 s": Variant(
        both(
            with_target("transcriber", "queue", 64),
            with_rules("transcriber", max_replicas=4),
            with_rules(*RUNNERS, cooldown_s=900),
        )
    ),
    "runners' cooldown 300 s": Variant(with_rules(*RUNNERS, cooldown_s=300), DAY),
    "runners' cooldown 1800 s": Variant(with_rules(*RUNNERS, cooldown_s=1800), DAY),
    "worker's cooldown 120 s": Variant(with_rules("worker", cooldown_s=120), DAY),
    "no office hours": Variant(without("office-hours", *RUNNERS), DAY),
    "no office hours for the transcriber": Variant(without("office-hours", "transcriber"), DAY),
    "classifier on the CPU": Variant(with_figures(on_gpu=frozenset({"transcriber"}))),
    "worker queueLength 8": Variant(with_target("worker", "queue", 8), DROP),
    "worker queueLength 32": Variant(with_target("worker", "queue", 32), DROP),
    "transcriber queueLength 16": Variant(with_target("transcriber", "queue", 16)),
    "transcriber queueLength 64": Variant(with_target("transcriber", "queue", 64), DROP),
    "at most 2 transcribers": Variant(with_rules("transcriber", max_replicas=2), DROP),
    "at most 4 transcribers": Variant(with_rules("transcriber", max_replicas=4), DROP),
    "a new GPU node takes 300 s": Variant(with_figures(gpu_pod=replace(Figures().gpu_pod, node_s=300))),
    "every CPU pod needs a new node": Variant(with_figures(cpu_pod=replace(CPU_POD, node_s=60, image_s=25)), DROP),
    "GPU 20 times real time": Variant(gpu_speed(20)),
    "GPU 20 times, at most 4 transcribers": Variant(
        both(gpu_speed(20), with_rules("transcriber", max_replicas=4)), DROP
    ),
    "everything on CPUs": Variant(all_on_cpu),
    "everything on CPUs, at most 16 transcribers": Variant(
        both(all_on_cpu, with_rules("transcriber", max_replicas=16)), DROP
    ),
}

if __name__ == "__main__":
    main()
