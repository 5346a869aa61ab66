# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's checks: what is broken beside a packet's path has its finding, too, and nothing else has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings import render
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import parse_prefix
from ansible_collections.podnet.cluster.plugins.module_utils.verify.checks.node import nat_between_pods
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.check import CheckName
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe import conntrack

from ..conftest import Inside, Pod


@pytest.fixture
def node(cluster):
    """node2; nothing must fail before and after a test."""
    node = cluster.nodes[1]
    assert failures(node) == []
    yield node
    assert failures(node) == []


def failures(node):
    """The failing checks as podnetctl prints them: name, subject and finding."""
    checks = node.inspect()["checks"]
    assert len(checks) >= 15
    failing = [check for check in checks if not check["ok"]]
    assert all(check["finding"]["fix"] for check in failing)
    return [(check["name"], check["subject"], Finding.from_json(check["finding"])) for check in failing]


def only(node, name, code, subject, **parameters):
    """The one check that fails, which must be this; returns its finding."""
    found = failures(node)
    assert [(one[0], one[1], one[2].code) for one in found] == [(name, subject, code)], found
    finding = found[0][2]
    assert {**finding.parameters, **parameters} == finding.parameters
    return finding


def test_a_foreign_configuration_that_sorts_first(node):
    stale = node.root / "etc/cni/net.d/05-cilium.conflist"
    stale.write_text(json.dumps({"cniVersion": "0.3.1", "name": "cilium", "plugins": [{"type": "cilium-cni"}]}))
    try:
        ours = "/etc/cni/net.d/10-podnet.conflist"
        only(node, CheckName.CONFLIST_FIRST, Code.CNI_CONFLIST_SHADOWED, "/etc/cni/net.d/05-cilium.conflist", ours=ours)
    finally:
        stale.unlink()


def test_an_invalid_configuration(node):
    bad = node.root / "etc/cni/net.d/05-x.conf"
    bad.write_text("{")
    try:
        name, code = CheckName.CONFIGURATIONS_VALID, Code.CNI_CONFIGURATION_INVALID
        assert only(node, name, code, "/etc/cni/net.d/05-x.conf").parameters["error"]
    finally:
        bad.unlink()


def test_no_configuration_of_ours(node):
    kept = node.conflist.with_suffix(".kept")
    node.conflist.rename(kept)
    try:
        found = {(name, finding.code) for name, _subject, finding in failures(node)}
        assert (CheckName.CONFLIST_FIRST, Code.CNI_CONFLIST_MISSING) in found
    finally:
        kept.rename(node.conflist)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("missing", Code.CNI_PLUGIN_MISSING),
        ("not executable", Code.CNI_PLUGIN_NOT_EXECUTABLE),
        ("foreign", Code.CNI_PLUGIN_MODIFIED),
    ],
)
def test_an_executable(node, how, code):
    path = node.root / "opt/podnet/current/bin/bridge"
    kept = path.with_name("kept")
    shutil.copy2(path, kept)
    try:
        if how == "missing":
            path.unlink()
        elif how == "not executable":
            path.chmod(0o644)
        else:
            path.write_text("#!/bin/sh\nexit 1\n")
        found = failures(node)
        assert {name for name, _subject, _finding in found} <= {
            CheckName.PLUGINS_EXECUTABLE,
            CheckName.LIBRARY_UNMODIFIED,
            CheckName.RUNTIME_DIRECTORIES,
        }
        assert (CheckName.LIBRARY_UNMODIFIED, "bridge", code) in {(one[0], one[1], one[2].code) for one in found}, found
    finally:
        os.replace(kept, path)


@pytest.mark.parametrize(
    ("key", "value", "code", "parameters"),
    [
        ("conf_dir", "/etc/cni/other.d", Code.RUNTIME_OTHER_CONF_DIR, {"actual": "/etc/cni/other.d"}),
        ("bin_dirs", ["/opt/cni/bin"], Code.RUNTIME_FOREIGN_PLUGIN, {"path": "/opt/cni/bin/flannel"}),
        (
            "bin_dirs",
            ["/none", "/opt/cni/bin", "/opt/podnet/current/bin"],
            Code.RUNTIME_FOREIGN_PLUGIN,
            {"path": "/opt/cni/bin/flannel"},
        ),
    ],
)
def test_containerd_uses_other_directories(node, monkeypatch, key, value, code, parameters):
    monkeypatch.setattr(node.containerd, key, value)
    go = node.root / "opt/cni/bin"
    go.mkdir(parents=True, exist_ok=True)
    for name in ("flannel", "bridge", "host-local"):  # as a Kubernetes package ships them
        (go / name).write_text("#!/bin/sh\n")
        (go / name).chmod(0o755)
    only(node, CheckName.RUNTIME_DIRECTORIES, code, "containerd", **parameters)


def test_a_second_directory_of_plugins_is_as_good(node, monkeypatch):
    monkeypatch.setattr(node.containerd, "bin_dirs", ["/none", "/opt/podnet/current/bin"])
    assert failures(node) == []


def test_containerd_has_loaded_another_content(node, monkeypatch):
    """As after a file was moved in from elsewhere, which it does not notice."""
    content = json.loads(node.conflist.read_text())
    monkeypatch.setattr(node.containerd, "loaded", json.dumps({**content, "name": "former"}))
    there = {"loaded": "cni-loopback, former", "path": "/etc/cni/net.d/10-podnet.conflist"}
    only(node, CheckName.RUNTIME_LOADED, Code.RUNTIME_OTHER_CONFIGURATION, "containerd", **there)


def test_containerd_says_that_the_network_is_not_ready(node, monkeypatch):
    monkeypatch.setattr(node.containerd, "error", "Network plugin returns error: subnet.env: no such file")
    there = {"error": node.containerd.error, "network": "podnet"}
    only(node, CheckName.RUNTIME_LOADED, Code.RUNTIME_NETWORK_NOT_READY, "containerd", **there)


def test_a_later_configuration_is_read_by_nobody(node):
    path = node.conflist.parent / "99-other.conflist"
    path.write_text("{")
    try:
        assert failures(node) == []
    finally:
        path.unlink()


def test_without_containerd_its_files_are_checked_all_the_same(node, monkeypatch):
    monkeypatch.setattr(node.containerd, "frames", b"")
    assert failures(node) == []


def test_subnet_env_of_another_node(cluster, node):
    path = node.root / "run/flannel/subnet.env"
    path.write_text((cluster.nodes[2].root / "run/flannel/subnet.env").read_text())
    try:
        ((name, subject, finding),) = failures(node)
        assert (name, finding.code) == (CheckName.NODE_IN_SYNC, Code.NODE_DRIFTED)
        assert subject == str(path)
    finally:
        node.ctl("apply")


def test_pod_cidrs_of_two_nodes_overlap(cluster, node):
    path = node.root / "etc/podnet/leases.json"
    kept = path.read_text()
    leases = json.loads(kept)
    leases["leases"][2]["pod_cidrs"] = ["10.244.2.128/25"]
    path.write_text(json.dumps(leases))
    try:
        found = {(name, subject, finding.code) for name, subject, finding in failures(node)}
        assert (CheckName.LEASES_ACCEPTED, "node3", Code.LEASE_POD_CIDR_OVERLAPS) in found
        verdict = cluster.looked_at(node.pods[0], cluster.nodes[2].pods[0])["verdict"]
        assert (verdict["node"], verdict["step"], verdict["code"]) == ("node2", "lease", Code.LEASE_POD_CIDR_OVERLAPS)
    finally:
        path.write_text(kept)


def test_a_reservation_without_a_pod(node):
    path = node.root / "var/lib/cni/networks/podnet/10.244.2.77"
    path.write_text("gone\r\neth0")
    os.utime(path, (1, 1))
    try:
        name, code = CheckName.NO_LEAKED_RESERVATIONS, Code.IPAM_LEAKED
        only(node, name, code, "10.244.2.77", owner="gone eth0", path=str(path))
    finally:
        path.unlink()


def test_a_pod_without_a_reservation(node):
    path = node.root / f"var/lib/cni/networks/podnet/{node.pods[0].address}"
    kept = path.with_name("kept")
    path.rename(kept)
    try:
        pod = node.pods[0]
        only(node, CheckName.ADDRESSES_RESERVED, Code.IPAM_UNRESERVED, pod.name, address=pod.address)
    finally:
        kept.rename(path)


def test_the_address_range_is_exhausted(node):
    directory = node.root / "var/lib/cni/networks/podnet"
    made = []
    for last in range(2, 255):
        path = directory / f"10.244.2.{last}"
        if not path.exists():
            path.write_text("x\r\neth0")
            made.append(path)
    try:
        only(node, CheckName.FREE_ADDRESSES, Code.IPAM_EXHAUSTED, "10.244.2.0/24", room=253)
    finally:
        for path in made:
            path.unlink()


def test_hairpin_is_off(node):
    host = node.pods[0].host
    node.run(f"bridge link set dev {host} hairpin off")
    try:
        only(node, CheckName.POD_CONNECTED, Code.PORT_NO_HAIRPIN, host)
    finally:
        node.run(f"bridge link set dev {host} hairpin on")


def test_the_default_route_of_a_pod_is_missing(node):
    pod = node.pods[1]
    pod.run("ip route del default")
    try:
        only(node, CheckName.POD_CONNECTED, Code.POD_DEFAULT_ROUTE_MISSING, f"default route of {pod.name}")
    finally:
        pod.run("ip route add default via 10.244.2.1")


def test_an_address_on_two_pods(node):
    node.pods[1].run(f"ip address add {node.pods[0].address}/24 dev eth0")
    try:
        owners = [pod.name for pod in node.pods]
        name, code = CheckName.NO_DUPLICATE_POD_ADDRESSES, Code.POD_ADDRESS_DUPLICATE
        assert sorted(only(node, name, code, node.pods[0].address).parameters["owners"]) == sorted(owners)
    finally:
        node.pods[1].run(f"ip address del {node.pods[0].address}/24 dev eth0")


def test_a_mac_address_on_two_pods(node):
    one, other = node.pods
    mac, own = (pod.netns.ip("link show eth0")[0]["address"] for pod in (one, other))
    other.run(f"ip link set eth0 address {mac}")
    try:
        owners = [pod.name for pod in node.pods]
        name, code = CheckName.NO_DUPLICATE_POD_ADDRESSES, Code.POD_MAC_DUPLICATE
        assert sorted(only(node, name, code, mac, bridge="cni0").parameters["owners"]) == sorted(owners)
    finally:
        other.run(f"ip link set eth0 address {own}")
        for pod in node.pods:  # the bridge learns again who is where
            pod.run(f"ping -c 1 -W 5 {node.cidr.replace('0/24', '1')}")


def test_a_published_port_that_leads_nowhere(node, make_netns):
    usual = node.conflist.read_text()
    content = json.loads(usual)
    content["plugins"].append({"type": "portmap", "capabilities": {"portMappings": True}})
    node.conflist.write_text(json.dumps(content))
    pod = Pod("server", make_netns(), node)
    pod.ports = [{"HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP"}]  # as containerd spells it
    try:
        node.cni("add", pod)
        assert failures(node) == []
        node.run("nft delete element inet podnet hostports4 { tcp . 8080 }")
        port = {"protocol": "tcp", "port": 8080}
        finding = only(node, CheckName.HOST_PORTS, Code.HOST_PORT_MISSING, "default/server", **port)
        assert render.fix(finding) == "/opt/podnet/current/bin/podnet-cni restore podnet"
        node.run("nft add element inet podnet hostports4 { tcp . 8080 : 10.244.2.99 . 80 }")
        only(node, CheckName.HOST_PORTS, Code.HOST_PORT_WRONG, "default/server", found="10.244.2.99", **port)
        node.run("nft delete element inet podnet hostports4 { tcp . 8080 }")
        node.cni("restore", pod)
        assert failures(node) == []
    finally:
        node.cni("del", pod)
        node.conflist.write_text(usual)


def test_a_stale_peer(node):
    node.run("ip route add 10.244.99.0/24 via 10.244.99.0 dev flannel.1 onlink proto 112")
    node.run("bridge fdb append 02:00:00:00:00:99 dev flannel.1 dst 10.77.0.99 self permanent")
    try:
        found = failures(node)
        assert {finding.code for _name, _subject, finding in found} == {Code.NODE_DRIFTED}
        assert {finding.parameters["pending"] for _name, _subject, finding in found} == {
            "delete route 10.244.99.0/24",
            "delete fdb flannel.1 02:00:00:00:00:99 10.77.0.99",
        }
    finally:
        node.ctl("apply")


def test_a_pod_s_loopback_is_down(node):
    pod = node.pods[0]
    pod.run("ip link set lo down")
    try:
        only(node, CheckName.LOOPBACK_UP, Code.POD_LOOPBACK_DOWN, pod.name)
    finally:
        pod.run("ip link set lo up")


def test_kubelet_does_not_run(node):
    enabled = node.root / "etc/systemd/system/multi-user.target.wants/kubelet.service"
    enabled.parent.mkdir(parents=True)
    enabled.symlink_to("/lib/systemd/system/kubelet.service")
    try:
        only(node, CheckName.UNITS_RUNNING, Code.UNIT_NOT_RUNNING, "kubelet")
        kubelet = node.root / "kubelet"
        shutil.copy2(shutil.which("sleep"), kubelet)
        with subprocess.Popen([kubelet, "60"]) as running:
            assert failures(node) == []
            running.kill()
    finally:
        enabled.unlink()


def test_a_foreign_route(node):
    node.run("ip route add 10.244.3.128/25 dev eth0")
    try:
        name, code = CheckName.NO_FOREIGN_ROUTES, Code.ROUTE_FOREIGN
        only(node, name, code, "10.244.3.128/25 dev eth0", remove="ip route delete 10.244.3.128/25 dev eth0")
    finally:
        node.run("ip route delete 10.244.3.128/25 dev eth0")


def test_pods_are_hidden_from_each_other(cluster, node):
    one, other = cluster.nodes[0], node.pods[0]
    networks = [parse_prefix("10.244.0.0/16")]
    one.run("iptables -t nat -A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE")
    try:
        before = Inside(one.netns, conntrack.remembered, True).result()
        one.pods[0].run(f"ping -c 1 -W 5 {other.address}")
        after = Inside(one.netns, conntrack.remembered, True).result()
    finally:
        one.run("iptables -t nat -F POSTROUTING")
    check = nat_between_pods("node1", conntrack.translated(before, after, networks))
    assert (check.name, check.finding.code) == (CheckName.NO_NAT_BETWEEN_PODS, Code.NAT_POD_SOURCE_HIDDEN)
    assert check.finding.subject == one.pods[0].address
    # what was there before is of another time, and what is outside of the pod network may be hidden
    assert conntrack.translated(after, after, networks) is None
    assert conntrack.translated(before, after, [parse_prefix("10.245.0.0/16")]) is None
    assert nat_between_pods("node1", None).ok
