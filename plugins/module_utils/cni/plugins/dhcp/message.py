# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DHCP messages and the packets that carry them: RFC 2131, 2132, 3396 (long options), 3397 (search), 3442 (routes)."""

from __future__ import annotations

import ipaddress
import struct

from .options import (
    CLASSLESS_ROUTES,
    DOMAIN,
    LEASE_TIME,
    MESSAGE_TYPE,
    NAME_SERVER,
    OVERLOAD,
    REBINDING_TIME,
    RENEWAL_TIME,
    ROUTER,
    SEARCH,
    STATIC_ROUTES,
    SUBNET_MASK,
)

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = 1, 2, 3, 4, 5, 6, 7
SERVER_PORT, CLIENT_PORT = 67, 68
BOOTREQUEST, BOOTREPLY = 1, 2
BROADCAST = 0x8000
COOKIE = b"\x63\x82\x53\x63"
#: op, hardware type, address length, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file
HEADER = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
IP = struct.Struct("!BBHHHBBH4s4s")
UDP = struct.Struct("!HHHH")
ANY, EVERYBODY = "0.0.0.0", "255.255.255.255"
MINIMUM = 300  # the minimum that BOOTP relays expect
INFINITE = 0xFFFFFFFF
#: The shortest lease that is believed, in seconds: one of 0 would be requested without a pause.
SHORTEST = 10
LINK_SCOPE = 253


class Message:
    """One message. Addresses are text, ``options`` maps numbers to bytes."""

    def __init__(self, op: int, xid: int, mac: bytes, options: dict[int, bytes]) -> None:
        self.op = op
        self.xid = xid
        self.mac = mac
        self.options = options
        self.secs = 0
        self.flags = 0
        self.client = ANY  # ciaddr
        self.yours = ANY  # yiaddr
        self.sender = b""  # the sender's MAC address, if known

    @property
    def type(self) -> int:
        """DISCOVER, OFFER …; 0 if it is missing."""
        return self.options.get(MESSAGE_TYPE, b"\0")[0]

    def pack(self) -> bytes:
        """The message as UDP carries it."""
        head = HEADER.pack(
            self.op, 1, 6, 0, self.xid, min(self.secs, 0xFFFF), self.flags,
            ipaddress.IPv4Address(self.client).packed, ipaddress.IPv4Address(self.yours).packed,
            bytes(4), bytes(4), self.mac, b"", b"",
        )  # fmt: skip
        body = b"".join(
            bytes([number, len(part)]) + part for number, value in self.options.items() for part in _parts(value)
        )
        return (head + COOKIE + body + b"\xff").ljust(MINIMUM, b"\0")


def _parts(value: bytes) -> list[bytes]:
    return [value[at : at + 255] for at in range(0, len(value), 255)] or [b""]


def unpack(data: bytes) -> Message:
    """The message in a UDP payload. Raises ValueError for anything else."""
    if len(data) < HEADER.size + 4 or data[HEADER.size : HEADER.size + 4] != COOKIE:
        raise ValueError("not a DHCP message")
    op, _kind, length, _hops, xid, secs, flags, client, yours, _next, _relay, mac, sname, file = HEADER.unpack_from(
        data
    )
    options: dict[int, bytes] = {}
    _read_options(data[HEADER.size + 4 :], options)
    overload = options.get(OVERLOAD, b"\0")[0]
    if overload & 1:
        _read_options(file, options)
    if overload & 2:
        _read_options(sname, options)
    message = Message(op, xid, mac[: min(length, 16)], options)
    message.secs, message.flags = secs, flags
    message.client, message.yours = str(ipaddress.IPv4Address(client)), str(ipaddress.IPv4Address(yours))
    return message


def _read_options(data: bytes, options: dict[int, bytes]) -> None:
    at = 0
    while at < len(data) and data[at] != 0xFF:
        if data[at] == 0:  # padding
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            raise ValueError("an option is cut off")
        number, value = data[at], data[at + 2 : at + 2 + data[at + 1]]
        options[number] = options.get(number, b"") + value
        at += 2 + len(value)


def packet(payload: bytes, source: str, destination: str) -> bytes:
    """An IPv4 packet with UDP from the client's port to the server's."""
    one, two = ipaddress.IPv4Address(source).packed, ipaddress.IPv4Address(destination).packed
    length = UDP.size + len(payload)
    pseudo = one + two + struct.pack("!BBH", 0, 17, length)
    udp = UDP.pack(CLIENT_PORT, SERVER_PORT, length, 0) + payload
    udp = udp[:6] + struct.pack("!H", _checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    head = IP.pack(0x45, 0x10, IP.size + length, 0, 0, 64, 17, 0, one, two)
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + udp


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def payload(data: bytes) -> bytes:
    """The payload of a packet to the client's port; b"" for any other packet.

    Checksums are not verified: between the ends of a veth pair they are not computed.
    """
    if len(data) < IP.size or data[0] >> 4 != 4 or data[9] != 17 or struct.unpack_from("!H", data, 6)[0] & 0x3FFF:
        return b""
    start = (data[0] & 15) * 4
    if len(data) < start + UDP.size:
        return b""
    _source, port, length, _sum = UDP.unpack_from(data, start)
    return data[start + UDP.size : start + length] if port == CLIENT_PORT else b""


# -- a server's options ---------------------------------------------------------------------------------------


def addresses(value: bytes) -> list[str]:
    """A list of addresses."""
    return [str(ipaddress.IPv4Address(value[at : at + 4])) for at in range(0, len(value) // 4 * 4, 4)]


def seconds(message: Message) -> tuple[int, int, int]:
    """The lease's duration, and its times of renewal and rebinding; an INFINITE one is never renewed. Durations of 0,
    with which a client would ask without a pause, are taken for none: RFC 2131, 4.4.5 has the defaults."""

    def number(option: int, default: int) -> int:
        value = message.options.get(option, b"")
        return int.from_bytes(value, "big") if len(value) == 4 else default

    lease = max(number(LEASE_TIME, INFINITE), SHORTEST)
    rebind = min(number(REBINDING_TIME, 0) or lease * 7 // 8, lease)
    return lease, min(number(RENEWAL_TIME, 0) or lease // 2, rebind), rebind


def result(message: Message) -> dict:
    """An ACK as CNI's result: ips, routes and dns.

    Classless routes replace the router and the static routes (RFC 3442).
    """
    options = message.options
    mask = addresses(options.get(SUBNET_MASK, b""))
    length = ipaddress.IPv4Network(f"0.0.0.0/{mask[0]}").prefixlen if mask else _natural(message.yours)
    item = {"address": f"{message.yours}/{length}"}
    routers = addresses(options.get(ROUTER, b""))
    if routers:
        item["gateway"] = routers[0]
    routes = _classless(options.get(CLASSLESS_ROUTES, b""))
    if not routes:
        ways = addresses(options.get(STATIC_ROUTES, b""))
        routes = [{"dst": _prefix(to, _natural(to)), "gw": by} for to, by in zip(ways[::2], ways[1::2]) if to != ANY]
        if routers:
            routes.append({"dst": "0.0.0.0/0", "gw": routers[0]})
    dns = {
        "nameservers": addresses(options.get(NAME_SERVER, b"")),
        "domain": options.get(DOMAIN, b"").rstrip(b"\0").decode("ascii", "replace"),
        "search": _names(options.get(SEARCH, b"")),
    }
    return {"ips": [item], "routes": routes, "dns": {key: value for key, value in dns.items() if value}}


def _natural(address: str) -> int:
    """The prefix length by the address's class, for a server that gives no mask."""
    first = int(address.partition(".")[0])
    return 8 if first < 128 else 16 if first < 192 else 24


def _prefix(address: str, length: int) -> str:
    return str(ipaddress.IPv4Network(f"{address}/{length}", strict=False))


def _classless(value: bytes) -> list[dict]:
    routes = []
    at = 0
    while at < len(value):
        length = value[at]
        size = (length + 7) // 8
        if length > 32 or at + 1 + size + 4 > len(value):
            raise ValueError("the classless routes are cut off")
        to = str(ipaddress.IPv4Address(value[at + 1 : at + 1 + size].ljust(4, b"\0")))
        (by,) = addresses(value[at + 1 + size : at + 5 + size])
        way = {"scope": LINK_SCOPE} if by == ANY else {"gw": by}
        routes.append({"dst": _prefix(to, length), **way})
        at += 5 + size
    return routes


def _names(value: bytes) -> list[str]:
    """Domain names as DNS packs them, with pointers (RFC 1035 4.1.4)."""
    names, at = [], 0
    while at < len(value):
        labels, here, end = [], at, 0
        for _jump in range(128):  # pointers may form a loop
            if here >= len(value):
                raise ValueError("the search list is cut off")
            size = value[here]
            if size >= 0xC0 and here + 1 < len(value):
                end = end or here + 2
                here = (size & 0x3F) << 8 | value[here + 1]
            elif size:
                labels.append(value[here + 1 : here + 1 + size].decode("ascii", "replace"))
                here += 1 + size
            else:
                end = end or here + 1
                break
        else:
            raise ValueError("the search list has a pointer loop")
        names.append(".".join(labels))
        at = end
    return names
