"""What NetworkPolicies let through, as their specification says it: for pods of the documents and for strangers.

Ingress and egress by podSelector, namespaceSelector, ipBlock and ports, TCP. Not: named ports, endPort.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.infra.manifests import Manifest, of_kind, selects, template


@dataclass(frozen=True)
class Peer:
    """A pod somewhere in the cluster, or an address outside of it."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None

    @property
    def namespace_labels(self) -> Mapping[str, str]:
        """Kubernetes gives each namespace its name as a label."""
        return {"kubernetes.io/metadata.name": self.namespace}


def pods(documents: Sequence[Manifest]) -> dict[str, Peer]:
    """A pod of each deployment, by its name."""
    deployments = of_kind(documents, "Deployment").items()
    return {
        name: Peer(found["metadata"]["namespace"], template(found)["metadata"]["labels"]) for name, found in deployments
    }


def passes(documents: Sequence[Manifest], source: Peer, target: Peer, port: int) -> bool:
    """Whether a connection is let out by the one side and in by the other."""
    return _allows(documents, "Egress", source, target, port) and _allows(documents, "Ingress", target, source, port)


def _allows(documents: Sequence[Manifest], direction: str, pod: Peer, other: Peer, port: int) -> bool:
    """Pods that no policy selects are open; others get what any of their policies allows."""
    policies = [
        one["spec"]
        for one in of_kind(documents, "NetworkPolicy").values()
        if one["metadata"]["namespace"] == pod.namespace
        and selects(one["spec"]["podSelector"], pod.labels)
        and direction in one["spec"].get("policyTypes", ("Ingress",))
    ]
    if not policies or pod.address is not None:
        return True
    key, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    rules = [rule for policy in policies for rule in policy.get(key, ())]
    return any(_fits(rule.get(side), rule.get("ports"), pod.namespace, other, port) for rule in rules)


def _fits(
    peers: Sequence[Mapping[str, Any]] | None,
    ports: Sequence[Mapping[str, Any]] | None,
    home: str,
    other: Peer,
    port: int,
) -> bool:
    """No peers: everybody; no ports: all of them."""
    is_port = not ports or any(one.get("protocol", "TCP") == "TCP" and one.get("port", port) == port for one in ports)
    return is_port and (not peers or any(_is(peer, home, other) for peer in peers))


def _is(peer: Mapping[str, Any], home: str, other: Peer) -> bool:
    """`home`: the policy's namespace, which is meant where none is selected."""
    if block := peer.get("ipBlock"):
        return other.address is not None and _is_in(block, other.address)
    if other.address is not None:
        return False
    is_there = (
        selects(peer["namespaceSelector"], other.namespace_labels)
        if "namespaceSelector" in peer
        else other.namespace == home
    )
    return is_there and selects(peer.get("podSelector", {}), other.labels)


def _is_in(block: Mapping[str, Any], address: str) -> bool:
    place = ipaddress.ip_address(address)
    outside = any(place in ipaddress.ip_network(hole) for hole in block.get("except", ()))
    return place in ipaddress.ip_network(block["cidr"]) and not outside
