"""Where benchmark figures go."""

import json
import os
import platform
from datetime import UTC, datetime

from tests.conftest import ROOT

FOLDER = ROOT / "bench-output"


def save(name: str, figures: object) -> None:
    """Write the figures with the machine they were taken on."""
    FOLDER.mkdir(exist_ok=True)
    machine = {"cpu_count": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg()}
    content = {"benchmark": name, "at": datetime.now(UTC).isoformat(), "machine": machine, "figures": figures}
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"written to {path}")
