# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A packet that a ruleset is asked about: its headers as bytes, and what the kernel knows of it besides."""

from __future__ import annotations

import copy
from struct import Struct
from typing import Protocol

from ..wire import pack_ip, unpack_ip

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
PROTOCOLS = {"icmp": ICMP, "tcp": TCP, "udp": UDP, "icmp6": ICMPV6, "sctp": SCTP}
SYN, ACK = 0x02, 0x10
PORT = Struct(">H")
#: Where the addresses are in the network header: source, destination, bytes.
_ADDRESSES = {4: (12, 16, 4), 6: (8, 24, 16)}
#: linux/netfilter/nf_conntrack_common.h, NF_CT_STATE_BIT: as nftables and iptables compare them.
INVALID, ESTABLISHED, RELATED, NEW, UNTRACKED = 1, 2, 4, 8, 64
IPS_SEEN_REPLY, IPS_CONFIRMED, IPS_SNAT, IPS_DNAT = 0x02, 0x08, 0x10, 0x20


class Packet:
    """One packet of a connection. ``iif`` and ``oif`` are names of links, "" for none; ``state`` is connection
    tracking's bit of it, ``original`` the destination (address, port) of the connection's first packet."""

    __slots__ = (
        "ct_mark", "family", "iif", "mark", "network", "oif", "original", "protocol", "state", "status", "transport",
    )  # fmt: skip

    def __init__(
        self, source: str, destination: str, protocol: int, sport: int = 0, dport: int = 0, *, iif: str = "",
        state: int = NEW, mark: int = 0, ct_mark: int = 0,
    ) -> None:  # fmt: skip
        """The first packet of a connection, or of its answers where ``state`` is ESTABLISHED: TCP's SYN or SYN and ACK,
        an echo request or reply for ICMP. Raises ValueError for addresses that are none."""
        saddr, daddr = pack_ip(source), pack_ip(destination)
        self.family = 4 if len(daddr) == 4 else 6
        if protocol == ICMP and self.family == 6:
            protocol = ICMPV6
        self.protocol = protocol
        self.iif, self.oif, self.mark, self.ct_mark, self.state = iif, "", mark, ct_mark, state
        self.status = IPS_CONFIRMED | IPS_SEEN_REPLY if state == ESTABLISHED else 0
        self.transport = _transport(protocol, sport, dport, state == ESTABLISHED)
        if self.family == 4:
            fixed = bytes([0x45, 0, 0, 20 + len(self.transport), 0, 0, 0x40, 0, 64, protocol, 0, 0])
        else:
            fixed = bytes([0x60, 0, 0, 0, 0, len(self.transport), protocol, 64])
        self.network = bytearray(fixed + saddr + daddr)
        self.original = (destination, dport)

    def copy(self) -> Packet:
        """The same packet, to be changed by itself."""
        other = copy.copy(self)
        other.network, other.transport = bytearray(self.network), bytearray(self.transport)
        return other

    @property
    def saddr(self) -> bytes:
        at, _destination, length = _ADDRESSES[self.family]
        return bytes(self.network[at : at + length])

    @saddr.setter
    def saddr(self, address: bytes) -> None:
        at = _ADDRESSES[self.family][0]
        self.network[at : at + len(address)] = address

    @property
    def daddr(self) -> bytes:
        _source, at, length = _ADDRESSES[self.family]
        return bytes(self.network[at : at + length])

    @daddr.setter
    def daddr(self, address: bytes) -> None:
        at = _ADDRESSES[self.family][1]
        self.network[at : at + len(address)] = address

    @property
    def source(self) -> str:
        return unpack_ip(self.saddr)

    @property
    def destination(self) -> str:
        return unpack_ip(self.daddr)

    @property
    def has_ports(self) -> bool:
        return self.protocol in (TCP, UDP, SCTP)

    @property
    def sport(self) -> int:
        return int(PORT.unpack_from(self.transport)[0]) if self.has_ports else 0

    @property
    def dport(self) -> int:
        return int(PORT.unpack_from(self.transport, 2)[0]) if self.has_ports else 0

    @dport.setter
    def dport(self, port: int) -> None:
        if self.has_ports:
            PORT.pack_into(self.transport, 2, port)


def _transport(protocol: int, sport: int, dport: int, answer: bool) -> bytearray:
    """The header after IP's: of other protocols nothing is known."""
    ports = PORT.pack(sport) + PORT.pack(dport)
    if protocol == TCP:
        flags = SYN | ACK if answer else SYN
        return bytearray(ports + bytes([0, 0, 0, 1, 0, 0, 0, int(answer), 0x50, flags]) + bytes(6))
    if protocol == UDP:
        return bytearray(ports + bytes([0, 8, 0, 0]))
    if protocol == SCTP:
        return bytearray(ports + bytes(8))
    echo = {ICMP: (8, 0), ICMPV6: (128, 129)}.get(protocol)
    return bytearray([echo[answer], 0, 0, 0, 0, 1, 0, 1]) if echo else bytearray()


class Host(Protocol):
    """What rules ask of the node besides the packet."""

    def kind_of(self, address: bytes) -> int:
        """The address's kind by the routing table: RTN_UNICAST, RTN_LOCAL, …."""

    def interface_to(self, address: bytes) -> str:
        """The link by which the node would send there, "" for none."""

    def index_of(self, link: str) -> int:
        """The link's number, 0 for none."""

    def link_kind(self, link: str) -> str:
        """rtnetlink's kind of the link ("bridge", "veth"), "" for hardware."""

    def address_on(self, link: str, destination: bytes) -> bytes:
        """The node's own address for packets that leave by the link (or were received there), b"" for none."""
