# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results in every version's form, as the specification's versions show them."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec import result
from hypothesis import given
from hypothesis import strategies as st

FULL = {
    "interfaces": [
        {"name": "cni0", "mac": "02:00:00:00:00:01", "mtu": 1450},
        {"name": "eth0", "mac": "02:00:00:00:00:02", "mtu": 1450, "sandbox": "/run/netns/x", "socketPath": "/s"},
    ],
    "ips": [
        {"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 1},
        {"address": "fd00::5/64", "interface": 1},
        {"address": "10.2.0.5/16", "interface": 1},
    ],
    "routes": [
        {"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "advmss": 1360, "priority": 5, "table": 9, "scope": 0},
        {"dst": "fd01::/48"},
    ],
    "dns": {"nameservers": ["10.1.0.1"], "domain": "", "search": []},
}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_one_address_a_family(version):
    assert result.render(FULL, version) == {
        "cniVersion": version,
        "ip4": {"ip": "10.1.0.5/16", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}]},
        "ip6": {"ip": "fd00::5/64", "routes": [{"dst": "fd01::/48"}]},
        "dns": {"nameservers": ["10.1.0.1"]},
    }


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0"])
def test_addresses_with_their_family(version):
    shown = result.render(FULL, version)
    assert [item["version"] for item in shown["ips"]] == ["4", "6", "4"]
    assert shown["interfaces"][1] == {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/x"}
    assert shown["routes"][0] == {"dst": "0.0.0.0/0", "gw": "10.1.0.1"}


def test_version_1_0_0():
    shown = result.render(FULL, "1.0.0")
    assert shown["ips"] == FULL["ips"]
    assert "mtu" not in shown["interfaces"][0]
    assert shown["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "fd01::/48"}]


def test_version_1_1_0():
    shown = result.render(FULL, "1.1.0")
    assert shown["interfaces"] == FULL["interfaces"]
    assert shown["routes"] == FULL["routes"]
    assert shown["cniVersion"] == "1.1.0"


@pytest.mark.parametrize("version", result.VERSIONS)
def test_empty(version):
    dns = {} if result.at_least(version, "1.0.0") else {"dns": {}}
    assert result.render(result.new(), version) == {"cniVersion": version, **dns}
    assert result.parse({"cniVersion": version}, version) == result.new()


@pytest.mark.parametrize("version", result.VERSIONS)
def test_what_is_printed_is_read_again(version):
    printed = result.render(FULL, version)
    again = result.render(result.parse(printed, version), version)
    assert again == printed


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (7, "the result"),
        ({"cniVersion": "3.0"}, "cniVersion"),
        ({"ips": {"a": 1}}, "ips"),
        ({"ips": [7]}, "ips[]"),
        ({"ips": [{"address": "10.0.0.1"}]}, "prefix length"),
        ({"ips": [{"address": "10.0.0.1/33"}]}, "prefix length"),
        ({"ips": [{"address": "10.0.0.1/24", "gateway": "x"}]}, "'x'"),
        ({"ips": [{"address": "10.0.0.1/24", "interface": "0"}]}, "interface"),
        ({"ips": [{"address": "10.0.0.1/24", "interface": True}]}, "interface"),
        ({"ips": [{"address": None}]}, "None"),
        ({"interfaces": [{"name": 7}]}, "interfaces[].name"),
        ({"routes": [{"dst": "10.0.0.0/8", "gw": "?"}]}, "'?'"),
        ({"routes": [{"dst": "10.0.0.0/8", "mtu": -1}]}, "mtu"),
        ({"dns": []}, None),
        ({"dns": [1]}, "dns"),
        ({"dns": {"domain": 1}}, "dns.domain"),
        ({"dns": {"search": "x"}}, "dns.search"),
        ({"dns": {"nameservers": [1]}}, "dns.nameservers[]"),
    ],
)
def test_malformed(answer, word):
    if word is None:
        assert result.parse(answer, "1.0.0")["dns"] == {}
        return
    with pytest.raises(ValueError) as caught:
        result.parse(answer, "1.0.0")
    assert word in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "cniVersion",
                    "ips",
                    "ip4",
                    "ip",
                    "address",
                    "gateway",
                    "interfaces",
                    "routes",
                    "dst",
                    "gw",
                    "dns",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from(result.VERSIONS))
def test_anything_is_a_result_or_a_value_error(answer, version):
    try:
        inner = result.parse(answer, version)
    except ValueError:
        return
    for wanted in result.VERSIONS:
        result.render(inner, wanted)


@pytest.mark.parametrize("index", [-1, 0, 5, 1 << 40])
def test_an_interface_outside_the_list_is_passed_on(index):
    """Go's plugins take such an address for the pod's, and print it as it is."""
    given = {"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.1/24", "interface": index}]}
    inner = result.parse(given, "1.1.0")
    assert result.render(inner, "1.1.0") == given
    assert result.interface_of(inner, inner["ips"][0]) is None
    inner["interfaces"] = [{"name": "eth0"}]
    assert result.interface_of(inner, inner["ips"][0]) == ({"name": "eth0"} if index == 0 else None)
