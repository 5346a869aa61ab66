# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vlan's own: which VLAN. What it shares with others is in cni/attach/test_interface.py."""

from __future__ import annotations

import pytest


@pytest.fixture
def conf(needs, host, outside):
    """On the wire, VLAN 5 is 10.9.0.1's; no VLAN 6 is there, and nothing outside VLANs."""
    needs("vlan")
    outside.run("ip link add link up1 name up1.5 type vlan id 5")
    outside.run("ip link set up1.5 up")
    outside.run("ip address flush dev up1")
    outside.run("ip address add 10.9.0.1/24 dev up1.5")
    outside.run("ip address add fd09::1/64 dev up1.5 nodad")

    def make(**more):
        base = {"cniVersion": "1.1.0", "name": "net", "type": "vlan", "master": "up0", "ipam": host.conf()["ipam"]}
        return {key: value for key, value in {**base, "vlanId": 5, **more}.items() if value is not None}

    return make


def test_the_pod_is_on_its_vlan_and_no_other(host, conf, failure):
    pods = [host.pod(), host.pod()]
    result = host.call("vlan", "ADD", conf(), "c1", pods[0])
    assert pods[0].ip("link show dev eth0")[0]["linkinfo"]["info_data"]["id"] == 5
    for address in ("10.9.0.1", "fd09::1"):
        pods[0].run(f"ping -c 1 -W 5 {address}")
    host.call("vlan", "CHECK", {**conf(), "prevResult": result}, "c1", pods[0])
    with pytest.raises(failure, match="vlan id 5, not 6"):
        host.call("vlan", "CHECK", {**conf(vlanId=6), "prevResult": result}, "c1", pods[0])
    host.call("vlan", "ADD", conf(vlanId=6), "c2", pods[1])
    assert pods[1].run("ping -c 1 -W 1 10.9.0.1", check=False).returncode


def test_a_vlan_has_one_interface(host, conf, failure):
    """The kernel has one link for each VLAN of a master; the second pod is told so, and takes nothing."""
    host.call("vlan", "ADD", conf(), "c1", host.pod())
    before = host.state()
    with pytest.raises(failure, match="VLAN device already exists"):
        host.call("vlan", "ADD", conf(), "c2", host.pod())
    assert host.state() == before


@pytest.mark.parametrize(
    ("more", "word"),
    [({"vlanId": 4095}, "vlanId"), ({"vlanId": -1}, "vlanId"), ({"master": None}, '"master" field is required')],
)
def test_bad_configuration(host, failure, more, word):
    wanted = {"cniVersion": "1.1.0", "name": "net", "type": "vlan", "master": "up0", **more}
    with pytest.raises(failure, match=word) as caught:
        host.call("vlan", "ADD", wanted, "c1", host.pod())
    assert caught.value.code == 7
