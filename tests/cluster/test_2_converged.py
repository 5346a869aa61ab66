# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command brings up a cluster whose pods reach each other through our plugins; a second finds nothing to do."""

from __future__ import annotations

import ipaddress
import json
import subprocess

import pytest

from .conftest import OVERLAY

NAMESPACE = "podnet-verify"


def test_site(milestone):
    milestone.play("site")
    ready = {
        node["metadata"]["name"]: condition["status"]
        for node in milestone.objects("nodes")
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    }
    assert ready.keys() == set(milestone.names)
    milestone.until("all nodes Ready", lambda: "NotReady" not in milestone.kubectl("get", "nodes", "--no-headers"), 60)


def test_everything_reaches_everything(milestone):
    report = milestone.verify()
    assert report["ok"]
    pods = [pod for pod in report["pods"] if pod["name"].startswith(NAMESPACE)]
    assert len(pods) >= 6
    assert {pod["node"] for pod in pods} == set(milestone.names)
    pairs = {(probe["source"], probe["target"]) for probe in report["probes"] if probe["scope"] == "pod to pod"}
    assert len(pairs) == len(pods) * (len(pods) - 1)
    scopes = {
        f"{source} to {target}"
        for source in ("pod", "node")
        for target in ("pod", "node", "ClusterIP", "NodePort", "hostPort")
    }
    assert scopes <= set(report["summary"])
    outside = {(probe["source"], probe["target"]) for probe in report["probes"] if probe["scope"] == "pod to node"}
    assert len(outside) == len(pods) * 3
    assert {flow["vni"] for flow in report["flows"]} == {1}


def test_pods_are_inside_their_node_s_cidr_and_unique(lab):
    """The same once more without our own eyes: kubectl and the standard library's arithmetic."""
    cidrs = {node["metadata"]["name"]: ipaddress.ip_network(node["spec"]["podCIDR"]) for node in lab.objects("nodes")}
    assert len(set(cidrs.values())) == 3
    pods = [pod for pod in lab.objects("pods", "--all-namespaces") if not pod["spec"].get("hostNetwork")]
    addresses = [ipaddress.ip_address(pod["status"]["podIP"]) for pod in pods]
    assert len(addresses) >= 6
    assert len(set(addresses)) == len(addresses)
    assert [
        pod["metadata"]["name"]
        for pod, address in zip(pods, addresses)
        if address not in cidrs[pod["spec"]["nodeName"]]
    ] == []


def test_between_nodes_packets_are_udp_8472(lab):
    """tcpdump on the underlay while busybox pings from one pod to another's node, with packets as large as the MTU."""
    pods = {
        pod["spec"]["nodeName"]: pod for pod in lab.objects("pods", "--namespace", NAMESPACE, "--selector", "app=each")
    }
    source, target = pods["node2"]["metadata"]["name"], pods["node3"]["status"]["podIP"]
    seen = capture("udp port 8472")
    lab.kubectl("exec", "--namespace", NAMESPACE, source, "--", "ping", "-c", "3", "-s", str(1450 - 28), target)
    seen.terminate()
    text, _errors = seen.communicate(timeout=20)
    assert ("10.79.0.12" in text and "10.79.0.13.8472: OTV" in text) or "VXLAN" in text, text
    assert f"> {target}: ICMP echo request" in text, text


def capture(what: str) -> subprocess.Popen:
    """tcpdump in the underlay's namespace, listening."""
    command = ["ip", "netns", "exec", "proof", "tcpdump", "--immediate-mode", "-l", "-nn", "-i", "node2", *what.split()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    while "listening on" not in (line := process.stderr.readline()):
        if not line and process.poll() is not None:
            pytest.fail("tcpdump does not listen")
    return process


def test_no_go_plugin(lab):
    """containerd looks for plugins in our directory only, and the one program there is the small launcher."""
    for name in lab.names:
        configured = lab.node(name, "containerd config dump | grep -E '^ *(bin_dirs?|conf_dir) '")
        assert "/opt/podnet/current/bin" in configured
        assert "/opt/cni" not in configured and "/usr/lib/cni" not in configured
        assert lab.node(name, "ls /etc/cni/net.d").split() == ["10-podnet.conflist"]
        conflist = json.loads(lab.node(name, "cat /etc/cni/net.d/10-podnet.conflist"))
        for plugin in [
            *(entry["type"] for entry in conflist["plugins"]),
            "loopback",
            "host-local",
            "bridge",
            "portmap",
        ]:
            assert lab.node(name, f"head -c 2 /opt/podnet/current/bin/{plugin}") == "#!", plugin
        told = "head -c 4 {} | grep -q ELF && echo {}"
        elf = lab.node(name, f"find -L /opt/podnet/current/ -type f -exec sh -c '{told}' \\;").split()
        assert elf == ["/opt/podnet/current/lib/launch"]
        assert int(lab.node(name, "stat -c %s /opt/podnet/current/lib/launch")) < 1024


def test_kernel_state_by_other_eyes(lab):
    """flannel.1 and what leads to each peer, as iproute2 sees them."""
    for name in lab.names:
        (device,) = json.loads(lab.node(name, "ip -j -d link show flannel.1"))
        data = device["linkinfo"]["info_data"]
        assert (data["id"], data["port"], device["mtu"]) == (1, 8472, 1450)
        assert not data.get("learning", False)
        assert len(json.loads(lab.node(name, "ip -j neighbour show dev flannel.1 nud permanent"))) == 2
        assert len(json.loads(lab.node(name, "bridge -j fdb show dev flannel.1"))) == 2
        routes = json.loads(lab.node(name, "ip -j route show dev flannel.1"))
        assert sorted(route["flags"] for route in routes) == [["onlink"], ["onlink"]]


#: What the CIS benchmark wants closed to all but root (1.1, 4.1).
CLOSED = (
    "/etc/kubernetes/*.conf /etc/kubernetes/manifests /etc/kubernetes/pki/*.key /etc/kubernetes/pki/etcd/*.key"
    " /etc/cni/net.d/* /var/lib/cni/networks/*/* /var/lib/kubelet/config.yaml /etc/systemd/system/kubelet.service*"
)


def test_files_are_closed_to_others(lab):
    for name in lab.names:
        assert lab.node(name, f"find {CLOSED} -type f -perm /077 2>/dev/null || true") == ""


def test_kubelets_have_certificates_of_the_cluster(lab):
    """The API server verifies them: as a client of its own does, and by what it relays."""
    assert "--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt" in lab.node("node1", "ps -eo args").split()
    verify = "openssl s_client -CAfile /etc/kubernetes/pki/ca.crt -verify_return_error -brief"
    for number, name in enumerate(lab.names, 11):
        address = f"10.79.0.{number}"
        lab.node("node1", f"{verify} -verify_ip {address} -connect {address}:10250 </dev/null")
        assert lab.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/healthz") == "ok"


def test_a_second_run_changes_nothing(lab):
    run = lab.play("site")
    assert run.changed == {}
    assert {name: run.recap[name].ok for name in lab.names if run.recap[name].ok > 80} == {}


def test_check_mode_on_the_converged_cluster_changes_nothing(lab):
    run = lab.play("site", "--check", "--diff")
    assert run.changed == {}
    assert "--- before" not in run.output


def test_what_drifted_while_nobody_looked_is_mended(lab):
    """A route removed by hand on a node whose agent is stopped."""
    (cidr,) = [node["spec"]["podCIDR"] for node in lab.objects("nodes") if node["metadata"]["name"] == "node3"]
    lab.node("node2", "systemctl", "stop", "podnetd")
    lab.node("node2", "ip", "route", "delete", cidr)
    assert list(lab.play(OVERLAY).changed) == ["node2"]
    assert cidr in lab.node("node2", "ip route show dev flannel.1")
    assert lab.node("node2", "systemctl is-active podnetd").strip() == "active"


def test_the_other_back_end_and_back(lab):
    """host-gw: same pods, same addresses, no tunnel; then vxlan again. Each plan removes what the other had made."""
    addresses = {
        pod["metadata"]["name"]: pod["status"]["podIP"] for pod in lab.objects("pods", "--namespace", NAMESPACE)
    }
    host_gw = ("-e", json.dumps({"overlay_backend": {"type": "host-gw"}}))
    assert sorted(lab.play(OVERLAY, *host_gw).changed) == list(lab.names)
    report = lab.verify(*host_gw)
    assert report["flows"] == []
    assert {pod["name"].partition("/")[2]: pod["address"] for pod in report["pods"]}.items() >= addresses.items()
    for number, name in enumerate(lab.names, 11):
        assert "flannel.1" not in lab.node(name, "ip link")
        gateways = {route.get("gateway") for route in json.loads(lab.node(name, "ip -j route show root 10.244.0.0/16"))}
        assert gateways - {None} == {f"10.79.0.{other}" for other in (11, 12, 13) if other != number}
    assert sorted(lab.play(OVERLAY).changed) == list(lab.names)
    assert lab.verify()["flows"]
