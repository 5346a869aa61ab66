# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From node to node: by the tunnel, by the underlay alone, or out of the cluster."""

from __future__ import annotations

from typing import Any

from ...ipam.ip import alike
from ...overlay import overhead
from ..model.endpoint import End
from ..model.hop import APPLY, Hop
from ..model.path import Leg
from .hops import netfilter, routing, tunnel, underlay
from .hops.node_view import Look, covers


def cross(leg: Leg, here: Look, there: Look | None, target: End, seen_as: str, iif: str) -> None:
    """From the node's routing decision to the wire."""
    version = 6 if ":" in target.address else 4
    peer = next((p for p in here.overlay["peers"] if p["name"] == target.node), None)
    in_its_cidr = peer is not None and any(covers(cidr, target.address) for cidr in peer["pod_cidrs"])
    if target.kind != "pod" and not in_its_cidr:
        _leave_cluster(leg, here, there, target, seen_as, iif)
        return
    wanted = _route_to(here, target.address)
    if peer is None or wanted is None:
        leg.hops.append(_unknown_peer(here, target, version))
        return
    tunnelled = wanted["dev"] in (here.overlay["device"], f"{here.overlay['device']}-v6")
    vtep = alike(peer["addresses"], here.overlay["lease"]["address"]) if tunnelled else wanted["gateway"]
    known = underlay.lease(here, peer, there)
    leg.hops += [known] if known else []
    leg.hops.append(routing.route(here, target.address, seen_as, iif, wanted))
    leg.hops.append(_translation(here))
    if tunnelled:
        leg.hops.append(tunnel.device(here, "out"))
        if here.wanted("wireguard", dev=wanted["dev"]):
            leg.hops.append(tunnel.wireguard(here, peer, wanted["dev"]))
        else:
            leg.hops.append(tunnel.neighbour(here, peer, wanted["gateway"]))
            leg.hops.append(tunnel.fdb(here, peer, vtep))
    leaving = [wanted["dev"], here.overlay["underlay"] or ""]
    leg.hops.append(netfilter.packet_filter(here, "filter", ("output", "postrouting"), version, leaving))
    leg.hops.append(underlay.underlay(here, vtep, _overhead(here, wanted["dev"], vtep) if tunnelled else 0, there))
    leg.hops.append(_wire(here, target.node, vtep, tunnelled))


def _overhead(look: Look, dev: str, vtep: str) -> int:
    """Bytes that the tunnel adds to a pod's packet."""
    of_tunnel = overhead.WIREGUARD if look.wanted("wireguard", dev=dev) else overhead.VXLAN
    return of_tunnel[6 if ":" in vtep else 4]


def _route_to(look: Look, address: str) -> dict[str, Any] | None:
    """The wanted route to the peer whose pods' address that is."""
    routes = [thing for thing in look.state["wanted"] if thing["object"] == "route" and thing.get("type") == "unicast"]
    return next((route for route in routes if covers(route["dst"], address)), None)


def _wire(here: Look, node: str, vtep: str, tunnelled: bool) -> Hop:
    dev = here.overlay["device"]
    data = here.wanted("wireguard", dev=dev) or (here.wanted("link", name=dev) or {}).get("data", {})
    how = f"UDP {data.get('port')}" if tunnelled else "IP"
    own = alike(here.overlay["lease"]["addresses"], vtep)
    outer = f"to {vtep}, UDP port {data.get('port')}" if tunnelled else ""
    return Hop(f"{here.node} → {node}", "wire", f"{how} from {own} to {vtep}", wanted=outer)


def _unknown_peer(here: Look, target: End, version: int) -> Hop:
    """Nothing on the node is meant to lead to that pod."""
    hop = Hop(here.node, "lease", f"lease of {target.node}", wanted=f"a lease whose pod CIDR holds {target.address}")
    reason = here.overlay["refused"].get(target.node)
    if here.overlay["error"]:
        told = f"the overlay of {here.node} can't be what it must: {here.overlay['error']}"
        return hop.blame(told, "see the message")
    if reason:
        told = f"{here.node} refuses the lease of {target.node}: {reason}"
        return hop.blame(told, "give each node a pod CIDR of its own")
    told = f"{here.node} has no lease of {target.node}, so nothing leads to its pods"
    return hop.blame(told, "run the overlay role on all nodes (podnet.cluster.site), or restart the agent")


def _translation(look: Look) -> Hop:
    """Pods see each other's own addresses: the table's rules and sets are as they must be."""
    hop = Hop(look.node, "nat", "table inet podnet", wanted="sources of pods to pods stay as they are")
    changes = [step["text"] for step in look.state["drift"] if "inet podnet" in step["text"]]
    hop.found = "; ".join(changes) or "as it must be"
    if changes:
        hop.blame(f"the translation of sources is not what it must be (to do: {changes[0]})", APPLY)
    return hop


def _leave_cluster(leg: Leg, here: Look, there: Look | None, target: End, seen_as: str, iif: str) -> None:
    """To a node's own address, or out of the cluster: as the node itself would go, translated if so configured."""
    found = here.lookup(target.address, seen_as, iif)
    dev = here.overlay["underlay"] if target.kind == "node" else ((found or {}).get("route") or {}).get("dev")
    leg.hops.append(routing.route(here, target.address, seen_as, iif, {"dev": dev or "any", "gateway": None}))
    if iif:
        hop = _translation(here)
        config = here.overlay["config"] or {}
        seen = _is_node(here, target.address) and not config.get("masquerade_nodes")
        hidden = hides(config, target.address) and not seen
        hop.wanted = "the pod's address becomes the node's" if hidden else "the pod's address stays"
        leg.hops.append(hop)
    version = 6 if ":" in target.address else 4
    leg.hops.append(netfilter.packet_filter(here, "filter", ("output", "postrouting"), version, [dev or ""]))
    if target.kind == "node":
        leg.hops.append(underlay.underlay(here, target.address, 0, there))
        leg.hops.append(Hop(f"{here.node} → {target.node}", "wire", f"IP to {target.address}"))


def tunnels(look: Look, other: str) -> bool:
    """Whether packets between pods of this node and of the ``other`` travel in the tunnel."""
    device = look.overlay["device"]
    peer = next((peer for peer in look.overlay["peers"] if peer["name"] == other), None)
    wanted = _route_to(look, peer["pod_cidrs"][0].partition("/")[0]) if peer and peer["pod_cidrs"] else None
    return bool(device) and (wanted is None or wanted["dev"] in (device, f"{device}-v6"))


def contradiction(here: Look, there: Look) -> Hop | None:
    """Two nodes' devices that can't talk though each is as its own node wants it."""
    ours, theirs = (look.wanted("link", name=look.overlay["device"]) or {} for look in (here, there))
    for key in ("id", "port"):
        one, other = (ours.get("data") or {}).get(key), (theirs.get("data") or {}).get(key)
        if one != other and one and other:
            hop = Hop(there.node, "device", there.overlay["device"], found=f"{key} {other}", wanted=f"{key} {one}")
            told = f"the nodes are configured differently: {key} {one} on {here.node}, {other} on {there.node}"
            return hop.blame(told, "run podnet.cluster.site on all nodes with one overlay_backend")
    return None


def hides(config: dict[str, Any] | None, address: str) -> bool:
    """Whether what pods send to that address is to leave with the node's."""
    kept = [*(config or {}).get("networks", []), *(config or {}).get("not_masqueraded", [])]
    return bool((config or {}).get("masquerade")) and not any(covers(each, address) for each in kept)


def _is_node(look: Look, address: str) -> bool:
    return any(address in peer["addresses"] for peer in look.overlay["peers"])
