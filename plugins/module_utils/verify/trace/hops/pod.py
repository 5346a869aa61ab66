# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pod's end of the way: its interface, its routes, whom it takes its gateway for."""

from __future__ import annotations

from typing import Any

from ....ipam.ip import alike
from ...model.hop import UNKNOWN, Hop
from .netfilter import filter_cure, told_chain, told_classifier
from .node_view import (
    FORBIDDING,
    Look,
    covers,
    find_lookup,
    forbidding,
    inside,
    recreate,
    show_route,
    told_route,
    without,
)

#: Fewer hops than these do not lead out of a cluster and its surroundings.
FEW = 16


def pod(look: Look, pod: dict[str, Any], way: str) -> Hop:
    """The pod's interface: there, up, with its addresses and the network's MTU."""
    link, name = pod["link"], pod["interface"]
    hop = Hop(look.node, "pod", f"{pod['pod']} {name}", sights=[(pod["pod"], name, way)])
    hop.wanted = f"up, {', '.join(pod['prefixes'])}, MTU {look.overlay['mtu']}"
    if pod["error"]:
        return hop.blame(f"the pod's network namespace is gone: {pod['error']}", recreate(pod))
    if link is None:
        hop.found = "missing"
        return hop.blame(f"the pod has no {name}", recreate(pod))
    hop.found = f"{'up' if link['up'] else 'down'}, {', '.join(pod['has']) or 'no address'}, MTU {link['mtu']}"
    if not link["up"]:
        hop.blame(f"{name} of the pod is down", inside(pod, f"ip link set {name} up"))
    for wanted in pod["prefixes"]:
        if wanted not in pod["has"]:
            had = f"it has {', '.join(each for each in pod['has'] if not each.startswith('fe80:')) or 'none'}"
            cure = inside(pod, f"ip address add {wanted} dev {name}") + f" (or {recreate(pod)})"
            hop.blame(f"the pod does not have its address {wanted}: {had}", cure)
    if link["up"] and link["operstate"] in ("DOWN", "LOWERLAYERDOWN"):
        hop.blame(f"{name} of the pod has no carrier: the node's end is down", "see the port", follows=True)
    if pod["mac"] and link["mac"] != pod["mac"]:
        told = f"{name} has the MAC address {link['mac']}; the plugin gave it {pod['mac']}"
        hop.doubt(told, inside(pod, f"ip link set {name} address {pod['mac']}") + f" (or {recreate(pod)})")
    mtu = look.overlay["mtu"]
    if mtu and link["mtu"] > mtu:
        cure = inside(pod, f"ip link set {name} mtu {mtu}") + f" (or {recreate(pod)})"
        hop.blame(f"{name}'s MTU is {link['mtu']}, larger than the pod network's {mtu}: large packets get lost", cure)
    _answering(hop, pod, link)
    for chain in pod["filters"]:
        if chain["drops"] or chain["translates"] or chain["rewrites"]:
            hop.doubt(f"in the pod, {told_chain(chain)}", inside(pod, filter_cure(chain)))
    for classifier in pod["classifiers"]:
        told, cure = told_classifier(classifier)
        hop.doubt(f"in the pod, {told}", inside(pod, cure))
    return hop


def _answering(hop: Hop, pod: dict[str, Any], link: dict[str, Any]) -> None:
    """Settings in the pod that keep it from answering."""
    name, sysctls = pod["interface"], pod["sysctls"]
    if link.get("noarp"):
        hop.blame(f"{name} of the pod has ARP off: nobody can reach it", inside(pod, f"ip link set {name} arp on"))
    for key, odd, told in (
        *((f"net/ipv4/conf/{n}/arp_ignore", "8", "it tells nobody its MAC address") for n in ("all", name)),
        ("net/ipv4/icmp_echo_ignore_all", "1", "the pod answers no ping"),
        ("net/ipv6/icmp/echo_ignore_all", "1", "the pod answers no ping"),
    ):
        if sysctls.get(key) == odd:
            key = key.replace("/", ".")
            hop.doubt(f"in the pod, {key} is {odd}: {told}", inside(pod, f"sysctl -w {key}=0"))
    for key in ("net/ipv4/ip_default_ttl", "net/ipv6/conf/eth0/hop_limit"):
        if int(sysctls.get(key) or 64) < FEW:
            told = f"in the pod, {key.replace('/', '.')} is {sysctls[key]}: what it sends dies after so many hops"
            hop.doubt(told, inside(pod, f"sysctl -w {key.replace('/', '.')}=64"))
    for which in ("all", name):
        key = f"net/ipv6/conf/{which}/disable_ipv6"
        if sysctls.get(key) == "1" and any(":" in prefix for prefix in pod["prefixes"]):
            key = key.replace("/", ".")
            hop.blame(f"in the pod, {key} is 1, and so it has no IPv6", inside(pod, f"sysctl -w {key}=0"))


def pod_route(look: Look, pod: dict[str, Any], target: str) -> Hop:
    """The route that the pod's own kernel takes."""
    gateway = alike(pod["gateways"], target)
    hop = Hop(look.node, "pod-route", f"route to {target} in {pod['pod']}")
    local = any(covers(prefix, target) for prefix in pod["prefixes"])
    hop.wanted = f"dev {pod['interface']}" if local else f"via {gateway} dev {pod['interface']}"
    found = find_lookup(pod["lookups"], target)
    if found is None:
        hop.verdict = UNKNOWN
        return hop
    route = found["route"]
    hop.found = told_route(found)
    put_back = _put_back(pod, gateway or "", route)
    down = not (pod["link"] or {}).get("up")
    if route is None or route.get("type") in FORBIDDING:
        wall = forbidding(pod["routes"], target)
        if wall:
            return hop.blame(f"the pod has no route to {target}, but {show_route(wall)}", inside(pod, without(wall)))
        if pod["rules"]:
            told = f"the pod has a policy rule that leads {target} nowhere: {pod['rules'][0]['rule']}"
            return hop.blame(told, inside(pod, pod["rules"][0]["cure"]), follows=down)
        return hop.blame(f"the pod has no route to {target} ({found['error']})", put_back, follows=down)
    if route.get("dev") != pod["interface"] or (not local and route.get("gateway") != gateway):
        odd = f"the pod's route to {target} is {told_route(found)}, not {hop.wanted}"
        cure = put_back if route["dst"] in ("0.0.0.0/0", "::/0") else inside(pod, f"ip route delete {route['dst']}")
        return hop.blame(odd, cure, follows=down)
    for rule in pod["rules"]:  # the route that was asked for has no source
        hop.doubt(f"the pod has a policy rule: {rule['rule']}", inside(pod, rule["cure"]))
    return hop


def pod_gateways(look: Look, pod: dict[str, Any]) -> list[Hop]:
    """The pod's routes to all that is not on its own link."""
    found = []
    for gateway in pod["gateways"]:
        everything = "::/0" if ":" in gateway else "0.0.0.0/0"
        hop = Hop(look.node, "pod-route", f"default route of {pod['pod']}", wanted=f"via {gateway}")
        default = next((route for route in pod["routes"] if route["dst"] == everything), None)
        hop.found = show_route(default) if default else "missing"
        down = not (pod["link"] or {}).get("up") or bool(pod["error"])
        if default is None or default.get("gateway") != gateway:
            told = f"the pod's default route is {hop.found}" if default else "the pod has no default route"
            hop.blame(f"{told}; it must be via {gateway}", _put_back(pod, gateway, default), follows=down)
        found.append(hop)
    return found


def _put_back(pod: dict[str, Any], gateway: str, taken: dict[str, Any] | None) -> str:
    """What makes the pod's default route lead by its gateway: where it does so already, another comes before it."""
    defaults = [route for route in pod["routes"] if route["dst"] in ("0.0.0.0/0", "::/0")]
    shadowed = taken in defaults and any(route.get("gateway") == gateway for route in defaults)
    command = without(taken) if taken and shadowed else f"ip route replace default via {gateway} dev {pod['interface']}"
    return f"{inside(pod, command)} (or {recreate(pod)})"


def gateways(pod: dict[str, Any]) -> list[str]:
    """The bridge's addresses as a pod's result implies them: its gateways, in its own prefixes."""
    lengths = {":" in prefix: prefix.partition("/")[2] for prefix in pod["prefixes"]}
    return [f"{each}/{lengths[':' in each]}" for each in pod["gateways"] if (":" in each) in lengths]


def pod_neighbour(look: Look, pod: dict[str, Any], target: str, mac: str | None, whose: str) -> Hop:
    """The pod's neighbour entry for who it sends to next: its gateway, or a pod on the same bridge."""
    hop = Hop(look.node, "pod-neighbour", f"neighbour {target} in {pod['pod']}", wanted=f"{mac or 'a MAC address'}")
    return entry(
        hop, pod["neighbours"], target, pod["interface"], mac, whose,
        inside(pod, f"ip neighbour delete {target} dev {pod['interface']}"),
    )  # fmt: skip


def entry(
    hop: Hop, entries: list[dict[str, Any]], target: str, dev: str, mac: str | None, whose: str, cure: str
) -> Hop:
    """An entry that ARP or NDP make by themselves: none is fine, a wrong one that stays is not."""
    known = next((each for each in entries if each["dst"] == target and each["dev"] == dev), None)
    if known is None:
        hop.found = "none yet; it is asked for"
        return hop
    hop.found = f"{known.get('mac') or 'no MAC address'} ({known.get('state')})"
    if known.get("state") in ("failed", "incomplete"):
        return hop.doubt(f"{target} does not answer when asked for its MAC address", cure)
    if mac and known.get("mac") != mac:
        told = f"{target} is taken to be at {known.get('mac')}; {whose} has {mac}"
        return hop.blame(told, cure) if known.get("state") in ("permanent", "noarp") else hop.doubt(told, cure)
    return hop
