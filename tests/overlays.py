# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several of the overlay's tests begin with: a node's links and addresses, and entries of leases."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.netlink.address import Address
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.link import Link
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import admission, config, host_gw, underlay, vxlan

LINKS = [Link("lo", mtu=65536), Link("eth0", mtu=1500), Link("eth1", mtu=9000)]
ADDRESSES = [
    Address("lo", "127.0.0.1/8", scope="host"),
    Address("eth0", "10.0.2.15/24", scope="global"),
    Address("eth1", "10.77.0.11/24", scope="global"),
    Address("eth1", "fd77::11/64", scope="global"),
    Address("eth1", "fe80::1/64", scope="link"),
]


def entry(number, subnet=0, **other):
    lease = {
        "name": f"node{number}",
        "address": f"10.77.{subnet}.{10 + number}",
        "pod_cidrs": [f"10.244.{number}.0/24"],
    }
    return {**lease, **other}


def want(kind, *entries, networks=("10.244.0.0/16",), **backend):
    """What the back end KIND wants on node1 with the leases ENTRIES."""
    parsed = config.parse({"node_name": "node1", "networks": list(networks), "backend": {"type": kind, **backend}})
    leases = admission.admit(parsed, list(entries))
    assert leases.refused == {}
    found = underlay.find(leases.own, LINKS, ADDRESSES)
    return {"vxlan": vxlan, "host-gw": host_gw}[kind].desired(parsed, leases, found)


def titles(desired):
    return [thing.title() for thing in desired.objects()]
