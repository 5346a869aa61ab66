# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host-device's own: how a device is found, and that it comes back as it was. See cni/attach/test_interface.py."""

from __future__ import annotations

import json
import subprocess

import pytest

MAC = "02:00:00:00:0d:00"
#: Makes a sysfs of its own with one device per line of its first argument, "BUS ID DRIVER PATH", then calls the plugin.
SYSFS = """
set -e
mount -t tmpfs tmpfs /sys
echo "$1" | while read -r bus id driver path; do
    device=/sys/bus/$bus/devices/$id
    mkdir -p /sys/bus/$bus/drivers/$driver "$device$path"
    ln -s /sys/bus/$bus/drivers/$driver "$device/driver"
done
shift
exec "$@"
"""


@pytest.fixture
def bin_dir(alone):
    """Callers with mounts of their own, as there are many here, do without the service."""
    return alone


@pytest.fixture
def device(host):
    """One end of a veth pair, with an alias; its other end answers."""
    host.netns.run(f"ip link add hd0 address {MAC} type veth peer name hd1")
    host.netns.run("ip link set hd0 up")
    host.netns.run("ip link set hd1 up")
    return "hd0"


def conf(host, **more):
    return {"cniVersion": "1.1.0", "name": "net", "type": "host-device", "ipam": host.conf()["ipam"], **more}


def shown(netns, name):
    (link,) = netns.ip(f"link show dev {name}")
    return link


def links(netns):
    return sorted(item["ifname"] for item in netns.ip("link"))


@pytest.mark.parametrize("alias", ["", "uplink to rack 7"])
@pytest.mark.parametrize("ifname", ["eth0", "hd0"])
def test_it_comes_back_with_its_name_and_alias(host, device, alias, ifname):
    host.netns.run("ip", "link", "set", "hd0", "alias", alias)
    pod = host.pod()
    wanted = conf(host, device="hd0")
    result = host.call("host-device", "ADD", wanted, "c1", pod, ifname=ifname)
    assert links(host.netns) == ["hd1", "lo"]
    assert shown(pod, ifname)["ifalias"] == (f"podnet:hd0 {alias}" if alias else "hd0")  # the latter as Go has it
    assert result["interfaces"] == [{"name": ifname, "mac": MAC, "mtu": 1500, "sandbox": pod.path}]
    host.call("host-device", "CHECK", {**wanted, "prevResult": result}, "c1", pod, ifname=ifname)
    for _again in range(2):
        host.call("host-device", "DEL", {**wanted, "prevResult": result}, "c1", pod, ifname=ifname)
        assert links(host.netns) == ["hd0", "hd1", "lo"]
        assert links(pod) == ["lo"]
        assert shown(host.netns, "hd0").get("ifalias", "") == alias


def test_names_that_are_taken_are_no_obstacle(host, device):
    """The pod has a hd0, the host has a net1; the device is hd0 here and net1 there, and back."""
    pod = host.pod()
    pod.run("ip link add hd0 type bridge")
    host.netns.run("ip link add net1 type bridge")
    wanted = conf(host, device="hd0")
    host.call("host-device", "ADD", wanted, "c1", pod, ifname="net1")
    assert shown(pod, "net1")["address"] == MAC
    assert shown(pod, "hd0")["linkinfo"]["info_kind"] == "bridge"
    host.call("host-device", "DEL", wanted, "c1", pod, ifname="net1")
    assert shown(host.netns, "hd0")["address"] == MAC
    assert shown(host.netns, "net1")["linkinfo"]["info_kind"] == "bridge"


def test_by_mac_address(host, device):
    host.netns.run("ip link add link hd0 name on0 type macvlan mode bridge")
    host.netns.run(f"ip link set on0 address {MAC.upper()}", check=False)
    pod = host.pod()
    wanted = conf(host, hwaddr=MAC.upper())
    host.call("host-device", "ADD", wanted, "c1", pod)
    assert shown(pod, "eth0")["ifalias"] == "podnet:hd0"
    host.call("host-device", "DEL", wanted, "c1", pod)
    assert shown(host.netns, "hd0")["address"] == MAC


def call_with_sysfs(host, devices, command, wanted, pod):
    """A call whose /sys has these devices; the other tests' stays as it is."""
    words, env = host.command("host-device", command, "c1", pod)
    words = [*words[:3], "unshare", "--mount", "sh", "-c", SYSFS, "sh", devices, *words[3:]]
    done = subprocess.run(words, input=json.dumps(wanted), env=env, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    answer = json.loads(done.stdout) if done.stdout.strip() else None
    if done.returncode:
        raise LookupError(f"{answer['code']}: {answer['msg']}")
    return answer


@pytest.mark.parametrize(
    ("key", "value", "devices"),
    [
        ("pciBusID", "0000:03:00.0", "pci 0000:03:00.0 ixgbe /net/hd0"),
        ("pciBusID", "0000:00:04.0", "pci 0000:00:04.0 virtio-pci /virtio1/net/hd0"),
        ("deviceID", "0000:03:02.1", "pci 0000:03:02.1 ixgbevf /net/hd0"),
        ("deviceID", "mlx5_core.sf.4", "auxiliary mlx5_core.sf.4 mlx5_core.sf /net/hd0"),
    ],
)
def test_by_device_id(host, device, key, value, devices):
    pod = host.pod()
    wanted = conf(host, runtimeConfig={"deviceID": value}, pciBusID="0000:ff:00.0")
    if key == "pciBusID":
        wanted = conf(host, pciBusID=value)
    result = call_with_sysfs(host, devices, "ADD", wanted, pod)
    assert result["interfaces"][0]["pciID"] == value
    assert shown(pod, "eth0")["address"] == MAC
    call_with_sysfs(host, devices, "CHECK", {**wanted, "prevResult": result}, pod)
    call_with_sysfs(host, devices.rpartition("/")[0], "DEL", wanted, pod)  # its interface isn't the host's now
    assert shown(host.netns, "hd0")["address"] == MAC


def test_by_kernel_path(host, device):
    """/sys tells of the namespace that it was mounted in, which ``ip netns exec`` changes."""
    pod = host.pod()
    wanted = conf(host, kernelpath="/sys/devices/virtual/net/hd0")
    for command in ("ADD", "DEL"):
        words, env = host.command("host-device", command, "c1", pod)
        words = ["ip", "netns", "exec", host.netns.name, *words[3:]]
        subprocess.run(words, input=json.dumps(wanted), env=env, capture_output=True, text=True, check=True)
        assert links(pod) == (["eth0", "lo"] if command == "ADD" else ["lo"])
    assert shown(host.netns, "hd0")["address"] == MAC


def test_a_device_that_a_program_drives(host, empty):
    """Bound to vfio-pci it has no interface: the pod gets addresses for it, and opens it by itself."""
    devices = "pci 0000:03:00.0 vfio-pci /"
    pod = host.pod()
    wanted = conf(host, pciBusID="0000:03:00.0")
    result = call_with_sysfs(host, devices, "ADD", wanted, pod)
    assert result["interfaces"] == [{"name": "eth0", "sandbox": pod.path, "pciID": "0000:03:00.0"}]
    assert [item["address"] for item in result["ips"]] == ["10.9.0.2/24", "fd09::2/64"]
    assert links(pod) == ["lo"]
    call_with_sysfs(host, devices, "CHECK", {**wanted, "prevResult": result}, pod)
    call_with_sysfs(host, devices, "DEL", wanted, pod)
    assert host.state() == empty


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("device", "none0", "no interface of device none0"),
        ("hwaddr", "02:00:00:00:00:aa", "no interface of MAC address 02:00:00:00:00:aa"),
        ("kernelpath", "/sys/devices/pci0000:99", "no interface of kernel path /sys/devices/pci0000:99"),
        ("pciBusID", "0000:03:00.0", r"device ID 0000:03:00\.0 \(driver nvme\)"),
        ("pciBusID", "0000:99:00.0", "0000:99:00.0 is not in"),
        ("device", "lo", "loopback"),
    ],
)
def test_no_such_device(host, device, empty, key, value, word):
    before = host.state()
    with pytest.raises(LookupError, match=word):
        call_with_sysfs(host, "pci 0000:03:00.0 nvme /", "ADD", conf(host, **{key: value}), host.pod())
    assert host.state() == before


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({}, "specify either"),
        ({"device": "a/b"}, "not a valid interface name"),
        ({"hwaddr": "here"}, "hwaddr"),
        ({"kernelpath": "/etc"}, "must be absolute and begin with /sys/devices/"),
        ({"kernelpath": "/sys/devices/../class"}, "must be absolute"),
        ({"pciBusID": "../../class/net"}, "not a valid device ID"),
        ({"runtimeConfig": {"deviceID": 5}}, "deviceID"),
    ],
)
def test_bad_configuration(host, failure, more, word):
    with pytest.raises(failure, match=word) as caught:
        host.call("host-device", "ADD", conf(host, **more), "c1", host.pod())
    assert caught.value.code == 7


@pytest.mark.defect("host-device: a device that came back with the end of the namespace keeps the pod's name")
@pytest.mark.parametrize("command", ["DEL", "GC", "ADD"])
def test_a_device_that_came_back_by_itself(host, device, command):
    """The kernel moves a device to the host, as it is called, when the namespace ends (default_device_exit_net)."""
    pod = host.pod()
    wanted = conf(host, device="hd0")
    host.netns.run("ip", "link", "set", "hd0", "alias", "uplink")
    host.call("host-device", "ADD", wanted, "c1", pod, ifname="net1")
    pod.run(f"ip link set net1 netns {host.netns.name}")
    assert links(host.netns) == ["hd1", "lo", "net1"]
    if command == "GC":
        host.call("host-device", "GC", {**wanted, "cni.dev/valid-attachments": []})
    elif command == "DEL":
        host.call("host-device", "DEL", wanted, "c1", "/run/netns/gone", ifname="net1")
    else:
        host.call("host-device", "ADD", {**wanted, "name": "other"}, "c2", host.pod())
        assert links(host.netns) == ["hd1", "lo"]
        return
    assert shown(host.netns, "hd0")["ifalias"] == "uplink"
    assert host.state()["reserved"] == []


@pytest.mark.defect("host-device: ADD that fails does not give the device back")
def test_add_that_fails_gives_it_back(host, device, failure):
    host.netns.run("ip", "link", "set", "hd0", "alias", "uplink")
    pod = host.pod()
    ipam = {**host.conf()["ipam"], "routes": [{"dst": "192.0.2.0/24", "gw": "198.51.100.1"}]}
    with pytest.raises(failure, match=r"192\.0\.2\.0/24"):
        host.call("host-device", "ADD", conf(host, device="hd0", ipam=ipam), "c1", pod)
    assert shown(host.netns, "hd0")["ifalias"] == "uplink"
    assert links(pod) == ["lo"]
    assert host.state()["reserved"] == []


# -- names ----------------------------------------------------------------------------------------------------------


def altnames(netns, name):
    return sorted(shown(netns, name).get("altnames", []))


@pytest.mark.parametrize("alias", ["", "uplink"])
def test_an_alternative_name_that_the_pod_needs(host, device, alias):
    """It is what the pod's interface is to be called: the device gets it back with its name and alias."""
    host.netns.run("ip", "link", "set", "hd0", "alias", alias)
    for name in ("net1", "enp216s0f1v9-of-the-second-card"):
        host.netns.run(f"ip link property add dev hd0 altname {name}")
    pod = host.pod()
    wanted = conf(host, device="hd0")
    result = host.call("host-device", "ADD", wanted, "c1", pod, ifname="net1")
    assert altnames(pod, "net1") == ["enp216s0f1v9-of-the-second-card"]
    host.call("host-device", "CHECK", {**wanted, "prevResult": result}, "c1", pod, ifname="net1")
    host.call("host-device", "DEL", wanted, "c1", pod, ifname="net1")
    assert shown(host.netns, "hd0").get("ifalias", "") == alias
    assert altnames(host.netns, "hd0") == ["enp216s0f1v9-of-the-second-card", "net1"]
    assert links(pod) == ["lo"]


def test_an_alternative_name_that_another_link_of_the_pod_has(host, device):
    host.netns.run("ip link property add dev hd0 altname lan0")
    pod = host.pod()
    pod.run("ip link add lan0 type bridge")
    host.call("host-device", "ADD", conf(host, device="hd0"), "c1", pod, ifname="net1")
    assert altnames(pod, "net1") == []
    host.call("host-device", "DEL", conf(host, device="hd0"), "c1", pod, ifname="net1")
    assert altnames(host.netns, "hd0") == ["lan0"]


@pytest.mark.parametrize("name", ["lan0", "lan-port-of-the-second-card"])
def test_a_device_given_by_its_alternative_name(host, device, name):
    host.netns.run(f"ip link property add dev hd0 altname {name}")
    wanted = conf(host, device=name)
    for container in ("c1", "c2"):
        pod = host.pod()
        result = host.call("host-device", "ADD", wanted, container, pod, ifname="net1")
        host.call("host-device", "CHECK", {**wanted, "prevResult": result}, container, pod, ifname="net1")
        host.call("host-device", "DEL", {**wanted, "prevResult": result}, container, pod, ifname="net1")
        assert (links(host.netns), altnames(host.netns, "hd0")) == (["hd0", "hd1", "lo"], [name])


def test_an_alternative_name_that_the_host_has_by_now(host, device):
    """The pod gave its interface a name that is another link's on the host."""
    pod = host.pod()
    host.call("host-device", "ADD", conf(host, device="hd0"), "c1", pod, ifname="net1")
    pod.run("ip link property add dev net1 altname br7")
    host.netns.run("ip link add br7 type bridge")
    host.call("host-device", "DEL", conf(host, device="hd0"), "c1", pod, ifname="net1")
    assert (links(host.netns), altnames(host.netns, "hd0")) == (["br7", "hd0", "hd1", "lo"], [])


@pytest.mark.parametrize("key", ["device", "hwaddr"])
def test_a_device_that_the_pod_has_renamed(host, device, key):
    """Another link has the interface's name since."""
    host.netns.run("ip", "link", "set", "hd0", "alias", "uplink")
    pod = host.pod()
    wanted = conf(host, **{key: {"device": "hd0", "hwaddr": MAC}[key]})
    result = host.call("host-device", "ADD", wanted, "c1", pod, ifname="net1")
    for command in ("set net1 down", "set net1 name renamed0", "add net1 type bridge"):
        pod.run(f"ip link {command}")
    host.call("host-device", "DEL", {**wanted, "prevResult": result}, "c1", pod, ifname="net1")
    assert links(host.netns) == ["hd0", "hd1", "lo"]
    assert shown(host.netns, "hd0")["ifalias"] == "uplink"
    assert links(pod) == ["lo", "net1"]


def test_a_device_whose_alias_the_pod_has_taken(host, device):
    pod = host.pod()
    result = host.call("host-device", "ADD", conf(host, device="hd0"), "c1", pod, ifname="net1")
    pod.run("ip", "link", "set", "net1", "alias", "")
    host.call("host-device", "DEL", {**conf(host, device="hd0"), "prevResult": result}, "c1", pod, ifname="net1")
    assert links(host.netns) == ["hd0", "hd1", "lo"]


@pytest.mark.parametrize("command", ["DEL", "GC", "ADD"])
def test_a_name_that_the_host_has_given_away(host, device, failure, command):
    """The device comes back under another name, and gets its own as soon as it is free; no ADD takes the other link."""
    host.netns.run("ip", "link", "set", "hd0", "alias", "uplink")
    pod = host.pod()
    wanted = conf(host, device="hd0")
    host.call("host-device", "ADD", wanted, "c1", pod, ifname="net1")
    host.netns.run("ip link add hd0 type bridge")
    for _again in range(2):
        host.call("host-device", "DEL", wanted, "c1", pod, ifname="net1")
    assert links(pod) == ["lo"]
    (name,) = [each for each in links(host.netns) if each not in ("hd0", "hd1", "lo")]
    assert shown(host.netns, name)["address"] == MAC
    with pytest.raises(failure, match="original name hd0: hd0 has it"):
        host.call("host-device", "ADD", wanted, "c2", pod, ifname="net1")
    host.netns.run("ip link delete hd0")
    if command == "GC":
        host.call("host-device", "GC", {**wanted, "cni.dev/valid-attachments": []})
    else:
        host.call("host-device", command, wanted, "c2", pod, ifname="net1")
    where = pod if command == "ADD" else host.netns
    assert shown(where, "net1" if command == "ADD" else "hd0")["address"] == MAC
    if command != "ADD":
        assert shown(host.netns, "hd0")["ifalias"] == "uplink"


@pytest.mark.parametrize("key", ["device", "hwaddr"])
def test_an_alias_that_could_be_a_name_is_no_name(host, device, key):
    """A device that no ADD has moved keeps its name, whatever the administrator's alias says."""
    host.netns.run("ip link set hd0 alias uplink")
    wanted = conf(host, **{key: {"device": "hd0", "hwaddr": MAC}[key]})
    host.call("host-device", "GC", {**wanted, "cni.dev/valid-attachments": []})
    host.call("host-device", "DEL", wanted, "c1", host.pod())
    assert links(host.netns) == ["hd0", "hd1", "lo"]
    assert shown(host.netns, "hd0")["ifalias"] == "uplink"


def test_a_key_that_would_be_passed_over_is_refused(host, device, failure):
    """Go's since 1.10 gives the pod the device's addresses and routes."""
    with pytest.raises(failure, match="useInterfaceNetwork is not supported") as caught:
        host.call("host-device", "ADD", conf(host, device="hd0", useInterfaceNetwork=True), "c1", host.pod())
    assert caught.value.code == 2
    assert links(host.netns) == ["hd0", "hd1", "lo"]
