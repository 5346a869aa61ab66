# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's end of a pod's veth pair, and the bridge."""

from __future__ import annotations

from typing import Any

from .base import Hop
from .look import Look, recreate

ADD_AGAIN = "restart the node's pods"


def port(look: Look, pod: dict[str, Any], way: str, to_itself: bool = False) -> Hop:
    """The node's end of the veth pair: up, and a forwarding port of the bridge."""
    name, bridge = pod["host"], look.bridge_of(pod)
    hop = Hop(look.node, "port", name, wanted=f"up, port of {bridge}", sights=[("node", name, way)])
    link = look.links.get(name)
    if link is None:
        hop.found = "missing"
        return hop.blame(f"{name}, the node's end of the pod's veth pair, is missing", recreate(pod))
    state = link["port"].get("state", "")
    hop.found = f"{'up' if link['up'] else 'down'}, {'port of ' + link['master'] if link['master'] else 'no port'}"
    if not link["up"]:
        return hop.blame(f"{name} is down", f"ip link set {name} up")
    if link["master"] != bridge:
        where = f"a port of {link['master']}" if link["master"] else "no port of any bridge"
        return hop.blame(f"{name} is {where}, it must be one of {bridge}", f"ip link set {name} master {bridge}")
    hop.found += f" ({state}{', hairpin' if link['port'].get('hairpin') else ''})"
    peer = (pod["link"] or {}).get("up", True)
    bridge_up = look.links.get(bridge, {}).get("up", False)
    if state and state != "forwarding":
        cure = f"bridge link set dev {name} state 3"
        hop.blame(f"{name} is a {state} port of {bridge}", cure, follows=not peer or not bridge_up)
    if link["port"].get("isolated"):
        cure = f"bridge link set dev {name} isolated off"
        hop.doubt(f"{name} is isolated from {bridge}'s other isolated ports", cure)
    if to_itself and not link["port"].get("hairpin"):
        hop.blame(
            f"{name} is not in hairpin mode: what the pod sends to itself through a Service does not come back to it",
            f"bridge link set dev {name} hairpin on",
        )
    for entry in look.state["bridge_fdb"]:
        if entry["mac"] == pod["mac"] and entry["port"] != name and entry["bridge"] == bridge:
            told = f"{bridge} sends frames to {pod['mac']} by {entry['port']} ({entry['state']}), not by {name}"
            cure = f"bridge fdb delete {pod['mac']} dev {entry['port']} master"
            if entry["state"] == "learned":
                hop.doubt(f"{told}: who else has that MAC address?", cure)
            else:
                hop.blame(told, cure)
    return hop


def bridge(look: Look, name: str, way: str, gateways: list[str]) -> Hop:
    """The bridge: up, and with the addresses that pods have as their gateways. ``gateways`` with prefix lengths."""
    hop = Hop(look.node, "bridge", name, wanted=f"up, {', '.join(gateways)}".rstrip(", "), sights=[("node", name, way)])
    link = look.links.get(name)
    if link is None:
        hop.found = "missing"
        return hop.blame(f"there is no bridge {name}", f"{ADD_AGAIN} (the next pod that is started makes it)")
    has = [each["address"] for each in look.state["addresses"] if each["dev"] == name]
    shown = [each for each in has if not each.startswith("fe80:")]
    hop.found = f"{'up' if link['up'] else 'down'}, {', '.join(shown) or 'no address'}"
    if not link["up"]:
        hop.blame(f"{name} is down", f"ip link set {name} up")
    for wanted in gateways:
        if wanted not in has:
            told = f"{name} does not have {wanted}, its pods' gateway; it has {', '.join(shown) or 'no address'}"
            hop.blame(told, f"ip address add {wanted} dev {name}")
    if link["data"].get("vlan_filtering"):
        hop.doubt(f"{name} filters VLANs", f"ip link set {name} type bridge vlan_filtering 0")
    return hop
