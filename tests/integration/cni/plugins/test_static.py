# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""static, alone and as the bridge's address management."""

from __future__ import annotations

import pytest

IPAM = {
    "type": "static",
    "addresses": [{"address": "10.7.0.5/24", "gateway": "10.7.0.1"}, {"address": "fd07:0::5/64", "gateway": "fd07::1"}],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "fd99::/48", "gw": "fd07::9", "mtu": 1300}],
    "dns": {"nameservers": ["10.7.0.53"], "search": ["example.test"]},
}


@pytest.fixture
def conf(host):
    def make(**ipam):
        section = {key: value for key, value in {**IPAM, **ipam}.items() if value is not None}
        return host.conf(bridge="br7", ipam=section)

    return make


def test_the_pod_gets_what_is_configured(host, conf):
    pod = host.pod()
    result = host.call("bridge", "ADD", conf(), "c1", pod)
    assert [(item["address"], item["gateway"]) for item in result["ips"]] == [
        ("10.7.0.5/24", "10.7.0.1"),
        ("fd07::5/64", "fd07::1"),
    ]
    assert result["dns"] == IPAM["dns"]
    inside = [item["local"] for item in pod.ip("address show dev eth0")[0]["addr_info"] if item["scope"] == "global"]
    assert inside == ["10.7.0.5", "fd07::5"]
    assert pod.ip("route show default")[0]["gateway"] == "10.7.0.1"
    (route,) = pod.ip("-6 route show fd99::/48")
    assert (route["gateway"], route["metrics"]) == ("fd07::9", [{"mtu": 1300}])
    told = {**conf(), "prevResult": result}
    host.call("bridge", "CHECK", told, "c1", pod)
    host.call("bridge", "DEL", told, "c1", pod)
    assert [link["ifname"] for link in pod.ip("link")] == ["lo"]


@pytest.mark.parametrize(
    ("args", "more", "expected"),
    [
        ("IP=10.7.0.9/24", {}, ["10.7.0.5/24", "fd07::5/64", "10.7.0.9/24"]),
        ("IP=10.7.0.9/24", {"args": {"cni": {"ips": ["10.7.0.8/24"]}}}, ["10.7.0.8/24"]),
        (
            "IP=10.7.0.9/24",
            {"args": {"cni": {"ips": ["10.7.0.8/24"]}}, "runtimeConfig": {"ips": ["10.7.0.7/24", "fd07::7/64"]}},
            ["10.7.0.7/24", "fd07::7/64"],
        ),
    ],
)
def test_who_names_the_address(host, conf, args, more, expected):
    """CNI_ARGS < args.cni < runtimeConfig; the first adds, the others replace."""
    result = host.call("static", "ADD", {**conf(), **more}, "c1", host.pod(), args=args)
    assert [item["address"] for item in result["ips"]] == expected


def test_a_gateway_in_cni_args_is_for_the_subnet_that_it_lies_in(host, conf):
    args = "IP=10.8.0.9/24,fd08::9/64;GATEWAY=fd08::1, 10.8.0.1;K8S_POD_NAME=web"
    result = host.call("static", "ADD", conf(addresses=None), "c1", host.pod(), args=args)
    assert [(item["address"], item["gateway"]) for item in result["ips"]] == [
        ("10.8.0.9/24", "10.8.0.1"),
        ("fd08::9/64", "fd08::1"),
    ]


@pytest.mark.parametrize(
    ("ipam", "args", "words"),
    [
        ({"addresses": [{"address": "10.7.0.5"}]}, "", "no prefix length"),
        ({"addresses": [{"address": "10.7.0.5/33"}]}, "", "not an address"),
        ({"addresses": [{"address": "10.7.0.5/24", "gateway": "fd07::1"}]}, "", "other family"),
        ({"addresses": []}, "", "no IP addresses specified"),
        ({}, "IP=10.7.0.5", "no prefix length"),
        ({}, "GATEWAY=here", "GATEWAY"),
        ({}, "COLOUR=red", "unknown args"),
        ({"routes": [{"gw": "10.7.0.1"}]}, "", "dst"),
    ],
)
def test_bad_input_is_told(host, conf, failure, ipam, args, words):
    with pytest.raises(failure, match=words) as caught:
        host.call("static", "ADD", conf(**ipam), "c1", host.pod(), args=args)
    assert caught.value.code == 7


def test_old_results_have_one_address_a_family(host, conf, failure):
    old = {**conf(), "cniVersion": "0.2.0"}
    result = host.call("static", "ADD", old, "c1", host.pod())
    assert (result["ip4"]["ip"], result["ip6"]["gateway"]) == ("10.7.0.5/24", "fd07::1")
    with pytest.raises(failure, match="does not support more than 1 address per family"):
        host.call("static", "ADD", old, "c1", host.pod(), args="IP=10.7.0.9/24")


def test_check_compares_with_the_result(host, conf, failure):
    result = host.call("static", "ADD", conf(), "c1", host.pod())
    host.call("static", "CHECK", {**conf(), "prevResult": result}, "c1", host.pod())
    other = {**result, "ips": [{"address": "10.7.0.6/24"}]}
    with pytest.raises(failure, match=r"10\.7\.0\.5/24 is not in prevResult"):
        host.call("static", "CHECK", {**conf(), "prevResult": other}, "c1", host.pod())
    other = {**result, "routes": []}
    with pytest.raises(failure, match="route to"):
        host.call("static", "CHECK", {**conf(), "prevResult": other}, "c1", host.pod())


def test_status_and_gc(host, conf, failure):
    host.call("static", "STATUS", conf())
    host.call("static", "GC", {**conf(), "cni.dev/valid-attachments": []})
    with pytest.raises(failure):
        host.call("static", "STATUS", conf(addresses=[{"address": "here"}]))
