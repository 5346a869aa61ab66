# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration and leases: what is right is read, what is wrong is refused with the reason and the cure."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import parse_prefix
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import admission, config, lease
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.lease import LeaseError
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.mac import mac_of, parse_mac

MINIMAL = {"node_name": "node1", "networks": ["10.244.0.0/16"]}


def entry(number: int, **other):
    """The lease of node NUMBER as JSON data."""
    lease = {"name": f"node{number}", "address": f"10.77.0.{10 + number}", "pod_cidrs": [f"10.244.{number}.0/24"]}
    return {**lease, **other}


def admit(*entries, **configuration):
    return admission.admit(config.parse({**MINIMAL, **configuration}), list(entries))


def test_defaults_are_flannels():
    parsed = config.parse(MINIMAL)
    assert parsed.backend == config.Backend("vxlan", 1, 8472, False, None)
    assert parsed.masquerade and parsed.not_masqueraded == ()


def test_configuration_survives_its_json():
    more = {"service_networks": ["10.96.0.0/12"], "underlay_networks": ["10.77.0.0/24"]}
    networks = ["10.244.0.0/16", "fd00:1::/48"]
    parsed = config.parse({**MINIMAL, **more, "networks": networks, "backend": {"type": "host-gw"}})
    assert config.parse(parsed.as_json()) == parsed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"networks": []}, "networks: is empty"),
        ({"networks": "10.244.0.0/16"}, "is not a list"),
        ({"networks": ["10.244.0.1/16"]}, "host bits set: the block is 10.244.0.0/16"),
        ({"networks": ["10.244.0.0"]}, "not an address block"),
        ({"networks": ["10.244.0.0/33"]}, "not an address block"),
        ({"networks": ["10.0.0.0/16", "10.1.0.0/16"]}, "more than one IPv4 block"),
        ({"backend": {"type": "wireguard2"}}, "'wireguard2' is not one of vxlan, host-gw"),
        ({"backend": {"vni": 16777216}}, "backend.vni: 16777216 is not an integer from 1 to 16777215"),
        ({"backend": {"port": True}}, "backend.port: True is not an integer"),
        ({"backend": {"mtu": 100}}, "backend.mtu: 100 is not an integer from 576"),
        ({"backend": {"VNI": 1}}, "VNI: is not a key of backend: it knows type, vni"),
        ({"backend": None}, "backend: None is not an object"),
        ({"masquerade": "yes"}, "masquerade: 'yes' is not true or false"),
        ({"node_name": ""}, "node_name: '' is not a node name"),
        ({"node_name": "a b"}, "is not a node name"),
        ({"surprise": 1}, "surprise: is not a key"),
        ({"node_name": None}, "node_name: is missing"),
    ],
)
def test_wrong_configuration_is_refused_with_the_key_and_the_cure(change, words):
    with pytest.raises(ConfigError) as caught:
        config.parse({**MINIMAL, **change})
    assert words in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_a_configuration_that_is_no_object_is_refused(data):
    with pytest.raises(ConfigError):
        config.parse(data)


def test_leases_are_split_into_own_and_peers():
    leases = admit(entry(1), entry(2), entry(3))
    assert leases.own.name == "node1"
    assert [peer.name for peer in leases.peers] == ["node2", "node3"]
    assert leases.refused == {}
    assert leases.own.vtep_mac == mac_of("node1", "vtep") != leases.peers[0].vtep_mac
    assert lease.parse(leases.own.as_json()) == leases.own


INVALID = [
    ({"address": "10.77.0.256"}, "is not an IP address"),
    ({"address": None}, "address: None is not an IP address"),
    ({"address": 7}, "is not an IP address"),
    ({"address": "0.0.0.0"}, "cannot be a node's address"),
    ({"address": "127.0.0.1"}, "cannot be a node's address"),
    ({"address": "224.0.0.1"}, "cannot be a node's address"),
    ({"address": "255.255.255.255"}, "cannot be a node's address"),
    ({"address": "::1"}, "cannot be a node's address"),
    ({"address": "ff02::1"}, "cannot be a node's address"),
    ({"pod_cidrs": []}, "pod_cidrs: [] is not a list with a pod CIDR"),
    ({"pod_cidrs": "10.244.2.0/24"}, "is not a list with a pod CIDR"),
    ({"pod_cidrs": ["10.244.2.1/24"]}, "host bits set: the block is 10.244.2.0/24"),
    ({"pod_cidrs": ["10.244.2.0/24", "10.244.9.0/24"]}, "more than one of an IP version"),
    ({"vtep_mac": "02:00:00:00:00"}, "is not a MAC address"),
    ({"vtep_mac": "01:00:5e:00:00:01"}, "is a group address"),
    ({"vtep_mac": "00:00:00:00:00:00"}, "not an interface's address"),
    ({"addresses": ["10.77.0.99"]}, "does not hold the address 10.77.0.12"),
    ({"addresses": ["10.77.0.12", "10.77.0.99"]}, "more than one of an IP version"),
    ({"color": "red"}, "color: is not a key of a lease"),
]


@pytest.mark.parametrize(("change", "words"), INVALID)
def test_an_invalid_peer_is_refused_with_the_key_and_the_others_work(change, words):
    leases = admit(entry(1), entry(3), entry(2, **change), entry(4))
    (refused,) = leases.refused.values()
    assert (refused.code, refused.node, refused.subject) == (Code.LEASE_INVALID, "node1", "node2")
    assert words in refused.parameters["error"]
    assert [peer.name for peer in leases.peers] == ["node3", "node4"]


VTEPS = [mac_of(f"node{number}", "vtep") for number in range(4)]


@pytest.mark.parametrize(
    ("change", "code", "parameters"),
    [
        ({"address": "10.77.0.11"}, Code.LEASE_TAKEN, {"key": "address", "value": "10.77.0.11", "other": "node1"}),
        ({"address": "10.77.0.13"}, Code.LEASE_TAKEN, {"key": "address", "value": "10.77.0.13", "other": "node3"}),
        ({"vtep_mac": VTEPS[1].upper()}, Code.LEASE_TAKEN, {"key": "vtep_mac", "value": VTEPS[1], "other": "node1"}),
        ({"vtep_mac": VTEPS[3]}, Code.LEASE_TAKEN, {"key": "vtep_mac", "value": VTEPS[3], "other": "node3"}),
        ({"pod_cidrs": ["10.245.2.0/24"]}, Code.LEASE_POD_CIDR_OUTSIDE, {"networks": ["10.244.0.0/16"]}),
        ({"pod_cidrs": ["fd00::/64"]}, Code.LEASE_POD_CIDR_OUTSIDE, {"value": "fd00::/64"}),
        ({"pod_cidrs": ["10.244.1.0/24"]}, Code.LEASE_POD_CIDR_OVERLAPS, {"taken": "10.244.1.0/24", "other": "node1"}),
        ({"pod_cidrs": ["10.244.3.0/24"]}, Code.LEASE_POD_CIDR_OVERLAPS, {"taken": "10.244.3.0/24", "other": "node3"}),
        ({"pod_cidrs": ["10.244.3.128/25"]}, Code.LEASE_POD_CIDR_OVERLAPS, {"value": "10.244.3.128/25"}),
        ({"pod_cidrs": ["10.244.0.0/22"]}, Code.LEASE_POD_CIDR_OVERLAPS, {"value": "10.244.0.0/22"}),
    ],
)
def test_a_peer_that_contradicts_the_others_is_refused_and_they_work(change, code, parameters):
    leases = admit(entry(1), entry(3), entry(2, **change), entry(4))
    (refused,) = leases.refused.values()
    assert (refused.code, refused.node, refused.subject) == (code, "node1", "node2")
    assert parameters.items() <= refused.parameters.items()
    assert [peer.name for peer in leases.peers] == ["node3", "node4"]


DUAL = {
    "networks": ["10.244.0.0/16", "fd00:244::/48"],
    "service_networks": ["10.96.0.0/12", "fd00:96::/112"],
    "underlay_networks": ["10.77.0.0/24", "10.78.0.0/16", "fd77::/64"],
}


@pytest.mark.parametrize(
    ("address", "kind", "network"),
    [
        ("10.244.1.2", "pod", "10.244.0.0/16"),
        ("10.244.3.9", "pod", "10.244.0.0/16"),
        ("10.96.0.1", "service", "10.96.0.0/12"),
        ("fd00:244:0:1::2", "pod", "fd00:244::/48"),
        ("fd00:96::a", "service", "fd00:96::/112"),
        ("8.8.8.8", None, None),
        ("10.77.1.1", None, None),
        ("fd78::1", None, None),
    ],
)
def test_an_address_where_no_node_is_is_nobodys(address, kind, network):
    """As the tunnel's end, and as a further address of one that is right: neither the tunnel nor masquerade is led by
    it, and the others work."""
    if kind:
        code, parameters = Code.LEASE_ADDRESS_IN_NETWORK, {"value": address, "kind": kind, "network": network}
    else:
        code, parameters = Code.LEASE_ADDRESS_OUTSIDE, {"value": address, "networks": DUAL["underlay_networks"]}
    version = ":" in address
    other = "10.77.0.12" if version else "fd77::12"
    for addresses in ([address, other], [other, address]):
        wrong = entry(2, address=addresses[0], addresses=addresses)
        leases = admit(entry(1), wrong, entry(3), **DUAL)
        assert leases.refused == {"node2": Finding(code, "node1", "node2", parameters)}
        assert [peer.name for peer in leases.peers] == ["node3"]
    with pytest.raises(ConfigError, match=r"node1, this node: lease\.address-"):
        admit(entry(1, address=address), entry(3), **DUAL)


def test_without_underlay_networks_every_other_address_may_be_a_nodes():
    networks = {key: value for key, value in DUAL.items() if key != "underlay_networks"}
    leases = admit(entry(1), entry(2, address="192.0.2.1"), entry(3, address="10.96.0.9"), **networks)
    assert [peer.name for peer in leases.peers] == ["node2"] and set(leases.refused) == {"node3"}


@pytest.mark.parametrize("garbage", [None, 3, "node2", [], {}, {"name": 7}, {"name": "../etc"}])
def test_garbage_among_the_leases_is_refused_by_its_place(garbage):
    leases = admit(entry(1), garbage, entry(3))
    assert len(leases.refused) == 1
    assert [peer.name for peer in leases.peers] == ["node3"]


def test_of_two_that_contradict_each_other_the_first_is_served():
    leases = admit(entry(1), entry(2), entry(3, pod_cidrs=["10.244.2.0/24"]), entry(2))
    assert [peer.name for peer in leases.peers] == ["node2"]
    assert set(leases.refused) == {"node3", "node2 (leases[3])"}


def test_a_refused_lease_reserves_nothing():
    wrong = entry(2, vtep_mac="x")
    leases = admit(entry(1), wrong, entry(3, address="10.77.0.12", pod_cidrs=["10.244.2.0/24"]))
    assert [peer.name for peer in leases.peers] == ["node3"]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "node1, this node, has no lease"),
        ([entry(1), entry(1)], "has more than one lease"),
        ([entry(1, pod_cidrs=["10.9.0.0/24"])], "node1, this node: lease.pod-cidr-outside (value: 10.9.0.0/24;"),
        ([entry(1, address="x")], "node1, this node: lease.invalid (error: address: 'x'"),
    ],
)
def test_without_a_lease_of_its_own_a_node_can_do_nothing(entries, words):
    with pytest.raises(ConfigError) as caught:
        admit(*entries)
    assert words in str(caught.value)


def test_leases_must_be_a_list():
    with pytest.raises(ConfigError):
        admission.admit(config.parse(MINIMAL), {"node1": entry(1)})


def test_dual_stack_leases():
    networks = ["10.244.0.0/16", "fd00:244::/48"]
    both = entry(2, pod_cidrs=["10.244.2.0/24", "fd00:244:0:2::/64"], addresses=["10.77.0.12", "fd77::12"])
    leases = admit(entry(1), both, networks=networks)
    assert leases.peers[0].pod_cidrs == (parse_prefix("10.244.2.0/24"), parse_prefix("fd00:244:0:2::/64"))
    assert leases.peers[0].addresses == ("10.77.0.12", "fd77::12")


def test_addresses_are_kept_in_canonical_form():
    leases = admit(entry(1), entry(2, address="FD77:0:0::0012"))
    assert leases.peers[0].address == "fd77::12"


def test_a_thousand_leases_are_checked_against_each_other():
    entries = [
        {"name": f"n{i}", "address": f"10.{i >> 8}.{i & 255}.1", "pod_cidrs": [f"10.244.{i >> 2}.{(i & 3) * 64}/26"]}
        for i in range(1, 1001)
    ]
    own = {"name": "node1", "address": "10.77.0.11", "pod_cidrs": ["10.244.255.0/24"]}
    twice = {**entries[500], "name": "again", "address": "10.99.0.1"}
    leases = admit(own, *entries, twice)
    assert len(leases.peers) == 1000
    assert {name: each.parameters["other"] for name, each in leases.refused.items()} == {"again": "n501"}


def test_macs_are_locally_administered_unicast_and_steady():
    macs = {mac_of(f"node{number}", "vtep") for number in range(2000)}
    assert len(macs) == 2000
    assert {int(mac[:2], 16) & 3 for mac in macs} == {2}
    assert mac_of("node1", "vtep") == "1a:8f:aa:a2:46:f5" != mac_of("node1", "bridge")
    assert parse_mac("0A:BC:de:00:00:01") == "0a:bc:de:00:00:01"


def test_lease_errors_are_value_errors():
    with pytest.raises(LeaseError):
        lease.parse(None)


@pytest.mark.parametrize("key", ["address", "vtep_mac", "public_key", "pod_cidrs", "addresses", "name"])
def test_what_is_told_of_a_wrong_lease_is_a_line(key):
    ((label, refused),) = admit(entry(1), {**entry(2), key: "x" * 200_000}).refused.items()
    reason = refused.parameters["error"]
    assert key in reason and len(label) < len(reason) <= lease.LONGEST
