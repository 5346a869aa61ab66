# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ends of paths, as nodes' states know them."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.directory import Directory
from ..model.endpoint import Endpoint
from ..model.state import NodeState
from .hops.node_view import NodeView, covers


def resolve(text: str, states: Iterable[NodeState]) -> Endpoint:
    """What ``text`` names, see Directory. Raises EndpointError."""
    return _directory([NodeView(state) for state in states]).resolve(text)


def at(address: str, views: Iterable[NodeView]) -> Endpoint:
    """The endpoint with that address."""
    return _directory([*views]).at(address)


def _directory(views: list[NodeView]) -> Directory:
    known = ", ".join(sorted(pod.name for view in views for pod in view.state.pods)[:8]) or "none"
    nodes = ", ".join(view.node for view in views)
    found = Directory(
        f"a node or of a pod on {nodes} (pods there: {known}); of a pod elsewhere give the address, or run "
        "playbooks/trace.yml, which asks the API"
    )
    for view in views:
        for pod in view.state.pods:
            if pod.addresses:
                found.add(Endpoint("pod", pod.name, pod.addresses[0], view.node), *pod.addresses)
        for pod in view.state.pods:
            for prefix in pod.addresses_found:
                found.hold(Endpoint("pod", pod.name, prefix.partition("/")[0], view.node))
    for view in views:
        theirs = [cidr for peer in view.overlay.peers for cidr in peer.lease.pod_cidrs]
        for address in view.state.addresses:
            # one that a node has by mistake stays its peer's
            if not any(covers(cidr, address.ip) for cidr in theirs):
                found.hold(Endpoint("node", view.node, address.ip, view.node))
    for view in views:
        for lease in view.leases():
            found.add(Endpoint("node", lease.name, lease.address, lease.name), *lease.addresses)
            found.blocks += [(cidr, lease.name) for cidr in lease.pod_cidrs]
    return found
