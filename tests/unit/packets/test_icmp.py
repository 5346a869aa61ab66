# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The echo messages and the capture's reading of packets, against bytes that others made."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.packets import icmp
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.probe import Probe
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.vxlan_counter import dissect


def test_checksum_is_that_of_the_rfc():
    # RFC 1071, section 3: the sum of these is ddf2
    assert icmp.checksum(bytes.fromhex("0001f203f4f5f6f7")) == ~0xDDF2 & 0xFFFF


@pytest.mark.parametrize("size", [28, 84, 85, 1450, 9000])
def test_request_has_the_size_asked_for_and_a_valid_checksum(size):
    message = icmp.request(socket.AF_INET, 7, 1, size)
    assert len(message) + 20 == size
    assert icmp.checksum(message) == 0


def test_reply_is_told_from_others():
    reply = bytes([0, 0]) + icmp.request(socket.AF_INET, 7, 1, 84)[2:]
    header = bytes([0x45]) + bytes(19)
    assert icmp.is_reply(socket.AF_INET, header + reply, 7, 1)
    assert not icmp.is_reply(socket.AF_INET, header + reply, 8, 1)
    assert not icmp.is_reply(socket.AF_INET, header + reply, 7, 2)
    assert not icmp.is_reply(socket.AF_INET, header + icmp.request(socket.AF_INET, 7, 1, 84), 7, 1)
    assert not icmp.is_reply(socket.AF_INET, header, 7, 1)
    assert not icmp.is_reply(socket.AF_INET, b"", 7, 1)


def test_dissect_reads_outer_addresses_and_vni():
    packet = bytes.fromhex("45000032000040004011000a0a4d000b0a4d000cd4312118001e00000800000000000100")
    assert dissect(packet, 8472) == ("10.77.0.11", "10.77.0.12", 1)
    assert dissect(packet, 4789) is None
    assert dissect(packet[:30], 8472) is None
    assert dissect(b"", 8472) is None
    assert dissect(packet[:28] + bytes(8), 8472) is None, "a packet whose VNI is not valid"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"kind": "arp", "address": "10.0.0.1"}, "'arp': a probe is one of icmp, tcp, udp"),
        ({"kind": "tcp", "address": "10.0.0.1"}, "port None: a tcp probe needs one from 1 to 65535"),
        ({"kind": "tcp", "address": "10.0.0.1", "port": 70000}, "port 70000"),
        ({"kind": "icmp", "address": "node1"}, "'node1' is not an IP address"),
        ({"kind": "icmp", "address": "10.0.0.1", "size": -1}, "size -1"),
        ({"kind": "icmp", "address": "10.0.0.1", "attempts": 0}, "attempts at least 1"),
    ],
)
def test_a_wrong_probe_is_refused_with_the_value(wrong, told):
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        Probe(**wrong)
