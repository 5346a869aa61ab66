# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tunnel: its device, and what leads to a peer's."""

from __future__ import annotations

from ....converge.sysctls import dotted_name
from ....findings.codes import Code
from ....overlay.lease import Lease
from ...model.hop import NODE, CapturePoint, Hop, Step
from ...model.kernel import AddressState, LinkState, WireguardPeerState, WireguardState
from .node_view import NodeView
from .routing import device_fault

#: A device's values as they are called outside netlink.
ATTRIBUTES = {
    "id": "VNI",
    "port": "UDP port",
    "local": "source address",
    "link": "underlay link",
    "mac": "MAC address",
    "mtu": "MTU",
}


def device(view: NodeView, direction: str) -> Hop:
    """The tunnel's device: as the agent wants it."""
    name = view.device
    desired = view.desired_link()
    link = view.links.get(name)
    hop = Hop(view.node, Step.DEVICE, name, desired=_show(desired), device=name)
    hop.capture_points = [CapturePoint(NODE, name, direction)]
    hop.actual = _show(link) if link else "missing"
    holder = view.state.tunnel_port_holder
    if holder:
        return hop.fail(Code.TUNNEL_PORT_TAKEN, name, holder=f"{holder.name} (process {holder.pid})")
    if link is None:
        return hop.fail(Code.TUNNEL_MISSING, name)
    if not link.up:
        return hop.fail(Code.TUNNEL_DOWN, name)
    if link.master:
        hop.fail(Code.TUNNEL_BRIDGED, name, master=link.master)
    own = [thing for thing in view.state.desired if isinstance(thing, AddressState) and thing.dev == name]
    path = f"net/ipv6/conf/{name}/disable_ipv6"
    if view.sysctl(path) == "1" and any(":" in thing.address for thing in own):
        hop.fail(Code.TUNNEL_IPV6_DISABLED, name, key=dotted_name(path))
    for key, value in desired.data.items():
        if link.data.get(key) != value:
            more = {"attribute": ATTRIBUTES.get(key, key), "actual": link.data.get(key), "expected": value}
            hop.fail(Code.TUNNEL_ATTRIBUTE_WRONG, name, **more)
    if desired.mtu is not None and (link.mtu or 0) > desired.mtu:
        hop.fail(Code.TUNNEL_MTU_TOO_LARGE, name, actual=link.mtu, expected=desired.mtu)
    for key in ("mac", "mtu", "kind"):
        actual, wanted = getattr(link, key), getattr(desired, key)
        if wanted is not None and actual != wanted:
            more = {"attribute": ATTRIBUTES.get(key, key), "actual": actual, "expected": wanted}
            hop.fail(Code.TUNNEL_ATTRIBUTE_WRONG, name, **more)
    others = [step for step in view.state.drift if step.kind == "offload"]
    for step in [*view.drift(LinkState, name=name), *view.drift(AddressState, dev=name), *others]:
        hop.fail(Code.TUNNEL_DRIFTED, name, pending=step.text)
    return hop


def _show(link: LinkState) -> str:
    words = ["up" if link.up else "down", f"VNI {link.data.get('id')}", f"UDP port {link.data.get('port')}"]
    return ", ".join([*words, f"MTU {link.mtu}", f"MAC {link.mac}"])


def neighbor(view: NodeView, peer: Lease, gateway: str) -> Hop:
    """The permanent neighbor entry for the peer's VTEP."""
    dev, mac = view.device, peer.vtep_mac
    hop = Hop(view.node, Step.NEIGHBOR, f"neighbor {gateway} dev {dev}", desired=f"{mac} (permanent)", peer=peer.name)
    entry = next((each for each in view.state.neighbors if (each.dst, each.dev) == (gateway, dev)), None)
    hop.actual = f"{entry.mac} ({entry.state})" if entry else "missing"
    effect = device_fault(view, dev)
    more = {"device": dev, "peer": peer.name}
    if entry is None or not entry.mac:  # one without is what the kernel makes of packets that wait for an answer
        return hop.fail(Code.VTEP_NEIGHBOR_MISSING, gateway, effect, **more)
    if entry.mac != mac:
        return hop.fail(Code.VTEP_NEIGHBOR_WRONG_MAC, gateway, effect, mac=entry.mac, expected=mac, **more)
    if entry.state != "permanent":
        return hop.fail(Code.VTEP_NEIGHBOR_NOT_PERMANENT, gateway, effect, state=entry.state, **more)
    return hop


def fdb(view: NodeView, peer: Lease, vtep: str) -> Hop:
    """The permanent FDB entry for the peer's VTEP."""
    dev, mac = view.device, peer.vtep_mac
    hop = Hop(view.node, Step.FDB, f"fdb {mac} dev {dev}", desired=f"dst {vtep} (permanent)", peer=peer.name)
    entries = [each for each in view.state.fdb if (each.mac, each.dev) == (mac, dev)]
    hop.actual = ", ".join(f"dst {each.dst} ({each.state})" for each in entries) or "missing"
    effect = device_fault(view, dev)
    more = {"device": dev, "peer": peer.name}
    if not entries:
        return hop.fail(Code.FDB_MISSING, mac, effect, **more)
    wrong = [each.dst for each in entries if each.dst != vtep]
    if wrong:
        return hop.fail(Code.FDB_WRONG_PEER, mac, effect, actual=wrong, expected=vtep, **more)
    return hop


def wireguard(view: NodeView, peer: Lease, dev: str) -> Hop:
    """The node's own key and the peer's on the tunnel's device, with where it is and what is behind it."""
    key = peer.public_key or ""
    hop = Hop(view.node, Step.WIREGUARD, f"peer {key} dev {dev}", peer=peer.name)
    wanted = view.desired(WireguardPeerState, dev=dev, public_key=key)
    if wanted:
        hop.desired = f"endpoint {wanted.endpoint}, allowed ips {' '.join(wanted.allowed_ips or [])}"
    steps = [*view.drift(WireguardState, dev=dev), *view.drift(WireguardPeerState, dev=dev)]
    hop.actual = "; ".join(step.text for step in steps) or "in sync"
    for step in steps:
        hop.fail(Code.WIREGUARD_DRIFTED, peer.name, device_fault(view, dev), device=dev, pending=step.text)
    return hop
