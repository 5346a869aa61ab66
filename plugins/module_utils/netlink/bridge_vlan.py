# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VLANs of a bridge's ports: RTM_SETLINK, RTM_DELLINK and RTM_GETLINK of AF_BRIDGE; numbers of linux/if_bridge.h."""

from __future__ import annotations

from struct import Struct

from .link import AF_BRIDGE, IFLA_EXT_MASK, INFO, RTM_DELLINK, RTM_GETLINK
from .wire import Request, attr, attr_u32, attributes, nest, parse

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .channel import Channel

RTM_SETLINK = 19
IFLA_AF_SPEC = 26
RTEXT_FILTER_BRVLAN = 1 << 1
VLAN_INFO = 2  # IFLA_BRIDGE_VLAN_INFO
ENTRY = Struct("=HH")  # struct bridge_vlan_info: flags, VLAN
PVID, UNTAGGED, RANGE_BEGIN, RANGE_END = 2, 4, 8, 16


def access(index: int, vlan: int) -> Request:
    """Make `vlan` the port's untagged VLAN: PVID, and untagged on egress."""
    return _request(RTM_SETLINK, index, [(PVID | UNTAGGED, vlan)], f"set VLAN {vlan} of port {index}")


def trunk(index: int, ranges: list[tuple[int, int]]) -> list[Request]:
    """Add these VLANs to the port, tagged; each range is (first, last)."""
    return [
        _request(RTM_SETLINK, index, _entries(first, last), f"add VLANs {first}-{last} to port {index}")
        for first, last in ranges
    ]


def remove(index: int, vlan: int) -> Request:
    """Remove `vlan` from the port; the kernel ignores a VLAN that the port does not have."""
    return _request(RTM_DELLINK, index, [(0, vlan)], f"remove VLAN {vlan} from port {index}")


def _entries(first: int, last: int) -> list[tuple[int, int]]:
    return [(0, first)] if first == last else [(RANGE_BEGIN, first), (RANGE_END, last)]


def _request(kind: int, index: int, entries: list[tuple[int, int]], what: str) -> Request:
    spec = [attr(VLAN_INFO, ENTRY.pack(flags, vlan)) for flags, vlan in entries]
    return kind, 0, INFO.pack(AF_BRIDGE, 0, index, 0, 0) + nest(IFLA_AF_SPEC, *spec), what


def read(channel: Channel, index: int) -> tuple[int, set[int]]:
    """A port's VLANs: the untagged one (PVID; 0: none), and all of them."""
    body = INFO.pack(AF_BRIDGE, 0, 0, 0, 0) + attr_u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN)
    untagged, carried = 0, set()
    for payload in channel.dump((RTM_GETLINK, 0, body, "list VLANs of bridge ports")):
        if INFO.unpack_from(payload)[2] != index:
            continue
        for kind, value in attributes(parse(payload, INFO.size).get(IFLA_AF_SPEC, b"")):
            if kind == VLAN_INFO:
                flags, vlan = ENTRY.unpack(value)
                carried.add(vlan)
                untagged = vlan if flags & PVID else untagged
    return untagged, carried
