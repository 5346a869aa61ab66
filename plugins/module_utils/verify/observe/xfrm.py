# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPsec policies (ip-xfrm(8)): they block packets, or change them so that no capture further on recognizes them."""

from __future__ import annotations

import socket
import struct

from ...netlink.channel import Channel
from ...netlink.wire import NetlinkError, attributes
from ..model.kernel import XfrmPolicy

NETLINK_XFRM = 6
XFRM_MSG_GETPOLICY = 21
XFRMA_TMPL = 5
BLOCK = 1
# linux/xfrm.h: struct xfrm_selector; in struct xfrm_userpolicy_info two structs of lifetimes and two numbers follow,
# then direction and action
_SELECTOR = struct.Struct("=16s16sHHHHHBBBxxxiI")
_DIRECTION, _SIZE = _SELECTOR.size + 64 + 32 + 8, 168
HOOKS = {0: ("in", "input"), 1: ("out", "output"), 2: ("fwd", "forward")}


def policies() -> list[XfrmPolicy]:
    """Those that block or transform; [] where the kernel has no IPsec."""
    found = []
    try:
        with Channel(NETLINK_XFRM) as channel:
            payloads = channel.dump((XFRM_MSG_GETPOLICY, 0, b"", "list IPsec policies"))
    except (NetlinkError, OSError):
        return []
    for payload in payloads:
        target, source, *_ports, family, target_length, source_length, _protocol, _index, _user = _SELECTOR.unpack_from(
            payload
        )
        direction, action = payload[_DIRECTION], payload[_DIRECTION + 1]
        templates = any(kind == XFRMA_TMPL for kind, _data in attributes(payload[_SIZE:]))
        if direction in HOOKS and (action == BLOCK or templates):
            ends = _prefix(source, source_length, family), _prefix(target, target_length, family)
            found.append(XfrmPolicy(*ends, *HOOKS[direction], drops=action == BLOCK))
    return found


def _prefix(packed: bytes, length: int, family: int) -> str:
    size = 4 if family == socket.AF_INET else 16
    return f"{socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, packed[:size])}/{length}"
