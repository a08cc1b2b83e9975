"""The service in separate parts as real processes, with a real Prometheus that watches it, after a little work."""

import json
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from tests.conftest import ROOT, missing
from tests.servers import running
from tests.service_processes import ServiceProcess, free_port

RUNNERS: Final = ("Transcriber", "Translator", "Classifier")
CLIP: Final = ROOT / "tests/data/speech/pt-1.ogg"
DONE_S: Final = 120.0
SCRAPES: Final = 4  # after the work, so that a rate has what it needs


@dataclass(frozen=True, slots=True)
class Watched:
    """Pages of metrics by part, the address of the Prometheus that read them, and the folder of the jobs."""

    pages: Mapping[str, str]
    prometheus: str
    jobs: Path

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query. Raises AssertionError for one that Prometheus refuses."""
        address = f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        answer = httpx.get(address, timeout=30)
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        data = answer.json()["data"]
        return list(data["result"]) if data["resultType"] == "vector" else [{"value": data["result"]}]


def tool(name: str) -> str:
    """promtool or prometheus."""
    if (found := shutil.which(name)) is None:
        missing(name, "run `apt-get install prometheus`")
    return str(found)


@contextmanager
def watched_service(folder: Path) -> Iterator[Watched]:
    """Parts that have analysed one recording, refused another, and classified a sentence."""
    prometheus = tool("prometheus")
    with ExitStack() as stack:
        parts = _start(folder, stack)
        config = folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(_scrape_config(parts)), encoding="utf-8")
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [prometheus, f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb"]
        stack.enter_context(running([*command, f"--web.listen-address=127.0.0.1:{port}"], {}, f"{address}/-/ready"))
        time.sleep(2)  # it has seen the counters at zero
        _work(parts["api"].url)
        _wait_for_scrapes(address)
        yield Watched({name: part.get("/metrics") for name, part in parts.items()}, address, folder / "jobs")


def _start(folder: Path, stack: ExitStack) -> dict[str, ServiceProcess]:
    settings = {"EMOSCRIBE_RUNNER_PATIENCE_S": "120"}
    parts = {name.lower(): ServiceProcess(["runner", name], folder, settings) for name in RUNNERS}
    addresses = [part for name in RUNNERS for part in ("--runner", f"{name}={parts[name.lower()].url}")]
    parts["worker"] = ServiceProcess(["worker", *addresses], folder, settings)
    parts["api"] = ServiceProcess(["serve", *addresses], folder, settings)
    for part in parts.values():
        stack.callback(part.stop)
        part.start()
    for part in parts.values():
        part.wait_until_ready()
    return parts


def _scrape_config(parts: Mapping[str, ServiceProcess]) -> dict[str, Any]:
    """As infra/monitoring/prometheus.yaml, for these ports, and often."""
    jobs = [
        {
            "job_name": name,
            "static_configs": [{"targets": [f"127.0.0.1:{part.port}"], "labels": {"namespace": "emoscribe"}}],
        }
        for name, part in parts.items()
    ]
    rules = [str(ROOT / "infra/monitoring/rules.yaml")]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": rules,
        "scrape_configs": jobs,
    }


def _work(url: str) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        ids = []
        for name, content in (("talk.ogg", CLIP.read_bytes()), ("broken.mp4", b"no recording")):
            answer = client.post("/v1/analyses", files={"file": (name, content)}, data={"language": "pt"})
            ids.append(answer.raise_for_status().json()["id"])
        client.post("/v1/emotions", json={"texts": ["Estou feliz."], "language": "pt"}).raise_for_status()
        give_up_s = time.monotonic() + DONE_S
        states: list[str] = []
        while states != ["done", "failed"]:
            assert time.monotonic() < give_up_s, states
            time.sleep(0.5)
            states = [client.get(f"/v1/analyses/{one}").json()["state"] for one in ids]


def _wait_for_scrapes(address: str) -> None:
    """Until Prometheus has read the pages a few times more, and evaluated its rules."""
    wanted = "min(count_over_time(up[1m]))"

    def count() -> int:
        with urllib.request.urlopen(f"{address}/api/v1/query?query={urllib.parse.quote(wanted)}") as answer:  # noqa: S310  # our own
            found = json.loads(answer.read())["data"]["result"]
        return int(found[0]["value"][1]) if found else 0

    enough, give_up_s = count() + SCRAPES, time.monotonic() + 60
    while count() < enough:
        assert time.monotonic() < give_up_s, "Prometheus does not scrape"
        time.sleep(0.5)
