"""A short version of `python -m tests.chaos rolling`: every part is replaced while clients work."""

from pathlib import Path

from tests.chaos.play import play
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.topology import PARTS, Plan, deployed


def test_a_new_version_of_everything_is_noticed_by_nobody(tmp_path: Path) -> None:
    """One replica of each part: the new one is ready before the old one leaves."""
    with deployed(tmp_path, Plan(dict.fromkeys(PARTS, 1), batch_s=0.5)) as topology:
        verdict = play(topology, "rolling", SCENARIOS["rolling"], clients=4)
    assert verdict.objections == []
    assert verdict.states == {"done": verdict.jobs}
    assert verdict.attempts == {1: verdict.jobs}
    assert verdict.jobs >= 4
    assert topology.rubbish() == []
