"""Asks a service that may still be starting for one analysis. A program, so that it can be run inside a network.

    python -m tests.infra.first_result URL RECORDING STARTED_S [TOKEN]

STARTED_S: when the service was started, on the clock since boot. Prints one JSON object: ready_s, result_s, analysis.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import httpx

GIVE_UP_S: Final = 120.0
POLL_S: Final = 0.05


def until_ready(client: httpx.Client, give_up_s: float) -> None:
    """Raises TimeoutError."""
    while time.monotonic() < give_up_s:
        try:
            if client.get("/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL_S)
    raise TimeoutError("it is not ready")


def analysis(client: httpx.Client, recording: Path, give_up_s: float) -> dict[str, Any]:
    """Of an upload. Raises TimeoutError, RuntimeError."""
    answer = client.post("/v1/analyses", files={"file": (recording.name, recording.read_bytes())})
    path = f"/v1/analyses/{answer.raise_for_status().json()['id']}"
    while time.monotonic() < give_up_s:
        job = client.get(path).raise_for_status().json()
        if job["state"] == "done":
            return dict(client.get(f"{path}/result.json").raise_for_status().json())
        if job["state"] in {"failed", "cancelled"}:
            raise RuntimeError(f"the job ended: {job}")
        time.sleep(POLL_S)
    raise TimeoutError("the job is not done")


def main(url: str, recording: str, started_s: str, token: str = "") -> None:
    """Prints what came, and when."""
    begin_s = float(started_s)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=url, timeout=60, headers=headers) as client:
        until_ready(client, begin_s + GIVE_UP_S)
        ready_s = time.monotonic() - begin_s
        found = analysis(client, Path(recording), begin_s + GIVE_UP_S)
    print(json.dumps({"ready_s": ready_s, "result_s": time.monotonic() - begin_s, "analysis": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
