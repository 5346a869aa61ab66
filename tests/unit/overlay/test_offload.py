# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the card computes the tunnel's checksums."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.link import Link
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import offload

VLAN = Link("eth0.7", "vlan", data={"id": 7}, index=7)
VLAN.peer_index = 6
STACK = [
    VLAN,
    Link("bond0", "bond", index=6),
    Link("ens1", "", master="bond0", index=1),
    Link("ens2", "", master="bond0", index=2),
    Link("ens3", "", index=3),
]
DRIVERS = {"eth0.7": "802.1Q VLAN Support", "bond0": "bonding", "ens1": "e1000e", "ens2": "vmxnet3", "ens3": "ice"}


@pytest.mark.parametrize(
    ("wanted", "device", "on", "why"),
    [
        ("auto", "ens2", False, "ens2 is driven by vmxnet3: many ESXi hosts lose"),
        ("auto", "bond0", False, "ens2 is driven by vmxnet3"),
        ("auto", "eth0.7", False, "ens2 is driven by vmxnet3"),
        ("auto", "ens1", True, "no fault is known of ens1 (e1000e)"),
        ("auto", "gone", True, "no fault is known of gone (of an unknown driver)"),
        (True, "bond0", True, "backend.checksum_offload is true"),
        (False, "ens3", False, "backend.checksum_offload is false"),
    ],
)
def test_checksums_are_left_to_the_card_unless_its_driver_is_known_to_spoil_them(wanted, device, on, why):
    choice = offload.choose(wanted, device, STACK, lambda name: DRIVERS.get(name, ""))
    assert (choice.on, choice.why.startswith(why)) == (on, True), choice.why
    assert bool(choice.known) == (device in ("ens2", "bond0", "eth0.7"))


def test_a_veth_pairs_other_end_is_not_below_it():
    ours, other = Link("eth0", "veth", index=4), Link("port", "veth", index=5)
    ours.peer_index, other.peer_index = 5, 4
    assert offload.carriers("eth0", [ours, other]) == ["eth0"]
