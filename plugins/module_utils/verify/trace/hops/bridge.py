# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's end of a pod's veth pair, and the bridge."""

from __future__ import annotations

from typing import Any

from ...model.hop import APPLY, Hop
from .node_view import Look, recreate

ADD_AGAIN = "restart the node's pods"


#: Settings of a port that may lose packets: name, what it usually is, what is told of another.
_PORT_SETTINGS = (
    ("isolated", False, "is isolated from {bridge}'s other isolated ports"),
    ("locked", False, "is locked: {bridge} takes frames only from stations that it knows"),
    ("flood", True, "gets no frames for stations that {bridge} does not know"),
    ("bcast_flood", True, "gets no broadcasts from {bridge}, so nobody can ask it for a MAC address"),
    ("neigh_suppress", False, "gets no questions for MAC addresses that {bridge} answers itself"),
)


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
    inside = pod["link"] or {"mtu": link["mtu"]}
    if inside["mtu"] != link["mtu"]:
        told = f"{name}'s MTU is {link['mtu']}, at its other end the pod's is {inside['mtu']}: the smaller one drops"
        wanted = max(inside["mtu"], link["mtu"])
        hop.blame(told, f"ip link set {name} mtu {wanted}, and the same in the pod (or {recreate(pod)})")
    for key, usual, told in _PORT_SETTINGS:
        if link["port"].get(key, usual) != usual:
            cure = f"bridge link set dev {name} {key} {'on' if usual else 'off'}"
            hop.doubt(f"{name} {told.format(bridge=bridge)}", cure)
    if to_itself and not link["port"].get("hairpin"):
        hop.blame(
            f"{name} is not in hairpin mode: what the pod sends to itself through a Service does not come back to it",
            f"bridge link set dev {name} hairpin on",
        )
    elif look.state["cni"]["hairpin"] and not link["port"].get("hairpin"):
        told = f"{name} is not in hairpin mode, as its network's ports are: what the node sends back to it is lost"
        hop.doubt(told, f"bridge link set dev {name} hairpin on")
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
    if look.sysctl(f"net/ipv6/conf/{name}/disable_ipv6") == "1" and any(":" in each for each in gateways):
        key = f"net.ipv6.conf.{name}.disable_ipv6"
        hop.blame(f"{key} is 1, and so {name} has no IPv6 address", f"sysctl -w {key}=0; {APPLY}")
    for wanted in gateways:
        if wanted not in has:
            told = f"{name} does not have {wanted}, its pods' gateway; it has {', '.join(shown) or 'no address'}"
            hop.blame(told, f"ip address add {wanted} dev {name}")
    silent = next((n for n in ("all", name) if (look.sysctl(f"net/ipv4/conf/{n}/arp_ignore") or "0") == "8"), "")
    if silent and any(":" not in each for each in gateways):
        key = f"net.ipv4.conf.{silent}.arp_ignore"
        hop.blame(f"{key} is 8: {name} answers no pod that asks for its gateway's MAC address", f"sysctl -w {key}=0")
    if link.get("noarp"):
        hop.blame(f"{name} has ARP off: no pod learns its gateway's MAC address", f"ip link set {name} arp on")
    ports = [look.links[pod["host"]] for pod in look.state["pods"] if pod["host"] in look.links]
    least = min([port["mtu"] for port in ports if port["master"] == name] or [0])
    if link["mtu"] < least:
        told = f"{name}'s MTU is {link['mtu']}, its ports' is {least}: pods' large packets do not pass whole"
        hop.blame(told, f"ip link set {name} mtu {least}")
    # a port's, too: whose MAC address the bridge has taken for its own; what is permanent is for the bridge itself
    own = [each for each in look.state["bridge_fdb"] if (each["bridge"], each["mac"]) == (name, link["mac"])]
    if not any(each["state"] == "permanent" for each in own):
        told = f"{name} has no forwarding entry for its own MAC address, {link['mac']}: it takes no frames to it"
        hop.doubt(told, f"bridge fdb add {link['mac']} dev {name} self permanent")
    if link["data"].get("vlan_filtering"):
        hop.doubt(f"{name} filters VLANs", f"ip link set {name} type bridge vlan_filtering 0")
    return hop
