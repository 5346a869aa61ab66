# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bridge's keys beyond connecting: VLANs, spoofed addresses, isolation, dark pods, IPAM that needs the link.

Witnessed by bridge, nft and frames. Bridges that filter VLANs come with the kernel's VLAN support.
"""

from __future__ import annotations

import socket
import stat

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.plugins.bridge.vlans import Vlans
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import link
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel


def vlans(host, port):
    """What bridge(8) tells of a port: {VLAN: flags}."""
    found = {}
    for item in host.netns.bridge(f"vlan show dev {port}"):
        for entry in item.get("vlans", []):
            for vlan in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1):
                found[vlan] = entry.get("flags", [])
    return found


def connect(host, container, **more):
    """A pod: (pod, result, configuration)."""
    pod = host.pod()
    conf = host.conf(**more)
    return pod, host.call("bridge", "ADD", conf, container, pod), conf


def reaches(pod, address):
    return pod.run(f"ping -c 1 -W 1 {address}", check=False).returncode == 0


@pytest.mark.defect("bridge: CHECK looks at no hairpin, vlan and masquerade")
def test_a_vlan_of_its_own(host, needs, empty, failure):
    needs("vlan")
    first, result, conf = connect(host, "c1", vlan=100, isDefaultGateway=True)
    port = result["interfaces"][1]["name"]
    assert host.netns.ip("link show dev br0")[0]["linkinfo"]["info_data"]["vlan_filtering"] == 1
    assert vlans(host, port) == {100: ["PVID", "Egress Untagged"]}
    gateway = host.netns.ip("link show dev br0.100")[0]
    told = {"name": "br0.100", "mac": gateway["address"], "mtu": gateway["mtu"]}
    assert result["interfaces"][3:] == [told], "Go's result has the gateway's link last, too"
    assert host.netns.sysctl("net/ipv6/conf/br0.100/accept_ra") == "0", "a pod in the VLAN is no router for its host"
    # the gateway is in the VLAN, by a pair of its own: the bridge itself isn't
    assert [item["local"] for item in host.netns.ip("-4 address show dev br0.100")[0]["addr_info"]] == ["10.9.0.1"]
    assert host.netns.ip("-4 address show dev br0") in ([], [{}])
    assert reaches(first, "10.9.0.1")
    assert reaches(first, "fd09::1")
    told = {**conf, "prevResult": result}
    host.call("bridge", "CHECK", told, "c1", first)

    second, _result, _conf = connect(host, "c2", vlan=100)
    ipam = {"type": "static", "addresses": [{"address": "10.9.0.99/24"}]}
    other, _result, _conf = connect(host, "c3", vlan=200, isGateway=False, ipam=ipam)
    assert reaches(first, "10.9.0.3")
    assert not reaches(other, "10.9.0.2")
    assert reaches(second, "10.9.0.2")

    host.netns.run(f"bridge vlan add vid 7 dev {port} pvid untagged")
    with pytest.raises(failure, match="VLAN 7, not 100"):
        host.call("bridge", "CHECK", told, "c1", first)
    host.call("bridge", "DEL", told, "c1", first)
    host.call("bridge", "DEL", conf, "c1", first)
    for container in ("c2", "c3"):
        host.call("bridge", "GC", {**host.conf(), "cni.dev/valid-attachments": []})
        assert container
    left = [name for name in host.state()["links"] if name not in ("br0.100",)]
    assert len(left) == 1  # the port of br0.100
    assert host.state()["reserved"] == empty["reserved"]


def test_the_gateways_link_in_a_vlan_ignores_routers(host, monkeypatch):
    """Pods in the VLAN are its neighbors. (Its port is put into the VLAN elsewhere: not every kernel can.)"""
    monkeypatch.setattr(Vlans, "put", lambda *_arguments: None)
    host.netns.run("ip link add br0 up type bridge")
    with host.netns.entered(), Channel() as channel:
        for _again in range(2):
            Vlans(100, [], False).gateway(channel, link.get(channel, "br0"), "br0.100", 0)
    assert "UP" in host.netns.ip("link show dev br0.100")[0]["flags"]
    assert host.netns.sysctl("net/ipv6/conf/br0.100/accept_ra") == "0"


@pytest.mark.parametrize("default", [1, 9])
def test_the_default_vlan_stays_only_if_it_is_preserved(host, needs, failure, default):
    """Go's preserveDefaultVlan is false unless it is set, and means whatever VLAN the bridge gives a new port."""
    needs("vlan")
    host.netns.run(f"ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid {default}")
    pod, result, conf = connect(host, "c1", vlan=100)
    port = result["interfaces"][1]["name"]
    assert vlans(host, port) == {100: ["PVID", "Egress Untagged"]}
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    host.netns.run(f"bridge vlan add vid {default} dev {port}")
    with pytest.raises(failure, match=f"carries VLAN {default}, which is not configured"):
        host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    pod, result, conf = connect(host, "c2", vlan=100, preserveDefaultVlan=True)
    port = result["interfaces"][1]["name"]
    assert vlans(host, port) == {default: ["Egress Untagged"], 100: ["PVID", "Egress Untagged"]}
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c2", pod)


def test_a_trunk(host, needs, failure):
    needs("vlan")
    trunk = [{"id": 42}, {"minID": 100, "maxID": 103}, {"minID": 7, "maxID": 7}]
    pod, result, conf = connect(host, "c1", vlanTrunk=trunk)
    port = result["interfaces"][1]["name"]
    assert vlans(host, port) == {1: ["PVID", "Egress Untagged"], **{vlan: [] for vlan in (7, 42, 100, 101, 102, 103)}}
    told = {**conf, "prevResult": result}
    host.call("bridge", "CHECK", told, "c1", pod)
    host.netns.run(f"bridge vlan delete vid 102 dev {port}")
    with pytest.raises(failure, match="VLAN 102"):
        host.call("bridge", "CHECK", told, "c1", pod)


@pytest.mark.parametrize(
    ("keys", "native", "tagged"),
    [
        ({"vlanTrunk": [{"minID": 1, "maxID": 3}]}, 1, (2, 3)),
        ({"vlanTrunk": [{"id": 20}], "vlan": 100}, 100, (20,)),
        ({"vlanTrunk": [{"minID": 20, "maxID": 21, "id": 30}], "vlan": 20}, 20, (21, 30)),
    ],
)
def test_the_native_vlan_of_a_trunk(host, needs, keys, native, tagged):
    """``vlan`` is it, 1 without; and it stays untagged where the trunk has it, too."""
    needs("vlan")
    pod, result, conf = connect(host, "c1", **keys)
    wanted = {native: ["PVID", "Egress Untagged"], **{vlan: [] for vlan in tagged}}
    assert vlans(host, result["interfaces"][1]["name"]) == wanted
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)
    links = host.netns.ip("link")
    gateways = [link["link"] for link in links if link["ifname"] == f"br0.{keys.get('vlan')}"]
    assert [vlans(host, port) for port in gateways] == [{native: ["PVID", "Egress Untagged"]}] * ("vlan" in keys)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"vlan": 4095}, "vlan must be"),
        ({"vlan": -1}, "vlan must be"),
        ({"vlanTrunk": [{"id": 0}]}, "id must be"),
        ({"vlanTrunk": [{"minID": 5}]}, "minID and maxID"),
        ({"vlanTrunk": [{"id": 3, "maxID": 7}]}, "minID and maxID"),
        ({"vlanTrunk": [{}]}, "minID and maxID"),
        ({"vlanTrunk": [{"minID": 9, "maxID": 7}]}, "greater than"),
        ({"vlan": 100, "bridge": "a-long-bridge"}, "1 to 15 bytes"),
        ({"ipMasqBackend": "ebtables"}, "ipMasqBackend"),
        ({"macspoofchk": "yes"}, "macspoofchk"),
    ],
)
def test_bad_input_is_told(host, failure, more, words):
    with pytest.raises(failure, match=words) as caught:
        connect(host, "c1", **more)
    assert caught.value.code == 7


def frame(pod, mac, payload):
    """Send a broadcast frame from eth0 under that MAC address."""
    with pod.entered():
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with out:
        out.bind(("eth0", 0))
        out.send(b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) + b"\x88\xb5" + payload.ljust(50, b"\0"))


@pytest.mark.defect("bridge: DEL with the netns gone leaks spoof-check rules")
@pytest.mark.parametrize("last", ["DEL", "DEL without prevResult", "DEL without namespace", "GC"])
def test_a_pod_sends_as_itself(host, failure, empty, last):
    guarded, result, conf = connect(host, "c1", macspoofchk=True)
    free, other, _conf = connect(host, "c2")
    witness, _result, _conf = connect(host, "c3")
    macs = [item["interfaces"][2]["mac"] for item in (result, other)]
    with witness.entered():
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5))
    with ear:
        ear.bind(("eth0", 0x88B5))
        ear.settimeout(5)
        frame(guarded, "02:00:00:00:00:99", b"spoofed")
        frame(guarded, macs[0], b"own")
        frame(free, "02:00:00:00:00:99", b"not guarded")
        heard = [ear.recv(100)[14:].rstrip(b"\0") for _number in range(2)]
    assert heard == [b"own", b"not guarded"]
    assert reaches(guarded, "10.9.0.1")
    told = {**conf, "prevResult": result}
    host.call("bridge", "CHECK", told, "c1", guarded)
    listed = host.netns.run("nft list table bridge podnet").stdout
    assert macs[0] in listed
    assert "c1 eth0 net" in listed

    host.netns.run("nft flush set bridge podnet own")
    with pytest.raises(failure, match="not guarded"):
        host.call("bridge", "CHECK", told, "c1", guarded)
    if last == "GC":
        host.call("bridge", "GC", {**conf, "cni.dev/valid-attachments": []})
    else:
        where = "/run/netns/gone" if "namespace" in last else guarded
        host.call("bridge", "DEL", conf if "prevResult" in last else told, "c1", where)
    assert host.state()["elements"] == empty["elements"]


def test_isolated_ports_reach_the_gateway_only(host, failure):
    first, result, conf = connect(host, "c1", portIsolation=True)
    connect(host, "c2", portIsolation=True)
    connect(host, "c3")
    assert host.netns.bridge(f"link show dev {result['interfaces'][1]['name']}")[0]["isolated"]
    assert [reaches(first, f"10.9.0.{last}") for last in (1, 3, 4)] == [True, False, True]
    told = {**conf, "prevResult": result}
    host.call("bridge", "CHECK", told, "c1", first)
    host.netns.run(f"bridge link set dev {result['interfaces'][1]['name']} isolated off")
    with pytest.raises(failure, match="isolated"):
        host.call("bridge", "CHECK", told, "c1", first)


@pytest.mark.defect("bridge: CHECK of an L2 bridge without IPAM always fails")
@pytest.mark.parametrize("dark", [True, False])
def test_without_addresses(host, dark):
    """An L2 network; with disableContainerInterface the pod's end stays down, for whoever takes it over (a VM)."""
    pod, result, conf = connect(host, "c1", isGateway=False, ipam={}, disableContainerInterface=dark)
    assert result.get("ips", []) == []
    assert ("UP" in pod.ip("link show dev eth0")[0]["flags"]) != dark
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c1", pod)


def test_who_needs_the_link_gets_it(host, tmp_path):
    """An IPAM plugin that isn't ours is asked when the pod's link is up and forwards: a DHCP client needs that."""
    foreign = tmp_path / "by-link"
    foreign.write_text(
        "#!/bin/sh\n"
        'if [ "$CNI_COMMAND" = ADD ]; then\n'
        f'  nsenter --net="$CNI_NETNS" ip -o link show dev "$CNI_IFNAME" >{tmp_path}/seen 2>/dev/null\n'
        """  echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.9.0.7/24"}]}'\n"""
        "fi\n"
    )
    foreign.chmod(foreign.stat().st_mode | stat.S_IXUSR)
    pod = host.pod()
    conf = host.conf(ipam={"type": "by-link"})
    result = host.call("bridge", "ADD", conf, "c1", pod, path=f"{host.bin_dir}:{tmp_path}")
    assert "state UP" in (tmp_path / "seen").read_text()
    assert result["ips"][0]["address"] == "10.9.0.7/24"
    assert reaches(pod, "10.9.0.1")
