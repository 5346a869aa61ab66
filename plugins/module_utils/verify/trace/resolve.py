# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what a user names to the end of a path, as the nodes' own states know it."""

from __future__ import annotations

from typing import Any

from ...ipam.ip import parse_address
from ..model.endpoint import Endpoint, EndpointError
from ..model.state import NodeState
from .hops.node_view import NodeView, covers


def resolve(text: str, states: list[NodeState], services: list[dict[str, Any]] | None = None) -> Endpoint:
    """What ``text`` names: a pod (namespace/name, or its name alone where only one has it), a node, a Service
    ("service/namespace/name" or namespace/name) or an address of anything. Raises EndpointError.

    ``services``: entries with ``name``, ``address`` and ``backends``, addresses of pods.
    """
    looks = [NodeView(state) for state in states]
    for service in services or []:
        if text in (service["name"], f"service/{service['name']}", service["address"]):
            return Endpoint("service", service["name"], service["address"], "", tuple(service["backends"]))
    if _is_address(text):
        return at(text, looks)
    pods = [
        Endpoint("pod", pod.name, pod.addresses[0], look.node)
        for look in looks
        for pod in look.state.pods
        if pod.addresses and text in (pod.name, pod.name.partition("/")[2])
    ]
    nodes = _nodes(looks)
    if len(pods) > 1:
        names = ", ".join(sorted(end.name for end in pods))
        raise EndpointError(f"{text}: there are {names}: say which, with its namespace")
    if pods:
        return pods[0]
    if text in nodes:
        return Endpoint("node", text, nodes[text], text)
    known = ", ".join(sorted({pod.name for look in looks for pod in look.state.pods})[:8]) or "none"
    looked = ", ".join(look.node for look in looks)
    raise EndpointError(
        f"{text}: no pod of {looked} has that name (there are {known}), and no node; "
        "of a pod elsewhere give the address, or let the controller look: playbooks/trace.yml"
    )


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def _nodes(looks: list[NodeView]) -> dict[str, str]:
    """The underlay addresses of all nodes that are known of."""
    found: dict[str, str] = {}
    for look in looks:
        for lease in look.leases():
            found.setdefault(lease.name, lease.address)
    return found


def at(address: str, looks: list[NodeView]) -> Endpoint:
    """Whose address that is."""
    for look in looks:
        pod = look.pod_with(address)
        if pod:
            return Endpoint("pod", pod.name, address, look.node)
    for look in looks:
        # one that a node has by mistake stays its peer's
        theirs = (cidr for peer in look.overlay.peers for cidr in peer.lease.pod_cidrs)
        if look.has_address(address) and not any(covers(cidr, address) for cidr in theirs):
            return Endpoint("node", look.node, address, look.node)
    for look in looks:
        for lease in look.leases():
            if address in lease.addresses:
                return Endpoint("node", lease.name, address, lease.name)
            if any(covers(cidr, address) for cidr in lease.pod_cidrs):
                return Endpoint("pod", address, address, lease.name)
    return Endpoint("outside", address, address)
