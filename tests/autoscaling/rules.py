"""The arithmetic of KEDA and of the HorizontalPodAutoscaler: from readings to a number of replicas. Knows no clock, no
metrics and no pods, so that the simulation and the run with real processes share it.

Written after the sources: kedacore/keda pkg/scaling/executor/scale_scaledobjects.go and kubernetes/kubernetes
pkg/controller/podautoscaler/{horizontal,replica_calculator}.go. What is left out: CPU and memory triggers, metricType
Value and Utilization, `fallback`, scaling modifiers, and readings that fail.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

SYNC_S: Final = 15  # kube-controller-manager --horizontal-pod-autoscaler-sync-period
TOLERANCE: Final = 0.1  # --horizontal-pod-autoscaler-tolerance


@dataclass(frozen=True, slots=True)
class Policy:
    """At most so many pods, or so many percent, in so many seconds."""

    kind: Literal["Pods", "Percent"]
    value: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Behavior:
    """One direction of `spec.behavior` of an HPA."""

    window_s: float  # stabilizationWindowSeconds
    policies: tuple[Policy, ...]
    select: Literal["Max", "Min", "Disabled"] = "Max"


UP: Final = Behavior(0, (Policy("Pods", 4, 15), Policy("Percent", 100, 15)))  # Kubernetes' defaults
DOWN: Final = Behavior(300, (Policy("Percent", 100, 15),))


@dataclass(frozen=True, slots=True)
class Trigger:
    """What is looked at, and how much of it one replica can take."""

    name: str
    kind: str  # aws-sqs-queue, prometheus, cron, cpu
    target: float  # of each replica: metricType AverageValue
    activation: float  # more than this wakes
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ScaledObject:
    """The rules for one Deployment."""

    name: str
    min_replicas: int
    max_replicas: int
    polling_s: float
    cooldown_s: float
    idle_replicas: int | None
    up: Behavior
    down: Behavior
    triggers: tuple[Trigger, ...]

    @property
    def at_rest(self) -> int:
        """Replicas while nothing is wanted."""
        return self.min_replicas if self.idle_replicas is None else self.idle_replicas


@dataclass(frozen=True, slots=True)
class Reading:
    """What a trigger says at one moment."""

    value: float
    is_active: bool


def wanted_for(value: float, target: float, replicas: int) -> int:
    """Replicas for one metric, as the HPA computes it for an external metric with an average value as its target."""
    if abs(1 - value / (target * replicas)) <= TOLERANCE:
        return replicas
    return math.ceil(value / target)


@dataclass(slots=True)
class Keda:
    """KEDA's own loop: wakes from rest, and puts to rest after the cooldown."""

    rules: ScaledObject
    last_active_s: float | None = None

    def poll(self, now_s: float, replicas: int, readings: Sequence[Reading]) -> int:
        """Every `polling_s`."""
        least = self.rules.min_replicas
        if any(reading.is_active for reading in readings):
            self.last_active_s = now_s
            return max(replicas, least, 1)
        if self.rules.idle_replicas is None and least > 0:
            return max(replicas, least)
        return self.rules.at_rest if replicas > self.rules.at_rest and self._has_cooled(now_s) else replicas

    def _has_cooled(self, now_s: float) -> bool:
        return self.last_active_s is None or self.last_active_s + self.rules.cooldown_s < now_s


@dataclass(slots=True)
class Hpa:
    """The HorizontalPodAutoscaler that KEDA makes: between one replica and the most."""

    rules: ScaledObject
    recommendations: list[tuple[float, int]] = field(default_factory=list)  # time, replicas
    changes: list[tuple[float, int]] = field(default_factory=list)  # time, replicas added or removed

    def sync(self, now_s: float, replicas: int, readings: Sequence[Reading]) -> int:
        """Every SYNC_S. At zero it is switched off."""
        if replicas == 0:
            return 0
        desired = max(
            wanted_for(reading.value, trigger.target, replicas)
            for trigger, reading in zip(self.rules.triggers, readings, strict=True)
        )
        if not self.recommendations:
            self.recommendations.append((now_s, replicas))
        stable = self._stabilised(now_s, replicas, desired)
        decided = self._limited(now_s, replicas, stable)
        if decided != replicas:
            self.changes.append((now_s, decided - replicas))
        return decided

    def _stabilised(self, now_s: float, replicas: int, desired: int) -> int:
        """Not above the lowest, nor below the highest, of what was recommended in the window of that direction."""
        up_s, down_s = self.rules.up.window_s, self.rules.down.window_s
        lowest = min([desired, *(was for at_s, was in self.recommendations if at_s > now_s - up_s)])
        highest = max([desired, *(was for at_s, was in self.recommendations if at_s > now_s - down_s)])
        oldest_s = now_s - max(up_s, down_s)
        self.recommendations = [one for one in self.recommendations if one[0] >= oldest_s] + [(now_s, desired)]
        return min(max(replicas, lowest), highest)

    def _limited(self, now_s: float, replicas: int, desired: int) -> int:
        """Within the policies of the direction and the bounds of the object."""
        if desired > replicas:
            limit = max(self._limit(now_s, replicas, self.rules.up, +1), replicas)
            return min(desired, self.rules.max_replicas, limit)
        if desired < replicas:
            limit = min(self._limit(now_s, replicas, self.rules.down, -1), replicas)
            return max(desired, self.rules.min_replicas, 1, limit)
        return desired

    def _limit(self, now_s: float, replicas: int, behavior: Behavior, sign: int) -> int:
        """How far the policies let it go from what there was at the beginning of their period."""
        if behavior.select == "Disabled":
            return replicas
        proposals = [self._proposal(now_s, replicas, policy, sign) for policy in behavior.policies]
        takes_most = (behavior.select == "Max") == (sign > 0)
        return max(proposals) if takes_most else min(proposals)

    def _proposal(self, now_s: float, replicas: int, policy: Policy, sign: int) -> int:
        start = replicas - sum(change for at_s, change in self.changes if at_s > now_s - policy.period_s)
        if policy.kind == "Pods":
            return start + sign * policy.value
        exact = start * (1 + sign * policy.value / 100)
        return math.ceil(exact) if sign > 0 else int(exact)
