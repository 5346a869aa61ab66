# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tunnel: its device, and what leads to a peer's."""

from __future__ import annotations

from typing import Any

from ...model.hop import APPLY, Hop
from .node_view import Look
from .routing import fault_of

_LINK_WORDS = {"id": "VNI", "port": "UDP port", "local": "source address", "link": "underlay link"}


def device(look: Look, way: str) -> Hop:
    """The tunnel's device: as the agent wants it."""
    name = look.overlay["device"]
    wanted = look.wanted("link", name=name) or {}
    link = look.links.get(name)
    hop = Hop(look.node, "device", name, wanted=_told_link(wanted), sights=[("node", name, way)])
    hop.found = _told_link(link) if link else "missing"
    taken = look.state["port_taken"]
    if taken:
        told = f"{name} is {'down' if link else 'missing'}, and can't be set up while {taken} has its UDP port"
        return hop.blame(told, f"end {taken}, then {APPLY}")
    if link is None:
        return hop.blame(f"{name} is missing", APPLY)
    if not link["up"]:
        return hop.blame(f"{name} is down", f"ip link set {name} up ({APPLY})")
    if link["master"]:
        hop.blame(f"{name} is a port of {link['master']}, which takes all that arrives", f"ip link set {name} nomaster")
    sixth = (thing for thing in look.state["wanted"] if thing["object"] == "address" and ":" in thing["address"])
    if look.sysctl(f"net/ipv6/conf/{name}/disable_ipv6") == "1" and any(thing["dev"] == name for thing in sixth):
        key = f"net.ipv6.conf.{name}.disable_ipv6"
        hop.blame(f"{key} is 1, and so {name} has no IPv6 address", f"sysctl -w {key}=0; {APPLY}")
    for key, value in (wanted.get("data") or {}).items():
        if link["data"].get(key) != value:
            told = f"{name} has {_LINK_WORDS.get(key, key)} {link['data'].get(key)}, it must have {value}"
            hop.blame(told, f"{APPLY} (it makes {name} anew)")
    for key, word in (("mac", "the MAC address"), ("mtu", "MTU"), ("kind", "the kind")):
        if wanted.get(key) is not None and link[key] != wanted[key]:
            told = f"{name} has {word} {link[key]}, it must have {wanted[key]}"
            if key == "mtu" and link[key] > wanted[key]:
                told += ": small packets pass, large ones do not fit the underlay"
            hop.blame(told, APPLY)
    others = [step for step in look.state["drift"] if step["text"].endswith(f" {name}") and not step["wanted"]]
    for step in [*look.drift("link", name=name), *look.drift("address", dev=name), *others]:
        hop.blame(f"{name} is not what it must be: {step['text']}", APPLY)
    return hop


def _told_link(link: dict[str, Any]) -> str:
    data = link.get("data") or {}
    words = ["up" if link.get("up") else "down", f"VNI {data.get('id')}", f"UDP port {data.get('port')}"]
    return ", ".join([*words, f"MTU {link.get('mtu')}", f"MAC {link.get('mac')}"])


def neighbour(look: Look, peer: dict[str, Any], gateway: str) -> Hop:
    """The permanent neighbour entry for the peer's VTEP."""
    dev, mac = look.overlay["device"], peer["vtep_mac"]
    hop = Hop(look.node, "neighbour", f"neighbour {gateway} dev {dev}", wanted=f"{mac} (permanent)")
    entry = next((e for e in look.state["neighbours"] if e["dst"] == gateway and e["dev"] == dev), None)
    hop.found = f"{entry.get('mac')} ({entry.get('state')})" if entry else "missing"
    lost = bool(fault_of(look, dev))
    if entry is None or not entry.get("mac"):  # one without is what the kernel makes of packets that wait for an answer
        return hop.blame(f"there is no neighbour entry for {gateway}, {peer['name']}'s VTEP", APPLY, follows=lost)
    if entry["mac"] != mac:
        told = f"{gateway}, {peer['name']}'s VTEP, is taken to have {entry['mac']}, it has {mac}"
        return hop.blame(told, APPLY, follows=lost)
    if entry.get("state") != "permanent":
        told = f"the neighbour entry for {gateway} is {entry.get('state')}, not permanent"
        return hop.blame(told, APPLY, follows=lost)
    return hop


def fdb(look: Look, peer: dict[str, Any], vtep: str) -> Hop:
    """The permanent forwarding entry for the peer's VTEP."""
    dev, mac = look.overlay["device"], peer["vtep_mac"]
    hop = Hop(look.node, "fdb", f"fdb {mac} dev {dev}", wanted=f"dst {vtep} (permanent)")
    entries = [e for e in look.state["fdb"] if e["mac"] == mac and e["dev"] == dev]
    hop.found = ", ".join(f"dst {e['dst']} ({e.get('state')})" for e in entries) or "missing"
    lost = bool(fault_of(look, dev))
    if not entries:
        told = f"there is no forwarding entry for {mac}, {peer['name']}'s VTEP"
        return hop.blame(told, APPLY, follows=lost)
    wrong = [e["dst"] for e in entries if e["dst"] != vtep]
    if wrong:
        told = f"frames to {mac}, {peer['name']}'s VTEP, are sent to {', '.join(wrong)}, not to {vtep}"
        return hop.blame(told, APPLY, follows=lost)
    return hop


def wireguard(look: Look, peer: dict[str, Any], dev: str) -> Hop:
    """The node's own key and the peer's on the tunnel's device, with where it is and what is behind it."""
    key = peer.get("public_key")
    hop = Hop(look.node, "wireguard", f"peer {key} dev {dev}")
    wanted = look.wanted("peer", dev=dev, public_key=key) or {}
    hop.wanted = f"endpoint {wanted.get('endpoint')}, allowed ips {' '.join(wanted.get('allowed_ips') or [])}"
    lost = bool(fault_of(look, dev))
    steps = [*look.drift("wireguard", dev=dev), *look.drift("peer", dev=dev)]
    hop.found = "; ".join(step["text"] for step in steps) or "as it must be"
    for step in steps:
        hop.blame(f"{peer['name']} can't be talked with as it must be (to do: {step['text']})", APPLY, follows=lost)
    return hop
