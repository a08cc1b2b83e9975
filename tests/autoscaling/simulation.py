"""A load on a cluster that scales by the rules: what people wait, what is paid. Seeded: the same result each time."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import simpy

from emoscribe.jobs.record import WAITING_DELAY_S
from tests.autoscaling.cluster import Deployment, Nodes, Pod, Runner, Runners, Steps
from tests.autoscaling.deployed import Setup
from tests.autoscaling.figures import CLIP_S
from tests.autoscaling.load import Arrival
from tests.autoscaling.queries import Prometheus, Sample
from tests.autoscaling.rules import SYNC_S, Hpa, Keda
from tests.autoscaling.triggers import QueueCounts, TriggerReader

RUNNERS: Final = ("transcriber", "translator", "classifier")
MIDNIGHT: Final = datetime(2026, 11, 24, tzinfo=ZoneInfo("America/Sao_Paulo"))  # a Tuesday
HOUR_S: Final = 3600.0


@dataclass(slots=True, eq=False)
class Job:
    """A recording on its way."""

    arrival: Arrival
    clips: int
    heard_s: float | None = None  # when its first clips were transcribed
    done_s: float | None = None
    attempts: int = 0
    put_off: int = 0  # attempts that ended because a runner stayed away; each costs nothing
    given_back: int = 0  # by workers that went


@dataclass(slots=True, eq=False)
class Text:
    """Somebody at the desk."""

    arrival: Arrival
    refused: int = 0  # times it was told 503
    done_s: float | None = None


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    jobs: list[Job]
    texts: list[Text]
    wakes_s: dict[str, list[float]] = field(default_factory=dict)  # from the first that waits to ready, by Deployment
    gpu_hours: float = 0.0
    gpu_busy_hours: float = 0.0
    cpu_hours: float = 0.0
    scalings: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)  # replicas at once
    end_s: float = 0.0


class Worker(Pod):
    """Works on several jobs at once."""

    def __init__(self, env: simpy.Environment, name: str, simulation: "Simulation") -> None:
        super().__init__(env, name)
        self._simulation = simulation
        self.demand = dict.fromkeys(RUNNERS, 0)
        self.running = 0
        self._slots: list[simpy.Process] = []

    def begin(self) -> None:
        super().begin()
        self._slots = [self.env.process(self._slot()) for _ in range(self._simulation.setup.jobs_at_once)]

    def _slot(self) -> Steps:
        queue = self._simulation.queue
        while not self.is_leaving:
            get = queue.get()
            try:
                job = yield get
            except simpy.Interrupt:
                get.cancel()
                return
            self._simulation.in_flight += 1
            self.running += 1
            delay_s: float | None = 0.0  # until it is to be seen again; None: it is done with
            try:
                delay_s = yield from self._simulation.attempt(job, self.demand)
            except simpy.Interrupt:
                job.given_back += 1
            self.running -= 1
            self.env.process(self._simulation.let_go(job, delay_s))

    def drain(self) -> Steps:
        """No more jobs; running ones may end within the grace, then they are given back."""
        give_up_s = self.env.now + self._simulation.setup.grace_s
        for slot in self._idle():
            slot.interrupt()
        while self.running and self.env.now < give_up_s:
            yield self.env.timeout(1)
        for slot in self._slots:
            if slot.is_alive:
                slot.interrupt()
        yield self.env.timeout(0)

    def _idle(self) -> list[simpy.Process]:
        return [
            slot for slot in self._slots if slot.is_alive and isinstance(slot.target, simpy.resources.store.StoreGet)
        ]

    def samples(self) -> Iterator[Sample]:
        yield "emoscribe_running_jobs", {}, float(self.running)
        yield from _demand_samples(self.demand)


def _demand_samples(demand: Mapping[str, int]) -> Iterator[Sample]:
    for runner, calls in demand.items():
        yield "emoscribe_runner_demand", {"runner": runner}, float(calls)


class Simulation:
    """One run."""

    def __init__(self, setup: Setup, load: Sequence[Arrival], begin_s: float, seed: int = 1) -> None:
        self.setup = setup
        self.env = simpy.Environment(initial_time=begin_s)
        self.chance = random.Random(seed)
        self.queue: simpy.Store = simpy.Store(self.env)
        self.in_flight = 0
        self.api_demand = dict.fromkeys(RUNNERS, 0)
        self.jobs = [Job(one, _clips(one)) for one in load if one.kind == "recording"]
        self.texts = [Text(one) for one in load if one.kind == "text"]
        self.prometheus = Prometheus({"namespace": "emoscribe"})
        self.reader = TriggerReader(self.prometheus, self._queue_counts, MIDNIGHT)
        figures = setup.figures
        self.gpu = Nodes(self.env, figures.gpu_pod)
        self.cpu = Nodes(self.env, figures.cpu_pod)
        self.runner_pods: list[Runner] = []
        self.deployments = {name: self._deployment(name) for name in ("worker", *RUNNERS)}
        self.runners = Runners(self.env, self.deployments, self.chance)
        self.wakes_s: dict[str, list[float]] = {name: [] for name in self.deployments}
        self.most = dict.fromkeys(self.deployments, 0)

    def _deployment(self, name: str) -> Deployment:
        nodes = self.gpu if name in self.setup.figures.on_gpu else self.cpu

        def make(pod: str) -> Pod:
            if name == "worker":
                return Worker(self.env, pod, self)
            runner = Runner(self.env, pod, getattr(self.setup.figures, name))
            self.runner_pods.append(runner)
            return runner

        return Deployment(self.env, name, nodes, make)

    # --- the load ---

    def attempt(self, job: Job, demand: dict[str, int]) -> Steps:
        """One attempt at a job; how long until it is to be tried again, None when it is done with."""
        figures, patience_s = self.setup.figures, self.setup.patience_s
        job.attempts += 1
        left = job.clips
        while left:
            clips = min(left, figures.clips_per_call)
            yield self.env.timeout(clips * CLIP_S * figures.reading_per_audio_s)
            for runner in RUNNERS:
                if not (yield from self.runners.call(runner, clips, patience_s, demand)):
                    job.put_off += 1
                    return WAITING_DELAY_S
                if job.heard_s is None:
                    job.heard_s = self.env.now
            left -= clips
        yield self.env.timeout(figures.publish_s)
        assert job.done_s is None, "done twice"
        job.done_s = self.env.now
        return None

    def let_go(self, job: Job, delay_s: float | None) -> Steps:
        """The message is deleted, or is seen again after the delay; until then it counts as in flight."""
        if delay_s:
            yield self.env.timeout(delay_s)
        self.in_flight -= 1
        if delay_s is not None:
            yield self.queue.put(job)

    def _arrive(self) -> Steps:
        for job in self.jobs:
            yield self.env.timeout(job.arrival.at_s - self.env.now)
            yield self.queue.put(job)

    def _ask(self, text: Text) -> Steps:
        """The API: translator, then classifier; told 503, the caller comes back when it was told to."""
        yield self.env.timeout(text.arrival.at_s - self.env.now)
        figures = self.setup.figures
        while True:
            is_answered = True
            for runner in ("translator", "classifier"):
                call = self.runners.call(runner, 1, figures.interactive_patience_s, self.api_demand)
                is_answered = is_answered and (yield from call)
            if is_answered:
                text.done_s = self.env.now
                return
            text.refused += 1
            yield self.env.timeout(figures.retry_after_s)

    # --- the rules ---

    def _queue_counts(self) -> QueueCounts:
        return QueueCounts(len(self.queue.items), self.in_flight)

    def _scrape(self) -> Steps:
        while True:
            now_s = self.env.now
            waiting: list[Sample] = [("emoscribe_waiting_jobs", {}, float(len(self.queue.items)))]
            self.prometheus.scraped(now_s, "api-1", [*waiting, *_demand_samples(self.api_demand)])
            for name, one in self.deployments.items():
                self.most[name] = max(self.most[name], one.replicas)
                for pod in (*one.pods, *one.leaving):
                    if pod.is_ready:
                        self.prometheus.scraped(now_s, pod.name, [] if pod.is_leaving else pod.samples())
            if now_s % 600 < self.setup.scrape_s:
                self.prometheus.forget(now_s - HOUR_S / 2)
            yield self.env.timeout(self.setup.scrape_s)

    def _poll(self, one: Deployment) -> Steps:
        rules = self.setup.rules[one.name]
        keda = Keda(rules)
        while True:
            before = one.replicas
            one.scale(keda.poll(self.env.now, before, self.reader.read(rules, self.env.now)))
            if before == 0 < one.replicas:
                self.env.process(self._time_wake(one))
            yield self.env.timeout(rules.polling_s)

    def _sync(self, one: Deployment) -> Steps:
        rules = self.setup.rules[one.name]
        hpa = Hpa(rules)
        while True:
            yield self.env.timeout(SYNC_S)
            if one.replicas:
                one.scale(hpa.sync(self.env.now, one.replicas, self.reader.read(rules, self.env.now)))

    def _time_wake(self, one: Deployment) -> Steps:
        """From the arrival of the first that waits; a wake by the clock is nobody's wait."""
        open_now = [job.arrival.at_s for job in self.jobs if job.done_s is None and job.arrival.at_s <= self.env.now]
        open_now += [
            text.arrival.at_s for text in self.texts if text.done_s is None and text.arrival.at_s <= self.env.now
        ]
        if not open_now:
            return
        while not one.ready and one.replicas:
            yield self.env.timeout(1)
        self.wakes_s[one.name].append(self.env.now - min(open_now))

    # --- the run ---

    def run(self, at_least_until_s: float, at_most_s: float) -> Outcome:
        """Until everything is done and at rest. Raises AssertionError if it does not come to that."""
        self.env.process(self._arrive())
        for text in self.texts:
            self.env.process(self._ask(text))
        self.env.process(self._scrape())
        for one in self.deployments.values():
            self.env.process(self._poll(one))
            self.env.process(self._sync(one))
        while self.env.now < at_least_until_s or not self._is_at_rest():
            assert self.env.now < at_most_s, f"not at rest at {self.env.now / HOUR_S:.1f} h"
            self.env.run(until=self.env.now + 60)
        return self._outcome()

    def _is_at_rest(self) -> bool:
        is_done = all(job.done_s for job in self.jobs) and all(text.done_s for text in self.texts)
        at_rest: Callable[[Deployment], bool] = lambda one: (  # noqa: E731
            one.replicas == self.setup.rules[one.name].at_rest and not one.leaving
        )
        return is_done and all(map(at_rest, self.deployments.values()))

    def _outcome(self) -> Outcome:
        cpus, figures = self.setup.cpus, self.setup.figures
        on_cpu = [one for one in self.deployments.values() if one.name not in figures.on_gpu]
        seconds = {one.name: one.pod_seconds for one in on_cpu}
        assert all(rules.at_rest == 0 for name, rules in self.setup.rules.items() if name in seconds)
        return Outcome(
            jobs=self.jobs,
            texts=self.texts,
            wakes_s=self.wakes_s,
            gpu_hours=self.gpu.hours(),
            gpu_busy_hours=sum(pod.busy_s for pod in self.runner_pods if pod.name.startswith("transcriber")) / HOUR_S,
            cpu_hours=sum(cpus[name] * pod_s for name, pod_s in seconds.items()) / HOUR_S,
            scalings={name: one.scalings for name, one in self.deployments.items()},
            most=self.most,
            end_s=self.env.now,
        )


def _clips(arrival: Arrival) -> int:
    return max(1, round(arrival.audio_s / CLIP_S))
