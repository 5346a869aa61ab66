# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hops of a packet's way, each judged: what is there, what must be there; where they differ, cause and cure.

Every function looks at one node's state (``state.collect``) and says what it makes of one hop. Nothing is sent. What
must be there is what the agent wants (``wanted`` and ``drift`` of the state) and, for pods, what the CNI plugins noted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..ipam.ip import parse_address, parse_subnet

OK, BROKEN, SUSPECT, UNKNOWN = "ok", "broken", "suspect", "unknown"
APPLY = "podnetctl apply"


@dataclass
class Hop:
    """One hop. ``step`` is its kind (STEPS), ``name`` the object there, ``found`` and ``wanted`` say what is and what
    must be, ``verdict`` is ok, broken, suspect (it may be the cause) or unknown (nobody looked).

    ``follows``: what is wrong here is an effect of another hop's fault. ``sights``: where a packet must be seen that
    passes here, as (place, link, way); place is "node" or a pod's name. ``seen``: how many were.
    """

    node: str
    step: str
    name: str
    found: str = ""
    wanted: str = ""
    verdict: str = OK
    cause: str = ""
    cure: str = ""
    follows: bool = False
    sights: list[tuple[str, str, str]] = field(default_factory=list)
    seen: int | None = None
    suspects: list[str] = field(default_factory=list)

    def blame(self, cause: str, cure: str, follows: bool = False) -> Hop:
        """Enter a fault; the first one stays."""
        if self.verdict != BROKEN:
            self.verdict, self.cause, self.cure, self.follows = BROKEN, cause, cure, follows
        return self

    def doubt(self, cause: str, cure: str = "") -> Hop:
        """Enter what may be a fault."""
        self.suspects.append(cause)
        if self.verdict == OK:
            self.verdict, self.cause, self.cure = SUSPECT, cause, cure
        return self

    def place(self) -> str:
        """Where packets are looked for here."""
        if not self.sights:
            return f"{self.name} on {self.node}"
        place, link, _way = self.sights[0]
        return f"{link} of {self.node if place == 'node' else place}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


#: The kinds of hops, in a packet's order.
STEPS = {
    "pod": "the pod's interface",
    "pod-route": "the pod's route",
    "pod-neighbour": "the pod's neighbour entry for its gateway",
    "port": "the node's end of the pod's veth pair, a port of the bridge",
    "bridge": "the bridge",
    "service": "the translation of a Service's address",
    "forwarding": "forwarding",
    "filter": "the packet filter on the way through the node",
    "route": "the node's route",
    "nat": "the translation of sources",
    "device": "the tunnel's device",
    "neighbour": "the neighbour entry for the peer's VTEP",
    "fdb": "the forwarding entry for the peer's VTEP",
    "lease": "what the node knows of the peer",
    "underlay": "the underlay",
    "wire": "the wire between the nodes",
    "input": "the packet filter on the way into the node",
    "deliver": "the neighbour entry for the pod",
    "node": "the node itself",
    "outside": "the world outside the cluster",
}


class Look:
    """A node's state, with what the hops ask of it."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.node: str = state["node"]
        self.overlay: dict[str, Any] = state["overlay"]
        self.links: dict[str, dict[str, Any]] = state["links"]

    def drift(self, kind: str, **values: Any) -> list[dict[str, Any]]:
        """The plan's steps about kernel objects of a kind with these values, on either side."""
        found = []
        for step in self.state["drift"]:
            for side in ("wanted", "actual"):
                thing = step[side]
                if thing and thing["object"] == kind and all(thing.get(key) == value for key, value in values.items()):
                    found.append(step)
                    break
        return found

    def wanted(self, kind: str, **values: Any) -> dict[str, Any] | None:
        """The wanted kernel object of a kind with these values."""
        for thing in self.state["wanted"]:
            if thing["object"] == kind and all(thing.get(key) == value for key, value in values.items()):
                return thing
        return None

    def lookup(self, to: str, source: str | None = None, iif: str = "") -> dict[str, Any] | None:
        return find_lookup(self.state["lookups"], to, source, iif)

    def sysctl(self, name: str) -> str | None:
        return self.state["sysctls"].get(name)

    def pod_with(self, address: str) -> dict[str, Any] | None:
        """The pod of this node that was given the address, or that has it all the same."""
        for pod in self.state["pods"]:
            if address in pod["addresses"]:
                return pod
        for pod in self.state["pods"]:
            if any(each.partition("/")[0] == address for each in pod["has"]):
                return pod
        return None

    def bridge_of(self, pod: dict[str, Any]) -> str:
        return pod["bridge"] or self.state["cni"]["bridge"]

    def has_address(self, address: str) -> str:
        """The link with that address, "" if there is none."""
        for each in self.state["addresses"]:
            if each["address"].partition("/")[0] == address:
                return each["dev"]
        return ""


def find_lookup(lookups: list[dict[str, Any]], to: str, source: str | None = None, iif: str = "") -> dict | None:
    return next((e for e in lookups if e["to"] == to and e["iif"] == iif and (not iif or e["from"] == source)), None)


def inside(pod: dict[str, Any], command: str) -> str:
    """A command for the operator that works in the pod's network namespace."""
    return f"nsenter --net={pod['netns']} {command}"


def recreate(pod: dict[str, Any]) -> str:
    """How a pod gets a new interface."""
    namespace, _slash, name = pod["pod"].partition("/")
    return f"kubectl --namespace {namespace} delete pod {name}" if namespace and name else "recreate the pod"


# -- the pod's end ---------------------------------------------------------------------------------------------------


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
        hop.doubt(f"{name} has the MAC address {link['mac']}; the plugin gave it {pod['mac']}")
    mtu = look.overlay["mtu"]
    if mtu and link["mtu"] > mtu:
        cure = inside(pod, f"ip link set {name} mtu {mtu}") + f" (or {recreate(pod)})"
        hop.blame(f"{name}'s MTU is {link['mtu']}, larger than the pod network's {mtu}: large packets get lost", cure)
    for chain in pod["filters"]:
        if chain["drops"]:
            hop.doubt(f"in the pod, {told_chain(chain)}", inside(pod, filter_cure(chain)))
    return hop


def pod_route(look: Look, pod: dict[str, Any], target: str) -> Hop:
    """The route that the pod's own kernel takes."""
    gateway = next((each for each in pod["gateways"] if (":" in each) == (":" in target)), "")
    hop = Hop(look.node, "pod-route", f"route to {target} in {pod['pod']}")
    local = any(_covers(prefix, target) for prefix in pod["prefixes"])
    hop.wanted = f"dev {pod['interface']}" if local else f"via {gateway} dev {pod['interface']}"
    found = find_lookup(pod["lookups"], target)
    if found is None:
        hop.verdict = UNKNOWN
        return hop
    route = found["route"]
    hop.found = told_route(found)
    put_back = inside(pod, f"ip route replace default via {gateway} dev {pod['interface']}") + f" (or {recreate(pod)})"
    down = not (pod["link"] or {}).get("up")
    if route is None:
        return hop.blame(f"the pod has no route to {target} ({found['error']})", put_back, follows=down)
    if route.get("dev") != pod["interface"] or (not local and route.get("gateway") != gateway):
        odd = f"the pod's route to {target} is {told_route(found)}, not {hop.wanted}"
        cure = put_back if route["dst"] in ("0.0.0.0/0", "::/0") else inside(pod, f"ip route delete {route['dst']}")
        return hop.blame(odd, cure, follows=down)
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
            put_back = inside(pod, f"ip route replace default via {gateway} dev {pod['interface']}")
            hop.blame(f"{told}; it must be via {gateway}", f"{put_back} (or {recreate(pod)})", follows=down)
        found.append(hop)
    return found


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


# -- the node's end --------------------------------------------------------------------------------------------------


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


ADD_AGAIN = "restart the node's pods"


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


def packet_filter(look: Look, step: str, hooks: tuple[str, ...], version: int, devices: list[str]) -> Hop:
    """Chains of others that may drop the packet. Never broken by itself: what a rule matches only the kernel knows."""
    hop = Hop(look.node, step, f"packet filter ({', '.join(hooks)})", wanted="nothing that drops pods' packets")
    families = ("inet", "ip" if version == 4 else "ip6", "bridge", "netdev")
    for chain in look.state["filters"]:
        legacy = chain["family"] == "iptables-legacy" and version == 4
        # what kube-proxy and the kubelet drop is marked or invalid: no reason to look askance at a healthy node
        usual = not chain["policy"] and all(name.startswith("KUBE-") for name in chain["in"])
        if chain["drops"] and not usual and chain["hook"] in hooks and (chain["family"] in families or legacy):
            hop.doubt(told_chain(chain), filter_cure(chain))
    for entry in look.state["classifiers"]:
        if entry["dev"] in devices:
            hop.doubt(f"{entry['dev']} has classifiers ({entry['kind']})", f"tc filter show dev {entry['dev']} ingress")
    hop.found = "; ".join(hop.suspects) or "nothing drops"
    return hop


def told_chain(chain: dict[str, Any]) -> str:
    where = f"chain {chain['family']} {chain['table']} {chain['chain']} ({chain['hook']})"
    return f"{where} has the policy drop" if chain["policy"] else f"{where} has rules that drop"


def filter_cure(chain: dict[str, Any]) -> str:
    if chain["family"] == "iptables-legacy":
        return f"iptables-legacy -P {chain['chain']} ACCEPT, or a rule there that accepts the pod network"
    where = f"{chain['family']} {chain['table']} {chain['chain']}"
    if chain["policy"] and chain["table"] == "filter" and chain["chain"].isupper():
        return f"iptables -P {chain['chain']} ACCEPT, or a rule in {where} that accepts the pod network"
    return f"nft list chain {where}: accept the pod network there"


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
    blocked = _fault_of(look, dev)
    taken = found["route"] or (plain or {}).get("route")
    drift = [s for s in look.drift("route") if (s["wanted"] or s["actual"])["dst"] == wanted.get("dst")]
    cure = APPLY if drift else ""
    if taken is None or taken.get("type") in ("unreachable", "blackhole", "prohibit"):
        told = (plain or found)["error"] or (taken and taken["type"])
        return hop.blame(f"there is no route to {target} ({told})", cure or _route_cure(wanted), follows=bool(blocked))
    if taken.get("dev") != dev or (wanted.get("gateway") and taken.get("gateway") != wanted["gateway"]):
        who = "the overlay's own" if drift and taken["dst"] == wanted.get("dst") else maker(taken)
        told = f"packets to {target} take the route {show_route(taken)} ({who}), not {hop.wanted}"
        shadows = taken["dst"] not in ("0.0.0.0/0", "::/0") and taken["dst"] != wanted.get("dst")
        mend = f"ip route delete {show_route(taken)}" + (f" table {taken['table']}" if taken["table"] != 254 else "")
        return hop.blame(told, mend if shadows else cure or _route_cure(wanted), follows=bool(blocked) and not shadows)
    if found["route"] is None:
        return _refused(look, hop, found, source, iif)
    return hop


def _refused(look: Look, hop: Hop, found: dict[str, Any], source: str, iif: str) -> Hop:
    """There is a route, and yet the kernel would not forward the packet: the reverse path, or forwarding is off."""
    # the larger of the two counts (ip-sysctl); 1 is strict, 2 is loose
    strict = max(look.sysctl(f"net/ipv4/conf/{name}/rp_filter") or "0" for name in ("all", iif))
    return_way = look.lookup(source) or {}
    back = return_way.get("route") or {}
    if return_way.get("error") or back.get("type") in ("unreachable", "blackhole", "prohibit"):
        told = f"there is no route back to {source}, so the kernel drops what comes from it as martian"
        drifted = [step for step in look.drift("route") if _covers((step["wanted"] or step["actual"])["dst"], source)]
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
    told = f"the kernel refuses to forward from {iif} ({found['error']})"
    return hop.blame(told, "see forwarding", follows=off and ":" not in source)


def _drifted_device(look: Look) -> str:
    return _fault_of(look, look.overlay["device"]) if look.overlay["device"] else ""


def _fault_of(look: Look, dev: str) -> str:
    """What is wrong with the device that a route needs, "" if nothing is."""
    link = look.links.get(dev)
    if link is None:
        return f"{dev} is missing"
    if not link["up"]:
        return f"{dev} is down"
    return next((step["text"] for step in look.drift("link", name=dev) if step["action"] != "change"), "")


def maker(taken: dict[str, Any]) -> str:
    """Who made a route, by its protocol (rtnetlink.h RTPROT_*)."""
    makers = {2: "the kernel's", 3: "added by hand", 4: "an administrator's", 16: "DHCP's", 186: "BGP's"}
    return makers.get(taken.get("protocol", 0), f"of protocol {taken.get('protocol')}")


def _route_cure(wanted: dict[str, Any]) -> str:
    return f"ip route replace {wanted['dst']} dev {wanted['dev']}" if wanted.get("dst") else APPLY


def show_route(taken: dict[str, Any]) -> str:
    words = [taken["dst"]]
    if taken.get("gateway"):
        words += ["via", taken["gateway"]]
    if taken.get("dev"):
        words += ["dev", taken["dev"]]
    return " ".join(words)


def told_route(found: dict[str, Any]) -> str:
    return show_route(found["route"]) if found["route"] else f"none: {found['error']}"


# -- the tunnel ------------------------------------------------------------------------------------------------------

_LINK_WORDS = {"id": "VNI", "port": "UDP port", "local": "source address", "link": "underlay link"}


def device(look: Look, way: str) -> Hop:
    """The tunnel's device: as the agent wants it."""
    name = look.overlay["device"]
    wanted = look.wanted("link", name=name) or {}
    link = look.links.get(name)
    hop = Hop(look.node, "device", name, wanted=_told_link(wanted), sights=[("node", name, way)])
    hop.found = _told_link(link) if link else "missing"
    if link is None:
        return hop.blame(f"{name} is missing", APPLY)
    if not link["up"]:
        return hop.blame(f"{name} is down", f"ip link set {name} up ({APPLY})")
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
    lost = bool(_fault_of(look, dev))
    if entry is None:
        return hop.blame(f"there is no neighbour entry for {gateway}, {peer['name']}'s VTEP", APPLY, follows=lost)
    if entry.get("mac") != mac:
        has = entry.get("mac") or "no MAC address"
        told = f"{gateway}, {peer['name']}'s VTEP, is taken to have {has}, it has {mac}"
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
    lost = bool(_fault_of(look, dev))
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
    lost = bool(_fault_of(look, dev))
    steps = [*look.drift("wireguard", dev=dev), *look.drift("peer", dev=dev)]
    hop.found = "; ".join(step["text"] for step in steps) or "as it must be"
    for step in steps:
        hop.blame(f"{peer['name']} can't be talked with as it must be (to do: {step['text']})", APPLY, follows=lost)
    return hop


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


def underlay(look: Look, vtep: str, overhead: int) -> Hop:
    """The underlay's route to the peer and whether a full tunnel packet fits."""
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
    if entry and entry.get("state") in ("failed", "incomplete"):
        hop.doubt(f"{gateway} does not answer on {dev} when asked for its MAC address")
    return hop


def _covers(prefix: str, address: str) -> bool:
    return parse_address(address) in parse_subnet(prefix)
