# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP messages, as bytes of the RFCs that describe them."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.plugins.dhcp import message as module
from ansible_collections.podnet.cluster.plugins.module_utils.cni.plugins.dhcp import options

MAC = bytes.fromhex("0a0b0c0d0e0f")
WIRE = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")


def reply(body: bytes, sname: bytes = b"", file: bytes = b"") -> bytes:
    address = bytes([10, 0, 0, 9])
    head = WIRE.pack(2, 1, 6, 0, 7, 0, 0, bytes(4), address, bytes(4), bytes(4), MAC, sname, file, b"\x63\x82\x53\x63")
    return head + body


def acked(**values: bytes) -> module.Message:
    message = module.Message(
        module.BOOTREPLY, 7, MAC, {getattr(options, name): value for name, value in values.items()}
    )
    message.yours = "172.16.3.4"
    return message


def test_what_is_packed_is_read_again():
    long = bytes(range(256)) * 2
    message = module.Message(module.BOOTREQUEST, 0xDEADBEEF, MAC, {53: b"\x01", 60: long})
    message.secs, message.flags, message.client = 70000, module.BROADCAST, "10.0.0.9"
    data = message.pack()
    assert len(data) >= 300 and data[:4] == b"\x01\x01\x06\x00"
    found = module.unpack(data)
    assert (found.xid, found.mac, found.type, found.client) == (0xDEADBEEF, MAC, module.DISCOVER, "10.0.0.9")
    assert (found.secs, found.flags, found.options[60]) == (0xFFFF, module.BROADCAST, long)


def test_options_may_go_on_in_the_fields_of_names():
    """RFC 2132, 9.3: 1 is the field file, 2 sname, read in that order."""
    found = module.unpack(reply(b"\x34\x01\x03\x00\xff", b"\x0f\x02et\xff", b"\x0f\x03n.n\xff"))
    assert found.options[options.DOMAIN] == b"n.net"


@pytest.mark.parametrize("data", [b"", reply(b"")[:-1], reply(b"\x35"), reply(b"\x35\x05\x01")])
def test_what_is_cut_off_is_refused(data):
    with pytest.raises(ValueError):
        module.unpack(data)


def test_a_packet_has_the_checksums_of_ip_and_udp():
    packet = module.packet(b"abc", "10.0.0.9", "10.0.0.1")
    pseudo = packet[12:20] + struct.pack("!BBH", 0, 17, 11)

    def folded(data: bytes) -> int:
        total = sum(struct.unpack(f"!{len(data) // 2}H", data))
        return (total & 0xFFFF) + (total >> 16)

    assert folded(packet[:20]) == folded(pseudo + packet[20:] + b"\0") == 0xFFFF
    assert struct.unpack("!HHH", packet[20:26]) == (68, 67, 11)


def test_only_what_comes_to_the_client_s_port_has_a_payload():
    sent = module.packet(b"abc", "10.0.0.9", "10.0.0.1")
    answer = sent[:20] + sent[22:24] + sent[20:22] + sent[24:]
    assert module.payload(answer) == b"abc" and module.payload(sent) == b""
    fragment = answer[:6] + b"\x20\x00" + answer[8:]
    tcp = answer[:9] + b"\x06" + answer[10:]
    assert [module.payload(data) for data in (fragment, tcp, answer[:24], b"\x60" + answer[1:])] == [b""] * 4


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (0xFFFFFFFF, 0x7FFFFFFF, 0xDFFFFFFF)),
        ({"LEASE_TIME": 3600}, (3600, 1800, 3150)),
        ({"LEASE_TIME": 3600, "RENEWAL_TIME": 60, "REBINDING_TIME": 120}, (3600, 60, 120)),
        ({"LEASE_TIME": 3600, "RENEWAL_TIME": 9999, "REBINDING_TIME": 9999}, (3600, 3600, 3600)),
        ({"LEASE_TIME": 0, "RENEWAL_TIME": 0}, (10, 5, 8)),
    ],
    ids=["none", "defaults", "given", "later than the end", "zero"],
)
def test_times_of_a_lease(values, expected):
    """RFC 2131, 4.4.5: half and seven eighths of the lease; never after its end."""
    packed = {name: value.to_bytes(4, "big") for name, value in values.items()}
    assert module.seconds(acked(**packed)) == expected


def test_a_result_has_addresses_routes_and_names():
    found = module.result(
        acked(
            SUBNET_MASK=b"\xff\xff\xfc\x00", ROUTER=b"\xac\x10\x00\x01",
            NAME_SERVER=b"\x01\x01\x01\x01\x08\x08\x08\x08",
            STATIC_ROUTES=b"\xc0\xa8\x05\x00\xac\x10\x00\x02", DOMAIN=b"example.com\0",
            SEARCH=b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04",
        )
    )  # fmt: skip
    assert found["ips"] == [{"address": "172.16.3.4/22", "gateway": "172.16.0.1"}]
    assert found["routes"] == [{"dst": "192.168.5.0/24", "gw": "172.16.0.2"}, {"dst": "0.0.0.0/0", "gw": "172.16.0.1"}]
    assert found["dns"] == {
        "nameservers": ["1.1.1.1", "8.8.8.8"], "domain": "example.com",
        "search": ["eng.apple.com", "marketing.apple.com"],
    }  # fmt: skip


def test_without_a_mask_the_address_s_class_counts():
    assert module.result(acked()) == {"ips": [{"address": "172.16.3.4/16"}], "routes": [], "dns": {}}


def test_classless_routes_replace_the_others():
    """RFC 3442: only the significant bytes of a destination; a gateway of 0.0.0.0 means on the link."""
    classless = b"\x18\x0a\x11\x00\xac\x10\x00\x05" + b"\x00\xac\x10\x00\x01" + b"\x10\x0a\x12" + bytes(4)
    assert module.result(acked(CLASSLESS_ROUTES=classless, ROUTER=b"\xac\x10\x00\x01"))["routes"] == [
        {"dst": "10.17.0.0/24", "gw": "172.16.0.5"},
        {"dst": "0.0.0.0/0", "gw": "172.16.0.1"},
        {"dst": "10.18.0.0/16", "scope": 253},
    ]


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("CLASSLESS_ROUTES", b"\x21" + bytes(9), "cut off"),
        ("CLASSLESS_ROUTES", b"\x18\x0a\x11", "cut off"),
        ("SEARCH", b"\x03en", "cut off"),
        ("SEARCH", b"\xc0\x00", "loop"),
    ],
)
def test_options_that_cannot_be_read(option, value, reason):
    with pytest.raises(ValueError, match=reason):
        module.result(acked(**{option: value}))
