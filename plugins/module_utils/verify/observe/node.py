# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node has on its packets' way, read once: the input of ``way`` and ``checks``, JSON-ready.

``collect`` runs on the node and changes nothing. For the flows that are asked about, pairs of addresses, the kernel's
own routing decision is taken ("lookups"), from the pods and from each link by which such packets may come in.
"""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, NamedTuple

from ...agent import client
from ...agent.sources.source import DIRECTORY, FileSource
from ...converge.kernel_objects import ObjectChange
from ...converge.plan import Plan
from ...netlink import address as addresses
from ...netlink import link as links
from ...netlink import neighbour as neighbours
from ...netlink import route as routes
from ...netlink.channel import Channel
from ...netlink.netns import Netns
from ...overlay import reconcile, subnet_env
from ...overlay.config import ConfigError
from ...overlay.lease import Leases
from ...overlay.lock import locked
from . import cri, fib, hostports, netfilter, policy_rules, proc, xfrm
from .attachments import RESULTS, Attachment, attachments
from .fib import Flow, described

SCHEMA = 1
UNIT = "/etc/systemd/system/podnetd.service"


class Places(NamedTuple):
    """Where the node's files are; ``root`` goes before each of them."""

    root: str = ""
    config: str = DIRECTORY
    subnet_env: str = subnet_env.PATH
    results: str = RESULTS
    conf_dir: str = cri.CONF_DIR
    conflist: str = cri.CONFLIST
    containerd: str = cri.CONTAINERD
    library: str = cri.LIBRARY
    run: str = client.RUN


NODE = Places()


def at(conflist: str) -> Places:
    """The places on a node whose configuration list is the file ``conflist``."""
    directory, _slash, name = conflist.rpartition("/")
    return Places(conf_dir=directory, conflist=name)


def collect(flows: Iterable[Flow] = (), places: Places = NODE) -> dict[str, Any]:
    """The node's state. Raises NetlinkError when the kernel can't be asked; all else that is wrong is part of it."""
    flows = [*flows, *((target, source) for source, target in flows)]
    with Channel() as channel:
        found: dict[str, Any] = {"schema": SCHEMA, "node": platform.node(), "time": time.time()}
        all_links = links.dump(channel)
        names = {link.index: link.name for link in all_links}
        found["links"] = {link.name: _link(link) for link in all_links}
        found["addresses"] = [described(each) for each in addresses.dump(channel, names)]
        attached = attachments(places.root + places.results)
        found["cni"] = cri.collect(places.root, places.conf_dir, places.conflist, places.containerd, places.library)
        found["overlay"], found["wanted"], found["drift"] = _overlay(channel, places, flows)
        if found["overlay"]["node"]:
            found["node"] = found["overlay"]["node"]
        found["rules"] = policy_rules.policy(channel)
        found["lookups"] = fib.lookups(
            channel, names, fib.entrances(found, attached), flows, found["overlay"], found["rules"]
        )
        concerned = {address for flow in flows for address in flow}
        concerned |= {peer["address"] for peer in found["overlay"]["peers"] if peer["concerned"]}
        concerned |= {entry["dst"] for entry in found["wanted"] if entry["object"] == "neighbour"}
        concerned |= {gateway for entry in found["lookups"] if (gateway := (entry["route"] or {}).get("gateway"))}
        found["neighbours"] = [described(each) for each in neighbours.dump(channel, names) if each.dst in concerned]
        macs = {entry["mac"] for entry in found["wanted"] if entry["object"] in ("fdb", "neighbour")}
        found["fdb"] = [described(each) for each in neighbours.dump_fdb(channel, names) if each.mac in macs]
        bridges = {link.mac for link in all_links if link.kind == "bridge" and link.mac}
        found["bridge_fdb"] = fib.bridge_fdb(channel, names, {one.mac for one in attached} | bridges)
        found["foreign_routes"] = fib.foreign(channel, names, found)
        found["sysctls"] = _sysctls(found["links"])
        found["filters"] = netfilter.suspects()
        found["classifiers"] = netfilter.classifiers(channel, names)
        found["transforms"] = xfrm.policies()
        maps = found["cni"]["maps_ports"] and not found["cni"]["foreign"]
        found["ports_astray"] = hostports.astray(attached, found["cni"]["network"]) if maps else []
        found["port_taken"] = _port_taken(found)
        found["agent"] = _agent(places)
        found["kube_proxy"] = _kube_proxy()
        found["services"] = _services(places.root)
    found["pods"] = [_pod(attachment, flows) for attachment in attached]
    return found


def _overlay(channel: Channel, places: Places, flows: list[Flow]) -> tuple[dict[str, Any], list[dict], list[dict]]:
    """What the node is to be, the wanted objects of its own and of the peers on the way, and what differs."""
    told: dict[str, Any] = {
        "node": "", "error": "", "config": None, "lease": None, "peers": [], "refused": {}, "device": None,
        "mtu": None, "underlay": None, "masquerade": [],
    }  # fmt: skip
    source = FileSource(places.root + places.config)
    try:
        config = source.config()
        told.update(node=config.node_name, config=config.as_json())
        config, leases = client.known(places.root + places.run) or source.read()
        told.update(lease=leases.own.as_json(), refused=dict(leases.refused), peers=_peers(leases, flows))
        with locked():  # not amid what the agent does
            overlay = reconcile.present(channel, config, leases, places.root + places.subnet_env)
    except ConfigError as error:
        told["error"] = str(error)
        return told, [], []
    desired = overlay.desired
    assert desired is not None
    assert overlay.wanted is not None
    told.update(device=desired.device, mtu=desired.mtu, underlay=overlay.wanted.carrier.device)
    told["refused"].update(desired.refused)
    concerned = {peer["name"] for peer in told["peers"] if peer["concerned"]}
    of_peers = [thing for name in concerned for thing in desired.peers.get(name, [])]
    wanted = [*desired.own, *overlay.shared.values(), *of_peers]
    return told, [thing.describe() for thing in wanted], _drift(overlay.plan)


def _peers(leases: Leases, flows: list[Flow]) -> list[dict[str, Any]]:
    """The peers; those that a flow has to do with come whole, of the others what tells them apart."""
    asked = [routes.split_prefix(address) for flow in flows for address in flow]
    found = []
    for peer in leases.peers:
        concerned = any(
            cidr.holds(4 if len(packed) == 4 else 6, int.from_bytes(packed, "big"))
            for cidr in peer.pod_cidrs
            for packed, _length in asked
        ) or any(address in flow for flow in flows for address in peer.addresses)
        found.append({**peer.as_json(), "concerned": concerned})
    return found


def _drift(plan: Plan) -> list[dict[str, Any]]:
    """The agent's plan, a step each; those of the kernel's objects with what is there and what must be."""
    steps: list[dict[str, Any]] = []
    for change in plan.changes:
        step: dict[str, Any] = {"action": "", "text": str(change), "wanted": None, "actual": None}
        if isinstance(change, ObjectChange):
            step["action"] = change.action
            step["wanted"] = change.wanted.describe() if change.wanted else None
            step["actual"] = change.actual.describe() if change.actual else None
        steps.append(step)
    return steps


def _sysctls(known: dict[str, Any]) -> dict[str, str]:
    """What decides about forwarding and reverse paths; those of a link by its name."""
    wanted = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/bridge/bridge-nf-call-iptables"]
    wanted += ["net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max"]
    wanted += ["net/ipv4/icmp_echo_ignore_all", "net/ipv6/icmp/echo_ignore_all"]
    # most links are pods' own ends of a veth pair, whose settings don't matter: they are ports of a bridge
    for name in ["all", *(name for name, link in known.items() if not link["master"])]:
        wanted += [f"net/ipv4/conf/{name}/rp_filter", f"net/ipv4/conf/{name}/forwarding"]
        wanted += [f"net/ipv6/conf/{name}/forwarding", f"net/ipv6/conf/{name}/disable_ipv6"]
        wanted.append(f"net/ipv4/conf/{name}/arp_ignore")
    return _read_sysctls(wanted)


#: What in a pod decides whether it answers.
POD_SYSCTLS = [
    *(f"net/ipv4/conf/{name}/arp_ignore" for name in ("all", "eth0")),
    *(f"net/ipv6/conf/{name}/disable_ipv6" for name in ("all", "eth0")),
    "net/ipv4/icmp_echo_ignore_all", "net/ipv6/icmp/echo_ignore_all",
    "net/ipv4/ip_default_ttl", "net/ipv6/conf/eth0/hop_limit",
]  # fmt: skip


def _read_sysctls(wanted: list[str]) -> dict[str, str]:
    found = {}
    for name in wanted:
        try:
            with open(f"/proc/sys/{name}", encoding="ascii") as file:
                found[name] = file.read().strip()
        except OSError:
            continue
    return found


def _port_taken(found: dict[str, Any]) -> str:
    """Who else has the UDP port of the tunnel's device, where that is not up; "" for nobody."""
    name = found["overlay"]["device"]
    wanted = next((thing for thing in found["wanted"] if thing["object"] == "link" and thing["name"] == name), None)
    if not wanted or found["links"].get(name, {}).get("up"):
        return ""
    return proc.holder(wanted["data"].get("port") or 0)


def _agent(places: Places) -> dict[str, Any]:
    """Whether podnetd is to run here, and what it tells of itself, None where it does not answer."""
    unit = places.root + UNIT
    return {"expected": os.path.exists(unit), "status": client.ask(places.root + places.run, "/status")}


#: Services of systemd without which a node has no pods.
SERVICES = ("containerd", "kubelet")
ENABLED = "/etc/systemd/system/multi-user.target.wants"


def _services(root: str) -> dict[str, bool]:
    """Those of SERVICES that are enabled here, and whether each has a process."""
    enabled = [name for name in SERVICES if os.path.lexists(f"{root}{ENABLED}/{name}.service")]
    running = proc.names() if enabled else set()
    return {name: name in running for name in enabled}


def _kube_proxy() -> dict[str, bool]:
    """Whether Services are translated by kube-proxy here, and whether it is alive: something answers at its health
    port (kube-proxy, --healthz-bind-address)."""
    healthy = False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(3)  # a busy node is no dead one
        try:
            probe.connect(("127.0.0.1", 10256))
            probe.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            healthy = probe.recv(16).startswith(b"HTTP/1.")
        except OSError:
            pass
    return {"expected": healthy or netfilter.has_chain("KUBE-SERVICES"), "healthy": healthy}


def _pod(attachment: Attachment, flows: list[Flow]) -> dict[str, Any]:
    """A pod's side; with the routing decisions and neighbours of those that a flow is from or to."""
    told: dict[str, Any] = {
        **asdict(attachment), "error": "", "link": None, "has": [], "routes": [], "lookups": [], "neighbours": [],
        "filters": [], "classifiers": [], "rules": [], "sysctls": {}, "loopback": True,
    }  # fmt: skip
    asked = [flow for flow in flows if set(flow) & set(attachment.addresses)]
    try:
        inside = Netns(attachment.netns)
    except OSError as error:
        return {**told, "error": f"{attachment.netns}: {error.strerror}"}
    try:
        with inside, Channel() as channel:
            all_links = links.dump(channel)
            names = {link.index: link.name for link in all_links}
            told["link"] = next((_link(link) for link in all_links if link.name == attachment.interface), None)
            told["loopback"] = any(link.loopback and link.up for link in all_links)
            told["has"] = [each.address for each in addresses.dump(channel, names) if each.dev == attachment.interface]
            told["lookups"] = [
                fib.lookup(channel, names, target)
                for target in dict.fromkeys([*(target for _source, target in asked), *attachment.gateways])
            ]
            told["routes"] = [described(route) for route in routes.dump(channel, names)]
            if asked:
                told["neighbours"] = [described(each) for each in neighbours.dump(channel, names)]
                told["filters"] = netfilter.suspects()
                told["classifiers"] = netfilter.classifiers(channel, names)
                told["rules"] = policy_rules.policy(channel)
                told["sysctls"] = _read_sysctls(POD_SYSCTLS)
    finally:
        inside.close()
    return told


def _link(link: links.Link) -> dict[str, Any]:
    told = {name: getattr(link, name) for name in links.Link.VALUES}
    return {
        **told,
        "operstate": link.operstate,
        "peer_index": link.peer_index,
        "index": link.index,
        "noarp": link.noarp,
    }
