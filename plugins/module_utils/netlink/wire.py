# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The netlink wire format: messages, attributes, addresses, errors.

Numbers come from the kernel's uapi headers: linux/netlink.h unless said otherwise.
This file is imported by every CNI call, so it uses C modules only (``_socket``, ``struct``).
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from struct import Struct
from sys import byteorder

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

NLMSG_ERROR = 2
NLMSG_DONE = 3

NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_DUMP_INTR = 0x010
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800
NLM_F_CAPPED = 0x100  # in an error reply: the request's payload is not echoed
NLM_F_ACK_TLVS = 0x200  # in an error reply: extended-ack attributes follow

NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

NLMSGERR_ATTR_MSG = 1

HEADER = Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
ATTRIBUTE = Struct("=HH")  # struct nlattr: length, type
U8 = Struct("=B")
U16 = Struct("=H")
U32 = Struct("=I")
U64 = Struct("=Q")
S32 = Struct("=i")
U16BE = Struct(">H")
U32BE = Struct(">I")

#: One netlink request: message type, flags, body, and what it does, for error texts ("add link cni0").
Request = tuple[int, int, bytes, str]


class NetlinkError(OSError):
    """The kernel refused a request.

    ``errno`` is the kernel's error number, ``what`` the request ("add route 10.244.1.0/24"),
    ``reason`` the kernel's extended-ack text or, where it gave none, the number's usual text.
    """

    def __init__(self, errno: int, what: str, reason: str):
        super().__init__(errno, f"{what}: {reason}")
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


def attr(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = 4 + len(payload)
    return ATTRIBUTE.pack(length, kind) + payload + b"\0" * (-length & 3)


def attr_u8(kind: int, value: int) -> bytes:
    return ATTRIBUTE.pack(5, kind) + U8.pack(value) + b"\0\0\0"


def attr_u16(kind: int, value: int) -> bytes:
    return ATTRIBUTE.pack(6, kind) + U16.pack(value) + b"\0\0"


def attr_u16be(kind: int, value: int) -> bytes:
    return ATTRIBUTE.pack(6, kind) + U16BE.pack(value) + b"\0\0"


def attr_u32(kind: int, value: int) -> bytes:
    return ATTRIBUTE.pack(8, kind) + U32.pack(value)


def attr_u32be(kind: int, value: int) -> bytes:
    return ATTRIBUTE.pack(8, kind) + U32BE.pack(value)


def attr_str(kind: int, text: str) -> bytes:
    """A string attribute, terminated by a zero byte as the kernel's NLA_NUL_STRING wants it."""
    return attr(kind, text.encode() + b"\0")


def nest(kind: int, *parts: bytes) -> bytes:
    """A nested attribute holding the attributes in ``parts``."""
    return attr(kind | NLA_F_NESTED, b"".join(parts))


def attributes(body: bytes, offset: int = 0) -> list[tuple[int, bytes]]:
    """The attributes of ``body`` from ``offset`` on, in order, as (type, payload)."""
    found = []
    end = len(body)
    while offset + 4 <= end:
        length, kind = ATTRIBUTE.unpack_from(body, offset)
        if length < 4 or offset + length > end:
            break
        found.append((kind & NLA_TYPE_MASK, body[offset + 4 : offset + length]))
        offset += (length + 3) & ~3
    return found


def parse(body: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes of ``body`` by type; of a repeated one the last."""
    found = {}
    end = len(body)
    unpack = ATTRIBUTE.unpack_from
    while offset + 4 <= end:  # as ``attributes`` does, without the list: dumps have tens of thousands of messages
        length, kind = unpack(body, offset)
        if length < 4 or offset + length > end:
            break
        found[kind & NLA_TYPE_MASK] = body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def text(payload: bytes) -> str:
    return payload.rstrip(b"\0").decode("utf-8", "replace")


def number(payload: bytes) -> int:
    """An unsigned integer attribute's value, one to eight bytes in host order."""
    return int.from_bytes(payload, byteorder)


def family_of(ip: str) -> int:
    """AF_INET6 for an address or prefix with a colon, else AF_INET."""
    return AF_INET6 if ":" in ip else AF_INET


def pack_ip(ip: str) -> bytes:
    """An address without prefix length as 4 or 16 bytes. Raises ValueError with the text of an invalid address."""
    try:
        return inet_pton(family_of(ip), ip)
    except (OSError, ValueError, TypeError):
        raise ValueError(f"{ip!r} is not an IP address") from None


def unpack_ip(packed: bytes) -> str:
    """4 or 16 bytes as text, as ``ip`` prints it."""
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)


def split_prefix(prefix: str) -> tuple[bytes, int]:
    """``"10.244.1.0/24"`` as (4 or 16 bytes, 24); without a length it is a host's, /32 or /128.

    Raises ValueError with the text of an invalid prefix.
    """
    ip, slash, length = prefix.partition("/")
    packed = pack_ip(ip)
    bits = len(packed) * 8
    if not slash:
        return packed, bits
    if not (length.isascii() and length.isdigit() and int(length) <= bits):
        raise ValueError(f"{prefix!r} is not a prefix: its length must be 0 to {bits}")
    return packed, int(length)


def pack_mac(mac: str) -> bytes:
    """``"02:00:00:00:00:01"`` as six bytes. Raises ValueError with the text of an invalid MAC address."""
    if mac[2::3] == ":::::" and len(mac) == 17:
        try:
            packed = bytes.fromhex(mac.replace(":", ""))
        except ValueError:
            packed = b""
        if len(packed) == 6:
            return packed
    raise ValueError(f"{mac!r} is not a MAC address")


def unpack_mac(packed: bytes) -> str:
    return packed.hex(":")
