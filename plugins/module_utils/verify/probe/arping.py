# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts answer for an IPv4 address on a link: ARP (RFC 826). Two answers are two owners.

The request bears no sender address (RFC 5227, ARP probe), so receivers learn nothing from it: what was broken stays
broken.
"""

from __future__ import annotations

import select
import socket
import struct
import time

from ...netlink.netns import Netns
from ..model.evidence import ArpAnswer
from ..model.hop import NODE

ETH_P_ARP = 0x0806
HEADER = struct.Struct("!HHBBH6s4s6s4s")
REQUEST, REPLY = 1, 2


class ArpProbe:
    """Asks for ``target`` on ``device`` (in the namespace at ``netns``, else this one) when it is made; ``asked_by``
    is NODE or the pod's name. Raises OSError when the request cannot be sent."""

    def __init__(self, device: str, mac: str, target: str, asked_by: str = NODE, netns: str | None = None) -> None:
        self.asked_by = asked_by
        if netns:
            namespace = Netns(netns)
            try:
                with namespace:
                    self.socket = self._open(device)
            finally:
                namespace.close()
        else:
            self.socket = self._open(device)
        self.target = target
        own = bytes.fromhex(mac.replace(":", ""))
        body = HEADER.pack(
            1, 0x0800, 6, 4, REQUEST, own, bytes(4), bytes(6), socket.inet_aton(target)
        )  # fmt: skip
        self.socket.send(b"\xff" * 6 + own + struct.pack("!H", ETH_P_ARP) + body)

    @staticmethod
    def _open(device: str) -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
        made.bind((device, ETH_P_ARP))
        made.setblocking(False)
        return made

    def answer(self, wait: float = 0) -> ArpAnswer:
        """What claimed the target so far, after waiting up to ``wait`` seconds for the first; closes the socket."""
        with self.socket:
            return ArpAnswer(self.target, self.asked_by, self._macs(wait))

    def _macs(self, wait: float) -> list[str]:
        found: set[str] = set()
        end = time.monotonic() + wait
        while True:
            try:
                frame = self.socket.recv(200)
            except BlockingIOError:
                left = end - time.monotonic()
                if found or left <= 0 or not select.select([self.socket], [], [], left)[0]:
                    break
                continue
            if len(frame) >= 14 + HEADER.size:
                values = HEADER.unpack_from(frame, 14)
                if values[4] == REPLY and socket.inet_ntoa(values[6]) == self.target:
                    found.add(values[5].hex(":"))
        return sorted(found)
