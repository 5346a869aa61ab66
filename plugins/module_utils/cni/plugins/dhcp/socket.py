# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DHCP client's sockets on an interface in a pod's namespace: sends messages, and matches answers."""

from __future__ import annotations

import errno
import select
import socket
import time

from ....netlink import link
from ....netlink.channel import Channel
from ....netlink.netns import Netns
from . import message as dhcp_message
from .message import BOOTREPLY, CLIENT_PORT, EVERYBODY, SERVER_PORT, Message

ETH_P_IP = 0x0800
#: Error numbers that mean that the namespace or the interface is gone.
GONE = (errno.ENOENT, errno.ESRCH, errno.EINVAL, errno.ENODEV, errno.ENXIO)


class Gone(Exception):
    """The pod's namespace or interface is gone."""


def now() -> float:
    """Seconds since boot, those of a suspended machine included: a lease goes on meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def as_gone(error: OSError, what: str) -> Exception:
    """Gone if the error means that, else the error itself."""
    return Gone(f"{what}: {error.strerror}") if error.errno in GONE else error


class Exchange:
    """An exchange with servers on a pod's interface: opened inside the namespace, closed after it."""

    def __init__(self, netns: str, ifname: str) -> None:
        """Raises Gone if the namespace or interface is missing, and OSError."""
        try:
            with Netns(netns):
                with Channel() as channel:
                    found = link.get(channel, ifname)
                if found is None:
                    raise Gone(f"interface {ifname} does not exist in {netns}")
                self.mac = bytes.fromhex((found.mac or "").replace(":", ""))
                self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                try:
                    self.raw.bind((ifname, ETH_P_IP))
                    self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
                    self.udp.bind(("", CLIENT_PORT))
                except BaseException:
                    self.close()
                    raise
        except OSError as error:
            raise as_gone(error, f"{netns}, {ifname}") from None
        self.ifname = ifname

    def close(self) -> None:
        self.raw.close()
        self.udp.close()

    def broadcast(self, message: Message) -> None:
        packet = dhcp_message.packet(message.pack(), message.client, EVERYBODY)
        self.raw.sendto(packet, (self.ifname, ETH_P_IP, 0, 0, b"\xff" * 6))

    def hand(self, message: Message, server: str, mac: bytes) -> None:
        """Sends to a server by its (or its router's) MAC address; the interface needs no address for it."""
        packet = dhcp_message.packet(message.pack(), message.client, server)
        self.raw.sendto(packet, (self.ifname, ETH_P_IP, 0, 0, mac))

    def unicast(self, message: Message, server: str) -> None:
        self.udp.sendto(message.pack(), (server, SERVER_PORT))

    def receive(self, message: Message, wanted: tuple[int, ...], seconds: float) -> Message | None:
        """The first answer to `message` of a wanted type; None if there is none in time."""
        end = now() + seconds
        while True:
            left = end - now()
            ready = select.select([self.raw, self.udp], [], [], max(left, 0))[0]
            if not ready:
                return None
            for source in ready:
                data, address = source.recvfrom(1 << 16)
                try:
                    found = dhcp_message.unpack(dhcp_message.payload(data) if source is self.raw else data)
                except ValueError:
                    continue  # another client's, or malformed
                same = (found.op, found.xid, found.mac[:6]) == (BOOTREPLY, message.xid, self.mac)
                if same and found.type in wanted:
                    found.sender = address[4] if source is self.raw else b""
                    return found
