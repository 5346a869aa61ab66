# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One node's checks: desired against actual, of everything that a node's pods need. A pure function of its state."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ...ipam.ip import parse_subnet
from ..model.hop import APPLY, BROKEN, Hop
from ..trace.hops import bridge as bridge_hops
from ..trace.hops import pod as pod_hops
from ..trace.hops.node_view import Look, inside, maker, recreate, show_route, without

AGENT = "systemctl start podnetd; journalctl -u podnetd"
#: Seconds after which a reservation without a pod counts as leaked: an ADD or DEL may be under way.
GRACE = 60


def checks(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Each with ``check``, ``subject``, ``node``, ``ok``, ``reason`` and ``cure`` (empty if ok), ``step`` (the kind of
    hop that it is about, "" for none)."""
    look = Look(state)
    found = _Found(look.node)
    _overlay(look, found)
    _runtime(look, found)
    _reservations(look, found)
    _pods(look, found)
    _services(look, found)
    return found.checks


class _Found:
    """The checks so far. What is right is told once for each kind, what is wrong one by one."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.checks: list[dict[str, Any]] = []

    def add(self, check: str, wrong: list[tuple[str, str, str]], step: str = "") -> None:
        """``wrong``: subject, reason and cure of each failure."""
        for subject, reason, cure in wrong or [(self.node, "", "")]:
            self.checks.append(
                {
                    "check": check, "subject": subject, "node": self.node, "ok": not reason, "reason": reason,
                    "cure": cure, "step": step,
                }
            )  # fmt: skip

    def hops(self, check: str, judged: list[Hop]) -> None:
        """Hops, of which the broken ones fail."""
        broken = [hop for hop in judged if hop.verdict == BROKEN]
        own = [hop for hop in broken if not hop.follows] or broken
        self.add(check, [(hop.name, hop.cause, hop.cure) for hop in own], own[0].step if own else "")


def _overlay(look: Look, found: _Found) -> None:
    overlay, node = look.overlay, look.node
    config = overlay["config"]
    if config is None and not look.state["cni"]["needs_overlay"]:
        return  # a node without our overlay, as kubenet's: nothing is wanted of it
    error = overlay["error"]
    wrong = [(node, error, "see the message; run podnet.cluster.site")] if error else []
    found.add("overlay can be what it must", wrong)
    by_step: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for step in look.state["drift"]:
        by_step[_step_of(step, look.state["cni"]["bridge"])].append((node, step["text"], APPLY))
    for kind, wrong in by_step.items():
        found.add("node is as the agent wants it", wrong, kind)
    if not by_step and not error:
        found.add("node is as the agent wants it", [])
    mend = "give each node a pod CIDR and an address of its own"
    found.add("every peer is served", [(name, why, mend) for name, why in overlay["refused"].items()], "lease")
    routes = [
        (node, f"{show_route(route)} ({maker(route)}) takes packets from the pod network", without(route))
        for route in look.state["foreign_routes"]
    ]
    found.add("nobody else routes the pod network", routes, "route")
    agent = look.state["agent"]
    if agent["expected"]:
        status = agent["status"]
        wrong = [(node, "podnetd does not answer: nobody puts right what drifts", AGENT)] if status is None else []
        wrong += [(node, f"podnetd: {reason}", AGENT) for reason in (status or {}).get("ready", [])]
        found.add("agent runs", wrong)


def _step_of(step: dict[str, Any], bridge: str) -> str:
    """The kind of hop that a step of the plan is about."""
    thing = step["wanted"] or step["actual"]
    if thing:
        known = {"neighbour": "neighbour", "fdb": "fdb", "route": "route"}
        usual = "bridge" if (thing.get("dev") or thing.get("name")) == bridge else "device"
        return known.get(thing["object"], usual)
    words = {"inet podnet": "nat", "forward": "forwarding", "rp_filter": "rp_filter", "subnet.env": "subnet.env"}
    return next((hop for word, hop in words.items() if word in step["text"]), "device")


def _runtime(look: Look, found: _Found) -> None:
    cni, node = look.state["cni"], look.node
    first = cni["files"][0]["path"] if cni["files"] else ""
    if not cni["ours"]:
        wrong = [(node, f"{cni['conf_dir']} has no configuration of ours", "run the cni role (podnet.cluster.site)")]
    elif first != cni["ours"]:
        told = f"it sorts before {cni['ours']}: the runtime takes it instead"
        wrong = [(first, told, f"mv {first} {first}.disabled")]
    else:
        wrong = []
    found.add("our configuration comes first", wrong, "cni")
    wrong = [(f["path"], f["error"], f"mend or move {f['path']}") for f in cni["files"] if f["error"]]
    found.add("every configuration is valid", wrong, "cni")
    again = "install the library again (podnet.cluster.site)"
    wrong = [(f"{cni['bin_dir']}/{name}", f"{name} {reason}", again) for name, reason in cni["lacking"].items()]
    found.add("plugins can be executed", wrong, "cni")
    library = cni["library"]
    wrong = [(name, f"{name} {reason}", again) for name, reason in library["changed"].items()]
    if not library["whole"]:
        told = "the library's files are not as they were installed" if library["version"] else "the library is missing"
        wrong.append((node, told, again))
    found.add("library is as it was installed", wrong, "cni")
    containerd = cni["containerd"]
    if containerd:
        wrong = []
        if containerd["conf_dir"] != cni["conf_dir"]:
            told = f"containerd looks for configurations in {containerd['conf_dir']}, ours is in {cni['conf_dir']}"
            wrong.append(("containerd", told, _containerd("conf_dir", cni["conf_dir"])))
        if cni["foreign"]:
            told = f"containerd executes {cni['bin_dir']}/{cni['foreign'][0]}, which is not ours"
            wrong.append(("containerd", told, _containerd("bin_dir", f"{cni['library_dir']}/current/bin")))
        found.add("containerd looks in our directories", wrong, "cni")


def _containerd(key: str, value: str) -> str:
    return f'set {key} = "{value}" in /etc/containerd/config.toml (podnet.cluster.site), systemctl restart containerd'


def _reservations(look: Look, found: _Found) -> None:
    reserved = look.state["cni"]["reservations"]
    pods = [pod for pod in look.state["pods"] if pod["network"] == look.state["cni"]["network"]]
    attached = {address: pod for pod in pods for address in pod["addresses"]}
    now = look.state["time"]
    leaked = [
        (address, f"it is reserved for {entry['owner'] or 'nobody'}, which has no pod here", f"rm {entry['path']}")
        for address, entry in reserved.items()
        if address not in attached and now - entry["changed"] > GRACE
    ]
    found.add("every reservation is a pod's", leaked, "ipam")
    unreserved = [
        (pod["pod"], f"{address} is not reserved: the next pod may be given it, too", recreate(pod))
        for address, pod in attached.items()
        if address not in reserved
    ]
    found.add("every pod's address is reserved", unreserved, "ipam")
    wrong = []
    for cidr in (look.overlay["lease"] or {}).get("pod_cidrs", []):
        subnet = parse_subnet(cidr)
        if subnet.family == 4:
            # without the network's own address, the gateway's and the broadcast address
            room = subnet.last - subnet.first - 2
            taken = sum(":" not in address for address in reserved)
            if taken >= room:
                told = f"all {room} addresses of {cidr} are reserved: no further pod can start"
                cure = "remove what is leaked (podnet-cni gc), run fewer pods here, or a shorter overlay_node_prefix"
                wrong.append((cidr, told, cure))
    found.add("addresses are left", wrong, "ipam")


def _pods(look: Look, found: _Found) -> None:
    owners: dict[str, list[str]] = defaultdict(list)
    judged: list[Hop] = []
    bridges: dict[str, list[str]] = {}
    for pod in look.state["pods"]:
        for address in pod["has"]:
            if not address.startswith("fe80:"):
                owners[address.partition("/")[0]].append(pod["pod"])
        if pod["bridge"] and pod["link"]:
            owners[f"{pod['link']['mac']} on {pod['bridge']}"].append(pod["pod"])
        if pod["bridge"]:
            bridges.setdefault(pod["bridge"], pod_hops.gateways(pod))
        to_itself = bool(pod["bridge"]) and look.state["cni"]["hairpin"]
        judged += [bridge_hops.port(look, pod, "in", to_itself), pod_hops.pod(look, pod, "out")]
        judged += pod_hops.pod_gateways(look, pod)
    found.hops(
        "bridge is there", [bridge_hops.bridge(look, name, "in", gateways) for name, gateways in bridges.items()]
    )
    found.hops("pod is connected", judged)
    cni = look.state["cni"]
    mend = f"{cni['library_dir']}/current/bin/podnet-cni restore {cni['network']}"
    astray = [(each["pod"], each["reason"], mend) for each in look.state["ports_astray"]]
    found.add("ports that pods publish lead to them", astray, "nat")
    silent = [
        (pod["pod"], "its loopback interface is down", inside(pod, "ip link set lo up"))
        for pod in look.state["pods"]
        if not pod["error"] and not pod["loopback"]
    ]
    found.add("pod's loopback is up", silent, "pod")
    twice = [
        (address, f"it is on {' and '.join(pods)}", f"delete the pod that was not given it ({address})")
        for address, pods in owners.items()
        if len(pods) > 1
    ]
    found.add("no address is on two pods", twice, "deliver")


def _services(look: Look, found: _Found) -> None:
    ended = [
        (name, f"{name} is enabled and does not run", f"systemctl start {name}; journalctl -u {name}")
        for name, runs in look.state["services"].items()
        if not runs
    ]
    found.add("node's services run", ended, "node")
    proxy = look.state["kube_proxy"]
    if proxy["expected"]:
        told = "kube-proxy does not answer on 127.0.0.1:10256: Services are translated as they were when it ended"
        found.add("kube-proxy runs", [] if proxy["healthy"] else [(look.node, told, KUBE_PROXY)], "service")


KUBE_PROXY = "kubectl --namespace kube-system get daemonset kube-proxy; describe its pod on this node"


def _underlay_addresses(state: dict[str, Any]) -> list[str]:
    """By what others know the node: the addresses of the underlay's interface, its MAC address and the tunnel's."""
    names = [name for name in (state["overlay"]["underlay"], state["overlay"]["device"]) if name]
    under = state["overlay"]["underlay"]
    own = [each["address"].partition("/")[0] for each in state["addresses"] if each["dev"] == under]
    macs = [state["links"][name]["mac"] for name in names if (state["links"].get(name) or {}).get("mac")]
    return [*(each for each in own if not each.startswith("fe80:")), *dict.fromkeys(macs)]


def about(state: dict[str, Any]) -> dict[str, Any]:
    """What comparisons between nodes need."""
    overlay = state["overlay"]
    return {
        "node": state["node"],
        "time": state["time"],
        "library": state["cni"]["library"]["version"],
        "lease": overlay["lease"],
        "mtu": overlay["mtu"],
        "device": overlay["device"],
        "backend": (overlay["config"] or {}).get("backend"),
        "peers": len(overlay["peers"]),
        "conflist": state["cni"]["ours"],
        "addresses": _underlay_addresses(state),
        "reserved": len(state["cni"]["reservations"]),
        "pods": len(state["pods"]),
    }
