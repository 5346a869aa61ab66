# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's checks: what is broken beside the packets' way is named too, with its cure, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe import conntrack

from ..conftest import Inside, Pod


@pytest.fixture
def node(cluster):
    """node2; nothing must fail before and after a test."""
    node = cluster.nodes[1]
    assert failures(node) == []
    yield node
    assert failures(node) == []


def failures(node) -> list[tuple[str, str, str]]:
    checks = node.inspect()["checks"]
    assert len(checks) >= 15
    assert all(check["cure"] for check in checks if not check["ok"])
    return [(check["check"], check["subject"], check["reason"]) for check in checks if not check["ok"]]


def only(found: list[tuple[str, str, str]]) -> tuple[str, str, str]:
    assert len(found) == 1, found
    return found[0]


def test_a_foreign_configuration_that_sorts_first(node):
    stale = node.root / "etc/cni/net.d/05-cilium.conflist"
    stale.write_text(json.dumps({"cniVersion": "0.3.1", "name": "cilium", "plugins": [{"type": "cilium-cni"}]}))
    try:
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("our configuration comes first", "/etc/cni/net.d/05-cilium.conflist")
        assert "sorts before /etc/cni/net.d/10-podnet.conflist" in reason
    finally:
        stale.unlink()


def test_an_invalid_configuration(node):
    bad = node.root / "etc/cni/net.d/99-x.conf"
    bad.write_text("{")
    try:
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("every configuration is valid", "/etc/cni/net.d/99-x.conf")
        assert "not JSON" in reason
    finally:
        bad.unlink()


@pytest.mark.parametrize("how", ["missing", "not executable", "foreign"])
def test_an_executable(node, how):
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
        assert any("bridge" in subject + reason for _check, subject, reason in found), found
        assert {check for check, _subject, _reason in found} <= {
            "plugins can be executed",
            "library is as it was installed",
            "containerd looks in our directories",
        }
        wanted = {"foreign": "is not as it was installed"}.get(how, f"is {how}")
        assert any(wanted in reason for _check, _subject, reason in found), found
    finally:
        os.replace(kept, path)


@pytest.mark.parametrize(("key", "value"), [("conf_dir", "/etc/cni/other.d"), ("bin_dir", "/opt/cni/bin")])
def test_containerd_looks_elsewhere(node, key, value):
    path = node.root / "etc/containerd/config.toml"
    text = path.read_text()
    right = {"conf_dir": "/etc/cni/net.d", "bin_dir": "/opt/podnet/current/bin"}[key]
    path.write_text(text.replace(right, value))
    go = node.root / "opt/cni/bin"
    go.mkdir(parents=True, exist_ok=True)
    for name in ("flannel", "bridge", "host-local"):  # as a Kubernetes package ships them
        (go / name).write_text("#!/bin/sh\n")
        (go / name).chmod(0o755)
    try:
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("containerd looks in our directories", "containerd")
        assert value in reason
    finally:
        path.write_text(text)


def test_subnet_env_of_another_node(cluster, node):
    path = node.root / "run/flannel/subnet.env"
    path.write_text((cluster.nodes[2].root / "run/flannel/subnet.env").read_text())
    try:
        check, _subject, reason = only(failures(node))
        assert check == "node is as the agent wants it"
        assert "subnet.env" in reason
    finally:
        node.ctl("apply")


def test_pod_cidrs_of_two_nodes_overlap(cluster, node):
    path = node.root / "etc/podnet/leases.json"
    kept = path.read_text()
    leases = json.loads(kept)
    leases["leases"][2]["pod_cidrs"] = ["10.244.2.128/25"]
    path.write_text(json.dumps(leases))
    try:
        found = failures(node)
        assert ("every peer is served", "node3") in {(check, subject) for check, subject, _reason in found}
        assert any("overlaps 10.244.2.0/24" in reason for _check, _subject, reason in found)
        told = cluster.looked_at(node.pods[0], cluster.nodes[2].pods[0])
        assert (told["verdict"]["node"], told["verdict"]["step"]) == ("node2", "lease")
        assert "overlaps" in told["verdict"]["cause"]
    finally:
        path.write_text(kept)


def test_a_reservation_without_a_pod(node):
    path = node.root / "var/lib/cni/networks/podnet/10.244.2.77"
    path.write_text("gone\r\neth0")
    os.utime(path, (1, 1))
    try:
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("every reservation is a pod's", "10.244.2.77")
        assert "gone eth0" in reason
    finally:
        path.unlink()


def test_a_pod_without_a_reservation(node):
    path = node.root / f"var/lib/cni/networks/podnet/{node.pods[0].address}"
    kept = path.with_name("kept")
    path.rename(kept)
    try:
        check, subject, _reason = only(failures(node))
        assert (check, subject) == ("every pod's address is reserved", node.pods[0].name)
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
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("addresses are left", "10.244.2.0/24")
        assert "all 253 addresses" in reason
    finally:
        for path in made:
            path.unlink()


def test_hairpin_is_off(node):
    host = node.pods[0].host
    node.run(f"bridge link set dev {host} hairpin off")
    try:
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("pod is connected", host)
        assert "hairpin" in reason
    finally:
        node.run(f"bridge link set dev {host} hairpin on")


def test_the_default_route_of_a_pod_is_missing(node):
    pod = node.pods[1]
    pod.run("ip route del default")
    try:
        check, subject, _reason = only(failures(node))
        assert (check, subject) == ("pod is connected", f"default route of {pod.name}")
    finally:
        pod.run("ip route add default via 10.244.2.1")


def test_an_address_on_two_pods(node):
    node.pods[1].run(f"ip address add {node.pods[0].address}/24 dev eth0")
    try:
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("no address is on two pods", node.pods[0].address)
        assert all(pod.name in reason for pod in node.pods)
    finally:
        node.pods[1].run(f"ip address del {node.pods[0].address}/24 dev eth0")


def test_a_mac_address_on_two_pods(node):
    one, other = node.pods
    mac, own = (pod.netns.ip("link show eth0")[0]["address"] for pod in (one, other))
    other.run(f"ip link set eth0 address {mac}")
    try:
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("no address is on two pods", f"{mac} on cni0")
        assert all(pod.name in reason for pod in node.pods)
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
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("ports that pods publish lead to them", "default/server")
        assert reason == "the node's tcp port 8080 leads nowhere"
        told = next(one["cure"] for one in node.inspect()["checks"] if not one["ok"])
        assert told == "/opt/podnet/current/bin/podnet-cni restore podnet"
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
        assert {reason for _check, _subject, reason in found} == {
            "delete route 10.244.99.0/24",
            "delete fdb flannel.1 02:00:00:00:00:99 10.77.0.99",
        }
    finally:
        node.ctl("apply")


def test_a_pod_s_loopback_is_down(node):
    pod = node.pods[0]
    pod.run("ip link set lo down")
    try:
        check, subject, _reason = only(failures(node))
        assert (check, subject) == ("pod's loopback is up", pod.name)
    finally:
        pod.run("ip link set lo up")


def test_kubelet_does_not_run(node):
    enabled = node.root / "etc/systemd/system/multi-user.target.wants/kubelet.service"
    enabled.parent.mkdir(parents=True)
    enabled.symlink_to("/lib/systemd/system/kubelet.service")
    try:
        check, subject, reason = only(failures(node))
        assert (check, subject) == ("node's services run", "kubelet")
        assert "does not run" in reason
        kubelet = node.root / "kubelet"
        shutil.copy2(shutil.which("sleep"), kubelet)
        with subprocess.Popen([kubelet, "60"]) as running:
            assert failures(node) == []
            running.kill()
    finally:
        enabled.unlink()


def test_pods_are_hidden_from_each_other(cluster, node):
    one, other = cluster.nodes[0], node.pods[0]
    networks = ["10.244.0.0/16"]
    one.run("iptables -t nat -A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE")
    try:
        before = Inside(one.netns, conntrack.remembered, True).result()
        one.pods[0].run(f"ping -c 1 -W 5 {other.address}")
        after = Inside(one.netns, conntrack.remembered, True).result()
    finally:
        one.run("iptables -t nat -F POSTROUTING")
    told = conntrack.check("node1", networks, before, after)
    assert not told["ok"] and told["cure"]
    assert f"{one.pods[0].address} is hidden behind" in told["reason"]
    # what was there before is of another time, and what is outside of the pod network may be hidden
    assert conntrack.check("node1", networks, after, after)["ok"]
    assert conntrack.check("node1", ["10.245.0.0/16"], before, after)["ok"]
