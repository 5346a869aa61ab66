# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An administrator's ``nft list ruleset > nftables.conf``: nft reads it again, and all of it works as before.

One rule that nft can't read has the whole file refused at the next boot, the administrator's own rules with it.
"""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.nat import cluster, table
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import nftables, wire
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel

MAPPINGS = [
    {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
    {"hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "192.0.2.1"},
    {"hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "fd02::1"},
    {"hostPort": 3868, "containerPort": 3868, "protocol": "sctp"},
]


@pytest.fixture
def filled(host, tmp_path):
    """A host with something in every set: a pod of each plugin that writes rules, and a cluster; the pod and confs."""
    pod = host.pod()
    bridge = host.conf(isDefaultGateway=True, ipMasq=True, macspoofchk=True)
    result = host.call("bridge", "ADD", bridge, "c1", pod)
    common = {"cniVersion": "1.1.0", "name": "net", "prevResult": result}
    ports = {**common, "type": "portmap", "runtimeConfig": {"portMappings": MAPPINGS}, "masqAll": True}
    ports.update(conditionsV4=["!", "-d", "192.0.2.0/24"], conditionsV6=["!", "-s", "fd05::/64"])
    firewall = {**common, "type": "firewall", "ingressPolicy": "same-bridge"}
    for name, conf in (("portmap", ports), ("firewall", firewall)):
        host.call(name, "ADD", conf, "c1", pod)
    with host.netns.entered(), Channel(wire.NETLINK_NETFILTER) as channel:
        pods, kept = ["10.9.0.0/16", "fd09::/48"], ["10.0.0.0/8", "fd00::/8"]
        requests, _changes = cluster.network_differences(channel, dict(zip(cluster.PREFIXES, (pods, kept, pods))))
        for family, ip in ((4, "192.0.2.7"), (6, "fd02::7")):
            for name in ("peers", "vteps"):
                requests += cluster.key_requests(f"{name}{family}", [wire.pack_ip(ip)], [])
        requests += cluster.key_requests("overlay_ports", [(8472).to_bytes(2, "big")], [])
        nftables.transaction(channel, requests)
    return pod, bridge, ports, firewall


def test_it_is_read_again(host, way, filled, tmp_path, empty):
    pod, bridge, ports, firewall = filled
    listed = host.netns.run("nft -s list ruleset").stdout
    sets = [item[kind] for item in host.netns.nft() for kind in ("set", "map") if kind in item]
    assert [each["name"] for each in sets if not each.get("elem")] == []
    saved = tmp_path / "nftables.conf"
    saved.write_text(f"flush ruleset\n{listed}")
    host.netns.run(f"nft -f {saved}")
    assert host.netns.run("nft -s list ruleset").stdout == listed
    with host.netns.entered(), Channel(wire.NETLINK_NETFILTER) as channel:
        assert {str(change) for change in nftables.ensure(channel, table.TABLE)} == {
            f"restore chain {chain.name} of table inet podnet" for chain in table.TABLE.chains
        }  # nft keeps no mark of ours
        assert nftables.ensure(channel, table.TABLE) == []
    assert host.netns.run("nft -s list ruleset").stdout == listed
    for name, conf in (("firewall", firewall), ("portmap", ports), ("bridge", bridge)):
        host.call(name, "DEL", conf, "c1", pod)
    assert not any("c1 eth0" in element for element in host.state()["elements"])
    assert host.state()["links"] == empty["links"]
