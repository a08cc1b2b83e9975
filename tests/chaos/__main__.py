"""Chaos on the separately deployed service: `python -m tests.chaos [SCENARIO ...] [--real] [--clients N]`.

Ten processes with supervisors on loopback (two replicas of each part), S3 and SQS by ministack, a network that can
fail between them. Without names: every scenario but clock-jumps. Ends with 1 if
there is an objection. docs/chaos.md has the figures.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.bench.output import save
from tests.chaos.play import play
from tests.chaos.scenarios import CLOCK, SCENARIOS
from tests.chaos.topology import PARTS, Plan, deployed


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", help=", ".join(SCENARIOS))
    parser.add_argument("--real", action="store_true", help="real models instead of stand-ins")
    parser.add_argument("--clients", type=int, help="instead of as many as the scenario has")
    parser.add_argument("--replicas", type=int, default=2, help="of each part")
    parser.add_argument("--batch-s", type=float, default=1.0, help="what a stand-in takes for a batch of clips")
    parser.add_argument("--keep-logs", type=Path, help="folder for the logs of all parts; made if need be")
    asked = parser.parse_args()
    if unknown := set(asked.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    names = asked.scenarios or [name for name in SCENARIOS if name != CLOCK]
    plan = Plan(dict.fromkeys(PARTS, asked.replicas), asked.real, asked.batch_s, has_clock=CLOCK in names)
    verdicts = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep_logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with deployed(folder, plan) as topology:
            for name in names:
                verdicts.append(play(topology, name, SCENARIOS[name], asked.clients).as_json())
                print(json.dumps(verdicts[-1], indent=2), flush=True)
        rubbish = topology.rubbish()
    print(f"temporary files left: {rubbish}", flush=True)
    save("chaos", {"scenarios": verdicts, "temporary_files": rubbish})
    return 1 if rubbish or any(one["objections"] for one in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
