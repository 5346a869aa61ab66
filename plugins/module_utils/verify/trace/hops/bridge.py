# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's end of a pod's veth pair, and the bridge."""

from __future__ import annotations

from ....converge.sysctls import dotted_name
from ....findings.codes import Code
from ....findings.finding import Value
from ....ipam.ip import alike
from ...model.hop import NODE, CapturePoint, Hop, Step
from ...model.state import PodState
from .node_view import NodeView, recreate

#: Settings of a port that may lose packets: name, what it usually is, and what another is.
_PORT_SETTINGS = (
    ("isolated", False, Code.PORT_ISOLATED),
    ("locked", False, Code.PORT_LOCKED),
    ("flood", True, Code.PORT_NO_FLOOD),
    ("bcast_flood", True, Code.PORT_NO_BROADCAST),
    ("neigh_suppress", False, Code.PORT_NEIGHBOR_SUPPRESSED),
)
#: What keeps a bridge from being the pods' gateway, and not from bridging.
OF_GATEWAY = (Code.BRIDGE_ADDRESS_MISSING, Code.BRIDGE_IPV6_DISABLED, Code.BRIDGE_ARP_IGNORED, Code.BRIDGE_ARP_OFF)


def port(view: NodeView, pod: PodState, direction: str, to_itself: bool = False) -> Hop:
    """The node's end of the veth pair: up, and a forwarding port of the bridge."""
    name, bridge = pod.host, view.bridge_of(pod)
    hop = Hop(view.node, Step.PORT, name, desired=f"up, port of {bridge}")
    hop.capture_points = [CapturePoint(NODE, name, direction)]
    link = view.links.get(name)
    if link is None:
        hop.actual = "missing"
        return hop.fail(Code.PORT_MISSING, name, pod=pod.name, recreate=recreate(pod))
    state, hairpin = link.port.get("state", ""), link.port.get("hairpin")
    hop.actual = f"{'up' if link.up else 'down'}, {f'port of {link.master}' if link.master else 'not a bridge port'}"
    if not link.up:
        return hop.fail(Code.PORT_DOWN, name, pod=pod.name)
    if not link.master:
        return hop.fail(Code.PORT_DETACHED, name, bridge=bridge)
    if link.master != bridge:
        return hop.fail(Code.PORT_OF_OTHER_BRIDGE, name, bridge=bridge, master=link.master)
    hop.actual += f" ({state}{', hairpin' if hairpin else ''})"
    if state and state != "forwarding":
        above = view.links.get(bridge)
        shut = bool(pod.link and not pod.link.up) or not (above and above.up)
        hop.fail(Code.PORT_NOT_FORWARDING, name, shut, bridge=bridge, state=state)
    mtu, inside = link.mtu or 0, (pod.link or link).mtu or 0
    if inside != mtu:
        more: dict[str, Value] = {
            "mtu": mtu,
            "pod_mtu": inside,
            "expected": max(inside, mtu),
            "recreate": recreate(pod),
        }
        hop.fail(Code.PORT_MTU_MISMATCH, name, **more)
    for key, usual, code in _PORT_SETTINGS:
        if link.port.get(key, usual) != usual:
            hop.suspect(code, name, bridge=bridge)
    if to_itself and not hairpin:
        hop.fail(Code.PORT_NO_HAIRPIN, name)
    elif view.state.cni.hairpin and not hairpin:
        hop.suspect(Code.PORT_NO_HAIRPIN, name)
    for entry in view.state.bridge_fdb:
        if entry.mac == pod.mac and entry.port != name and entry.bridge == bridge:
            entered: dict[str, Value] = {"bridge": bridge, "mac": entry.mac, "port": entry.port, "state": entry.state}
            if entry.state == "learned":
                hop.suspect(Code.PORT_MAC_LEARNED_ELSEWHERE, name, **entered)
            else:
                hop.fail(Code.PORT_FDB_ASTRAY, name, **entered)
    return hop


def bridge(view: NodeView, name: str, direction: str, gateways: list[str]) -> Hop:
    """The bridge: up, and with the addresses that pods have as their gateways. ``gateways`` with prefix lengths."""
    hop = Hop(view.node, Step.BRIDGE, name, desired=", ".join(["up", *gateways]))
    hop.capture_points = [CapturePoint(NODE, name, direction)]
    link = view.links.get(name)
    if link is None:
        hop.actual = "missing"
        return hop.fail(Code.BRIDGE_MISSING, name)
    has = [each.address for each in view.state.addresses if each.dev == name]
    shown = [each for each in has if not each.startswith("fe80:")]
    hop.actual = f"{'up' if link.up else 'down'}, {', '.join(shown) or 'no address'}"
    if not link.up:
        hop.fail(Code.BRIDGE_DOWN, name)
    path = f"net/ipv6/conf/{name}/disable_ipv6"
    if view.sysctl(path) == "1" and alike(gateways, "::"):
        hop.fail(Code.BRIDGE_IPV6_DISABLED, name, key=dotted_name(path))
    for wanted in gateways:
        if wanted not in has:
            hop.fail(Code.BRIDGE_ADDRESS_MISSING, name, address=wanted, actual=shown)
    paths = [f"net/ipv4/conf/{each}/arp_ignore" for each in ("all", name)]
    silent = next((path for path in paths if view.sysctl(path) == "8"), "")
    if silent and alike(gateways, "0.0.0.0"):
        hop.fail(Code.BRIDGE_ARP_IGNORED, name, key=dotted_name(silent))
    if link.noarp:
        hop.fail(Code.BRIDGE_ARP_OFF, name)
    ports = [view.links[pod.host] for pod in view.state.pods if pod.host in view.links]
    least = min([port.mtu or 0 for port in ports if port.master == name] or [0])
    if (link.mtu or 0) < least:
        hop.fail(Code.BRIDGE_MTU_TOO_SMALL, name, mtu=link.mtu, port_mtu=least)
    # a port's, too: whose MAC address the bridge has taken for its own; what is permanent is for the bridge itself
    own = [each for each in view.state.bridge_fdb if (each.bridge, each.mac) == (name, link.mac)]
    if not any(each.state == "permanent" for each in own):
        hop.suspect(Code.BRIDGE_OWN_MAC_MISSING, name, mac=link.mac)
    if link.data.get("vlan_filtering"):
        hop.suspect(Code.BRIDGE_VLAN_FILTERING, name)
    return hop
