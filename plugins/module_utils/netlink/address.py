# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of links: RTM_*ADDR of rtnetlink(7), numbers from linux/if_addr.h."""

from __future__ import annotations

from struct import Struct

from .objects import KernelObject
from .wire import (
    NLM_F_CREATE,
    NLM_F_REPLACE,
    Request,
    attr,
    family_of,
    parse,
    split_prefix,
    unpack_ip,
)

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .channel import Channel
    from .objects import IndexOf

RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22

INFO = Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index

IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_BROADCAST = 4

IFA_F_NODAD = 0x02

SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254}
SCOPE_NAMES = {value: name for name, value in SCOPES.items()}


class Address(KernelObject):
    """An address with its prefix length, ``"10.244.1.1/24"``, on the link named ``dev``.

    ``broadcast`` and ``scope`` as ``ip address`` shows them.
    """

    RANK = 1
    KEY = ("dev", "address")
    VALUES = ("broadcast", "scope")
    __slots__ = ("address", "broadcast", "dev", "index", "scope")

    def __init__(self, dev: str, address: str, broadcast: str | None = None, scope: str | None = None):
        self.dev = dev
        self.address = address
        self.broadcast = broadcast
        self.scope = scope
        self.index = 0

    def add(self, index_of: IndexOf) -> list[Request]:
        return [add(index_of(self.dev), self.address, broadcast=self.broadcast, scope=self.scope or "global")]

    def change(self, actual: Address, index_of: IndexOf) -> list[Request]:
        # broadcast and scope are fixed when the address is added
        return self.delete(index_of) + self.add(index_of)

    def delete(self, index_of: IndexOf) -> list[Request]:
        return [delete(index_of(self.dev), self.address)]


def add(
    index: int,
    address: str,
    *,
    broadcast: str | None = None,
    scope: str = "global",
    replace: bool = True,
    nodad: bool = True,
) -> Request:
    """Add an address to the link ``index``. With ``nodad`` IPv6 ones skip duplicate address detection.

    The ``broadcast`` address "+" is the subnet's last one, as for ip-address(8); IPv6 and subnets of two have none.
    """
    packed, length = split_prefix(address)
    if broadcast == "+":
        host_bits = (1 << (32 - length)) - 1 if len(packed) == 4 and length < 31 else 0
        last = (int.from_bytes(packed, "big") | host_bits).to_bytes(len(packed), "big")
        broadcast = unpack_ip(last) if host_bits else None
    flags = IFA_F_NODAD if nodad and len(packed) == 16 else 0
    body = INFO.pack(family_of(address), length, flags, SCOPES[scope], index)
    body += attr(IFA_LOCAL, packed) + attr(IFA_ADDRESS, packed)
    if broadcast:
        body += attr(IFA_BROADCAST, split_prefix(broadcast)[0])
    return RTM_NEWADDR, NLM_F_CREATE | (NLM_F_REPLACE if replace else 0x200), body, f"add address {address}"


def delete(index: int, address: str) -> Request:
    """Remove an address from the link ``index``."""
    packed, length = split_prefix(address)
    body = INFO.pack(family_of(address), length, 0, 0, index) + attr(IFA_LOCAL, packed) + attr(IFA_ADDRESS, packed)
    return RTM_DELADDR, 0, body, f"delete address {address}"


def dump(channel: Channel, names: dict[int, str] | None = None, index: int = 0, family: int = 0) -> list[Address]:
    """The addresses of the namespace, or of the link ``index``; ``names`` turns indexes into link names."""
    body = INFO.pack(family, 0, 0, 0, index)
    return [decode(payload, names) for payload in channel.dump((RTM_GETADDR, 0, body, "list addresses"))]


def decode(payload: bytes, names: dict[int, str] | None = None) -> Address:
    """An Address from an RTM_NEWADDR body."""
    _family, length, _flags, scope, index = INFO.unpack_from(payload)
    found = parse(payload, INFO.size)
    packed = found.get(IFA_LOCAL) or found[IFA_ADDRESS]
    address = Address((names or {}).get(index, str(index)), f"{unpack_ip(packed)}/{length}")
    address.index = index
    address.scope = SCOPE_NAMES.get(scope, str(scope))
    if IFA_BROADCAST in found:
        address.broadcast = unpack_ip(found[IFA_BROADCAST])
    return address
