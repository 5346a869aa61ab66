# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and MAC addresses that are derived from their attachment, so that nothing needs to be stored."""

from __future__ import annotations

import posix

from ...netlink.checksum import checksum

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .call import Call


def host_name(call: Call, prefix: str = "veth") -> str:
    """The name of the host's end of a veth pair: unique to network, container and interface (44 bits)."""
    return link_name(prefix, call.network, *call.owner)


def link_name(prefix: str, network: str, container_id: str, ifname: str) -> str:
    """The name of an attachment's link on the host, with that `prefix`."""
    return prefix + digest(network, container_id, ifname).hex()[: 15 - len(prefix)]


def mac(kind: str, *parts: str) -> str:
    """A locally administered unicast MAC address, derived from its `kind`, this host's name and `parts`: two hosts on
    one network may have networks and containers of the same names."""
    octets = digest(kind, posix.uname().nodename, *parts)[:6]
    return ":".join([f"{byte:02x}" for byte in bytes([octets[0] & 0xFC | 0x02]) + octets[1:]])


def digest(*parts: str) -> bytes:
    """Sixteen bytes that identify these parts in this order."""
    # none of them contains \0: they are JSON names, environment variables and host names
    return checksum("\0".join(parts).encode("utf-8", "surrogatepass"), 16)
