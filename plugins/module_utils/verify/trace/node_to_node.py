# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From node to node: by the tunnel, by the underlay alone, or out of the cluster."""

from __future__ import annotations

from ...findings.codes import Code
from ...ipam.ip import alike, version_of
from ...overlay import overhead
from ...overlay.config import Config
from ..model.endpoint import Endpoint
from ..model.hop import Hop, Step
from ..model.kernel import LinkState, RouteState, WireguardState
from ..model.path import Path
from .hops import netfilter, routing, tunnel, underlay
from .hops.node_view import NodeView, covers
from .hops.routing import Expected


def cross(path: Path, here: NodeView, there: NodeView | None, target: Endpoint, seen_as: str, iif: str) -> None:
    """From the node's routing decision to the wire."""
    peer = here.peer(target.node)
    in_its_cidr = peer is not None and any(covers(cidr, target.address) for cidr in peer.lease.pod_cidrs)
    if target.kind != "pod" and not in_its_cidr:
        _leave_cluster(path, here, there, target, seen_as, iif)
        return
    wanted = _route_to(here, target.address)
    if peer is None or wanted is None:
        path.hops.append(_unknown_peer(here, target))
        return
    lease, dev, gateway = peer.lease, wanted.dev or "", wanted.gateway or ""
    tunnelled = dev in (here.device, f"{here.device}-v6")
    vtep = alike(lease.addresses, here.lease.address) if tunnelled else gateway
    known = underlay.lease(here, lease, there)
    path.hops += [known] if known else []
    path.hops.append(routing.route(here, target.address, seen_as, iif, Expected(dev, wanted.dst, gateway)))
    path.hops.append(_translation(here, "pods' sources are kept between pods"))
    if tunnelled:
        path.hops.append(tunnel.device(here, "out"))
        if here.desired(WireguardState, dev=dev):
            path.hops.append(tunnel.wireguard(here, lease, dev))
        else:
            path.hops += [tunnel.neighbor(here, lease, gateway), tunnel.fdb(here, lease, vtep)]
    leaving, version = [dev, here.underlay], version_of(target.address)
    hooks, inner = ("output", "postrouting"), (seen_as, target.address)
    hop = netfilter.packet_filter(here, Step.FILTER, hooks, version, leaving, ("", "") if tunnelled else inner)
    if tunnelled:
        netfilter.losses(hop, here.judged(*inner), hooks, here.node)
    path.hops.append(hop)
    path.hops.append(underlay.underlay(here, vtep, _overhead(here, dev, vtep) if tunnelled else 0, there))
    path.hops.append(_wire(here, target.node, vtep, tunnelled))


def _overhead(view: NodeView, dev: str, vtep: str) -> int:
    """Bytes that the tunnel adds to a pod's packet."""
    of_tunnel = overhead.WIREGUARD if view.desired(WireguardState, dev=dev) else overhead.VXLAN
    return of_tunnel[version_of(vtep)]


def _route_to(view: NodeView, address: str) -> RouteState | None:
    """The desired route to the peer whose pods' address that is."""
    for thing in view.state.desired:
        if isinstance(thing, RouteState) and thing.type == "unicast" and covers(thing.dst, address):
            return thing
    return None


def _wire(here: NodeView, node: str, vtep: str, tunnelled: bool) -> Hop:
    hop = Hop(here.node, Step.WIRE, f"IP to {vtep}", peer=node, destination=vtep)
    own = alike(here.lease.addresses, vtep)
    if tunnelled:
        wireguard = here.desired(WireguardState, dev=here.device)
        port = wireguard.port if wireguard else here.desired_link().data.get("port")
        hop.udp_port = int(port or 0)
    hop.name = f"UDP {hop.udp_port} from {own} to {vtep}" if tunnelled else f"IP from {own} to {vtep}"
    return hop


def _unknown_peer(here: NodeView, target: Endpoint) -> Hop:
    """Nothing on the node is meant to lead to that pod."""
    hop = Hop(here.node, Step.LEASE, f"lease of {target.node}", "missing", f"a pod CIDR that holds {target.address}")
    refused = here.overlay.refused.get(target.node)
    if here.overlay.error:
        return hop.fail(Code.OVERLAY_INVALID, here.node, error=here.overlay.error)
    if refused:
        return hop.fail(refused.code, refused.subject, **refused.parameters)
    return hop.fail(Code.LEASE_MISSING, target.node)


def _translation(view: NodeView, desired: str) -> Hop:
    """Pods see each other's own addresses: the table's rules and sets are in sync."""
    hop = Hop(view.node, Step.NAT, "table inet podnet", desired=desired)
    changes = [step for step in view.state.drift if step.kind == "nftables"]
    hop.actual = "; ".join(step.text for step in changes) or "in sync"
    if changes:
        hop.fail(Code.NAT_DRIFTED, "table inet podnet", pending=changes[0].text)
    return hop


def _leave_cluster(
    path: Path, here: NodeView, there: NodeView | None, target: Endpoint, seen_as: str, iif: str
) -> None:
    """To a node's own address, or out of the cluster: as the node itself would go, translated if so configured."""
    found = here.lookup(target.address, seen_as, iif)
    by_default = found.route.dev if found and found.route else None
    dev = (here.underlay if target.kind == "node" else by_default) or ""
    path.hops.append(routing.route(here, target.address, seen_as, iif, Expected(dev)))
    if iif:
        kept = not hides(here.overlay.config, target.address) or _seen_by_node(here, target.address)
        path.hops.append(_translation(here, "the pod's source is kept" if kept else "SNAT to the node's address"))
    version = version_of(target.address)
    ends = seen_as, target.address
    path.hops.append(netfilter.packet_filter(here, Step.FILTER, ("output", "postrouting"), version, [dev], ends))
    if target.kind == "node":
        path.hops.append(underlay.underlay(here, target.address, 0, there))
        name = f"IP to {target.address}"
        path.hops.append(Hop(here.node, Step.WIRE, name, peer=target.node, destination=target.address))


def _seen_by_node(here: NodeView, address: str) -> bool:
    """Whether that is another node's address, and nodes see pods' own."""
    config = here.overlay.config
    is_node = any(address in peer.lease.addresses for peer in here.overlay.peers)
    return is_node and not (config and config.masquerade_nodes)


def tunnels(view: NodeView, other: str) -> bool:
    """Whether packets between pods of this node and of the ``other`` travel in the tunnel."""
    peer = view.peer(other)
    wanted = _route_to(view, peer.lease.pod_cidrs[0].address()) if peer and peer.lease.pod_cidrs else None
    return bool(view.device) and (wanted is None or wanted.dev in (view.device, f"{view.device}-v6"))


def contradiction(here: NodeView, there: NodeView) -> Hop | None:
    """Two nodes' devices that can't talk though each is as its own node wants it."""
    ours, theirs = _tunnel_of(here), _tunnel_of(there)
    for key in ("id", "port"):
        one, other = ours.get(key), theirs.get(key)
        if one != other and one and other:
            hop = Hop(there.node, Step.DEVICE, there.device, f"{key} {other}", f"{key} {one}", device=there.device)
            more = {"attribute": tunnel.ATTRIBUTES[key], "actual": other, "expected": one, "peer": here.node}
            return hop.fail(Code.TUNNEL_MISMATCH, there.device, **more)
    return None


def _tunnel_of(view: NodeView) -> dict:
    link = view.desired(LinkState, name=view.device)
    return link.data if link else {}


def hides(config: Config | None, address: str) -> bool:
    """Whether what pods send to that address is to leave with the node's."""
    kept = [*config.networks, *config.not_masqueraded] if config else []
    return bool(config and config.masquerade) and not any(covers(each, address) for each in kept)
