# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of connection tracking as the kernel's messages have them."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import conntrack
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import attr, nest, pack_ip, parse


def tuple_of(kind: int, source: str, target: str) -> bytes:
    first, second = (3, 4) if ":" in source else (1, 2)
    return nest(kind, nest(conntrack.CTA_TUPLE_IP, attr(first, pack_ip(source)), attr(second, pack_ip(target))))


def message(source, target, answering, asker, more=b"") -> bytes:
    family = 10 if ":" in source else 2
    ways = tuple_of(conntrack.CTA_TUPLE_ORIG, source, target) + tuple_of(conntrack.CTA_TUPLE_REPLY, answering, asker)
    return bytes([family, 0, 0, 0]) + ways + more


@pytest.mark.parametrize("ends", [
    ("10.244.1.2", "10.96.0.10", "10.244.2.3", "10.77.0.11"),
    ("fd00::1", "fd00::2", "fd00::2", "fd00::1"),
])  # fmt: skip
def test_who_asked_whom_and_who_answers(ends):
    found = conntrack.connection(message(*ends))
    assert (found.source, found.target, found.answering, found.asker) == ends


def test_an_entry_without_addresses_is_none():
    assert conntrack.connection(bytes([2, 0, 0, 0]) + nest(conntrack.CTA_TUPLE_ORIG)) is None
    assert conntrack.connection(bytes([7, 0, 0, 0])) is None


def test_it_is_forgotten_by_its_first_packet_its_number_and_its_zone():
    more = attr(conntrack.CTA_ID, b"\0\0\0\7") + attr(conntrack.CTA_ZONE, b"\0\1") + attr(8, b"mark")
    payload = message("10.244.1.2", "10.96.0.10", "10.244.2.3", "10.244.1.2", more)
    kind, _flags, body, what = conntrack.forget(conntrack.connection(payload))
    assert kind == conntrack.CT_DELETE and "from 10.244.1.2 to 10.96.0.10" in what
    sent, had = parse(body, 4), parse(payload, 4)
    assert set(sent) == {conntrack.CTA_TUPLE_ORIG, conntrack.CTA_ID, conntrack.CTA_ZONE}
    assert all(sent[key] == had[key] for key in sent) and body[:1] == payload[:1]
