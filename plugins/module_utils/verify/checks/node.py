# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One node's checks: desired against actual, of everything that a node's pods need. A pure function of its state."""

from __future__ import annotations

from collections import defaultdict

from ...findings.codes import Code
from ...findings.finding import Finding, Value
from ...ipam.usage import usage
from ...netlink.conntrack import Connection
from ..model.answer import About
from ..model.check import Check, CheckName
from ..model.hop import Hop, Step, Verdict
from ..model.runtimes import RUNTIMES
from ..model.state import MISSING, MODIFIED, NOT_EXECUTABLE, DriftStep, HostPortMismatch, NodeState, PodState
from ..trace.hops import bridge as bridge_hops
from ..trace.hops import pod as pod_hops
from ..trace.hops import policy as policy_hops
from ..trace.hops.node_view import NodeView, enter, origin_of, recreate, removal_of, show_route

#: Seconds after which a reservation without a pod counts as leaked: an ADD or DEL may be under way.
GRACE = 60
FILES = {
    MISSING: Code.CNI_PLUGIN_MISSING,
    NOT_EXECUTABLE: Code.CNI_PLUGIN_NOT_EXECUTABLE,
    MODIFIED: Code.CNI_PLUGIN_MODIFIED,
}


def checks(state: NodeState) -> list[Check]:
    """What passes once for each kind of check, what fails one by one."""
    view = NodeView(state)
    found = _Found(view.node)
    _overlay(view, found)
    _runtime(view, found)
    _reservations(view, found)
    _pods(view, found)
    _services(view, found)
    _policies(view, found)
    return found.checks


class _Found:
    """The checks so far."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.checks: list[Check] = []

    def finding(self, code: Code, subject: str, **parameters: Value) -> Finding:
        return Finding(code, self.node, subject, parameters)

    def add(self, name: CheckName, step: Step | None, findings: list[Finding]) -> None:
        """A check, which passes where nothing was found."""
        if not findings:
            self.checks.append(Check(name, self.node, self.node, step))
        self.checks += [Check(name, each.subject, self.node, step, each) for each in findings]

    def hops(self, name: CheckName, step: Step, judged: list[Hop]) -> None:
        """Hops, of which the broken ones fail."""
        broken = [hop for hop in judged if hop.verdict == Verdict.BROKEN and hop.finding]
        own = [hop for hop in broken if not hop.consequence] or broken
        if not own:
            self.add(name, step, [])
        self.checks += [Check(name, hop.name, self.node, hop.step, hop.finding) for hop in own]


def _overlay(view: NodeView, found: _Found) -> None:
    overlay, node, state = view.overlay, view.node, view.state
    if overlay.config is None and not state.cni.needs_overlay:
        return  # a node without our overlay, as kubenet's: nothing is wanted of it
    invalid = [found.finding(Code.OVERLAY_INVALID, node, error=overlay.error)] if overlay.error else []
    found.add(CheckName.OVERLAY_VALID, None, invalid)
    by_step: dict[Step, list[Finding]] = defaultdict(list)
    for each in state.drift:
        drifted = found.finding(Code.NODE_DRIFTED, each.subject, pending=each.text)
        by_step[_step_of(each, state.cni.bridge)].append(drifted)
    for step, drift in by_step.items():
        found.add(CheckName.NODE_IN_SYNC, step, drift)
    if not by_step and not overlay.error:
        found.add(CheckName.NODE_IN_SYNC, None, [])
    found.add(CheckName.LEASES_ACCEPTED, Step.LEASE, list(overlay.refused.values()))
    routes = [
        found.finding(Code.ROUTE_FOREIGN, show_route(route), origin=origin_of(route), remove=removal_of(route))
        for route in state.foreign_routes
    ]
    found.add(CheckName.NO_FOREIGN_ROUTES, Step.ROUTE, routes)
    if state.agent.expected:
        silent = [] if state.agent.answers else [found.finding(Code.AGENT_SILENT, node)]
        found.add(CheckName.AGENT_RUNNING, None, silent + state.agent.not_ready)


#: What part of a packet's path a sysctl is about, by the last part of its name.
SYSCTLS = {"ip_forward": Step.FORWARDING, "forwarding": Step.FORWARDING, "rp_filter": Step.RP_FILTER}
OBJECTS = {"neighbour": Step.NEIGHBOR, "fdb": Step.FDB, "route": Step.ROUTE, "nftables": Step.NAT}


def _step_of(drift: DriftStep, bridge: str) -> Step:
    """The kind of hop that a step of the plan is about."""
    if drift.kind == "sysctl":
        return SYSCTLS.get(drift.subject.rpartition(".")[2], Step.DEVICE)
    if drift.kind == "file":
        return Step.SUBNET_ENV
    thing = drift.wanted or drift.actual
    on_bridge = bridge in (getattr(thing, "dev", None), getattr(thing, "name", None))
    return OBJECTS.get(drift.kind, Step.BRIDGE if thing and on_bridge else Step.DEVICE)


def _runtime(view: NodeView, found: _Found) -> None:
    cni, node = view.state.cni, view.node
    first = next((file.path for file in cni.files if not file.error), cni.ours)
    conflist = []
    if not cni.ours:
        conflist = [found.finding(Code.CNI_CONFLIST_MISSING, cni.conf_dir)]
    elif first != cni.ours:
        conflist = [found.finding(Code.CNI_CONFLIST_SHADOWED, first, ours=cni.ours)]
    found.add(CheckName.CONFLIST_FIRST, Step.CNI, conflist)
    invalid = [
        found.finding(Code.CNI_CONFIGURATION_INVALID, file.path, error=file.error)
        for file in cni.files
        if file.error and (not cni.ours or file.path <= cni.ours)  # a later one is read by nobody
    ]
    found.add(CheckName.CONFIGURATIONS_VALID, Step.CNI, invalid)
    lacking = [found.finding(FILES[state], f"{cni.bin_dirs[0]}/{name}") for name, state in cni.lacking.items()]
    found.add(CheckName.PLUGINS_EXECUTABLE, Step.CNI, lacking)
    library = cni.library
    modified = [found.finding(FILES[state], name) for name, state in library.changed.items()]
    if not library.version:
        modified.append(found.finding(Code.LIBRARY_MISSING, node))
    elif not library.whole:
        modified.append(found.finding(Code.LIBRARY_MODIFIED, node, version=library.version))
    found.add(CheckName.LIBRARY_UNMODIFIED, Step.CNI, modified)
    runtime = cni.runtime
    if not runtime:
        return
    elsewhere, unit = [], runtime.unit
    used = next(each for each in RUNTIMES.values() if each.unit == unit)
    if runtime.conf_dir != cni.conf_dir:
        there: dict[str, Value] = {"actual": runtime.conf_dir, "expected": cni.conf_dir}
        there |= {"setting": used.conf_dir.format(cni.conf_dir), "file": used.file}
        elsewhere.append(found.finding(Code.RUNTIME_OTHER_CONF_DIR, unit, **there))
    if cni.foreign:
        expected = f"{cni.library_dir}/current/bin"
        there = {"path": cni.foreign[0], "setting": used.bin_dir.format(expected), "file": used.file}
        elsewhere.append(found.finding(Code.RUNTIME_FOREIGN_PLUGIN, unit, **there))
    found.add(CheckName.RUNTIME_DIRECTORIES, Step.CNI, elsewhere)
    if conflist or invalid or elsewhere:
        return  # then what it has loaded is no surprise
    other = []
    if runtime.error:
        other.append(found.finding(Code.RUNTIME_NETWORK_NOT_READY, unit, error=runtime.error, network=cni.network))
    elif runtime.loaded_ours is False:
        loaded = ", ".join(runtime.loaded) or "no network"
        other.append(found.finding(Code.RUNTIME_OTHER_CONFIGURATION, unit, path=cni.ours, loaded=loaded))
    found.add(CheckName.RUNTIME_LOADED, Step.CNI, other)


def _reservations(view: NodeView, found: _Found) -> None:
    cni = view.state.cni
    pods = [pod for pod in view.state.pods if pod.network == cni.network]
    attached = {address: pod for pod in pods for address in pod.addresses}
    leaked = [
        found.finding(Code.IPAM_LEAKED, address, owner=entry.owner or "no container", path=entry.path)
        for address, entry in cni.reservations.items()
        if address not in attached and view.state.time - entry.changed > GRACE
    ]
    found.add(CheckName.NO_LEAKED_RESERVATIONS, Step.IPAM, leaked)
    unreserved = [
        found.finding(Code.IPAM_UNRESERVED, pod.name, address=address, recreate=recreate(pod))
        for address, pod in attached.items()
        if address not in cni.reservations
    ]
    found.add(CheckName.ADDRESSES_RESERVED, Step.IPAM, unreserved)
    used = usage(view.overlay.lease.pod_cidrs if view.overlay.lease else (), cni.reservations)
    exhausted = [found.finding(Code.IPAM_EXHAUSTED, str(each.pod_cidr), room=each.room) for each in used if each.full]
    found.add(CheckName.FREE_ADDRESSES, Step.IPAM, exhausted)


def _pods(view: NodeView, found: _Found) -> None:
    cni, pods = view.state.cni, view.state.pods
    judged: list[Hop] = []
    bridges: dict[str, list[str]] = {}
    for pod in pods:
        if pod.bridge:
            bridges.setdefault(pod.bridge, pod_hops.gateways(pod))
        to_itself = bool(pod.bridge) and bool(cni.hairpin)
        judged += [bridge_hops.port(view, pod, "in", to_itself), pod_hops.pod(view, pod, "out")]
        judged += pod_hops.pod_gateways(view, pod)
    there = [bridge_hops.bridge(view, name, "in", gateways) for name, gateways in bridges.items()]
    found.hops(CheckName.BRIDGE_PRESENT, Step.BRIDGE, there)
    found.hops(CheckName.POD_CONNECTED, Step.POD, judged)
    restore = f"{cni.library_dir}/current/bin/podnet-cni restore {cni.network}"
    astray = [_astray(found, each, restore) for each in view.state.hostport_mismatches]
    found.add(CheckName.HOST_PORTS, Step.NAT, astray)
    silent = [
        found.finding(Code.POD_LOOPBACK_DOWN, pod.name, enter=enter(pod))
        for pod in pods
        if not pod.error and not pod.loopback
    ]
    found.add(CheckName.LOOPBACK_UP, Step.POD, silent)
    found.add(CheckName.NO_DUPLICATE_POD_ADDRESSES, Step.DELIVER, _duplicates(found, pods))


def _astray(found: _Found, one: HostPortMismatch, restore: str) -> Finding:
    more: dict[str, Value] = {"protocol": one.protocol, "port": one.host_port, "restore": restore}
    if one.found:
        return found.finding(Code.HOST_PORT_WRONG, one.pod, found=one.found, **more)
    return found.finding(Code.HOST_PORT_MISSING, one.pod, **more)


def _duplicates(found: _Found, pods: list[PodState]) -> list[Finding]:
    """IP addresses on two pods, and MAC addresses on two ports of one bridge."""
    ips: dict[str, list[str]] = defaultdict(list)
    macs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pod in pods:
        for address in pod.addresses_found:
            if not address.startswith("fe80:"):
                ips[address.partition("/")[0]].append(pod.name)
        if pod.bridge and pod.link and pod.link.mac:
            macs[pod.link.mac, pod.bridge].append(pod.name)
    twice = [
        found.finding(Code.POD_ADDRESS_DUPLICATE, address, owners=owners)
        for address, owners in ips.items()
        if len(owners) > 1
    ]
    return twice + [
        found.finding(Code.POD_MAC_DUPLICATE, mac, bridge=bridge, owners=owners)
        for (mac, bridge), owners in macs.items()
        if len(owners) > 1
    ]


def _services(view: NodeView, found: _Found) -> None:
    ended = [found.finding(Code.UNIT_NOT_RUNNING, name) for name, runs in view.state.units.items() if not runs]
    found.add(CheckName.UNITS_RUNNING, Step.NODE, ended)
    proxy = view.state.kube_proxy
    if proxy.expected:
        silent = [] if proxy.healthy else [found.finding(Code.KUBE_PROXY_SILENT, view.node)]
        found.add(CheckName.KUBE_PROXY_RUNNING, Step.SERVICE, silent)


def _policies(view: NodeView, found: _Found) -> None:
    state = view.state.policy
    if state is None:
        return
    wrong = policy_hops.drift(view)
    if state.origin is None:
        wrong = [found.finding(Code.POLICY_UNKNOWN, policy_hops.TABLE)]
    told = view.state.agent.not_ready
    wrong += [each for each in state.findings if each not in told]
    found.add(CheckName.POLICIES_IN_FORCE, Step.POLICY, wrong)


def nat_between_pods(node: str, translated: Connection | None) -> Check:
    """Pods see each other's own addresses: ``translated`` is a connection between them that was (conntrack.py)."""
    check = Check(CheckName.NO_NAT_BETWEEN_PODS, node, node, Step.NAT)
    if translated and translated.asker != translated.source:
        there = {"address": translated.asker}
        check.finding = Finding(Code.NAT_POD_SOURCE_HIDDEN, node, translated.source, there)
    elif translated:
        there = {"address": translated.answering}
        check.finding = Finding(Code.NAT_DESTINATION_DIVERTED, node, translated.target, there)
    return check


def _underlay_addresses(state: NodeState) -> list[str]:
    """By what others know the node: the addresses of the underlay's interface, its MAC address and the tunnel's."""
    under = state.overlay.underlay
    links = [state.links[name] for name in (under, state.overlay.device) if name and name in state.links]
    own = [each.ip for each in state.addresses if each.dev == under and not each.ip.startswith("fe80:")]
    return [*own, *dict.fromkeys(link.mac for link in links if link.mac)]


def about(state: NodeState) -> About:
    """What comparisons between nodes need."""
    return About(
        state.node,
        state.time,
        state.cni.library.version,
        state.overlay.lease,
        state.overlay.mtu,
        len(state.overlay.peers),
        _underlay_addresses(state),
    )
