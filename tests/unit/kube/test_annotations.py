# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes tell in their annotations: ours and flannel's, right ones and wrong ones."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.kube.annotations import (
    FLANNEL,
    OWN,
    check,
    difference,
    read,
    relevant,
    write,
)
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config, lease
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.lease import LeaseError
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.mac import mac_of

VXLAN = config.parse({"node_name": "node1", "networks": ["10.244.0.0/16", "fd00:244::/48"]})
HOST_GW = config.parse({"node_name": "node1", "networks": ["10.244.0.0/16"], "backend": {"type": "host-gw"}})
CIDRS = ["10.244.2.0/24"]


def flannel(**values: str) -> dict[str, str]:
    """Annotations as flanneld writes them."""
    return {FLANNEL + key.replace("_", "-"): value for key, value in values.items()}


FLANNELD = flannel(
    kube_subnet_manager="true",
    backend_type="vxlan",
    backend_data='{"VNI":1,"VtepMAC":"0a:00:00:00:00:02"}',
    public_ip="192.0.2.2",
)


def test_a_node_without_annotations_is_reached_by_its_internal_address_and_name():
    found = check(VXLAN, read("node2", CIDRS, ["10.77.0.12", "fd77::12"], {}))
    assert (found.address, found.addresses) == ("10.77.0.12", ("10.77.0.12", "fd77::12"))
    assert found.vtep_mac == mac_of("node2", "vtep")


def test_a_node_of_flanneld_is_reached_as_it_says():
    found = check(VXLAN, read("node2", CIDRS, ["10.77.0.12"], FLANNELD))
    assert (found.address, found.vtep_mac) == ("192.0.2.2", "0a:00:00:00:00:02")


def test_what_one_of_ours_writes_the_other_reads():
    mine = lease.parse(
        {"name": "node2", "address": "10.77.0.12", "pod_cidrs": CIDRS, "addresses": ["10.77.0.12", "fd77::12"]}
    )
    told = {key: value for key, value in write(VXLAN, mine).items() if value is not None}
    assert check(VXLAN, read("node2", CIDRS, ["192.0.2.9"], told)) == mine
    assert told[FLANNEL + "backend-type"] == "vxlan"
    data = [json.loads(told[FLANNEL + key]) for key in ("backend-data", "backend-v6-data")]
    assert data == [{"VNI": 1, "VtepMAC": mine.vtep_mac}] * 2, "flanneld takes no dual-stack node that tells one only"
    single = config.parse({"node_name": "node2", "networks": ["10.244.0.0/16"]})
    assert write(single, mine)[FLANNEL + "backend-v6-data"] is None
    assert (told[FLANNEL + "public-ip"], told[FLANNEL + "public-ipv6"]) == ("10.77.0.12", "fd77::12")
    assert told[FLANNEL + "kube-subnet-manager"] == "true"
    assert difference(write(VXLAN, mine), told) == {}


def test_a_tunnel_over_ipv6_is_told_as_such():
    mine = lease.parse(
        {"name": "node2", "address": "fd77::12", "pod_cidrs": CIDRS, "addresses": ["fd77::12", "10.77.0.12"]}
    )
    told = {key: value for key, value in write(VXLAN, mine).items() if value is not None}
    assert FLANNEL + "backend-data" not in told
    assert check(VXLAN, read("node2", CIDRS, ["10.77.0.12"], told)) == mine


def test_flannel_s_word_is_the_younger():
    """The node was ours, and flanneld has taken it over: it rewrote its own annotations and left ours."""
    mine = lease.parse({"name": "node2", "address": "10.77.0.12", "pod_cidrs": CIDRS})
    told = {**{key: value for key, value in write(VXLAN, mine).items() if value is not None}, **FLANNELD}
    found = check(VXLAN, read("node2", CIDRS, ["10.77.0.12"], told))
    assert (found.address, found.vtep_mac) == ("192.0.2.2", "0a:00:00:00:00:02")


def test_an_administrator_s_overwrite_wins_and_is_kept():
    told = {**FLANNELD, **flannel(public_ip_overwrite="198.51.100.2")}
    assert check(VXLAN, read("node2", CIDRS, ["10.77.0.12"], told)).address == "198.51.100.2"
    mine = lease.parse({"name": "node2", "address": "10.77.0.12", "pod_cidrs": CIDRS})
    patch = difference(write(VXLAN, mine), told)
    assert patch[FLANNEL + "public-ip"] == "198.51.100.2"
    assert FLANNEL + "public-ip-overwrite" not in patch


def test_another_back_end_leaves_nothing_of_the_one_before():
    mine = lease.parse({"name": "node2", "address": "10.77.0.12", "pod_cidrs": CIDRS})
    before = {**FLANNELD, **flannel(public_ipv6="fd77::9", backend_v6_data='{"VNI":1,"VtepMAC":"0a:00:00:00:00:03"}')}
    patch = difference(write(HOST_GW, mine), before)
    assert patch[FLANNEL + "backend-type"] == "host-gw"
    assert patch[FLANNEL + "backend-data"] == "null"
    assert patch[FLANNEL + "public-ipv6"] is None and patch[FLANNEL + "backend-v6-data"] is None
    assert FLANNEL + "kube-subnet-manager" not in patch  # it is right already


def test_others_annotations_are_not_looked_at():
    assert relevant({"a/b": "c", OWN: "{}", **FLANNELD}) == {OWN: "{}", **FLANNELD}
    assert relevant(None) == relevant([]) == {}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (flannel(backend_data="{"), "annotation flannel.alpha.coreos.com/backend-data: '{' is not a JSON object"),
        (flannel(backend_data="[1]"), "is not a JSON object"),
        (flannel(backend_data='{"VtepMAC":"nonsense"}'), "vtep_mac: 'nonsense' is not a MAC address"),
        (flannel(backend_data='{"VtepMAC":7}'), "vtep_mac: 7 is not a MAC address"),
        (flannel(public_ip="10.77.0"), "'10.77.0' is not an IP address"),
        (flannel(public_ip="127.0.0.1"), "127.0.0.1 cannot be a node's address"),
        ({OWN: "nonsense"}, "annotation podnet.cluster/lease: 'nonsense' is not a JSON object"),
        ({OWN: "[" * 100000}, "is not a JSON object"),
    ],
)
def test_an_invalid_annotation_is_refused_with_its_key(told, words):
    refused = refusal(told)
    assert refused.code == Code.LEASE_INVALID and words in refused.parameters["error"]


def refusal(told, internal=("10.77.0.12",)) -> LeaseError:
    """Why a node with these annotations is refused. Its entry travels as JSON."""
    entry = json.loads(json.dumps(read("node2", CIDRS, internal, told)))
    with pytest.raises(LeaseError) as caught:
        check(VXLAN, entry)
    return caught.value


@pytest.mark.parametrize(
    ("told", "code", "actual", "expected"),
    [
        (flannel(backend_data='{"VNI":5,"VtepMAC":"0a:00:00:00:00:02"}'), Code.LEASE_OTHER_VNI, "5", 1),
        (flannel(backend_type="ipsec"), Code.LEASE_OTHER_BACKEND, "ipsec", "vxlan"),
        (flannel(backend_type="host-gw"), Code.LEASE_OTHER_BACKEND, "host-gw", "vxlan"),
    ],
)
def test_a_node_of_another_back_end_is_refused(told, code, actual, expected):
    refused = refusal(told)
    assert (refused.code, refused.parameters) == (code, {"actual": actual, "expected": expected})


def test_the_address_of_the_api_wins_over_an_odd_annotation():
    assert check(VXLAN, read("node2", CIDRS, ["10.77.0.12"], {OWN: '{"address":["x"]}'})).address == "10.77.0.12"


def test_a_node_without_an_address_is_refused():
    assert refusal({}, internal=()).code == Code.LEASE_ADDRESS_MISSING
