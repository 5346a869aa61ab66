# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Offloads of a link, by the ioctl of linux/ethtool.h (its netlink family came later, and says no more here)."""

from __future__ import annotations

import array
import fcntl
import socket
import struct

SIOCETHTOOL = 0x8946  # linux/sockios.h
ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM = 0x16, 0x17
_VALUE = struct.Struct("=II")  # struct ethtool_value: command, data
_IFREQ = struct.Struct("16sP16x")  # struct ifreq: name, pointer


def tx_checksum(name: str) -> bool:
    """Whether the link takes packets without their checksums, to be filled in later. Raises OSError."""
    return bool(_call(name, ETHTOOL_GTXCSUM, 0))


def set_tx_checksum(name: str, on: bool) -> None:
    """Switches that on or off. Raises OSError."""
    _call(name, ETHTOOL_STXCSUM, int(on))


def _call(name: str, command: int, value: int) -> int:
    data = array.array("B", _VALUE.pack(command, value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, _IFREQ.pack(name.encode(), data.buffer_info()[0]))
    return int(_VALUE.unpack(data)[1])
