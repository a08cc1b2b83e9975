"""What every pod of the overlays must have; and the values that CloudFormation gives for those on AWS."""

import re
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.infra.manifests import (
    COMPONENT,
    NAME,
    OVERLAYS,
    PARTS,
    RUNNERS,
    containers,
    deployment,
    main_container,
    of_kind,
    render,
    selects,
    template,
)

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
every_part = pytest.mark.parametrize("part", PARTS)


def all_deployments() -> list[Any]:
    return [
        pytest.param(overlay, name, id=f"{overlay}-{name}")
        for overlay in OVERLAYS
        for name in (*PARTS, *(["aws"] if overlay == "cpu-local" else []))
    ]


every_deployment = pytest.mark.parametrize(("overlay", "name"), all_deployments())


@every_overlay
def test_no_deployment_is_forgotten_here(overlay: str) -> None:
    assert {(overlay, name) for name in of_kind(render(overlay), "Deployment")} == {
        param.values for param in all_deployments() if param.values[0] == overlay
    }


@every_deployment
def test_selectors_match_and_are_nobody_elses(overlay: str, name: str) -> None:
    documents = render(overlay)
    labels = {one: template(found)["metadata"]["labels"] for one, found in of_kind(documents, "Deployment").items()}
    selector = of_kind(documents, "Deployment")[name]["spec"]["selector"]
    assert [one for one, its in labels.items() if selects(selector, its)] == [name]
    service = of_kind(documents, "Service")[name]
    assert [one for one, its in labels.items() if selects({"matchLabels": service["spec"]["selector"]}, its)] == [name]
    ports = {port["name"] for port in next(containers_of(overlay, name))["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def containers_of(overlay: str, name: str) -> Any:
    return iter(template(of_kind(render(overlay), "Deployment")[name])["spec"]["containers"])


@every_overlay
@every_part
def test_a_budget_lets_nodes_be_drained_one_pod_at_a_time(overlay: str, part: str) -> None:
    documents = render(overlay)
    budget = of_kind(documents, "PodDisruptionBudget")[part]["spec"]
    assert selects(budget["selector"], template(deployment(overlay, part))["metadata"]["labels"])
    assert budget["maxUnavailable"] == 1
    assert "minAvailable" not in budget  # would block a drain where there is one pod


@every_deployment
def test_pods_are_restricted(overlay: str, name: str) -> None:
    pod = template(of_kind(render(overlay), "Deployment")[name])["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"] == name
    assert of_kind(render(overlay), "ServiceAccount")[name]["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert {key for volume in pod["volumes"] for key in volume} <= {"name", "emptyDir", "secret", "configMap"}
    for container in containers(of_kind(render(overlay), "Deployment")[name]):
        own = container["securityContext"]
        assert own["readOnlyRootFilesystem"] is True
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}


@every_deployment
def test_resources_and_images_are_named(overlay: str, name: str) -> None:
    for container in containers(of_kind(render(overlay), "Deployment")[name]):
        for kind in ("requests", "limits"):
            assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"][kind])
        assert re.search(r":[\w.-]+$", container["image"])
        assert not container["image"].endswith(":latest")


@every_overlay
def test_the_namespace_refuses_other_pods(overlay: str) -> None:
    (namespace,) = of_kind(render(overlay), "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@every_overlay
@every_part
def test_every_object_says_whose_it_is(overlay: str, part: str) -> None:
    documents = render(overlay)
    for kind in ("Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"):
        labels = of_kind(documents, kind)[part]["metadata"]["labels"]
        assert labels[NAME] == "emoscribe"
        assert labels[COMPONENT] == part


@pytest.mark.parametrize("part", PARTS)
def test_on_aws_transcriber_and_classifier_have_a_gpu_each(part: str) -> None:
    pod = template(deployment("aws", part))["spec"]
    has_gpu = part in {"transcriber", "classifier"}
    limits = main_container("aws", part)["resources"]["limits"]
    assert limits.get("nvidia.com/gpu") == ("1" if has_gpu else None)
    assert ("nvidia.com/gpu.present" in pod.get("nodeSelector", {})) == has_gpu
    assert any(one["key"] == "nvidia.com/gpu" for one in pod.get("tolerations", ())) == has_gpu
    assert all(one["image"].endswith("-gpu" if has_gpu else "-cpu") for one in containers(deployment("aws", part)))


def test_on_aws_every_part_has_the_role_that_was_made_for_it() -> None:
    accounts = of_kind(render("aws"), "ServiceAccount")
    roles = {name: one["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] for name, one in accounts.items()}
    given = dict(
        line.split("=", 1) for line in overlay_file("roles.env").splitlines() if line and not line.startswith("#")
    )
    runner = given["EMOSCRIBE_MODELS_ROLE_ARN"]
    assert roles == dict.fromkeys(RUNNERS, runner) | {
        "api": given["EMOSCRIBE_API_ROLE_ARN"],
        "worker": given["EMOSCRIBE_WORKER_ROLE_ARN"],
    }


def overlay_file(name: str) -> str:
    return (ROOT / "infra" / "kubernetes" / "overlays" / "aws" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("stack", "file"), [("storage.yaml", "aws.env"), ("roles.yaml", "roles.env")])
def test_the_stacks_outputs_can_be_pasted(stack: str, file: str) -> None:
    template_file = ROOT / "infra" / "aws" / stack
    if not template_file.is_file():
        pytest.skip("infra/aws is not here")
    outputs = yaml.load(template_file.read_text(encoding="utf-8"), Loader=_CloudFormation)["Outputs"]  # noqa: S506
    given = {line.split("=")[0] for line in overlay_file(file).splitlines() if line and not line.startswith("#")}
    assert {line.split("=")[0] for line in str(outputs["Settings"]["Value"]).splitlines()} == given


class _CloudFormation(yaml.SafeLoader):
    """Short forms of functions become what they are given."""


_CloudFormation.add_multi_constructor("!", lambda loader, _, node: getattr(node, "value", None))


def test_on_aws_the_values_of_the_cluster_are_where_they_belong() -> None:
    given = dict(line.split("=", 1) for line in overlay_file("cluster.env").splitlines() if not line.startswith("#"))
    (ingress,) = of_kind(render("aws"), "Ingress").values()
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == [given["INGRESS_HOST"]]
    assert [tls["hosts"] for tls in ingress["spec"]["tls"]] == [[given["INGRESS_HOST"]]]
    asked = {
        trigger["metadata"]["serverAddress"]
        for one in of_kind(render("aws"), "ScaledObject").values()
        for trigger in one["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    }
    assert asked == {given["PROMETHEUS_URL"]}
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = of_kind(render("aws"), "Service")[backend["name"]]
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
