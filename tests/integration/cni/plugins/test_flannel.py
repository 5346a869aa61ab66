# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""flannel with its delegates: the default configuration, in one process."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def conf(host, tmp_path):
    """The default configuration, with files of the test's own."""
    file = tmp_path / "subnet.env"
    file.write_text(
        "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\n"
        "FLANNEL_IPV6_NETWORK=fd44::/48\nFLANNEL_IPV6_SUBNET=fd44:0:0:3::1/64\n"
        "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
    )
    return {
        "cniVersion": "1.1.0",
        "name": "podnet",
        "type": "flannel",
        "subnetFile": str(file),
        "dataDir": str(tmp_path / "flannel"),
        "delegate": {"hairpinMode": True, "isDefaultGateway": True},
        "ipam": {"dataDir": str(host.data)},
    }


PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


@pytest.mark.defect("flannel: CHECK is a stub")
def test_add_check_del(host, conf, empty):
    pod = host.pod()
    conf["runtimeConfig"] = PORTS
    result = host.call("flannel", "ADD", conf, "c1", pod)
    assert result["interfaces"][0]["name"] == "cni0"
    assert [item["address"] for item in result["ips"]] == ["10.244.3.2/24", "fd44:0:0:3::2/64"]
    assert {item["dst"] for item in result["routes"]} == {"10.244.0.0/16", "fd44::/48", "0.0.0.0/0", "::/0"}
    assert pod.ip("link show dev eth0")[0]["mtu"] == 1450
    assert {item["dst"] for item in pod.ip("route show via 10.244.3.1")} == {"default", "10.244.0.0/16"}
    tables = [item["table"]["name"] for item in host.netns.nft() if "table" in item]
    assert tables == ["podnet"]
    assert len(host.state()["elements"]) == 5  # two maps in each family and a link, and no masquerade of the bridge's
    told = {**conf, "prevResult": result}
    host.call("flannel", "CHECK", told, "c1", pod)
    host.netns.run("nft flush map inet podnet hostport_hairpin4")
    with pytest.raises(Exception, match="port mapping is missing"):
        host.call("flannel", "CHECK", told, "c1", pod)
    host.call("flannel", "DEL", told, "c1", pod)
    assert host.state() == empty


def test_masquerade_is_the_bridges_where_it_is_not_flannels(host, conf):
    with open(conf["subnetFile"], "a") as file:
        file.write("FLANNEL_IPMASQ=false\n")
    host.call("flannel", "ADD", conf, "c1", host.pod())
    names = [item["map"]["name"] for item in host.netns.nft() if "map" in item and item["map"].get("elem")]
    assert {"masquerade_from4", "masquerade_from6"} <= set(names)


@pytest.mark.parametrize("change", ["gone", "other"])
@pytest.mark.defect("flannel: DEL without the scratch file leaks the address")
def test_del_needs_no_note_and_no_subnet_env(host, conf, empty, change):
    """★ no scratch file is kept, and the address is freed though subnet.env is gone or tells of another subnet."""
    pod = host.pod()
    result = host.call("flannel", "ADD", conf, "c1", pod)
    with open(conf["subnetFile"]) as file:
        text = file.read()
    with open(conf["subnetFile"], "w") as file:
        file.write("" if change == "gone" else text.replace("10.244.3.", "10.244.4.").replace(":3::", ":4::"))
    host.call("flannel", "DEL", {**conf, "prevResult": result}, "c1", pod)
    assert host.state() == empty
    host.call("flannel", "DEL", conf, "c1", pod)


@pytest.mark.defect("flannel: the scratch file is keyed without the interface")
def test_two_interfaces_of_one_container(host, conf, empty, tmp_path):
    """★ keyed by container and interface: one's DEL leaves the other alone."""
    pod = host.pod()
    file = tmp_path / "second.env"
    file.write_text(
        "FLANNEL_NETWORK=10.245.0.0/16\nFLANNEL_SUBNET=10.245.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
    )
    second = {**conf, "name": "second", "subnetFile": str(file), "delegate": {"bridge": "br0"}}
    host.call("flannel", "ADD", conf, "c1", pod)
    other = host.call("flannel", "ADD", second, "c1", pod, ifname="net1")
    host.call("flannel", "DEL", conf, "c1", pod)
    assert [link["ifname"] for link in pod.ip("link")] == ["lo", "net1"]
    host.call("flannel", "CHECK", {**second, "prevResult": other}, "c1", pod, ifname="net1")
    host.call("flannel", "DEL", second, "c1", pod, ifname="net1")
    assert host.state() == empty


def test_pod_of_flannels_own_plugin(host, conf, tmp_path, empty):
    """A pod that flannel's plugin connected, with its note, is disconnected by ours: nodes can change over alive."""
    pod = host.pod()
    delegate = host.conf(name="podnet", bridge="cni0", isDefaultGateway=True)
    host.netns.run("ip link add cni0 type bridge")
    host.netns.run(f"ip link add vethgo type veth peer name eth0 netns {pod.name}")
    host.netns.run("ip link set vethgo master cni0")
    reservation = host.data / "podnet"
    reservation.mkdir(parents=True)
    (reservation / "10.9.0.2").write_text("c1\r\neth0", newline="")
    note = tmp_path / "flannel" / "c1"
    note.parent.mkdir()
    note.write_text(json.dumps(delegate))
    host.call("flannel", "DEL", conf, "c1", pod)
    assert not note.exists()
    assert host.state() == empty
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]


def test_a_note_of_flannels_own_plugin_that_cannot_be_read(host, conf, tmp_path, failure, empty):
    """DEL says so, and is as good once it can be."""
    pod = host.pod()
    host.call("flannel", "ADD", conf, "c1", pod)
    note = tmp_path / "flannel" / "c1"
    note.parent.mkdir(exist_ok=True)
    note.symlink_to(note)
    before = host.state()
    with pytest.raises(failure, match=f"{note}: Too many levels of symbolic links"):
        host.call("flannel", "DEL", conf, "c1", pod)
    assert host.state() == before
    note.unlink()
    host.call("flannel", "DEL", conf, "c1", pod)
    assert host.state() == empty


def test_failure_of_the_ports_undoes_the_connection(host, conf, failure, empty):
    pods = [host.pod(), host.pod()]
    conf["runtimeConfig"] = PORTS
    result = host.call("flannel", "ADD", conf, "c1", pods[0])
    before = host.state()
    with pytest.raises(failure, match="belongs to c1"):
        host.call("flannel", "ADD", conf, "c2", pods[1])
    assert host.state() == before
    host.call("flannel", "DEL", {**conf, "prevResult": result}, "c1", pods[0])
    assert host.state() == empty


@pytest.mark.parametrize("key", ["name", "ipam"])
def test_delegate_must_leave_these_to_flannel(host, conf, failure, key):
    conf["delegate"] = {key: {}}
    with pytest.raises(failure, match=f"must not have '{key}' field") as caught:
        host.call("flannel", "ADD", conf, "c1", host.pod())
    assert caught.value.code == 7


def test_status_and_gc(host, conf, empty):
    host.call("flannel", "STATUS", conf)
    for container in ("c1", "c2"):
        host.call("flannel", "ADD", {**conf, "runtimeConfig": {}}, container, host.pod())
    host.call("flannel", "GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]})
    assert "10.244.3.2" in host.state()["reserved"]
    assert "10.244.3.3" not in host.state()["reserved"]
    host.call("flannel", "GC", {**conf, "cni.dev/valid-attachments": []})
    state = host.state()
    assert {**state, "neighbours": []} == empty


def test_loopback(host):
    pod = host.pod()
    conf = {"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}
    result = host.call("loopback", "ADD", conf, "c1", pod, ifname="lo")
    assert {item["address"] for item in result["ips"]} == {"127.0.0.1/8", "::1/128"}
    assert "UP" in pod.ip("link show dev lo")[0]["flags"]
    host.call("loopback", "CHECK", {**conf, "prevResult": result}, "c1", pod, ifname="lo")
    host.call("loopback", "DEL", conf, "c1", pod, ifname="lo")
    assert "UP" not in pod.ip("link show dev lo")[0]["flags"]
    with pytest.raises(Exception, match="loopback interface is down"):
        host.call("loopback", "CHECK", {**conf, "prevResult": result}, "c1", pod, ifname="lo")
