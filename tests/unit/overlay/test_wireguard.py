# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WireGuard's keys, messages, and what the back end wants."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import wireguard as wire
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.address import Address
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.link import Link
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import (
    admission,
    config,
    lease,
    underlay,
    wireguard,
)
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.wireguard_key import Key

LINKS = [Link("eth0", mtu=1500)]
ADDRESSES = [Address("eth0", "10.77.0.11/24", scope="global"), Address("eth0", "fd77::11/64", scope="global")]
KEYS = [wire.pack_key(bytes([number]) * 32) for number in range(5)]
NETWORKS = ["10.244.0.0/16", "fd00:244::/48"]


def entry(number, **other):
    mine = {
        "name": f"node{number}",
        "address": f"10.77.0.{10 + number}",
        "addresses": [f"10.77.0.{10 + number}", f"fd77::{10 + number}"],
        "pod_cidrs": [f"10.244.{number}.0/24", f"fd00:244:0:{number}::/64"],
    }
    return {**mine, **({"public_key": KEYS[number]} if number > 1 else {}), **other}


@pytest.fixture
def want(tmp_path):
    """A function: what the back end wants on node1 with the leases ENTRIES."""

    def make(*entries, networks=None, **backend):
        backend = {"type": "wireguard", "private_key_file": str(tmp_path / "key"), **backend}
        parsed = config.parse({"node_name": "node1", "networks": networks or NETWORKS, "backend": backend})
        leases = admission.admit(parsed, list(entries))
        assert leases.refused == {}
        return wireguard.desired(parsed, leases, underlay.find(leases.own, LINKS, ADDRESSES))

    return make


def peers(desired, name="node2"):
    return {
        thing.dev: (thing.endpoint, thing.allowed_ips) for thing in desired.peers[name] if isinstance(thing, wire.Peer)
    }


def test_separate_carries_each_ip_version_by_its_own_device(want):
    desired = want(entry(1), entry(2))
    assert peers(desired) == {
        "flannel-wg": ("10.77.0.12:51820", ["10.244.2.0/24", "10.77.0.12/32"]),
        "flannel-wg-v6": ("[fd77::12]:51821", ["fd00:244:0:2::/64", "fd77::12/128"]),
    }
    assert desired.mtu == 1500 - 80
    routes = {thing.dst: thing.dev for thing in desired.peers["node2"] if not isinstance(thing, wire.Peer)}
    assert routes == {"10.244.2.0/24": "flannel-wg", "fd00:244:0:2::/64": "flannel-wg-v6"}


def test_ipv4_alone_needs_less_room(want):
    one = {"pod_cidrs": ["10.244.1.0/24"]}
    desired = want(entry(1, **one), entry(2, pod_cidrs=["10.244.2.0/24"]), networks=NETWORKS[:1])
    assert (desired.device, desired.mtu) == ("flannel-wg", 1500 - 60)


@pytest.mark.parametrize(
    ("mode", "endpoint", "mtu"),
    [("auto", "10.77.0.12:51820", 1420), ("ipv4", "10.77.0.12:51820", 1440), ("ipv6", "[fd77::12]:51820", 1420)],
)
def test_the_other_modes_have_one_device_for_both(want, mode, endpoint, mtu):
    desired = want(entry(1), entry(2), mode=mode)
    allowed = ["10.244.2.0/24", "10.77.0.12/32", "fd00:244:0:2::/64", "fd77::12/128"]
    assert peers(desired) == {"flannel-wg": (endpoint, allowed)}
    assert desired.mtu == mtu


def test_auto_falls_back_to_ipv6(want):
    desired = want(entry(1), entry(2, address="fd77::12", addresses=["fd77::12"]), mode="auto")
    assert peers(desired)["flannel-wg"][0] == "[fd77::12]:51820"


@pytest.mark.parametrize(
    ("other", "code", "parameters"),
    [
        ({"public_key": None}, Code.LEASE_KEY_MISSING, {}),
        ({"addresses": None}, Code.LEASE_OTHER_IP_VERSION, {"needed": ["IPv6"], "found": ["10.77.0.12"]}),
    ],
)
def test_a_peer_that_cannot_be_served_is_refused_and_the_others_are(want, other, code, parameters):
    desired = want(entry(1), entry(2, **other), entry(3))
    assert desired.refused == {"node2": Finding(code, "node1", "node2", parameters)}
    assert set(desired.peers) == {"node3"}


def test_a_peer_with_pods_of_another_ip_version_only_is_refused(want):
    desired = want(entry(1, pod_cidrs=["10.244.1.0/24"]), entry(2, pod_cidrs=["fd00:244:0:2::/64"]), entry(3))
    lacks = {"needed": ["IPv4"], "found": ["fd00:244:0:2::/64"]}
    assert desired.refused == {"node2": Finding(Code.LEASE_NO_COMMON_IP_VERSION, "node1", "node2", lacks)}
    assert set(desired.peers) == {"node3"}


def test_a_lease_with_another_key_than_the_nodes_own_is_an_error(want, tmp_path):
    key = Key(str(tmp_path / "key"))
    Plan(key.plan()).apply()
    assert want(entry(1, public_key=key.public), entry(2)).peers
    with pytest.raises(ConfigError, match="public_key") as refused:
        want(entry(1, public_key=KEYS[4]), entry(2))
    assert key.public in str(refused.value) and KEYS[4] in str(refused.value)


def test_a_mode_that_the_node_has_no_address_for_is_an_error(want):
    with pytest.raises(ConfigError, match=r"backend\.mode: ipv6 needs an IPv6 address of node1"):
        want(entry(1, addresses=None), mode="ipv6")


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ({"mode": "both"}, "separate, auto, ipv4, ipv6"),
        ({"persistent_keepalive": -1}, "0 to 65535"),
        ({"persistent_keepalive": True}, "backend.persistent_keepalive"),
        ({"private_key_file": "key"}, "absolute path"),
        ({"port": 65535}, "65534"),
    ],
)
def test_bad_settings_are_told(want, backend, told):
    with pytest.raises(ConfigError, match=told):
        want(entry(1), **backend)


def test_two_nodes_with_one_key_are_told_apart_by_refusing_one():
    parsed = config.parse({"node_name": "node1", "networks": NETWORKS})
    leases = admission.admit(parsed, [entry(1), entry(2), entry(3, public_key=KEYS[2])])
    taken = {"key": "public_key", "value": KEYS[2], "other": "node2"}
    assert leases.refused == {"node3": Finding(Code.LEASE_TAKEN, "node1", "node3", taken)}
    assert lease.parse(leases.peers[0].as_json()) == leases.peers[0]


@pytest.mark.parametrize("key", ["", 7, "AQEB", KEYS[1].rstrip("="), "\x00" * 44])
def test_a_lease_with_what_is_no_key_is_refused(key):
    with pytest.raises(lease.LeaseError, match="public_key"):
        lease.parse(entry(2, public_key=key))
