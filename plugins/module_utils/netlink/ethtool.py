# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A link's driver and offloads, by the ioctl of linux/ethtool.h (its netlink family came later and says no more)."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from typing import Any

SIOCETHTOOL = 0x8946  # linux/sockios.h
ETHTOOL_GDRVINFO, ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM = 0x3, 0x16, 0x17
_VALUE = struct.Struct("=II")  # struct ethtool_value: command, data
#: struct ethtool_drvinfo: command, driver, then versions and sizes
_DRIVER = struct.Struct("=I32s160x")
_IFREQ = struct.Struct("16sP16x")  # struct ifreq: name, pointer


def driver(name: str) -> str:
    """The name of the link's driver, as ``ethtool -i`` has it; "" where there is none, or no such link."""
    try:
        return str(_call(name, _DRIVER, ETHTOOL_GDRVINFO, b"")[1].partition(b"\0")[0].decode("ascii", "replace"))
    except OSError:
        return ""


def tx_checksum(name: str) -> bool:
    """Whether transmit checksum offload is on: the link accepts packets without checksums. Raises OSError."""
    return bool(_call(name, _VALUE, ETHTOOL_GTXCSUM, 0)[1])


def set_tx_checksum(name: str, on: bool) -> None:
    """Switches transmit checksum offload on or off. Raises OSError."""
    _call(name, _VALUE, ETHTOOL_STXCSUM, int(on))


def _call(name: str, layout: struct.Struct, *values: Any) -> tuple[Any, ...]:
    """Runs the ioctl with a structure of that layout; returns it as the kernel filled it in."""
    data = array.array("B", layout.pack(*values))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, _IFREQ.pack(name.encode(), data.buffer_info()[0]))
    return layout.unpack(data)
