# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""WireGuard interfaces and their peers: generic netlink family "wireguard", numbers from linux/wireguard.h.

The link itself is a ``Link`` of kind "wireguard". Keys are 32 bytes, as text in base64 as ``wg`` shows them.
"""

from __future__ import annotations

import errno
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Iterable
from struct import Struct

from .genl import HEADER, GenericChannel
from .objects import KernelObject
from .wire import (
    U16,
    U16BE,
    NetlinkError,
    Request,
    attr,
    attr_str,
    attr_u8,
    attr_u16,
    attr_u32,
    attributes,
    family_of,
    nest,
    number,
    pack_ip,
    parse,
    split_prefix,
    unpack_ip,
)

TYPE_CHECKING = False  # a type checker takes it for true
if TYPE_CHECKING:
    from .objects import IndexOf

FAMILY = "wireguard"
VERSION = 1
WG_CMD_GET_DEVICE = 0
WG_CMD_SET_DEVICE = 1

WGDEVICE_A_IFNAME = 2
WGDEVICE_A_PRIVATE_KEY = 3
WGDEVICE_A_PUBLIC_KEY = 4
WGDEVICE_A_LISTEN_PORT = 6
WGDEVICE_A_PEERS = 8

WGPEER_A_PUBLIC_KEY = 1
WGPEER_A_FLAGS = 3
WGPEER_A_ENDPOINT = 4
WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL = 5
WGPEER_A_ALLOWEDIPS = 9
WGPEER_F_REMOVE_ME = 1
WGPEER_F_REPLACE_ALLOWEDIPS = 2

WGALLOWEDIP_A_FAMILY = 1
WGALLOWEDIP_A_IPADDR = 2
WGALLOWEDIP_A_CIDR_MASK = 3

KEY_BYTES = 32
_SOCKADDR_IN = Struct("=H2s4s8x")
_SOCKADDR_IN6 = Struct("=H2s4x16s4x")


class Wireguard(KernelObject):
    """The interface's own end: its key and the UDP port that it listens on.

    ``public_key`` stands for the key and is what is compared; ``private_key`` is needed to set it, and never shown.
    """

    FAMILY = FAMILY
    RANK = 1
    KEY = ("dev",)
    VALUES = ("public_key", "port")
    __slots__ = ("dev", "port", "private_key", "public_key")

    def __init__(self, dev: str, public_key: str | None = None, port: int | None = None, private_key: bytes = b""):
        self.dev = dev
        self.public_key = public_key
        self.port = port
        self.private_key = private_key

    def add(self, index_of: IndexOf) -> list[Request]:
        parts = [attr(WGDEVICE_A_PRIVATE_KEY, self.private_key)] if self.private_key else []
        if self.port is not None:
            parts.append(attr_u16(WGDEVICE_A_LISTEN_PORT, self.port))
        return [_set(self.dev, b"".join(parts), f"configure {self.title()}")]

    def change(self, actual: Wireguard, index_of: IndexOf) -> list[Request]:
        # setting the key again would end the peers' sessions
        differing = self.differences(actual)
        key = self.private_key if "public_key" in differing else b""
        return Wireguard(self.dev, port=self.port if "port" in differing else None, private_key=key).add(index_of)

    def delete(self, index_of: IndexOf) -> list[Request]:
        return []  # it goes with its link


class Peer(KernelObject):
    """A peer of an interface: ``endpoint`` is its address and UDP port ("192.0.2.12:51820", "[2001:db8::12]:51820"),
    ``allowed_ips`` the prefixes behind it, ``keepalive`` the seconds between two packets that keep a NAT's or
    firewall's state alive, 0 for none."""

    FAMILY = FAMILY
    RANK = 2
    KEY = ("dev", "public_key")
    VALUES = ("endpoint", "allowed_ips", "keepalive")
    __slots__ = ("allowed_ips", "dev", "endpoint", "keepalive", "public_key")

    def __init__(
        self,
        dev: str,
        public_key: str,
        endpoint: str | None = None,
        allowed_ips: Iterable[str] | None = None,
        keepalive: int | None = None,
    ):
        self.dev = dev
        self.public_key = public_key
        self.endpoint = endpoint
        self.allowed_ips = None if allowed_ips is None else sorted(allowed_ips)
        self.keepalive = keepalive

    def add(self, index_of: IndexOf) -> list[Request]:
        parts = [attr_u32(WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS if self.allowed_ips is not None else 0)]
        if self.endpoint is not None:
            parts.append(attr(WGPEER_A_ENDPOINT, pack_endpoint(self.endpoint)))
        if self.keepalive is not None:
            parts.append(attr_u16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, self.keepalive))
        if self.allowed_ips:
            parts.append(nest(WGPEER_A_ALLOWEDIPS, *map(_pack_allowed, self.allowed_ips)))
        return [self._request(parts, "set")]

    def change(self, actual: Peer, index_of: IndexOf) -> list[Request]:
        return self.add(index_of)

    def delete(self, index_of: IndexOf) -> list[Request]:
        return [self._request([attr_u32(WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME)], "remove")]

    def _request(self, parts: list[bytes], verb: str) -> Request:
        peer = nest(0, attr(WGPEER_A_PUBLIC_KEY, unpack_key(self.public_key)), *parts)
        return _set(self.dev, nest(WGDEVICE_A_PEERS, peer), f"{verb} {self.title()}")


def dump(dev: str) -> list[KernelObject]:
    """The interface's own end and its peers. Raises NetlinkError: ENOENT where the kernel has no WireGuard, ENODEV
    where there is no such interface, EOPNOTSUPP where it is one of another kind."""
    request = (
        0,
        0,
        HEADER.pack(WG_CMD_GET_DEVICE, VERSION) + attr_str(WGDEVICE_A_IFNAME, dev),
        f"list wireguard {dev}",
    )
    with GenericChannel(FAMILY) as channel:
        return decode(dev, channel.dump(request))


def decode(dev: str, payloads: Iterable[bytes]) -> list[KernelObject]:
    """The answer to a dump as objects. Peers, and a peer's allowed IPs, may go on in the next message."""
    own = Wireguard(dev)
    peers: list[Peer] = []
    for payload in payloads:
        found = parse(payload, HEADER.size)
        if WGDEVICE_A_PUBLIC_KEY in found:
            own.public_key = pack_key(found[WGDEVICE_A_PUBLIC_KEY])
        if WGDEVICE_A_LISTEN_PORT in found:
            own.port = number(found[WGDEVICE_A_LISTEN_PORT])
        for _kind, body in attributes(found.get(WGDEVICE_A_PEERS, b"")):
            peer = _decode_peer(dev, body)
            if peers and peers[-1].public_key == peer.public_key:
                peers[-1].allowed_ips = sorted([*(peers[-1].allowed_ips or []), *(peer.allowed_ips or [])])
            else:
                peers.append(peer)
    return [own, *peers]


def _decode_peer(dev: str, body: bytes) -> Peer:
    found = parse(body)
    endpoint = found.get(WGPEER_A_ENDPOINT)
    keepalive = found.get(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL)
    return Peer(
        dev,
        pack_key(found[WGPEER_A_PUBLIC_KEY]),
        unpack_endpoint(endpoint) if endpoint else None,
        [_unpack_allowed(each) for _kind, each in attributes(found.get(WGPEER_A_ALLOWEDIPS, b""))],
        number(keepalive) if keepalive else None,
    )


def pack_key(key: bytes) -> str:
    """A key's 32 bytes as text."""
    return b2a_base64(key, newline=False).decode()


def unpack_key(text: object) -> bytes:
    """A key's text as bytes. Raises ValueError unless it is one."""
    try:
        key = a2b_base64(text) if isinstance(text, str) else b""
    except (Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES or pack_key(key) != text:
        raise ValueError(
            f"{text!r:.60} is not a WireGuard key: 32 bytes in base64, 44 characters, as wg pubkey prints it"
        )
    return key


def join_endpoint(address: str, port: int) -> str:
    """``("fd77::12", 51820)`` as ``"[fd77::12]:51820"``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def pack_endpoint(endpoint: str) -> bytes:
    """An endpoint as struct sockaddr_in or sockaddr_in6. Raises ValueError."""
    address, _colon, port = endpoint.rpartition(":")
    address = address.strip("[]")
    how = _SOCKADDR_IN if family_of(address) == 2 else _SOCKADDR_IN6
    return how.pack(family_of(address), U16BE.pack(int(port)), pack_ip(address))


def unpack_endpoint(packed: bytes) -> str:
    """A struct sockaddr_in or sockaddr_in6 as text."""
    how = _SOCKADDR_IN if U16.unpack_from(packed)[0] == 2 else _SOCKADDR_IN6
    _family, port, address = how.unpack_from(packed)
    return join_endpoint(unpack_ip(address), U16BE.unpack(port)[0])


def _pack_allowed(prefix: str) -> bytes:
    packed, length = split_prefix(prefix)
    return nest(
        0,
        attr_u16(WGALLOWEDIP_A_FAMILY, family_of(prefix)),
        attr(WGALLOWEDIP_A_IPADDR, packed),
        attr_u8(WGALLOWEDIP_A_CIDR_MASK, length),
    )


def _unpack_allowed(body: bytes) -> str:
    found = parse(body)
    return f"{unpack_ip(found[WGALLOWEDIP_A_IPADDR])}/{number(found[WGALLOWEDIP_A_CIDR_MASK])}"


def _set(dev: str, body: bytes, what: str) -> Request:
    return 0, 0, HEADER.pack(WG_CMD_SET_DEVICE, VERSION) + attr_str(WGDEVICE_A_IFNAME, dev) + body, what


def missing(error: NetlinkError) -> bool:
    """Whether a dump failed since there is no such interface: nothing stands on it then."""
    return error.errno in (errno.ENODEV, errno.EOPNOTSUPP)
