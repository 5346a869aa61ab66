# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The peer: what the node knows of it, and the underlay that leads there."""

from __future__ import annotations

from typing import Any

from ...model.hop import APPLY, UNKNOWN, Hop
from .node_view import Look, show_route, told_route


def lease(look: Look, peer: dict[str, Any], there: Look | None) -> Hop | None:
    """What the node knows of the peer against what the peer says of itself; None where they agree or it can't be
    told."""
    own = there.overlay["lease"] if there else None
    if not own or not there:
        return None
    hop = Hop(look.node, "lease", f"lease of {peer['name']}")
    for key in ("address", "vtep_mac", "pod_cidrs"):
        if own[key] != peer[key]:
            hop.wanted, hop.found = f"{key} {own[key]}", f"{key} {peer[key]}"
            return hop.blame(
                f"{look.node} takes {peer['name']}'s {key} to be {peer[key]}; {peer['name']} has {own[key]}",
                "run the overlay role on all nodes (podnet.cluster.site), or restart the agent",
            )
    return None


def underlay(look: Look, vtep: str, overhead: int, there: Look | None = None) -> Hop:
    """The underlay's route to the peer and whether a full tunnel packet fits. ``there``: the peer, where it was looked
    at."""
    dev = look.overlay["underlay"]
    hop = Hop(look.node, "underlay", f"underlay to {vtep}", wanted=f"dev {dev}", sights=[("node", dev or "", "out")])
    found = look.lookup(vtep)
    if found is None or not dev:
        hop.verdict = UNKNOWN
        return hop
    link = look.links.get(dev, {})
    hop.found = f"{told_route(found)}, MTU {link.get('mtu')}"
    taken = found["route"]
    if not link.get("up"):
        return hop.blame(f"{dev}, the underlay's interface, is down", f"ip link set {dev} up")
    if taken is None:
        return hop.blame(f"there is no route to {vtep} on the underlay ({found['error']})", f"ip route get {vtep}")
    if taken.get("type") == "local":
        has = next((e for e in look.state["addresses"] if e["address"].partition("/")[0] == vtep), None)
        told = f"{vtep} is an address of {look.node} itself, too ({show_route(taken)}): nothing is sent to the peer"
        return hop.blame(
            told, f"ip address delete {has['address']} dev {has['dev']}" if has else f"ip route get {vtep}"
        )
    if taken.get("dev") in (look.overlay["device"], look.state["cni"]["bridge"]):
        told = f"packets to the node {vtep} take {show_route(taken)}, into the pod network itself"
        return hop.blame(told, f"ip route delete {show_route(taken)}")
    if taken.get("dev") != dev:
        told = f"packets to {vtep} leave by {taken.get('dev')}, the tunnel is bound to {dev}"
        hop.doubt(told, f"ip route get {vtep}")
    if link.get("operstate") in ("DOWN", "LOWERLAYERDOWN"):
        hop.blame(f"{dev}, the underlay's interface, has no carrier", "look at the cable, the switch, the host")
    mtu = look.overlay["mtu"]
    if mtu and link.get("mtu", 0) < mtu + overhead:
        told = f"{dev}'s MTU is {link['mtu']}: a pod's packet of {mtu} bytes and {overhead} of the tunnel do not fit"
        hop.blame(told, f"ip link set {dev} mtu {mtu + overhead}, or a smaller backend.mtu ({APPLY})")
    gateway = taken.get("gateway") or vtep
    entry = next((e for e in look.state["neighbours"] if e["dst"] == gateway and e["dev"] == dev), None)
    mac = there.links.get(there.overlay["underlay"] or "", {}).get("mac") if there and gateway == vtep else None
    if there and entry and mac and entry.get("mac", mac) != mac:
        told = f"{vtep} is taken to be at {entry.get('mac')} ({entry['state']}); {there.node} has {mac}"
        if entry.get("state") in ("permanent", "noarp"):
            hop.blame(told, f"ip neighbour delete {vtep} dev {dev}")
        else:
            hop.doubt(told, f"find who answers for {vtep} (proxy_arp?), then ip neighbour delete {vtep} dev {dev}")
    if entry and entry.get("state") in ("failed", "incomplete"):
        told = f"{gateway} does not answer on {dev} when asked for its MAC address"
        hop.doubt(told, f"is {gateway} up, and on {dev}'s segment? Look at the switch, and nft list ruleset (arp)")
    return hop
