# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packet's way, from one end to the other and back, as the nodes' kernels would take it.

A pure function of the nodes' states (``state.collect``), and of what is known of Services. Where nobody looked at a
node, its hops are unknown; what the way must be there is still told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..ipam.ip import parse_address, parse_subnet, to_text
from . import hops
from .hops import BROKEN, SUSPECT, UNKNOWN, Hop, Look

#: Bytes that VXLAN adds, by the underlay's IP version.
OVERHEAD = {4: 50, 6: 70}
WIREGUARD_OVERHEAD = {4: 60, 6: 80}


class EndError(ValueError):
    """What was given for an end of the way can't be one; the text says why and what would be right."""


@dataclass(frozen=True)
class End:
    """One end: ``kind`` is pod, node, service or outside; ``node`` is "" for what lies outside."""

    kind: str
    name: str
    address: str
    node: str = ""
    backends: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.address if self.name == self.address else f"{self.name} ({self.address})"


@dataclass
class Leg:
    """The way in one direction: ``way`` is "there" or "back"."""

    way: str
    source: End
    target: End
    hops: list[Hop] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def resolve(text: str, states: list[dict[str, Any]], services: list[dict[str, Any]] | None = None) -> End:
    """What ``text`` names: a pod (namespace/name, or its name alone where only one has it), a node, a Service
    ("service/namespace/name" or namespace/name) or an address of anything. Raises EndError.

    ``services``: entries with ``name``, ``address`` and ``backends``, addresses of pods.
    """
    looks = [Look(state) for state in states]
    for service in services or []:
        if text in (service["name"], f"service/{service['name']}", service["address"]):
            return End("service", service["name"], service["address"], "", tuple(service["backends"]))
    if _is_address(text):
        return _at(text, looks)
    pods = [
        End("pod", pod["pod"], pod["addresses"][0], look.node)
        for look in looks
        for pod in look.state["pods"]
        if pod["addresses"] and text in (pod["pod"], pod["pod"].partition("/")[2])
    ]
    nodes = _nodes(looks)
    if len(pods) > 1:
        names = ", ".join(sorted(end.name for end in pods))
        raise EndError(f"{text}: there are {names}: say which, with its namespace")
    if pods:
        return pods[0]
    if text in nodes:
        return End("node", text, nodes[text], text)
    known = ", ".join(sorted({pod["pod"] for look in looks for pod in look.state["pods"]})[:8]) or "none"
    looked = ", ".join(look.node for look in looks)
    raise EndError(
        f"{text}: no pod of {looked} has that name (there are {known}), and no node; "
        "of a pod elsewhere give the address, or let the controller look: playbooks/trace.yml"
    )


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def _nodes(looks: list[Look]) -> dict[str, str]:
    """The underlay addresses of all nodes that are known of."""
    found: dict[str, str] = {}
    for look in looks:
        for lease in [look.overlay["lease"], *look.overlay["peers"]]:
            if lease:
                found.setdefault(lease["name"], lease["address"])
    return found


def _at(address: str, looks: list[Look]) -> End:
    """Whose address that is."""
    for look in looks:
        pod = look.pod_with(address)
        if pod:
            return End("pod", pod["pod"], address, look.node)
    for look in looks:
        if look.has_address(address):
            return End("node", look.node, address, look.node)
    for look in looks:
        for lease in [look.overlay["lease"], *look.overlay["peers"]]:
            if lease and address in lease["addresses"]:
                return End("node", lease["name"], address, lease["name"])
            if lease and any(_covers(cidr, address) for cidr in lease["pod_cidrs"]):
                return End("pod", address, address, lease["name"])
    return End("outside", address, address)


def flows(source: End, target: End, states: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The (source, destination) addresses that the nodes must be asked about."""
    looks = {state["node"]: Look(state) for state in states}
    targets = target.backends or (target.address,)
    pairs = [(_seen_as(source, _at(each, [*looks.values()]), looks), each) for each in targets]
    if target.kind == "service":
        pairs.append((source.address, target.address))
    mask = _mask(source, target, looks)
    if mask:
        pairs.append((mask.address, target.address))
    return pairs


def walk(source: End, target: End, states: list[dict[str, Any]]) -> list[Leg]:
    """The way there and back, every hop judged. A Service is followed to its first backend that another node has."""
    looks = {state["node"]: Look(state) for state in states}
    final = _backend(source, target, looks)
    seen_as = _seen_as(source, final, looks)
    there = Leg("there", source, final)
    _go(there, looks, seen_as, target if target.kind == "service" else None)
    back = Leg("back", final, replace(source, address=seen_as))
    mask = _mask(source, final, looks)
    if mask:
        back.target = mask
        _go(back, looks, final.address, None)
        back.target = source
        pod = looks[source.node].pod_with(source.address)
        if pod:
            _deliver(back, looks[source.node], source, pod)
    elif final.kind != "outside" and not (final.kind == source.kind == "pod" and final.address == source.address):
        _go(back, looks, final.address, None)
    return [leg for leg in (there, back) if leg.hops]


def final(source: End, target: End, states: list[dict[str, Any]]) -> tuple[End, str]:
    """Where the way ends, which for a Service is a pod behind it, and the source's address on its packets."""
    looks = {state["node"]: Look(state) for state in states}
    end = _backend(source, target, looks)
    return end, _seen_as(source, end, looks)


def _backend(source: End, target: End, looks: dict[str, Look]) -> End:
    if target.kind != "service" or not target.backends:
        return target
    ends = [_at(each, [*looks.values()]) for each in target.backends]
    return next((end for end in ends if end.node != source.node), ends[0])


def _mask(source: End, target: End, looks: dict[str, Look]) -> End | None:
    """The node whose address hides the pod's from another node, None where nothing is hidden."""
    look = looks.get(source.node)
    if source.kind != "pod" or target.kind != "node" or source.node == target.node or look is None:
        return None
    own, config = look.overlay["lease"], look.overlay["config"]
    if not own or not config or not config["masquerade_nodes"] or not _hides(config, target.address):
        return None
    return End("node", look.node, own["address"], look.node)


def _hides(config: dict[str, Any] | None, address: str) -> bool:
    """Whether what pods send to that address is to leave with the node's."""
    kept = [*(config or {}).get("networks", []), *(config or {}).get("not_masqueraded", [])]
    return bool((config or {}).get("masquerade")) and not any(_covers(each, address) for each in kept)


def _is_node(look: Look, address: str) -> bool:
    return any(address in peer["addresses"] for peer in look.overlay["peers"])


def _seen_as(source: End, target: End, looks: dict[str, Look]) -> str:
    """The address that the source's packets to the target bear: a node's own come from the tunnel's device."""
    lease = _lease(source.node, looks)
    if source.kind == "node" and target.kind == "pod" and lease:
        cidr = next((c for c in lease["pod_cidrs"] if (":" in c) == (":" in target.address)), None)
        if cidr and target.node == source.node:
            return _gateway(cidr)
        if cidr and any(look.overlay["device"] for look in looks.values()):
            return cidr.partition("/")[0]
    return source.address


def _lease(node: str, looks: dict[str, Look]) -> dict[str, Any] | None:
    """The lease of a node, as itself or as another node knows it."""
    if node in looks:
        return looks[node].overlay["lease"]
    peers = (peer for look in looks.values() for peer in look.overlay["peers"])
    return next((peer for peer in peers if peer["name"] == node), None)


def _gateway(cidr: str) -> str:
    subnet = parse_subnet(cidr)
    return to_text(subnet.family, subnet.first + 1)


def _go(leg: Leg, looks: dict[str, Look], seen_as: str, service: End | None) -> None:
    """Fill in the hops from the leg's source, whose packets bear the address ``seen_as``, to its target."""
    source, target = leg.source, leg.target
    here, there = looks.get(source.node), looks.get(target.node)
    version = 6 if ":" in target.address else 4
    if here is None:
        leg.hops.append(_unseen(source.node or "outside", source))
    else:
        iif = ""
        if source.kind == "pod":
            iif = _leave_pod(leg, here, source, target, service)
            if not iif:
                return
            leg.hops.append(hops.forwarding(here, iif, version))
            leg.hops.append(hops.packet_filter(here, "filter", ("prerouting", "forward"), version, [iif]))
        if target.node == source.node:
            _arrive(leg, here, target, seen_as, iif)
            return
        _cross(leg, here, there, target, seen_as, iif)
    if target.kind == "outside":
        leg.hops.append(Hop("", "outside", str(target), found="not looked at", verdict=UNKNOWN))
    elif there is None:
        leg.hops.append(_unseen(target.node, target))
    else:
        _come_in(leg, here, there, source, target, seen_as, version)


def _unseen(node: str, end: End) -> Hop:
    name = f"{end.kind} {end}"
    return Hop(node, "node", name, found="not looked at", wanted="its state: podnetctl inspect", verdict=UNKNOWN)


def _leave_pod(leg: Leg, look: Look, source: End, target: End, service: End | None) -> str:
    """From the pod to the node; returns the link by which the packet enters the node, "" where it doesn't."""
    pod = look.pod_with(source.address)
    if pod is None:
        leg.hops.append(_no_pod(look, source))
        return ""
    bridge = look.bridge_of(pod)
    asked = service.address if service else target.address
    leg.hops += [hops.pod(look, pod, "out"), hops.pod_route(look, pod, asked)]
    neighbour = look.pod_with(target.address) if target.kind == "pod" and target.node == look.node else None
    if neighbour and not service and _on_link(pod, target.address):
        leg.hops.append(hops.pod_neighbour(look, pod, target.address, neighbour["mac"], neighbour["pod"]))
        leg.hops.append(hops.port(look, pod, "in"))
        seen = hops.bridge(look, bridge, "", hops.gateways(pod))
        leg.hops.append(_bridging_only(seen))
        leg.hops.append(hops.packet_filter(look, "filter", ("prerouting", "forward"), 4, [pod["host"]]))
        leg.hops += [hops.port(look, neighbour, "out"), hops.pod(look, neighbour, "in")]
        return ""
    gateway = next((each for each in pod["gateways"] if (":" in each) == (":" in asked)), "")
    mac = look.links.get(bridge, {}).get("mac")
    leg.hops.append(hops.pod_neighbour(look, pod, gateway, mac, bridge))
    leg.hops.append(hops.port(look, pod, "in", to_itself=bool(service) and target.address == source.address))
    leg.hops.append(hops.bridge(look, bridge, "in", hops.gateways(pod)))
    if service:
        leg.hops.append(_service(look, service))
    return bridge


def _no_pod(look: Look, end: End) -> Hop:
    hop = Hop(look.node, "pod", f"pod {end}", found="missing", wanted=f"a pod with {end.address}")
    return hop.blame(f"{look.node} has no pod with the address {end.address}", "kubectl get pod -A -o wide")


def _bridging_only(hop: Hop) -> Hop:
    """A bridge that only bridges shows no packet on its own device, and needs no address."""
    hop.sights = []
    if hop.verdict == BROKEN and "gateway" in hop.cause:
        hop.verdict, hop.suspects = SUSPECT, [hop.cause]
    return hop


def _on_link(pod: dict[str, Any], address: str) -> bool:
    return any(_covers(prefix, address) for prefix in pod["prefixes"])


def _service(look: Look, service: End) -> Hop:
    hop = Hop(look.node, "service", str(service), wanted=f"one of {', '.join(service.backends) or 'no backend'}")
    chains = [c for c in look.state["filters"] if c["translates"] and c["hook"] == "prerouting"]
    hop.found = "; ".join(f"{c['family']} {c['table']} {c['chain']}" for c in chains) or "nothing translates"
    if not service.backends:
        return hop.blame(f"no ready pod is behind {service.name}", f"kubectl describe service {service.name}")
    if not chains:
        hop.doubt(f"nothing on {look.node} translates Services' addresses: is kube-proxy running?", KUBE_PROXY)
    return hop


KUBE_PROXY = "kubectl --namespace kube-system get pods -l k8s-app=kube-proxy -o wide"


def _cross(leg: Leg, here: Look, there: Look | None, target: End, seen_as: str, iif: str) -> None:
    """From the node's routing decision to the wire."""
    version = 6 if ":" in target.address else 4
    peer = next((p for p in here.overlay["peers"] if p["name"] == target.node), None)
    in_its_cidr = peer is not None and any(_covers(cidr, target.address) for cidr in peer["pod_cidrs"])
    if target.kind != "pod" and not in_its_cidr:
        _leave_cluster(leg, here, target, seen_as, iif)
        return
    wanted = _route_to(here, target.address)
    if peer is None or wanted is None:
        leg.hops.append(_unknown_peer(here, target, version))
        return
    vtep = next((a for a in peer["addresses"] if (":" in a) == (":" in here.overlay["lease"]["address"])), "")
    tunnelled = wanted["dev"] in (here.overlay["device"], f"{here.overlay['device']}-v6")
    known = hops.lease(here, peer, there)
    leg.hops += [known] if known else []
    leg.hops.append(hops.route(here, target.address, seen_as, iif, wanted))
    leg.hops.append(_translation(here))
    if tunnelled:
        leg.hops.append(hops.device(here, "out"))
        if here.wanted("wireguard", dev=wanted["dev"]):
            leg.hops.append(hops.wireguard(here, peer, wanted["dev"]))
        else:
            leg.hops.append(hops.neighbour(here, peer, wanted["gateway"]))
            leg.hops.append(hops.fdb(here, peer, vtep))
    leg.hops.append(hops.packet_filter(here, "filter", ("output", "postrouting", "egress"), version, [wanted["dev"]]))
    leg.hops.append(hops.underlay(here, vtep, _overhead(here, wanted["dev"], vtep) if tunnelled else 0))
    leg.hops.append(_wire(here, target.node, vtep, tunnelled))


def _overhead(look: Look, dev: str, vtep: str) -> int:
    """Bytes that the tunnel adds to a pod's packet."""
    overhead = WIREGUARD_OVERHEAD if look.wanted("wireguard", dev=dev) else OVERHEAD
    return overhead[6 if ":" in vtep else 4]


def _route_to(look: Look, address: str) -> dict[str, Any] | None:
    """The wanted route to the peer whose pods' address that is."""
    routes = [thing for thing in look.state["wanted"] if thing["object"] == "route" and thing.get("type") == "unicast"]
    return next((route for route in routes if _covers(route["dst"], address)), None)


def _wire(here: Look, node: str, vtep: str, tunnelled: bool) -> Hop:
    dev = here.overlay["device"]
    data = here.wanted("wireguard", dev=dev) or (here.wanted("link", name=dev) or {}).get("data", {})
    how = f"UDP {data.get('port')}" if tunnelled else "IP"
    return Hop(f"{here.node} → {node}", "wire", f"{how} from {here.overlay['lease']['address']} to {vtep}")


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
        hop.blame(f"the translation of sources is not what it must be (to do: {changes[0]})", hops.APPLY)
    return hop


def _leave_cluster(leg: Leg, here: Look, target: End, seen_as: str, iif: str) -> None:
    """To a node's own address, or out of the cluster: as the node itself would go, translated if so configured."""
    found = here.lookup(target.address, seen_as, iif)
    dev = here.overlay["underlay"] if target.kind == "node" else ((found or {}).get("route") or {}).get("dev")
    leg.hops.append(hops.route(here, target.address, seen_as, iif, {"dev": dev or "any", "gateway": None}))
    if iif:
        hop = _translation(here)
        config = here.overlay["config"] or {}
        seen = _is_node(here, target.address) and not config.get("masquerade_nodes")
        hidden = _hides(config, target.address) and not seen
        hop.wanted = "the pod's address becomes the node's" if hidden else "the pod's address stays"
        leg.hops.append(hop)
    version = 6 if ":" in target.address else 4
    leg.hops.append(hops.packet_filter(here, "filter", ("output", "postrouting", "egress"), version, [dev or ""]))
    if target.kind == "node":
        leg.hops.append(hops.underlay(here, target.address, 0))
        leg.hops.append(Hop(f"{here.node} → {target.node}", "wire", f"IP to {target.address}"))


def _come_in(leg: Leg, here: Look | None, there: Look, source: End, target: End, seen_as: str, version: int) -> None:
    """From the wire into the peer, and on to the target."""
    dev = there.overlay["underlay"] or ""
    entering = hops.packet_filter(there, "input", ("ingress", "prerouting", "input"), 4, [dev])
    entering.sights = [("node", dev, "in")]
    link = there.links.get(dev)
    if link is not None and not link["up"]:
        entering.blame(f"{dev}, the underlay's interface, is down", f"ip link set {dev} up")
    leg.hops.append(entering)
    # a node's own packets to pods bear its VTEP's address, and so the answers come by the tunnel
    to_vtep = target.kind == "node" and there.has_address(target.address) == there.overlay["device"]
    tunnelled = bool(there.overlay["device"]) and (target.kind == "pod" or to_vtep)
    if not tunnelled and target.kind != "pod":
        _arrive(leg, there, target, seen_as, dev)
        return
    iif = dev
    if tunnelled:
        leg.hops.append(hops.device(there, "in"))
        iif = there.overlay["device"]
    if here is not None and tunnelled:
        odd = _contradiction(here, there)
        leg.hops += [odd] if odd else []
    if target.kind == "pod":
        leg.hops.append(hops.forwarding(there, iif, version))
        leg.hops.append(hops.packet_filter(there, "filter", ("forward", "postrouting"), version, [iif]))
    _arrive(leg, there, target, seen_as, iif)


def _contradiction(here: Look, there: Look) -> Hop | None:
    """Two nodes' devices that can't talk though each is as its own node wants it."""
    ours, theirs = (look.wanted("link", name=look.overlay["device"]) or {} for look in (here, there))
    for key in ("id", "port"):
        one, other = (ours.get("data") or {}).get(key), (theirs.get("data") or {}).get(key)
        if one != other and one and other:
            hop = Hop(there.node, "device", there.overlay["device"], found=f"{key} {other}", wanted=f"{key} {one}")
            told = f"the nodes are configured differently: {key} {one} on {here.node}, {other} on {there.node}"
            return hop.blame(told, "run podnet.cluster.site on all nodes with one overlay_backend")
    return None


def _arrive(leg: Leg, look: Look, target: End, seen_as: str, iif: str) -> None:
    """From the node's routing decision to the target on this node."""
    if target.kind == "node":
        wanted = {"dst": "", "dev": look.has_address(target.address), "gateway": None}
        leg.hops.append(hops.route(look, target.address, seen_as, iif, wanted))
        leg.hops.append(hops.packet_filter(look, "input", ("input",), 6 if ":" in target.address else 4, [iif]))
        return
    pod = look.pod_with(target.address)
    if pod is None:
        leg.hops.append(_no_pod(look, target))
        return
    bridge = look.bridge_of(pod)
    # the bridge before the route that stands on its address
    leg.hops.append(hops.bridge(look, bridge, "out", hops.gateways(pod)))
    block = next((_block(prefix) for prefix in pod["prefixes"] if _covers(prefix, target.address)), "")
    route = hops.route(look, target.address, seen_as, iif, {"dst": block, "dev": bridge, "gateway": None})
    route.follows = route.follows or leg.hops[-1].verdict == BROKEN
    leg.hops.append(route)
    _deliver(leg, look, target, pod)


def _deliver(leg: Leg, look: Look, target: End, pod: dict[str, Any]) -> None:
    """From the bridge to the pod."""
    bridge = look.bridge_of(pod)
    deliver = Hop(look.node, "deliver", f"neighbour {target.address} dev {bridge}", wanted=pod["mac"])
    leg.hops.append(
        hops.entry(
            deliver, look.state["neighbours"], target.address, bridge, pod["mac"], pod["pod"],
            f"ip neighbour delete {target.address} dev {bridge}",
        )
    )  # fmt: skip
    leg.hops += [hops.port(look, pod, "out"), hops.pod(look, pod, "in")]


def _block(prefix: str) -> str:
    subnet = parse_subnet(prefix)
    return f"{to_text(subnet.family, subnet.first)}/{subnet.length}"


def _covers(prefix: str, address: str) -> bool:
    return parse_address(address) in parse_subnet(prefix)


def first_fault(legs: list[Leg]) -> tuple[Leg, Hop] | None:
    """The first broken hop of the way that is no effect of another; else the first broken one."""
    broken = [(leg, hop) for leg in legs for hop in leg.hops if hop.verdict == BROKEN]
    return next((found for found in broken if not found[1].follows), broken[0] if broken else None)
