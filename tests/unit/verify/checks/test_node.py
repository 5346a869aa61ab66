# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's checks over a state: a healthy one passes, and each fault has its finding under the check's name."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli.render_checks import check_as_json
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.conntrack import Connection
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config, lease
from ansible_collections.podnet.cluster.plugins.module_utils.records import codec
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.node import about, checks, nat_between_pods
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.check import Check, CheckName
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.hop import Step
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import (
    AddressState,
    LinkState,
    RouteState,
)
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import (
    MISSING,
    MODIFIED,
    NOT_EXECUTABLE,
    AgentState,
    CniState,
    ConfFile,
    DriftStep,
    HostPortMismatch,
    InstalledLibrary,
    KubeProxyState,
    NodeState,
    OverlayState,
    PodState,
    Reservation,
    RuntimeState,
)

OURS = "/etc/cni/net.d/10-podnet.conflist"
BIN = "/opt/podnet/current/bin"
OWN = lease.parse({"name": "node1", "address": "10.77.0.11", "pod_cidrs": ["10.244.0.0/29"]})


@pytest.fixture
def state():
    """node1, with all as it should be and no pods."""
    cni = CniState(
        "/etc/cni/net.d",
        [BIN],
        "/opt/podnet",
        InstalledLibrary("1.0-a", whole=True),
        files=[ConfFile(OURS, "podnet")],
        ours=OURS,
        network="podnet",
        bridge="cni0",
        hairpin=True,
        runtime=RuntimeState([BIN], "/etc/cni/net.d", ["cni-loopback", "podnet"], True),
    )
    configured = config.parse({"node_name": "node1", "networks": ["10.244.0.0/16"]})
    overlay = OverlayState(config=configured, lease=OWN, device="flannel.1", mtu=1450, underlay="eth0")
    return NodeState(
        "node1",
        1000.0,
        cni,
        overlay,
        links={
            "eth0": LinkState("eth0", mac="02:00:00:00:00:01"),
            "flannel.1": LinkState("flannel.1", mac="02:00:00:00:00:02"),
        },
        addresses=[AddressState("eth0", "10.77.0.11/24"), AddressState("eth0", "fe80::1/64")],
        agent=AgentState(expected=True, answers=True),
        kube_proxy=KubeProxyState(expected=True, healthy=True),
        units={"containerd": True, "kubelet": True},
    )


def failing(state):
    return [check for check in checks(state) if not check.ok]


def test_a_healthy_node_passes_every_check_once(state):
    found = checks(state)
    assert all(check.ok for check in found), found
    assert len({check.name for check in found}) == len(found) > 15
    assert {check.subject for check in found} == {"node1"}


def test_a_node_without_our_overlay_is_not_judged_by_it(state):
    state.overlay = OverlayState(error="no configuration")
    names = {check.name for check in checks(state)}
    assert CheckName.OVERLAY_VALID not in names
    state.cni.needs_overlay = True
    assert [check.finding.code for check in failing(state)] == [Code.OVERLAY_INVALID]


def spoil_overlay(state):
    state.overlay.error = "eth0 is missing"
    return CheckName.OVERLAY_VALID, None, Code.OVERLAY_INVALID, "node1"


def spoil_peer(state):
    overlaps = {"value": "10.244.0.0/24", "taken": "10.244.0.0/16", "other": "node2"}
    state.overlay.refused = {"node3": Finding(Code.LEASE_POD_CIDR_OVERLAPS, "node1", "node3", overlaps)}
    return CheckName.LEASES_ACCEPTED, Step.LEASE, Code.LEASE_POD_CIDR_OVERLAPS, "node3"


def spoil_route(state):
    state.foreign_routes = [RouteState("10.244.3.0/25", 254, dev="eth0", protocol=3)]
    return CheckName.NO_FOREIGN_ROUTES, Step.ROUTE, Code.ROUTE_FOREIGN, "10.244.3.0/25 dev eth0"


def spoil_agent(state):
    state.agent.answers = False
    return CheckName.AGENT_RUNNING, None, Code.AGENT_SILENT, "node1"


def spoil_readiness(state):
    state.agent.not_ready = [Finding(Code.AGENT_NOT_READY, "node1", "podnetd", {"reason": "no leases yet"})]
    return CheckName.AGENT_RUNNING, None, Code.AGENT_NOT_READY, "podnetd"


def spoil_conflist(state):
    state.cni.files, state.cni.ours = [], ""
    return CheckName.CONFLIST_FIRST, Step.CNI, Code.CNI_CONFLIST_MISSING, "/etc/cni/net.d"


def spoil_order(state):
    state.cni.files.insert(0, ConfFile("/etc/cni/net.d/05-x.conf", "x"))
    return CheckName.CONFLIST_FIRST, Step.CNI, Code.CNI_CONFLIST_SHADOWED, "/etc/cni/net.d/05-x.conf"


def spoil_configuration(state):
    state.cni.files.append(ConfFile("/etc/cni/net.d/05-x.conf", "", "not JSON"))
    return CheckName.CONFIGURATIONS_VALID, Step.CNI, Code.CNI_CONFIGURATION_INVALID, "/etc/cni/net.d/05-x.conf"


def spoil_plugin(state):
    state.cni.lacking = {"bridge": NOT_EXECUTABLE}
    return CheckName.PLUGINS_EXECUTABLE, Step.CNI, Code.CNI_PLUGIN_NOT_EXECUTABLE, f"{BIN}/bridge"


def spoil_missing_plugin(state):
    state.cni.lacking = {"bridge": MISSING}
    return CheckName.PLUGINS_EXECUTABLE, Step.CNI, Code.CNI_PLUGIN_MISSING, f"{BIN}/bridge"


def spoil_executable(state):
    state.cni.library.changed = {"bridge": MODIFIED}
    return CheckName.LIBRARY_UNMODIFIED, Step.CNI, Code.CNI_PLUGIN_MODIFIED, "bridge"


def spoil_library(state):
    state.cni.library.whole = False
    return CheckName.LIBRARY_UNMODIFIED, Step.CNI, Code.LIBRARY_MODIFIED, "node1"


def spoil_installation(state):
    state.cni.library = InstalledLibrary()
    return CheckName.LIBRARY_UNMODIFIED, Step.CNI, Code.LIBRARY_MISSING, "node1"


def spoil_conf_dir(state):
    state.cni.runtime.conf_dir = "/etc/other"
    return CheckName.RUNTIME_DIRECTORIES, Step.CNI, Code.RUNTIME_OTHER_CONF_DIR, "containerd"


def spoil_bin_dir(state):
    state.cni.foreign = ["/opt/cni/bin/bridge"]
    return CheckName.RUNTIME_DIRECTORIES, Step.CNI, Code.RUNTIME_FOREIGN_PLUGIN, "containerd"


def spoil_loaded(state):
    state.cni.runtime.loaded_ours = False
    return CheckName.RUNTIME_LOADED, Step.CNI, Code.RUNTIME_OTHER_CONFIGURATION, "containerd"


def spoil_network_ready(state):
    state.cni.runtime.error = "cni plugin not initialized"
    return CheckName.RUNTIME_LOADED, Step.CNI, Code.RUNTIME_NETWORK_NOT_READY, "containerd"


def spoil_reservation(state):
    state.cni.reservations = {"10.244.0.2": Reservation("gone eth0", 1.0, "/x/10.244.0.2")}
    return CheckName.NO_LEAKED_RESERVATIONS, Step.IPAM, Code.IPAM_LEAKED, "10.244.0.2"


def spoil_range(state):
    # five addresses besides the network's, the gateway's and the broadcast address; recent, so that none is leaked
    state.cni.reservations = {f"10.244.0.{n}": Reservation("x eth0", 999.0, "/x") for n in range(2, 7)}
    return CheckName.FREE_ADDRESSES, Step.IPAM, Code.IPAM_EXHAUSTED, "10.244.0.0/29"


def spoil_host_port(state):
    state.hostport_mismatches = [HostPortMismatch("default/web", "tcp", 8080, "")]
    return CheckName.HOST_PORTS, Step.NAT, Code.HOST_PORT_MISSING, "default/web"


def spoil_other_host_port(state):
    state.hostport_mismatches = [HostPortMismatch("default/web", "tcp", 8080, "10.244.0.9")]
    return CheckName.HOST_PORTS, Step.NAT, Code.HOST_PORT_WRONG, "default/web"


def spoil_unit(state):
    state.units["kubelet"] = False
    return CheckName.UNITS_RUNNING, Step.NODE, Code.UNIT_NOT_RUNNING, "kubelet"


def spoil_proxy(state):
    state.kube_proxy.healthy = False
    return CheckName.KUBE_PROXY_RUNNING, Step.SERVICE, Code.KUBE_PROXY_SILENT, "node1"


@pytest.mark.parametrize("spoil", [each for name, each in sorted(globals().items()) if name.startswith("spoil_")])
def test_every_fault_has_its_finding(state, spoil):
    expected = spoil(state)
    (check,) = failing(state)
    assert (check.name, check.step, check.finding.code, check.finding.subject) == expected
    told = json.loads(json.dumps(check_as_json(check)))
    assert told["finding"]["text"] and told["finding"]["fix"]
    assert codec.from_json(Check, told) == check


@pytest.mark.parametrize(
    ("kind", "subject", "wanted", "step"),
    [
        ("route", "10.244.1.0/24 254 0", RouteState("10.244.1.0/24", 254), Step.ROUTE),
        ("link", "flannel.1", LinkState("flannel.1"), Step.DEVICE),
        ("address", "cni0 10.244.0.1/24", AddressState("cni0", "10.244.0.1/24"), Step.BRIDGE),
        ("sysctl", "sysctl net.ipv4.ip_forward", None, Step.FORWARDING),
        ("sysctl", "sysctl net.ipv6.conf.all.forwarding", None, Step.FORWARDING),
        ("sysctl", "sysctl net.ipv4.conf.flannel/1.rp_filter", None, Step.RP_FILTER),
        ("nftables", "inet podnet", None, Step.NAT),
        ("file", "/run/flannel/subnet.env", None, Step.SUBNET_ENV),
    ],
)
def test_drift_is_told_by_the_hop_that_it_is_about(state, kind, subject, wanted, step):
    state.drift = [DriftStep(kind, "change", subject, f"change {subject}", wanted)]
    (check,) = failing(state)
    assert (check.name, check.step, check.finding.code) == (CheckName.NODE_IN_SYNC, step, Code.NODE_DRIFTED)
    assert check.finding.parameters == {"pending": f"change {subject}"}


def pod(name, address, mac="02:00:00:00:01:01", **more):
    """A pod with a default route, on no bridge that anything else asks about."""
    link = LinkState("eth0", "veth", mac, 1450, True)
    given = {"addresses_found": [f"{address}/24", "fe80::1/64"], "link": link, **more}
    return PodState(name, "4f5c", "other", "eth0", "/run/netns/x", [address], bridge="cni0", **given)


def test_two_pods_with_one_address(state):
    state.pods = [pod("default/a", "10.244.0.2"), pod("default/b", "10.244.0.2", "02:00:00:00:01:02")]
    found = [one.finding for one in failing(state) if one.name == CheckName.NO_DUPLICATE_POD_ADDRESSES]
    assert [(one.code, one.subject) for one in found] == [(Code.POD_ADDRESS_DUPLICATE, "10.244.0.2")]
    assert found[0].parameters["owners"] == ["default/a", "default/b"]


def test_two_pods_with_one_mac_address_on_a_bridge(state):
    state.pods = [pod("default/a", "10.244.0.2"), pod("default/b", "10.244.0.3")]
    found = [one.finding for one in failing(state) if one.name == CheckName.NO_DUPLICATE_POD_ADDRESSES]
    assert [(one.code, one.subject) for one in found] == [(Code.POD_MAC_DUPLICATE, "02:00:00:00:01:01")]


def test_a_pod_s_loopback_and_reservation(state):
    state.cni.network = "other"
    state.pods = [pod("default/a", "10.244.0.2", loopback=False)]
    found = {one.name: one.finding.code for one in failing(state)}
    assert found[CheckName.LOOPBACK_UP] == Code.POD_LOOPBACK_DOWN
    assert found[CheckName.ADDRESSES_RESERVED] == Code.IPAM_UNRESERVED


@pytest.mark.parametrize(
    ("asker", "answering", "code", "subject"),
    [
        ("10.77.0.11", "10.244.1.2", Code.NAT_POD_SOURCE_HIDDEN, "10.244.0.2"),
        ("10.244.0.2", "10.244.1.9", Code.NAT_DESTINATION_DIVERTED, "10.244.1.2"),
    ],
)
def test_a_translation_between_pods(asker, answering, code, subject):
    check = nat_between_pods("node1", Connection(b"", b"x", b"", "10.244.0.2", "10.244.1.2", answering, asker))
    assert (check.finding.code, check.finding.subject) == (code, subject)


def test_what_others_know_the_node_by(state):
    told = about(state)
    assert told.addresses == ["10.77.0.11", "02:00:00:00:00:01", "02:00:00:00:00:02"]
    assert (told.library, told.lease, told.peers) == ("1.0-a", OWN, 0)
