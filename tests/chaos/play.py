"""Plays a scenario and judges: every accepted job once, errors only as documented, nothing left over."""

import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.chaos.clients import Accepted, Load, Tally
from tests.chaos.scenarios import Scenario
from tests.chaos.topology import Topology

BEFORE_S: Final = 3.0
AFTER_S: Final = 5.0
QUIET_S: Final = 150.0  # until messages that nobody deleted have come again, and gone
MOST_RESIDENT_BYTES: Final = 400 * 2**20  # of a part with a stand-in model


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scenario showed. Nothing in `objections`: as promised."""

    scenario: str
    clients: int
    disturbed_s: float
    jobs: int
    states: dict[str, int]
    attempts: dict[int, int]
    jobs_per_s: float
    recovery_s: float  # from the end of the disturbance until the last job that was accepted before it had ended
    calls: dict[str, int]
    call_p50_s: float
    call_p95_s: float
    resident_mb: dict[str, int]
    left_over: dict[str, int]
    objections: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def play(topology: Topology, name: str, scenario: Scenario, clients: int | None = None) -> Verdict:
    """The scenario, with as many clients as it wants or with `clients`."""
    count = clients or scenario.clients
    load = Load(topology, count)
    began_s = time.monotonic()
    load.start()
    time.sleep(BEFORE_S)
    start_s = time.monotonic()
    scenario.disturb(topology)
    end_s = time.monotonic()
    time.sleep(AFTER_S)
    load.finish()
    worked_s = time.monotonic() - began_s
    left_over = _wait_until_quiet(topology)
    accepted, calls = load.tally.jobs, load.tally.calls
    jobs = topology.cloud.jobs()
    ours = {one.job_id: jobs.get(one.job_id, {"state": "lost", "attempts": 0}) for one in accepted}
    percentiles = statistics.quantiles(load.tally.seconds, n=20) if len(load.tally.seconds) > 1 else [0.0] * 19
    resident = {part: size // 2**20 for part, size in topology.resident_bytes().items()}
    return Verdict(
        scenario=name,
        clients=count,
        disturbed_s=round(end_s - start_s, 1),
        jobs=len(ours),
        states=dict(Counter(str(job["state"]) for job in ours.values())),
        attempts=dict(Counter(int(job["attempts"]) for job in ours.values())),
        jobs_per_s=round(len(ours) / worked_s, 2),
        recovery_s=_recovery_s(accepted, end_s),
        calls=dict(calls),
        call_p50_s=round(percentiles[9], 3),
        call_p95_s=round(percentiles[18], 3),
        resident_mb=resident,
        left_over=left_over,
        objections=[
            *_about_jobs(topology, ours),
            *_about_calls(load.tally, may_break=scenario.may_break),
            *(f"{what} left over: {number}" for what, number in left_over.items() if number),
            *(f"{part} holds {size} MB" for part, size in resident.items() if _is_too_much(topology, size)),
        ],
    )


def _recovery_s(accepted: list[Accepted], end_s: float) -> float:
    ended_s = [one.ended_s for one in accepted if one.accepted_s < end_s and one.ended_s is not None]
    return round(max(max(ended_s, default=end_s) - end_s, 0.0), 1)


def _is_too_much(topology: Topology, size_mb: int) -> bool:
    return not topology.is_real and size_mb * 2**20 > MOST_RESIDENT_BYTES


def _wait_until_quiet(topology: Topology) -> dict[str, int]:
    """What is left over when nothing moves any more."""
    give_up_s = time.monotonic() + QUIET_S
    while any((left := topology.cloud.left_over()).values()) and time.monotonic() < give_up_s:
        time.sleep(1)
    return left


def _about_jobs(topology: Topology, ours: dict[str, dict[str, Any]]) -> list[str]:
    """Each accepted job has ended well, with one set of results and one event."""
    results, events = topology.cloud.results(), topology.receiver.events
    found = [f"job {job_id[:8]} is {job['state']}" for job_id, job in ours.items() if job["state"] != "done"]
    found += [f"job {job_id[:8]} has {results[job_id]} results" for job_id in ours if results[job_id] != 1]
    told = {job_id: len(set(events[job_id])) for job_id in ours}
    found += [f"job {job_id[:8]} told {number} events" for job_id, number in told.items() if number != 1]
    names = Counter(str(job["source_name"]) for job in topology.cloud.jobs().values() if job["state"] == "done")
    return found + [f"{key} became {names[key]} jobs" for key in topology.uploads if names[key] != 1]


def _about_calls(tally: Tally, *, may_break: bool) -> list[str]:
    wrong = {what: number for what, number in tally.calls.items() if what.startswith("wrong")}
    broken = {what: number for what, number in tally.calls.items() if what.startswith("broken")}
    return [f"calls {what}: {number}" for what, number in (wrong if may_break else {**wrong, **broken}).items()]
