"""What a simulation is made of, as it is deployed."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.autoscaling import manifests
from tests.autoscaling.figures import Figures
from tests.autoscaling.rules import ScaledObject


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run is made of, besides its load."""

    rules: Mapping[str, ScaledObject]
    figures: Figures
    jobs_at_once: int
    grace_s: float
    patience_s: float
    scrape_s: float
    cpus: Mapping[str, float]


def from_manifests(figures: Figures | None = None) -> Setup:
    """As it is deployed."""
    settings = manifests.settings()
    return Setup(
        rules=manifests.scaled_objects(),
        figures=figures or Figures(),
        jobs_at_once=int(settings["EMOSCRIBE_JOBS_AT_ONCE"]),
        grace_s=float(settings["EMOSCRIBE_JOB_GRACE_S"]),
        patience_s=float(settings["EMOSCRIBE_RUNNER_PATIENCE_S"]),
        scrape_s=manifests.scrape_interval_s(),
        cpus=manifests.cpu_requests(),
    )
