# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations with parts replaced by whatever: the answer is a CNI error that somebody worded, never an accident."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import nat

CASES = 2500
#: Prints, one a line as JSON, the calls that ended in an error that no plugin foresaw.
SCRIPT = r"""
import json, os, random, sys
package = type(sys)("podnet"); package.__path__ = [sys.argv[1]]; sys.modules["podnet"] = package
from podnet.cni.main import respond
from podnet.cni.text import dumps
chance, place, pod = random.Random(int(sys.argv[2])), sys.argv[3], sys.argv[4]
SCALARS = [
    None, True, False, 0, 1, -1, 80, 65536, 1 << 70, 1.5, "", "x", "10.1.0.0/24", "10.1.0.5", "10.1.0.5/24",
    "fd00::/64", "fd00::5/64", "fd00::1", "host-local", "bridge", "flannel", "nothing", "../x", "\0",
    "a\ud800", "\u00e9" * 20,
    "02:00:00:00:00:01", "tcp", place, place + "/subnet.env",
]
KEYS = '''bridge isGateway isDefaultGateway forceAddress ipMasq mtu hairpinMode promiscMode vlan vlanTrunk ipam dns args
    runtimeConfig prevResult delegate subnetFile dataDir portMappings hostPort containerPort protocol hostIP ranges
    subnet rangeStart gateway routes dst gw scope table type ips interfaces address interface name mac sandbox
    cni ipRanges
    resolvConf snat masqAll conditionsV4 markMasqBit cni.dev/valid-attachments containerID ifname cniVersion enabledad
    portIsolation disableContainerInterface macspoofchk
    id minID maxID preserveDefaultVlan ipMasqBackend conditionsV6 externalSetMarkChain backend
    addresses nameservers sysctl mac promisc allmulti txQLen net.core.somaxconn net/ipv4/conf/IFNAME/arp_filter
    bandwidth ingressRate ingressBurst egressRate egressBurst shapedSubnets unshapedSubnets
    ingressPolicy iptablesAdminChainName request provide option value fromArg skipDefault priority daemonSocketPath
    anotherAwesomeArg sample master mode vlanId linkInContainer bcqueuelen
    device hwaddr kernelpath pciBusID deviceID owner group multiQueue vrfname addSourceHints'''.split()
BEGINNINGS = {
    "static": {"ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]}},
    "dhcp": {"ipam": {"type": "dhcp", "daemonSocketPath": place + "/none.sock", "provide": [{"option": "12"}]}},
    "tuning": {"sysctl": {"net.core.somaxconn": "500"}, "mtu": 1400, "dataDir": place + "/tuning"},
    "bandwidth": {"ingressRate": 80000, "ingressBurst": 160000, "shapedSubnets": ["10.0.0.0/8"]},
    "firewall": {"ingressPolicy": "same-bridge", "backend": "iptables"},
    "portmap": {"conditionsV4": ["!", "-d", "10.0.0.0/8"], "conditionsV6": ["ip6 saddr fd00::/8"]},
    "sample": {"anotherAwesomeArg": "x"},
    "bridge": {"vlanTrunk": [{"id": 5}], "macspoofchk": False},
    "macvlan": {"master": "up0"},
    "ipvlan": {"master": "up0"},
    "vlan": {"master": "up0", "vlanId": 5},
    "host-device": {"device": "up1"},
    "vrf": {"vrfname": "blue"},
    "tap": {"owner": 1000},
}

def anything(depth=0):
    kind = chance.random()
    if depth > 4 or kind < 0.5:
        return chance.choice(SCALARS)
    if kind < 0.7:
        return [anything(depth + 1) for _item in range(chance.randrange(3))]
    return {chance.choice(KEYS): anything(depth + 1) for _item in range(chance.randrange(5))}

def configuration(plugin):
    conf = {"cniVersion": chance.choice(["0.2.0", "0.4.0", "1.0.0", "1.1.0"]), "name": "n"}
    conf["cni.dev/valid-attachments"] = []
    conf["ipam"] = {"dataDir": place + "/data"}
    if plugin == "flannel":
        conf.update(subnetFile=place + "/subnet.env", dataDir=place + "/notes", delegate={})
    else:
        conf["ipam"].update(type="host-local", ranges=[[{"subnet": "10.1.0.0/24"}]])
    if chance.random() < 0.5:
        conf.update(json.loads(json.dumps(BEGINNINGS.get(plugin, {}))))
    if chance.random() < 0.5:
        conf["runtimeConfig"] = {"portMappings": [{"hostPort": 80, "containerPort": 80}]}
    if chance.random() < 0.5:
        conf["prevResult"] = {"interfaces": [{"name": "eth0", "sandbox": "/x"}], "routes": [{"dst": "0.0.0.0/0"}]}
        conf["prevResult"]["ips"] = [{"address": "10.1.0.5/24", "interface": 0}]
    for _change in range(chance.randrange(4)):
        part = conf
        while chance.random() < 0.5:
            inner = [value for value in part.values() if isinstance(value, dict) and value]
            part = chance.choice(inner) if inner else part
        part[chance.choice(KEYS)] = anything()
    return conf

for _case in range(int(sys.argv[5])):
    plugin = chance.choice(["host-local", "flannel", "loopback", "ptp", "dummy", "sbr", *BEGINNINGS])
    env = {"CNI_COMMAND": chance.choice(["ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION"]), "CNI_PATH": "/none"}
    env.update(CNI_CONTAINERID="c%d" % chance.randrange(3), CNI_NETNS=pod, CNI_IFNAME=chance.choice(["eth0", "lo"]))
    env["CNI_ARGS"] = chance.choice(["", "IP=10.1.0.9", "MAC=xx", "K=V", "IgnoreUnknown=1;K=V"])
    conf = configuration(plugin)
    stdin = os.memfd_create("conf"); os.write(stdin, json.dumps(conf).encode()); os.lseek(stdin, 0, 0)
    answer, status = respond(plugin, env, stdin)
    os.close(stdin)
    dumps(answer)
    if status and answer["code"] == 999 and answer.get("details", "").endswith("Error in " + plugin):
        print(json.dumps([answer["details"], answer["msg"], env["CNI_COMMAND"], conf]))
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_no_accident(host, tmp_path, seed):
    (tmp_path / "subnet.env").write_text(
        "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
    )
    (tmp_path / "cwd").mkdir()
    host.netns.run("ip link add up0 type veth peer name up1")
    source = os.path.dirname(nat.__file__)
    arguments = [source, str(seed), str(tmp_path), host.pod().path, str(CASES)]
    done = host.netns.run("/usr/bin/python3", "-IS", "-c", SCRIPT, *arguments, cwd=tmp_path / "cwd")
    accidents = [json.loads(line) for line in done.stdout.splitlines()]
    assert not accidents, accidents[0]
