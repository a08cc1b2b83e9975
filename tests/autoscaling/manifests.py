"""The scaling rules as they stand in `infra/kubernetes/`: nothing is typed a second time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.autoscaling.rules import DOWN, UP, Behavior, Policy, ScaledObject, Trigger
from tests.conftest import ROOT

SCALED_OBJECTS: Final = ROOT / "infra/kubernetes/overlays/aws/scaled-objects.yaml"
MONITORS: Final = ROOT / "infra/kubernetes/components/monitoring/service-monitors.yaml"
BASE: Final = ROOT / "infra/kubernetes/base"
SETTINGS: Final = BASE / "settings.env"

POLLING_S: Final = 30  # KEDA's defaults
COOLDOWN_S: Final = 300
MAX_REPLICAS: Final = 100
# which field of a trigger says how much one replica takes, and which how much wakes; with KEDA's defaults
TARGETS: Final[Mapping[str, tuple[str, str | None]]] = {
    "aws-sqs-queue": ("queueLength", "5"),
    "prometheus": ("threshold", None),
    "cron": ("", "1"),  # its value is the number of replicas itself
    "cpu": ("value", None),
}
ACTIVATIONS: Final[Mapping[str, str]] = {"aws-sqs-queue": "activationQueueLength", "prometheus": "activationThreshold"}


def scaled_objects(path: Path = SCALED_OBJECTS) -> dict[str, ScaledObject]:
    """By the name of their Deployment."""
    documents = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    found = [_scaled_object(one["spec"]) for one in documents if one and one["kind"] == "ScaledObject"]
    return {one.name: one for one in found}


def scrape_interval_s(path: Path = MONITORS) -> float:
    """How often Prometheus looks; the longest of all parts."""
    monitors = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]
    intervals = [endpoint["interval"] for one in monitors for endpoint in one["spec"]["endpoints"]]
    return max(float(interval.removesuffix("s")) for interval in intervals)


def settings(path: Path = SETTINGS) -> dict[str, str]:
    """The settings of every part."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def cpu_requests(folder: Path = BASE) -> dict[str, float]:
    """CPUs that the container of each part asks for."""
    found = {}
    for path in folder.glob("*.yaml"):
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if one and one.get("kind") == "Deployment":
                cpu = one["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"]
                found[one["metadata"]["name"]] = float(cpu[:-1]) / 1000 if cpu.endswith("m") else float(cpu)
    return found


def _scaled_object(spec: Mapping[str, Any]) -> ScaledObject:
    behavior = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
    return ScaledObject(
        name=spec["scaleTargetRef"]["name"],
        min_replicas=spec.get("minReplicaCount", 0),
        max_replicas=spec.get("maxReplicaCount", MAX_REPLICAS),
        polling_s=spec.get("pollingInterval", POLLING_S),
        cooldown_s=spec.get("cooldownPeriod", COOLDOWN_S),
        idle_replicas=spec.get("idleReplicaCount"),
        up=_behavior(behavior.get("scaleUp", {}), UP),
        down=_behavior(behavior.get("scaleDown", {}), DOWN),
        triggers=tuple(map(_trigger, spec["triggers"])),
    )


def _behavior(given: Mapping[str, Any], default: Behavior) -> Behavior:
    policies = tuple(Policy(one["type"], one["value"], one["periodSeconds"]) for one in given.get("policies", ()))
    return Behavior(
        given.get("stabilizationWindowSeconds", default.window_s),
        policies or default.policies,
        given.get("selectPolicy", "Max"),
    )


def _trigger(given: Mapping[str, Any]) -> Trigger:
    kind, metadata = given["type"], given["metadata"]
    if kind not in TARGETS or (kind != "cpu" and given.get("metricType", "AverageValue") != "AverageValue"):
        raise ValueError(f"{kind} with {given.get('metricType')} is not modelled")
    field, default = TARGETS[kind]
    target = metadata.get(field, default)
    activation = metadata.get(ACTIVATIONS.get(kind, ""), "0")
    return Trigger(given.get("name", kind), kind, float(target), float(activation), metadata)
