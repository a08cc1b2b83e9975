"""The loads that the scaling rules are tried on, as small files in `tests/data/load/`.

    python -m tests.autoscaling.load          writes them again: the same bytes

agency-day: a weekday of a media agency, midnight to midnight. 360 recordings: 200 one by one in working hours, most
about 10:00 and 16:00; six folders of 25 at once; ten at night. 400 short texts, asked at the desk from 7:30 to 21:00.
video-drop: 1,000 recordings that arrive from 22:00 on, as fast as an uplink sends them: in 20 minutes.
Lengths are lognormal: half are below 4 minutes, none above 90. The profile is stipulated, not taken from a customer.
"""

import csv
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.conftest import ROOT

FOLDER: Final = ROOT / "tests/data/load"
HOUR_S: Final = 3600.0
Kind = Literal["recording", "text"]


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """Something to be done."""

    at_s: float  # since midnight
    kind: Kind
    audio_s: float  # 0: a text


def agency_day(seed: int = 6) -> list[Arrival]:
    """See above."""
    chance = random.Random(seed)
    peaks = [chance.gauss(chance.choice((10.0, 16.0)), 1.6) for _ in range(200)]
    times_s = [HOUR_S * min(max(hour, 7.5), 19.5) for hour in peaks]
    for hour in (8.25, 9.5, 11.0, 14.25, 16.5, 18.0):
        times_s += [HOUR_S * hour + 4.0 * number for number in range(25)]
    times_s += [HOUR_S * chance.choice((chance.uniform(0, 6), chance.uniform(21, 23.8))) for _ in range(10)]
    recordings = [Arrival(round(at_s, 1), "recording", _length_s(chance)) for at_s in times_s]
    texts = [Arrival(round(HOUR_S * chance.triangular(7.5, 21, 14), 1), "text", 0) for _ in range(400)]
    return sorted(recordings + texts)


def video_drop(seed: int = 7) -> list[Arrival]:
    """See above."""
    chance = random.Random(seed)
    return sorted(
        Arrival(round(22 * HOUR_S + chance.uniform(0, 1200), 1), "recording", _length_s(chance)) for _ in range(1000)
    )


LOADS: Final = {"agency-day": agency_day, "video-drop": video_drop}


def read(name: str, folder: Path = FOLDER) -> list[Arrival]:
    """A load, in the order of time."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [Arrival(float(row["at_s"]), _kind(row["kind"]), float(row["audio_s"])) for row in rows]


def write(name: str, folder: Path = FOLDER) -> None:
    """Make it again."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("at_s", "kind", "audio_s"))
        writer.writerows((one.at_s, one.kind, one.audio_s) for one in LOADS[name]())


def _length_s(chance: random.Random) -> float:
    return round(min(chance.lognormvariate(math.log(240), 0.9), 5400.0), 1)


def _kind(text: str) -> Kind:
    if text not in {"recording", "text"}:
        raise ValueError(f"no kind of load: {text}")
    return "text" if text == "text" else "recording"


if __name__ == "__main__":
    for load in LOADS:
        write(load)
