# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPsec policies, from what the kernel's dump has (linux/xfrm.h)."""

from __future__ import annotations

import contextlib
import socket
import struct
from types import SimpleNamespace

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NetlinkError
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.kernel import XfrmPolicy
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import xfrm


def policy(source: str, target: str, direction: int, action: int = 0, template: bool = False) -> bytes:
    """A struct xfrm_userpolicy_info, with a template where it transforms."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    (source, source_length), (target, target_length) = (each.split("/") for each in (source, target))
    addresses = [socket.inet_pton(family, each).ljust(16, b"\0") for each in (target, source)]
    selector = b"".join(addresses) + struct.pack(
        "=HHHHHBBBxxxiI", 0, 0, 0, 0, family, int(target_length), int(source_length), 0, 0, 0
    )
    body = selector + bytes(64 + 32) + struct.pack("=IIBBBB", 0, 0, direction, action, 0, 0)
    body = body.ljust(168, b"\0")
    return body + struct.pack("=HH", 8, 5) + bytes(4) if template else body


@pytest.fixture
def kernel(monkeypatch):
    """The payloads of the dump; an error is raised."""
    payloads: list = []

    def dump(_request):
        if payloads and isinstance(payloads[0], Exception):
            raise payloads[0]
        return payloads

    monkeypatch.setattr(xfrm, "Channel", lambda _family: contextlib.nullcontext(SimpleNamespace(dump=dump)))
    return payloads


def test_those_that_block_or_transform(kernel):
    kernel += [
        policy("10.244.1.0/24", "10.244.2.0/24", 1, template=True),
        policy("fd00::/8", "::/0", 0, action=1),
        policy("0.0.0.0/0", "192.0.2.1/32", 2, action=1),
    ]
    assert xfrm.policies() == [
        XfrmPolicy("10.244.1.0/24", "10.244.2.0/24", "out", "output", drops=False),
        XfrmPolicy("fd00::/8", "::/0", "in", "input", drops=True),
        XfrmPolicy("0.0.0.0/0", "192.0.2.1/32", "fwd", "forward", drops=True),
    ]


def test_those_that_let_pass_and_those_of_sockets_do_not_count(kernel):
    kernel += [policy("0.0.0.0/0", "0.0.0.0/0", 1), policy("0.0.0.0/0", "0.0.0.0/0", 3, action=1)]
    assert xfrm.policies() == []


def test_a_kernel_without_ipsec_has_none(kernel):
    kernel.append(NetlinkError(93, "list IPsec policies", "Protocol not supported"))
    assert xfrm.policies() == []
