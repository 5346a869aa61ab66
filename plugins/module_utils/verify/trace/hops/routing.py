# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node's own decisions: whether it forwards, and by which route."""

from __future__ import annotations

from typing import Any

from ....overlay.backend import ROUTE_PROTOCOL
from ...model.hop import APPLY, UNKNOWN, Hop
from .node_view import FORBIDDING, KERNEL, Look, covers, forbidding, maker, show_route, told_route, without


def forwarding(look: Look, iif: str, version: int) -> Hop:
    """Whether the node forwards packets that come in by ``iif``."""
    names = ["net/ipv4/ip_forward"] if version == 4 else ["net/ipv6/conf/all/forwarding"]
    names.append(f"net/ipv{version}/conf/{iif}/forwarding")
    hop = Hop(look.node, "forwarding", names[0].replace("/", "."), wanted="1")
    values = {name: look.sysctl(name) for name in names}
    hop.found = ", ".join(dict.fromkeys(value for value in values.values() if value is not None)) or "not known"
    for name, value in values.items():
        if value == "0":
            key = name.replace("/", ".")
            hop.name = key
            hop.blame(f"{key} is 0: the node forwards nothing that comes in by {iif}", f"sysctl -w {key}=1 ({APPLY})")
            break
    return hop


def route(look: Look, target: str, source: str, iif: str, wanted: dict[str, Any]) -> Hop:
    """The kernel's decision. ``wanted`` has ``dst``, ``dev``, ``gateway``; ``iif`` is "" for the node's own packets."""
    hop = Hop(look.node, "route", f"route to {target}")
    words = {"dst": "", "gateway": "via ", "dev": "dev "}
    hop.wanted = " ".join(f"{word}{wanted[key]}" for key, word in words.items() if wanted.get(key))
    found = look.lookup(target, source, iif)
    plain = look.lookup(target) or found
    if found is None:
        hop.verdict = UNKNOWN
        hop.found = f"not asked: {iif} is down or missing" if iif else "not asked"
        return hop
    hop.found = told_route(found)
    dev = wanted.get("dev") or ""
    blocked = fault_of(look, dev)
    taken = found["route"] or (plain or {}).get("route")
    drift = [s for s in look.drift("route") if (s["wanted"] or s["actual"])["dst"] == wanted.get("dst")]
    cure = APPLY if drift else ""
    if taken is None or taken.get("type") in FORBIDDING:
        told = (plain or found)["error"] or (taken and taken["type"])
        wall = forbidding(look.state["foreign_routes"], target)
        if wall:
            told = f"there is no route to {target}, but {show_route(wall)} ({maker(wall)})"
            return hop.blame(told, without(wall))
        if look.state["rules"] and not drift:
            return _ruled(look, hop, f"there is no route to {target} ({told})", bool(blocked))
        return hop.blame(f"there is no route to {target} ({told})", cure or _route_cure(wanted), follows=bool(blocked))
    if taken.get("dev") != dev or (wanted.get("gateway") and taken.get("gateway") != wanted["gateway"]):
        ours = bool(drift) and taken["dst"] == wanted.get("dst") and taken.get("protocol") == ROUTE_PROTOCOL
        who = "the overlay's own" if ours else maker(taken)
        told = f"packets to {target} take the route {show_route(taken)} ({who}), not {hop.wanted}"
        shadows = taken["dst"] not in ("0.0.0.0/0", "::/0") and not ours
        mend = _take_away(look, taken) + (f"; {APPLY}" if drift else "")
        return hop.blame(told, mend if shadows else cure or _route_cure(wanted), follows=bool(blocked) and not shadows)
    if found["route"] is None:
        return _refused(look, hop, found, source, iif)
    if look.overlay["mtu"] and 0 < (taken.get("mtu") or 0) < look.overlay["mtu"]:
        told = f"the route {show_route(taken)} has an MTU of its own, {taken['mtu']}: larger packets need to be told so"
        hop.doubt(told, cure or f"ip route delete {show_route(taken)}; {APPLY}")
    for other in look.state["lookups"]:
        if "rule" not in other or (other["to"], other["from"], other["iif"]) != (target, source, iif):
            continue
        if _leads(other) != _leads(found):
            told = (
                f"packets with {other['packet']} take another route: {told_route(other)} (policy rule {other['rule']})"
            )
            hop.doubt(told, other["cure"])
    return hop


def _leads(found: dict[str, Any]) -> tuple[Any, ...]:
    taken = found["route"] or {}
    return taken.get("type"), taken.get("dev"), taken.get("gateway")


def _take_away(look: Look, taken: dict[str, Any]) -> str:
    """What removes a route: the address that it comes from, where the kernel itself has made it."""
    if taken.get("protocol") == KERNEL:
        for each in look.state["addresses"]:
            address = each["address"].partition("/")[0]
            if each["dev"] == taken.get("dev") and covers(taken["dst"], address):
                return f"ip address delete {each['address']} dev {each['dev']}"
    return without(taken)


def _refused(look: Look, hop: Hop, found: dict[str, Any], source: str, iif: str) -> Hop:
    """There is a route, and yet the kernel would not forward the packet: the reverse path, or forwarding is off."""
    # the larger of the two counts (ip-sysctl); 1 is strict, 2 is loose
    strict = max(look.sysctl(f"net/ipv4/conf/{name}/rp_filter") or "0" for name in ("all", iif))
    return_way = look.lookup(source) or {}
    back = return_way.get("route") or {}
    if back.get("type") == "local":
        told = f"{source} is an address of {look.node} itself ({show_route(back)}): what comes from it is dropped"
        return hop.blame(told, _take_away(look, back))
    if return_way.get("error") or back.get("type") in FORBIDDING:
        told = f"there is no route back to {source}, so the kernel drops what comes from it as martian"
        wall = forbidding(look.state["foreign_routes"], source)
        if wall:
            return hop.blame(f"{told}: it has {show_route(wall)} ({maker(wall)})", without(wall))
        drifted = [step for step in look.drift("route") if covers((step["wanted"] or step["actual"])["dst"], source)]
        return hop.blame(told, APPLY if drifted else f"ip route get {source}", follows=bool(_drifted_device(look)))
    if ":" not in source and strict == "1" and back.get("dev") != iif:
        where = f"by {back['dev']} ({show_route(back)})" if back.get("dev") else "nowhere"
        hop.step = "rp_filter"
        lost = bool(look.drift("route")) and not look.state["foreign_routes"]
        return hop.blame(
            f"rp_filter is strict (1) on {iif} and drops packets from {source}, since the way back to it leads {where}",
            f"sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{iif}.rp_filter=0, or a route back by {iif}",
            follows=lost,
        )
    off = "0" in (look.sysctl("net/ipv4/ip_forward"), look.sysctl(f"net/ipv4/conf/{iif}/forwarding"))
    off = off and ":" not in source
    told = f"the kernel refuses to forward from {iif} ({found['error']})"
    if look.state["rules"] and not off:
        return _ruled(look, hop, told, False)
    return hop.blame(told, f"ip route get {hop.name.rpartition(' ')[2]} from {source} iif {iif}", follows=off)


def _ruled(look: Look, hop: Hop, told: str, follows: bool) -> Hop:
    """A policy rule of somebody else's is the likeliest reason."""
    known = look.state["rules"]
    others = ", ".join(rule["rule"] for rule in known)
    return hop.blame(
        f"{told}; the node has policy rules that are not the kernel's own: {others}", known[0]["cure"], follows
    )


def _drifted_device(look: Look) -> str:
    return fault_of(look, look.overlay["device"]) if look.overlay["device"] else ""


def fault_of(look: Look, dev: str) -> str:
    """What is wrong with the device that a route needs, "" if nothing is."""
    link = look.links.get(dev)
    if link is None:
        return f"{dev} is missing"
    if not link["up"]:
        return f"{dev} is down"
    steps = [step for step in look.drift("link", name=dev) if step["action"] != "change"]
    return next((step["text"] for step in [*steps, *look.drift("address", dev=dev)]), "")


def _route_cure(wanted: dict[str, Any]) -> str:
    return f"ip route replace {wanted['dst']} dev {wanted['dev']}" if wanted.get("dst") else APPLY
