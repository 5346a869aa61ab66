# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DEL with few file descriptors: it does all or says that it did not, and the next one finds what is left."""

from __future__ import annotations

import pytest

TUNED = {"sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}, "mac": "c2:b0:57:49:47:f1"}
MACS = ("02:00:00:00:0d:00", "02:00:00:00:0d:01")


@pytest.fixture
def bin_dir(alone):
    """The limit is the caller's."""
    return alone


@pytest.fixture
def chain(host, tmp_path):
    """A device of the host's that a pod is lent, tuned there: what ADD is given, and DEL, last plugin first."""
    host.netns.run(f"ip link add hd0 address {MACS[0]} type veth peer name hd1 address {MACS[1]}")
    common = {"cniVersion": "1.1.0", "name": "net"}
    lent = {**common, "type": "host-device", "device": "hd0", "ipam": host.conf()["ipam"]}
    tuned = {**common, "type": "tuning", "dataDir": str(tmp_path / "notes"), **TUNED}
    return lent, tuned


def device(netns):
    """Name, MAC address and sysctl of the device there, None where it is not."""
    found = [link for link in netns.ip("link") if link.get("link") == "hd1" or link["ifname"] in ("hd0", "eth0")]
    return [
        (link["ifname"], link["address"], netns.sysctl(f"net.ipv4.conf.{link['ifname']}.arp_filter")) for link in found
    ]


def test_a_device_comes_back_as_it_was(host, chain, failure, empty):
    before = device(host.netns)
    failed = succeeded = 0
    for left in range(5, 13):
        pod = host.pod()
        previous = None
        for conf in chain:
            previous = host.call(conf["type"], "ADD", {**conf, "prevResult": previous}, "c1", pod)
        assert device(host.netns) == [] and device(pod) == [("eth0", TUNED["mac"], "1")]
        for conf in reversed(chain):
            told = {**conf, "prevResult": previous}
            host.prefix = ("prlimit", f"--nofile={left}")
            try:
                host.call(conf["type"], "DEL", told, "c1", pod)
                succeeded += 1
            except (failure, AssertionError):  # too few for Python, or for the call
                failed += 1
                host.prefix = ()
                host.call(conf["type"], "DEL", told, "c1", pod)
            host.prefix = ()
        assert device(host.netns) == before, f"{left} descriptors"
        assert host.state()["reserved"] == empty["reserved"]
    assert failed and succeeded
