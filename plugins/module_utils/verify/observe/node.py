# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's state, read once: what trace and checks judge.

``collect`` and ``along`` run on the node and change nothing. For the flows that are asked about, pairs of addresses,
the kernel's own routing decision is taken ("lookups"), from the pods and each link by which such packets may come in.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, NamedTuple

from ...agent import client
from ...agent.sources.source import DIRECTORY, FileSource
from ...converge.kernel_objects import ObjectChange
from ...converge.plan import Plan
from ...findings.codes import Code
from ...findings.finding import Finding
from ...ipam.ip import parse_address
from ...netlink import address as addresses
from ...netlink import link as links
from ...netlink import neighbour as neighbours
from ...netlink import route as routes
from ...netlink.channel import Channel
from ...netlink.netns import Netns
from ...netlink.ruleset.read import Ruleset
from ...overlay import reconcile, subnet_env
from ...overlay.config import ConfigError
from ...overlay.lease import Leases
from ...overlay.lock import locked
from ..model.kernel import AddressState, BridgeFdbEntry, FdbState, KernelState, LinkState, NeighborState, RouteState
from ..model.request import DISCARD
from ..model.state import (
    AgentState,
    Attachment,
    DriftStep,
    KubeProxyState,
    NodeState,
    OverlayState,
    Peer,
    PodState,
    Process,
)
from . import cri, fib, hostports, judged, netfilter, policy_rules, proc, xfrm
from .attachments import RESULTS, attachments
from .fib import Flow
from .kernel import as_state, state_of
from .policy import PolicyReader

UNIT = "/etc/systemd/system/podnetd.service"


class Places(NamedTuple):
    """Where the node's files are; ``root`` goes before each of them."""

    root: str = ""
    config: str = DIRECTORY
    subnet_env: str = subnet_env.PATH
    results: str = RESULTS
    conf_dir: str = cri.CONF_DIR
    conflist: str = cri.CONFLIST
    library: str = cri.LIBRARY
    run: str = client.RUN


NODE = Places()


def at(conflist: str) -> Places:
    """The places on a node whose configuration list is the file ``conflist``."""
    directory, _slash, name = conflist.rpartition("/")
    return Places(conf_dir=directory, conflist=name)


def collect(places: Places = NODE) -> NodeState:
    """The node's state. Raises NetlinkError when the kernel can't be asked; all else that is wrong is part of it."""
    cni = cri.collect(places.root, places.conf_dir, places.conflist, places.library)
    with Channel() as channel, Ruleset() as ruleset:
        all_links = links.dump(channel)
        names = {link.index: link.name for link in all_links}
        state = NodeState(
            os.uname().nodename,
            time.time(),
            cni,
            OverlayState(),
            links={link.name: as_state(LinkState, link) for link in all_links},
            addresses=[as_state(AddressState, each) for each in addresses.dump(channel, names)],
            rules=policy_rules.policy(channel),
            sysctls=_sysctls(all_links),
            chains=netfilter.chains(ruleset),
            qdiscs=netfilter.qdiscs(channel, names),
            xfrm_policies=xfrm.policies(),
            kube_proxy=_kube_proxy(ruleset),
            units=_units(places.root),
        )
    return along(state, (), places)


def along(known: NodeState, flows: Iterable[Flow], places: Places = NODE, port: int = DISCARD) -> NodeState:
    """The same node's state with all that concerns these flows, from their sources to this ``port`` of their targets;
    what they don't change is not read again."""
    begun = [*flows]
    flows = [*begun, *((target, source) for source, target in begun)]
    attached = attachments(places.root + places.results)
    policies = PolicyReader(places.config, places.run, places.root)
    behind: dict[tuple[str, str], int] = {}
    state = replace(known)
    names = {link.index: name for name, link in state.links.items()}
    with Channel() as channel:
        state.overlay, state.desired, state.drift = _overlay(channel, places, flows)
        if state.overlay.config:
            state.node = state.overlay.config.node_name
        entrances = fib.entrances(state.links, state.overlay, state.cni, attached)
        state.lookups = fib.lookups(channel, names, entrances, flows, state.overlay, state.rules)
        state.foreign_routes = fib.foreign(channel, names, state)
        _neighbors(channel, names, state, attached, flows)
        if begun:
            with Ruleset() as ruleset:
                state.judged = judged.judge(ruleset, channel, state, attached, begun, port)
                behind = _ports_behind(ruleset, channel, state, begun, port) if policies.options else {}
    if state.cni.maps_ports and not state.cni.foreign:
        state.hostport_mismatches = hostports.mismatches(attached, state.cni.network)
    state.agent = _agent(places, state.node)
    state.tunnel_port_holder = _tunnel_port_holder(state)
    state.policy = policies.state(begun, port, behind)
    state.pods = [_pod(attachment, flows) for attachment in attached]
    return state


def _ports_behind(
    ruleset: Ruleset, channel: Channel, state: NodeState, flows: list[Flow], port: int
) -> dict[tuple[str, str], int]:
    """The pods' ports behind a Service among the targets. A node's port is translated on that node, and here to the
    same pods if this node is asked for it."""
    own = state.overlay.lease.addresses if state.overlay.lease else ()
    targets = {target for _source, target in flows}
    if targets.intersection(address for peer in state.overlay.peers for address in peer.lease.addresses):
        targets.update(own)
    return judged.ports_behind(ruleset, channel, own, targets, port)


def _neighbors(
    channel: Channel, names: dict[int, str], state: NodeState, attached: list[Attachment], flows: list[Flow]
) -> None:
    """Enter the neighbor and FDB entries of those whom the flows, the peers and the desired objects concern."""
    concerned = {address for flow in flows for address in flow}
    concerned |= {peer.lease.address for peer in state.overlay.peers if peer.concerned}
    concerned |= {each.dst for each in state.desired if isinstance(each, NeighborState)}
    concerned |= {each.route.gateway for each in state.lookups if each.route and each.route.gateway}
    entries = [each for each in neighbours.dump(channel, names) if each.dst in concerned]
    state.neighbors = [as_state(NeighborState, each) for each in entries]
    vteps = {each.mac for each in state.desired if isinstance(each, (FdbState, NeighborState))}
    state.fdb = [as_state(FdbState, each) for each in neighbours.dump_fdb(channel, names) if each.mac in vteps]
    macs = {one.mac for one in attached} | {link.mac for link in state.links.values() if link.kind == "bridge"}
    known = (each for each in neighbours.dump_bridges(channel, names) if each.mac in macs)
    state.bridge_fdb = [as_state(BridgeFdbEntry, each) for each in known]


def _overlay(
    channel: Channel, places: Places, flows: list[Flow]
) -> tuple[OverlayState, list[KernelState], list[DriftStep]]:
    """What the node should be, the desired objects of its own and of the peers on the path, and what differs."""
    state = OverlayState()
    source = FileSource(places.root + places.config)
    try:
        state.config = source.config()
        config, leases = client.known(places.root + places.run) or source.read()
        state.lease, state.refused, state.peers = leases.own, dict(leases.refused), _peers(leases, flows)
        with locked(make=False):  # not amid what the agent does
            overlay = reconcile.present(channel, config, leases, places.root + places.subnet_env)
    except ConfigError as error:
        state.error = str(error)
        return state, [], []
    desired = overlay.desired
    assert desired is not None
    assert overlay.wanted is not None
    state.device, state.mtu, state.underlay = desired.device, desired.mtu, overlay.wanted.carrier.device
    state.refused.update(desired.refused)
    concerned = {peer.lease.name for peer in state.peers if peer.concerned}
    of_peers = [thing for name in concerned for thing in desired.peers.get(name, [])]
    objects = [*desired.own, *overlay.shared.values(), *of_peers]
    return state, [state_of(thing) for thing in objects], _drift(overlay.plan)


def _peers(leases: Leases, flows: list[Flow]) -> list[Peer]:
    """The peers, and which of them a flow has to do with."""
    asked = [parse_address(address) for flow in flows for address in flow]
    ends = {address for flow in flows for address in flow}
    return [
        Peer(peer, any(cidr.holds(*one) for cidr in peer.pod_cidrs for one in asked) or bool(ends & {*peer.addresses}))
        for peer in leases.peers
    ]


def _drift(plan: Plan) -> list[DriftStep]:
    """The agent's plan, a step each; those of the kernel's objects with what is there and what should be."""
    steps: list[DriftStep] = []
    for change in plan.changes:
        if isinstance(change, ObjectChange):
            subject = " ".join(str(getattr(change.subject, name)) for name in change.subject.KEY)
            wanted = state_of(change.wanted) if change.wanted else None
            actual = state_of(change.actual) if change.actual else None
            steps.append(DriftStep(change.kind, change.action, subject, str(change), wanted, actual))
        else:
            steps.append(DriftStep(change.kind, "change", getattr(change, "subject", ""), str(change)))
    return steps


def _sysctls(known: list[links.Link]) -> dict[str, str]:
    """What decides about forwarding and reverse paths; those of a link by its name."""
    wanted = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/bridge/bridge-nf-call-iptables"]
    wanted += ["net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max"]
    wanted += ["net/ipv4/icmp_echo_ignore_all", "net/ipv6/icmp/echo_ignore_all"]
    # most links are pods' own ends of a veth pair, whose settings don't matter: they are ports of a bridge
    for name in ["all", *(link.name for link in known if not link.master)]:
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


def _tunnel_port_holder(state: NodeState) -> Process | None:
    """Which process has the UDP port of the tunnel's device, where that is not up; None for none."""
    name = state.overlay.device
    wanted = next((each for each in state.desired if isinstance(each, LinkState) and each.name == name), None)
    link = state.links.get(name or "")
    port = wanted.data.get("port") if wanted else None
    return proc.holder(port) if isinstance(port, int) and not (link and link.up) else None


def _agent(places: Places, node: str) -> AgentState:
    status = client.ask(places.root + places.run, "/status")
    unready = [_finding(each, node) for each in (status or {}).get("not_ready", [])]
    return AgentState(os.path.exists(places.root + UNIT), status is not None, unready)


def _finding(reason: Any, node: str) -> Finding:
    """A reason of the agent's: its finding, or what another version of it says."""
    try:
        return Finding.from_json(reason)
    except (ValueError, KeyError, TypeError):
        return Finding(Code.AGENT_NOT_READY, node, "podnetd", {"reason": str(reason)})


ENABLED = "/etc/systemd/system/multi-user.target.wants"


def _units(root: str) -> dict[str, bool]:
    """The units without which a node has no pods, if they are enabled here, and whether each has its process."""
    processes = {**cri.runtime_of(root).processes, "kubelet": "kubelet"}
    enabled = [name for name in processes if os.path.lexists(f"{root}{ENABLED}/{name}.service")]
    running = proc.names() if enabled else {}
    return {name: processes[name] in running for name in enabled}


def _kube_proxy(ruleset: Ruleset) -> KubeProxyState:
    """kube-proxy is alive where its health port answers (--healthz-bind-address)."""
    healthy = False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(3)  # a busy node is no dead one
        try:
            probe.connect(("127.0.0.1", 10256))
            probe.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            healthy = probe.recv(16).startswith(b"HTTP/1.")
        except OSError:
            pass
    return KubeProxyState(healthy or ruleset.has("KUBE-SERVICES") or ruleset.has("kube-proxy"), healthy)


def _pod(attachment: Attachment, flows: list[Flow]) -> PodState:
    """A pod's side; with the routing decisions and neighbors of those that a flow is from or to."""
    state = PodState(**{each.name: getattr(attachment, each.name) for each in fields(attachment)})
    try:
        inside = Netns(attachment.netns)
    except OSError as error:
        state.error = error.strerror or str(error)
        return state
    asked = [flow for flow in flows if set(flow) & set(attachment.addresses)]
    try:
        with inside, Channel() as channel:
            _enter(state, channel, asked)
        if asked:
            state.nameservers = proc.nameservers(attachment.netns)
    finally:
        inside.close()
    return state


def _enter(state: PodState, channel: Channel, asked: list[Flow]) -> None:
    """Enter what is found in the pod's network namespace, which this thread is in."""
    all_links = links.dump(channel)
    names = {link.index: link.name for link in all_links}
    link = next((link for link in all_links if link.name == state.interface), None)
    state.link = as_state(LinkState, link) if link else None
    state.loopback = any(link.loopback and link.up for link in all_links)
    own = (each for each in addresses.dump(channel, names) if each.dev == state.interface)
    state.addresses_found = [each.address for each in own]
    targets = dict.fromkeys([*(target for _source, target in asked), *state.gateways])
    state.lookups = [fib.lookup(channel, names, target) for target in targets]
    state.routes = [as_state(RouteState, route) for route in routes.dump(channel, names)]
    if asked:
        state.neighbors = [as_state(NeighborState, each) for each in neighbours.dump(channel, names)]
        with Ruleset() as ruleset:
            state.chains = netfilter.chains(ruleset)
        state.qdiscs = netfilter.qdiscs(channel, names)
        state.rules = policy_rules.policy(channel)
        state.sysctls = _read_sysctls(POD_SYSCTLS)
