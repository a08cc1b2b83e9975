"""The cluster of the simulation: Deployments whose pods start, work and go, on nodes that are paid for."""

import random
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import simpy

from tests.autoscaling.figures import PodStart, RunnerSpeed
from tests.autoscaling.queries import Sample

Steps = Generator[simpy.Event, Any, Any]
DRAIN_S: Final = 60.0  # a runner that is told to go ends the calls it holds, within its termination grace period


@dataclass(slots=True, eq=False)
class Node:
    """A machine of one pod; kept for a while when that is gone."""

    since_s: float
    free_since_s: float | None = None

    def hours(self, now_s: float, linger_s: float) -> float:
        """Paid for until now."""
        end_s = now_s if self.free_since_s is None else min(now_s, self.free_since_s + linger_s)
        return (end_s - self.since_s) / 3600


class Nodes:
    """All nodes of one kind."""

    def __init__(self, env: simpy.Environment, start: PodStart) -> None:
        self._env = env
        self._start = start
        self._nodes: list[Node] = []

    def take(self) -> tuple[Node, float]:
        """A node, and how long until a pod on it is ready: an empty one that is still there, or a new one."""
        for node in self._nodes:
            if node.free_since_s is not None and self._env.now - node.free_since_s < self._start.linger_s:
                node.free_since_s = None
                return node, self._start.process_s
        node = Node(self._env.now)
        self._nodes.append(node)
        return node, self._start.cold_s

    def leave(self, node: Node) -> None:
        """Its pod is gone."""
        node.free_since_s = self._env.now

    def hours(self) -> float:
        """Of all, until now."""
        return sum(node.hours(self._env.now, self._start.linger_s) for node in self._nodes)


class Pod:
    """One replica. Subclasses say what it does once it is ready."""

    def __init__(self, env: simpy.Environment, name: str) -> None:
        self.env = env
        self.name = name
        self.is_ready = False
        self.told_to_go = env.event()

    @property
    def is_leaving(self) -> bool:
        """No more work comes to it."""
        return self.told_to_go.triggered

    def begin(self) -> None:
        """It is ready."""
        self.is_ready = True

    def drain(self) -> Steps:
        """It was told to go: what it still does."""
        yield self.env.timeout(0)

    def samples(self) -> Iterator[Sample]:
        """Its page of metrics."""
        yield from ()


@dataclass(slots=True, eq=False)
class Call:
    """A call that a runner holds."""

    clips: int
    answered: simpy.Event  # True, or False when the runner went before it got to it


class Runner(Pod):
    """One model. What waits when it becomes free is the next batch."""

    def __init__(self, env: simpy.Environment, name: str, speed: RunnerSpeed) -> None:
        super().__init__(env, name)
        self._speed = speed
        self._waiting: deque[Call] = deque()
        self._under_way: list[Call] = []
        self._wake = env.event()
        self.busy_s = 0.0

    def begin(self) -> None:
        super().begin()
        self.env.process(self._work())

    def submit(self, clips: int) -> simpy.Event:
        """The answer to wait for."""
        call = Call(clips, self.env.event())
        self._waiting.append(call)
        if not self._wake.triggered:
            self._wake.succeed()
        return call.answered

    @property
    def in_progress(self) -> int:
        """Calls that it holds."""
        return len(self._waiting) + len(self._under_way)

    def _work(self) -> Steps:
        while True:
            if not self._waiting:
                self._wake = self.env.event()
                yield self._wake
            batch = self._under_way = [self._waiting.popleft()]
            while self._waiting and sum(one.clips for one in batch) + self._waiting[0].clips <= self._speed.batch_clips:
                batch.append(self._waiting.popleft())
            took_s = self._speed.call_s + self._speed.clip_s * sum(one.clips for one in batch)
            yield self.env.timeout(took_s)
            self.busy_s += took_s
            self._under_way = []
            for call in batch:
                if not call.answered.triggered:
                    call.answered.succeed(True)

    def drain(self) -> Steps:
        give_up_s = self.env.now + DRAIN_S
        while self.in_progress and self.env.now < give_up_s:
            yield self.env.timeout(1)
        for call in (*self._waiting, *self._under_way):
            if not call.answered.triggered:
                call.answered.succeed(False)
        self._waiting.clear()

    def samples(self) -> Iterator[Sample]:
        service, _, _ = self.name.partition("-")
        endpoint = {"transcriber": "/transcribe_bulk", "translator": "/translate_bulk"}.get(service, "/classify_bulk")
        labels = {"service_name": service.capitalize(), "endpoint": endpoint}
        yield "bentoml_service_request_in_progress", labels, float(self.in_progress)


@dataclass(slots=True)
class Deployment:
    """Pods of one kind."""

    env: simpy.Environment
    name: str
    nodes: Nodes
    make: Any  # (name) -> Pod
    pods: list[Pod] = field(default_factory=list)
    leaving: list[Pod] = field(default_factory=list)
    made: int = 0
    scalings: int = 0
    pod_seconds: float = 0.0

    @property
    def replicas(self) -> int:
        """As wanted."""
        return len(self.pods)

    @property
    def ready(self) -> list[Pod]:
        """Those that calls go to."""
        return [pod for pod in self.pods if pod.is_ready]

    def scale(self, replicas: int) -> None:
        """Pods that are not ready go first, then the youngest, as Kubernetes has it."""
        if replicas != self.replicas:
            self.scalings += 1
        while len(self.pods) < replicas:
            self.made += 1
            pod = self.make(f"{self.name}-{self.made}")
            self.pods.append(pod)
            self.env.process(self._live(pod))
        while len(self.pods) > replicas:
            pod = next((one for one in reversed(self.pods) if not one.is_ready), self.pods[-1])
            self.pods.remove(pod)
            pod.told_to_go.succeed()
            self.leaving.append(pod)

    def _live(self, pod: Pod) -> Steps:
        since_s = self.env.now
        node, start_s = self.nodes.take()
        yield self.env.timeout(start_s) | pod.told_to_go
        if not pod.is_leaving:
            pod.begin()
        yield pod.told_to_go
        if pod.is_ready:
            yield from pod.drain()
        self.leaving.remove(pod)
        self.nodes.leave(node)
        self.pod_seconds += self.env.now - since_s


class Runners:
    """The three Services as callers see them: any ready pod, chosen by chance for each call."""

    def __init__(self, env: simpy.Environment, deployments: Mapping[str, Deployment], chance: random.Random) -> None:
        self._env = env
        self._deployments = deployments
        self._chance = chance

    def call(self, runner: str, clips: int, patience_s: float, demand: dict[str, int]) -> Steps:
        """As `runners/clients.py` does it: repeated until it is answered, or patience is over. Whether it was."""
        demand[runner] += 1
        try:
            give_up_s, pause_s = self._env.now + patience_s, 0.05
            while True:
                if pods := self._deployments[runner].ready:
                    pod = self._chance.choice(pods)
                    if (yield pod.submit(clips)):  # type: ignore[attr-defined]  # these are Runners
                        return True
                if self._env.now + pause_s > give_up_s:
                    return False
                yield self._env.timeout(pause_s * self._chance.uniform(0.5, 1.5))
                pause_s = min(2 * pause_s, 2.0)
        finally:
            demand[runner] -= 1
