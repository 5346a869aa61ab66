# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of the Kubernetes API → records of ``model``, with the API's defaults.

Sources: types.go of core/v1, networking/v1 and policy.networking.k8s.io/v1alpha2, which v1beta1 is equal to. Every
function raises Malformed, which names the object, for one that the API server would have refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from sys import intern
from typing import Any, Callable, TypeVar

from ..ipam.prefix import Prefix, parse_network_of
from ..netlink.wire import pack_ip
from .model import (
    ACCEPT,
    ADMIN,
    ANY_PROTOCOL,
    BASELINE,
    DENY,
    LAST_PORT,
    PASS,
    PROTOCOLS,
    Block,
    ClusterPolicy,
    NamedPort,
    Namespace,
    Peer,
    Pod,
    Policy,
    Port,
    Rule,
)
from .selectors import EVERYTHING, labels_of, parse

FINISHED = ("Succeeded", "Failed")
ACTIONS = {"Accept": ACCEPT, "Deny": DENY, "Pass": PASS}
#: The peers of a ClusterNetworkPolicy that can be matched; a rule with another one fails closed.
CLUSTER_PEERS = {"namespaces", "pods", "networks"}

Record = TypeVar("Record")


class Malformed(ValueError):
    """An object that is not what the API says: kind, name, and the reason."""

    def __init__(self, kind: str, key: str, reason: object) -> None:
        super().__init__(f"{kind} {key}: {reason}")
        self.kind = kind
        self.key = key
        self.reason = str(reason)


def pod(value: dict[str, Any]) -> Pod | None:
    """None for a pod that policies do not concern: of the host's network, or ended, when its addresses may be
    another's already. Terminating ones still run."""
    return _checked("Pod", value, _pod)


def namespace(value: dict[str, Any]) -> Namespace:
    return _checked("Namespace", value, lambda it: Namespace(it["metadata"]["name"], labels_of(_labels(it))))


def policy(value: dict[str, Any]) -> Policy:
    return _checked("NetworkPolicy", value, _policy)


def cluster_policy(value: dict[str, Any]) -> ClusterPolicy:
    return _checked("ClusterNetworkPolicy", value, _cluster_policy)


def _checked(kind: str, value: dict[str, Any], read: Callable[[dict[str, Any]], Record]) -> Record:
    try:
        return read(value)
    except (ValueError, TypeError, LookupError, AttributeError, OSError) as error:
        metadata = value.get("metadata") if isinstance(value, dict) else None
        metadata = metadata if isinstance(metadata, dict) else {}
        key = "/".join(str(metadata[part]) for part in ("namespace", "name") if part in metadata)
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise Malformed(kind, key or "without a name", reason) from None


def _labels(value: dict[str, Any]) -> Any:
    return value["metadata"].get("labels")


def _pod(value: dict[str, Any]) -> Pod | None:
    metadata, spec, status = value["metadata"], value.get("spec") or {}, value.get("status") or {}
    if spec.get("hostNetwork") or status.get("phase") in FINISHED:
        return None
    addresses = [each["ip"] for each in status.get("podIPs") or () if each.get("ip")]
    if not addresses and status.get("podIP"):
        addresses = [status["podIP"]]
    # a sidecar is an init container that keeps running (KEP-753): its ports serve
    containers = list(spec.get("containers") or ())
    containers += [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    ports = {
        NamedPort(port["name"], _protocol(port.get("protocol")), _number(port["containerPort"]))
        for container in containers
        for port in container.get("ports") or ()
        if port.get("name")
    }
    return Pod(
        intern(metadata["namespace"]),
        metadata["name"],
        labels_of(_labels(value)),
        tuple(pack_ip(address) for address in addresses),
        _shared(tuple(sorted(ports))),
        intern(spec.get("nodeName") or ""),
    )


@lru_cache(1024)
def _shared(ports: tuple[NamedPort, ...]) -> tuple[NamedPort, ...]:
    """The same tuple for equal ports: ten thousand pods have few different ones."""
    return ports


def _policy(value: dict[str, Any]) -> Policy:
    own, spec = value["metadata"]["namespace"], value["spec"]
    ingress, egress = spec.get("ingress") or (), spec.get("egress") or ()
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if egress else [])]
    if not set(types) <= {"Ingress", "Egress"}:
        raise ValueError(f"policyTypes {types} are unknown")
    return Policy(
        own,
        value["metadata"]["name"],
        parse(spec.get("podSelector") or {}),
        tuple(_rule(rule, "from", own) for rule in ingress) if "Ingress" in types else None,
        tuple(_rule(rule, "to", own) for rule in egress) if "Egress" in types else None,
    )


def _rule(value: dict[str, Any], side: str, own: str) -> Rule:
    ports = tuple(_port(port) for port in value.get("ports") or ())
    if not value.get(side):  # absent or empty: everyone
        return Rule(ACCEPT, None, (), ports)
    peers: list[Peer] = []
    blocks: list[Block] = []
    for peer in value[side]:
        if peer.get("ipBlock") is not None:
            blocks.append(_block(peer["ipBlock"]))
        elif peer.get("podSelector") is not None or peer.get("namespaceSelector") is not None:
            peers.append(_peer(peer, own))
        # else a kind of peer that a later API has: it accepts nothing
    return Rule(ACCEPT, tuple(sorted(set(peers))), tuple(sorted(set(blocks))), ports)


def _peer(value: dict[str, Any], own: str) -> Peer:
    pods = parse(value["podSelector"]) if value.get("podSelector") is not None else EVERYTHING
    if value.get("namespaceSelector") is None:
        return Peer(own, EVERYTHING, pods)
    return Peer("", parse(value["namespaceSelector"]), pods)


def _block(value: dict[str, Any]) -> Block:
    cidr = _prefix(value["cidr"])
    excepts = tuple(sorted(_prefix(each) for each in value.get("except") or ()))
    if not all(cidr.covers(each) for each in excepts):
        raise ValueError(f"except of ipBlock {cidr} is not inside it")
    return Block(cidr, excepts)


def _prefix(text: Any) -> Prefix:
    """With host bits set, too, which the API server takes: they do not count."""
    return parse_network_of(text)[0]


def _port(value: dict[str, Any]) -> Port:
    protocol, port, end = _protocol(value.get("protocol")), value.get("port"), value.get("endPort")
    if port is None:
        if end is not None:
            raise ValueError(f"endPort {end} goes with a port")
        return Port(protocol)
    if isinstance(port, str):
        if end is not None:
            raise ValueError(f"endPort {end} goes with a numeric port, not {port!r}")
        return Port(protocol, name=port)
    return _range(protocol, port, port if end is None else end)


def _range(protocol: int, first: Any, last: Any) -> Port:
    if _number(first) > _number(last):
        raise ValueError(f"port {first} is beyond its end {last}")
    return Port(protocol, first, last)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LAST_PORT:
        raise ValueError(f"port {value!r} is not between 1 and {LAST_PORT}")
    return value


def _protocol(value: Any) -> int:
    name = "TCP" if value in (None, "") else value
    if name not in PROTOCOLS:
        raise ValueError(f"protocol {name!r} is unknown")
    return PROTOCOLS[name]


def _cluster_policy(value: dict[str, Any]) -> ClusterPolicy:
    spec = value["spec"]
    if spec["tier"] not in (ADMIN, BASELINE):
        raise ValueError(f"tier {spec['tier']!r} is unknown")
    if not isinstance(spec["priority"], int) or not 0 <= spec["priority"] <= 1000:
        raise ValueError(f"priority {spec['priority']!r} is not between 0 and 1000")
    return ClusterPolicy(
        value["metadata"]["name"],
        spec["tier"],
        spec["priority"],
        _cluster_peer(spec["subject"]),
        _cluster_rules(spec.get("ingress") or (), "from"),
        _cluster_rules(spec.get("egress") or (), "to"),
    )


def _cluster_rules(values: Iterable[dict[str, Any]], side: str) -> tuple[Rule, ...]:
    rules = (_cluster_rule(value, side) for value in values)
    return tuple(rule for rule in rules if rule is not None)


def _cluster_rule(value: dict[str, Any], side: str) -> Rule | None:
    """None for a rule that matches nothing. One with a peer or protocol that is not known here fails closed: an Accept
    matches nothing, all else denies everything (types.go, ClusterNetworkPolicyIngressPeer)."""
    action = ACTIONS[value["action"]]
    protocols = [_cluster_port(each) for each in value.get("protocols") or ()]
    ports = tuple(sorted(port for port in protocols if port))
    if None in protocols or not all(len(peer) == 1 and set(peer) <= CLUSTER_PEERS for peer in value[side]):
        return None if action == ACCEPT else Rule(DENY, None, (), ())
    blocks = {Block(_prefix(text)) for peer in value[side] for text in peer.get("networks") or ()}
    peers = {_cluster_peer(peer) for peer in value[side] if "networks" not in peer}
    return Rule(action, tuple(sorted(peers)), tuple(sorted(blocks)), ports)


def _cluster_peer(value: dict[str, Any]) -> Peer:
    if "pods" in value:
        pods = value["pods"]
        return Peer("", parse(pods.get("namespaceSelector") or {}), parse(pods.get("podSelector") or {}))
    return Peer("", parse(value["namespaces"]), EVERYTHING)


def _cluster_port(value: dict[str, Any]) -> Port | None:
    """None for a kind of match that is not known here."""
    ((kind, match),) = value.items()
    if kind == "destinationNamedPort":
        return Port(ANY_PROTOCOL, name=match)
    protocol = PROTOCOLS.get(kind.upper())
    if not protocol or not set(match) <= {"destinationPort"}:
        return None
    port = match.get("destinationPort")
    if not port:
        return Port(protocol)
    if "range" in port:
        return _range(protocol, port["range"]["start"], port["range"]["end"])
    return _range(protocol, port["number"], port["number"])
