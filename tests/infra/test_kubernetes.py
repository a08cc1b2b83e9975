"""Every document is what Kubernetes, KEDA and the Prometheus operator take, and has nothing that they would drop."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.infra.manifests import KUBERNETES, OVERLAYS, PARTS, Manifest, changed, kubectl, of_kind, render
from tests.servers import installed

KUBERNETES_VALIDATE = "kubernetes-validate==1.37.0"
KUBERNETES_VERSION = "1.33"  # the oldest that is supported: docs/kubernetes.md
MODELS = {
    "keda.sh/v1alpha1": ("cloudcoil-models-keda==2.16.1.0", "cloudcoil.models.keda.v1alpha1"),
    "monitoring.coreos.com/v1": (
        "cloudcoil-models-prometheus-operator==0.80.1.0",
        "cloudcoil.models.prometheus_operator.v1",
    ),
}
# The models take unknown fields and forget them; so what comes out again is compared with what went in.
CHECK_WITH_MODELS = """
import importlib, json, sys
models = importlib.import_module(sys.argv[1])
for document in json.load(sys.stdin):
    try:
        read = getattr(models, document["kind"]).model_validate_json(json.dumps(document), strict=True)
        kept = json.loads(read.model_dump_json(by_alias=True, exclude_unset=True))
        if kept != document:
            print(document["metadata"]["name"], "has unknown fields")
    except ValueError as error:
        print(document["metadata"]["name"], error)
"""


def complaints(documents: list[Manifest], folder: Path) -> str:
    """What is wrong with them; nothing if nothing is."""
    own = {version: [one for one in documents if one["apiVersion"] == version] for version in MODELS}
    builtin = [one for one in documents if one["apiVersion"] not in MODELS]
    found = [_wrong_for_models(*MODELS[version], those) for version, those in own.items() if those]
    return "".join([_wrong_for_kubernetes(builtin, folder), *found])


def _wrong_for_kubernetes(documents: list[Manifest], folder: Path) -> str:
    file = folder / "documents.yaml"
    file.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    python = installed(KUBERNETES_VALIDATE) / "bin" / "python"
    command = [str(python), "-m", "kubernetes_validate", "--strict", "-k", KUBERNETES_VERSION, "--quiet", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert (done.returncode == 0) == (output.strip() == ""), output  # kinds without a schema only warn
    return output


def _wrong_for_models(requirement: str, module: str, documents: list[Manifest]) -> str:
    python = installed(requirement) / "bin" / "python"
    command = [str(python), "-c", CHECK_WITH_MODELS, module]
    return subprocess.run(command, input=json.dumps(documents), capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_document_is_valid(overlay: str, tmp_path: Path) -> None:
    assert complaints(render(overlay), tmp_path) == ""


WRONG = [
    ("Deployment", "api", "spec.template.spec.containers.0.livenesProbe", {}),
    ("Deployment", "worker", "spec.template.spec.containers.0.ports.0.containerPort", "http"),
    ("Ingress", "api", "spec.tls.0.hosts", "emoscribe.example.com"),
    ("NetworkPolicy", "default-deny", "spec.policyType", ["Ingress"]),
    ("PodDisruptionBudget", "api", "spec.maxUnavailible", 1),
    ("ScaledObject", "worker", "spec.minReplicaCount", "0"),
    ("ScaledObject", "worker", "spec.cooldown", 60),
    ("ScaledObject", "worker", "spec.triggers.0.metadata.queueLength", 16),
    ("ServiceMonitor", "api", "spec.endpoints.0.intervall", "10s"),
    ("ServiceMonitor", "api", "spec.endpoints", {}),
]


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    documents = render("aws")
    wrong = []
    for number, (kind, name, path, value) in enumerate(WRONG):
        document = changed(of_kind(documents, kind)[name], path, value)
        wrong.append(changed(document, "metadata.name", f"wrong-{number}"))
    found = complaints(wrong, tmp_path)
    assert [one for number, one in enumerate(WRONG) if f"wrong-{number} " not in found] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_has_all_parts(overlay: str) -> None:
    documents = render(overlay)
    for kind in ("Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"):
        assert set(PARTS) <= set(of_kind(documents, kind)), kind
    assert all(one["metadata"].get("namespace", "emoscribe") == "emoscribe" for one in documents)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_older_kubectl_renders_the_same(overlay: str) -> None:
    other = shutil.which("kubectl")
    if other is None:
        pytest.skip("there is no kubectl on this machine to compare with")
    assert render(overlay, other) == render(overlay)


def test_no_token_and_no_secret_is_in_the_repository() -> None:
    kept = subprocess.run(["git", "ls-files", str(KUBERNETES)], cwd=ROOT, capture_output=True, text=True, check=True)
    names = {Path(line).name for line in kept.stdout.splitlines()}
    assert "kustomization.yaml" in names
    assert not names & {"tokens.toml", ".tokens.toml.lock", "callback-secret"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_without_tokens_nothing_is_rendered(overlay: str, tmp_path: Path) -> None:
    """Rather than a service that nobody could use."""
    copied = shutil.copytree(KUBERNETES, tmp_path / "kubernetes", ignore=shutil.ignore_patterns("tokens.toml"))
    command = [kubectl(), "kustomize", str(copied / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode != 0
    assert "tokens.toml" in done.stderr
