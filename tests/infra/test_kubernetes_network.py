"""Who reaches whom, by the rules that NetworkPolicies follow. Whoever reaches a runner can run code in it."""

import pytest

from tests.infra.manifests import COMPONENT, NAME, OVERLAYS, PARTS, RUNNERS, Manifest, changed, of_kind, render
from tests.infra.network_policies import Peer, passes, pods

PROMETHEUS = Peer("monitoring", {NAME: "prometheus"})
INGRESS = Peer("traefik", {NAME: "traefik"})
DNS = Peer("kube-system", {"k8s-app": "kube-dns"})
INTERNET = Peer(address="203.0.113.7")
NODE_METADATA = Peer(address="169.254.169.254")
STRANGERS = {
    "a pod beside them": Peer("emoscribe", {}),
    "a pod beside them, half named": Peer("emoscribe", {COMPONENT: "api"}),
    "one that calls itself api elsewhere": Peer("default", {NAME: "emoscribe", COMPONENT: "api"}),
    "another in monitoring": Peer("monitoring", {NAME: "grafana"}),
    "prometheus elsewhere": Peer("default", {NAME: "prometheus"}),
    "the ingress controller": INGRESS,
    "an address": Peer(address="10.0.3.7"),
    "the internet": INTERNET,
}

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
every_runner = pytest.mark.parametrize("runner", RUNNERS)


def may_reach(documents: list[Manifest], target: str, port: int = 3000) -> set[str]:
    """Everybody we know of who reaches it."""
    known = pods(documents)
    everybody = known | STRANGERS | {"prometheus": PROMETHEUS}
    return {name for name, peer in everybody.items() if passes(documents, peer, known[target], port)}


@every_overlay
@every_runner
def test_only_api_and_worker_reach_a_runner(overlay: str, runner: str) -> None:
    watching = {"prometheus"} if overlay == "aws" else set()
    assert may_reach(render(overlay), runner) == {"api", "worker"} | watching
    assert may_reach(render(overlay), runner, port=8080) == set()


@every_overlay
def test_the_worker_serves_nothing_but_metrics(overlay: str) -> None:
    assert may_reach(render(overlay), "worker") == ({"prometheus"} if overlay == "aws" else set())


def test_users_come_through_the_ingress() -> None:
    assert may_reach(render("aws"), "api") == {"the ingress controller", "prometheus"}
    assert may_reach(render("cpu-local"), "api") == set()  # kubectl port-forward does not come over the network


@every_overlay
@pytest.mark.parametrize("part", PARTS)
def test_everybody_finds_names(overlay: str, part: str) -> None:
    documents = render(overlay)
    assert passes(documents, pods(documents)[part], DNS, 53)
    assert not passes(documents, pods(documents)[part], DNS, 443)


@pytest.mark.parametrize("part", PARTS)
def test_on_aws_only_https_goes_out_and_never_to_the_nodes_metadata(part: str) -> None:
    documents = render("aws")
    pod = pods(documents)[part]
    assert passes(documents, pod, INTERNET, 443)
    assert not passes(documents, pod, INTERNET, 80)
    assert not passes(documents, pod, NODE_METADATA, 443)
    assert not passes(documents, pod, NODE_METADATA, 80)


def test_locally_the_stand_in_is_for_api_and_worker_and_nothing_goes_out() -> None:
    documents = render("cpu-local")
    assert may_reach(documents, "aws", port=4566) == {"api", "worker"}
    for pod in pods(documents).values():
        assert not passes(documents, pod, INTERNET, 443)


@every_overlay
@every_runner
def test_runners_do_not_call_each_other(overlay: str, runner: str) -> None:
    documents = render(overlay)
    known = pods(documents)
    assert not any(passes(documents, known[runner], known[other], 3000) for other in PARTS)


@pytest.mark.parametrize(
    ("policy", "path", "value"),
    [
        ("default-deny", "spec.podSelector", {"matchLabels": {NAME: "other"}}),
        ("runners-from-callers", "spec.ingress.0.from", []),
        ("runners-from-callers", "spec.ingress.0.from.0", {"namespaceSelector": {}}),
        ("metrics-from-prometheus", "spec.ingress.0.from.0.podSelector", {}),
    ],
)
def test_a_hole_would_be_seen(policy: str, path: str, value: object) -> None:
    documents = render("aws")
    whole = may_reach(documents, "transcriber") | may_reach(documents, "worker")
    found = of_kind(documents, "NetworkPolicy")[policy]
    holed = [changed(one, path, value) if one is found else one for one in documents]
    if policy == "default-deny":  # the other policies that select runners still close them for others
        holed = [one for one in holed if one["kind"] != "NetworkPolicy" or one["metadata"]["name"] == policy]
    assert may_reach(holed, "transcriber") | may_reach(holed, "worker") > whole
