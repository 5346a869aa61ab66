# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Classic BPF: a socket's filter, by which the kernel drops what its reader would not look at (socket(7),
SO_ATTACH_FILTER; linux/filter.h, linux/bpf_common.h)."""

from __future__ import annotations

import struct
from _socket import SOL_SOCKET, socket
from array import array
from typing import Union

SO_ATTACH_FILTER = 26  # asm-generic/socket.h

#: Loads into the accumulator: one, two or four bytes in network order at a constant offset; HALF_AT_X counts it from X.
BYTE, HALF, WORD, HALF_AT_X = 0x30, 0x28, 0x20, 0x48
#: X = 4 * the low half of the byte at the offset: an IPv4 header's length.
HEADER_TO_X = 0xB1
#: Jumps: the accumulator equals the constant, has one of its bits.
EQUAL, BITS = 0x15, 0x45
RETURN = 0x06

#: The ends of every program: the packet is read, as far as the reader's buffer goes, or dropped.
TAKE, DROP = "take", "drop"
WHOLE = 0xFFFFFFFF

#: (load, offset) or (jump, constant, the label if so, the label if not; "" goes on); a label stands alone.
Line = Union[str, tuple[int, int], tuple[int, int, str, str]]


def assemble(lines: list[Line], snap: int = WHOLE) -> bytes:
    """The program: an array of struct sock_filter. What reaches its end is taken, of ``snap`` bytes at most.

    Raises KeyError for a label that is nowhere below the jump, struct.error for one more than 255 instructions away.
    """
    labels: dict[str, int] = {}
    code: list[tuple[int, int, str, str]] = []
    for line in [*lines, TAKE, (RETURN, snap), DROP, (RETURN, 0)]:
        if isinstance(line, str):
            labels[line] = len(code)
        else:
            code.append(line if len(line) == 4 else (*line, "", ""))
    packed = []
    for at, (operation, constant, yes, no) in enumerate(code):
        skips = [labels[label] - at - 1 if label else 0 for label in (yes, no)]
        packed.append(struct.pack("HBBI", operation, *skips, constant))
    return b"".join(packed)


def attach(sock: socket, program: bytes) -> None:
    """The socket gets what the program takes from now on. What waits in it already stays."""
    code = array("B", program)  # ctypes would cost podnetd half a MiB
    address, size = code.buffer_info()
    # struct sock_fprog: number of instructions, pointer to them
    fprog = struct.pack("HP", size // 8, address)
    sock.setsockopt(SOL_SOCKET, SO_ATTACH_FILTER, fprog)
