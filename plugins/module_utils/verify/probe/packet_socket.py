# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A socket that sees the IP packets which pass a network namespace's devices (packet(7))."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from ...netlink import bpf
from ..model.evidence import IN, OUT

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD  # linux/if_ether.h
PACKET_OUTGOING = 4  # linux/if_packet.h
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_CSUMNOTREADY = 1 << 3


class Seen(NamedTuple):
    """A packet from its IP header on, the link that it passed, and its direction, IN or OUT. ``unfinished``: the kernel
    has not computed its checksum yet (offloading between namespaces)."""

    data: bytes
    device: str
    direction: str
    unfinished: bool


class PacketSocket:
    """Queues packets from the moment it is made; the namespace is that of the thread which makes it.

    The kernel shows a packet to it before its packet filter when it comes in, and last of all when it goes out. Needs
    CAP_NET_RAW; raises OSError. Give ``fileno`` to an event loop, or call ``packets`` when it is time.
    """

    def __init__(self, snap: int = 65536, program: bytes = b"", queue: int = 0) -> None:
        """``snap``: bytes of a packet that are read; ``program``: a classic BPF filter; ``queue``: bytes to hold."""
        self.snap = snap
        # ETH_P_ALL: only then does the kernel show outgoing packets; SOCK_DGRAM: from the IP header on
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setblocking(False)
        if queue:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, queue)
        if program:
            bpf.attach(self.socket, program)

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        self.socket.close()

    def packets(self) -> Iterator[Seen]:
        """The IP packets that have come, without waiting."""
        while True:
            try:
                data, ancillary, _flags, source = self.socket.recvmsg(self.snap, 64)
            except BlockingIOError:
                return
            device, protocol, kind, _hardware, _mac = source
            if protocol in (ETH_P_IP, ETH_P_IPV6):
                yield Seen(data, device, OUT if kind == PACKET_OUTGOING else IN, _unfinished(ancillary))


def _unfinished(ancillary: list[tuple[int, int, bytes]]) -> bool:
    """That the kernel vouches for a checksum (TP_STATUS_CSUM_VALID) says nothing where a tunnel ends: a VXLAN packet
    without a checksum of its own is valid by that, and what it carried keeps the mark (skbuff.h,
    __skb_checksum_validate_needed)."""
    for level, kind, payload in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            return bool(struct.unpack_from("=I", payload)[0] & TP_STATUS_CSUMNOTREADY)
    return True
