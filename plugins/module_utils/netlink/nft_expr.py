# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expressions of an nftables rule, each one an attribute of the rule's list.

A rule works on registers: an expression loads a field or a set's value into one, the next compares or uses it.
Numbers are those of linux/netfilter/nf_tables.h. ``REG`` is the first 16-byte register; fields of a concatenation
go into
consecutive 4-byte registers from ``REG32`` on.
"""

from __future__ import annotations

from .wire import attr, attr_str, attr_u8, attr_u32be, nest, pack_ip

LIST_ELEM = 1
REG = 1  # NFT_REG_1
REG32 = 8  # NFT_REG32_00
VERDICT_REG = 0

DATA_VALUE = 1
DATA_VERDICT = 2
VERDICT_CODE = 1
VERDICT_CHAIN = 2

#: netfilter.h NF_*, nf_tables.h NFT_*
VERDICTS = {"drop": 0, "accept": 1, "continue": -1, "jump": -3, "goto": -4, "return": -5}
#: meta keys, NFT_META_*
META = {"mark": 3, "iifname": 6, "oifname": 7, "nftrace": 12, "nfproto": 15, "l4proto": 16, "iifkind": 26}
NFPROTO = {4: b"\x02", 6: b"\x0a"}
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
EQUAL, NOT_EQUAL = 0, 1
SNAT, DNAT = 0, 1
#: NFT_FIB_RESULT_*, NFTA_FIB_F_*
FIB_OIF, FIB_ADDRTYPE = 1, 3
FIB_SADDR, FIB_DADDR, FIB_IIF, FIB_PRESENT = 1, 2, 8, 32
RTN_LOCAL = 2
CT_STATE = 0
CT_STATUS = 2
CT_MARK = 3
CT_PROTO_DST = 12
CT_DIR_ORIGINAL = 0
IPS_DNAT = 0x20
ESTABLISHED_OR_RELATED, NEW = 6, 8  # of NF_CT_STATE_BIT
PROTO_RANDOM_FULLY = 0x10  # NF_NAT_RANGE_PROTO_RANDOM_FULLY


def expression(name: str, *parts: bytes) -> bytes:
    """The expression ``name`` with its attributes, as an element of a rule's list."""
    return nest(LIST_ELEM, attr_str(1, name), nest(2, *parts))


def meta(key: str, register: int = REG) -> bytes:
    """Load the packet's mark or protocol, or the interface's name or kind; one without a kind ends the rule."""
    return expression("meta", attr_u32be(2, META[key]), attr_u32be(1, register))


def trace() -> bytes:
    """Have the kernel report what rules do with the packet from here on (meta nftrace set 1)."""
    return load(b"\1") + expression("meta", attr_u32be(2, META["nftrace"]), attr_u32be(3, REG))


def of_family(family: int) -> bytes:
    """Go on only with packets of that family (4 or 6)."""
    return meta("nfproto") + compare(NFPROTO[family])


def payload(base: int, offset: int, length: int, register: int = REG) -> bytes:
    """Load ``length`` bytes of a header."""
    return expression(
        "payload", attr_u32be(1, register), attr_u32be(2, base), attr_u32be(3, offset), attr_u32be(4, length)
    )


def source(family: int, register: int = REG) -> bytes:
    """Load the IPv4 or IPv6 source address (``family`` 4 or 6)."""
    return payload(NETWORK_HEADER, 12, 4, register) if family == 4 else payload(NETWORK_HEADER, 8, 16, register)


def destination(family: int, register: int = REG) -> bytes:
    """Load the IPv4 or IPv6 destination address."""
    return payload(NETWORK_HEADER, 16, 4, register) if family == 4 else payload(NETWORK_HEADER, 24, 16, register)


def destination_port(register: int = REG) -> bytes:
    """Load the TCP, UDP or SCTP destination port; the rule must have matched the protocol before."""
    return payload(TRANSPORT_HEADER, 2, 2, register)


def compare(value: bytes, operator: int = EQUAL, register: int = REG) -> bytes:
    """Continue the rule only if the register holds ``value`` (or, with NOT_EQUAL, does not)."""
    return expression("cmp", attr_u32be(1, register), attr_u32be(2, operator), nest(3, attr(DATA_VALUE, value)))


def between(first: bytes, last: bytes, register: int = REG) -> bytes:
    """Continue the rule only if the register holds a value from ``first`` to ``last``."""
    ends = nest(3, attr(DATA_VALUE, first)), nest(4, attr(DATA_VALUE, last))
    return expression("range", attr_u32be(1, register), attr_u32be(2, EQUAL), *ends)


def mask(length: int, bits: bytes, flip: bytes | None = None, register: int = REG) -> bytes:
    """Register = register & bits ^ flip."""
    return expression(
        "bitwise",
        attr_u32be(1, register),
        attr_u32be(2, register),
        attr_u32be(3, length),
        nest(4, attr(DATA_VALUE, bits)),
        nest(5, attr(DATA_VALUE, flip or bytes(length))),
    )


def in_set(name: str, register: int = REG, *, inverted: bool = False) -> bytes:
    """Continue only if the set holds the register's value (or does not)."""
    return expression("lookup", attr_str(1, name), attr_u32be(2, register), attr_u32be(5, int(inverted)))


def map_to(name: str, register: int = REG, result: int = REG) -> bytes:
    """Look the register up in a map; its data goes to the register ``result`` (VERDICT_REG for a verdict map)."""
    return expression("lookup", attr_str(1, name), attr_u32be(2, register), attr_u32be(3, result))


def load(value: bytes, register: int = REG) -> bytes:
    return expression("immediate", attr_u32be(1, register), nest(2, attr(DATA_VALUE, value)))


def address(ip: str, register: int = REG) -> bytes:
    return load(pack_ip(ip), register)


def verdict(name: str, chain: str | None = None) -> bytes:
    """End the rule: accept, drop, return, or jump or goto to a chain."""
    return expression("immediate", attr_u32be(1, VERDICT_REG), nest(2, verdict_data(name, chain)))


def verdict_data(name: str, chain: str | None = None) -> bytes:
    """A verdict as data, of a rule or of a map's element."""
    packed = attr(VERDICT_CODE, (VERDICTS[name] & 0xFFFFFFFF).to_bytes(4, "big"))
    return nest(DATA_VERDICT, packed, attr_str(VERDICT_CHAIN, chain) if chain else b"")


def nat(kind: int, family: int, address_register: int | None = None, port_register: int | None = None) -> bytes:
    """Translate the source (SNAT) or destination (DNAT) to an address and a port held in registers."""
    parts = [attr_u32be(1, kind), attr_u32be(2, 2 if family == 4 else 10)]
    if address_register is not None:
        parts.append(attr_u32be(3, address_register))
    if port_register is not None:
        parts.append(attr_u32be(5, port_register))
    return expression("nat", *parts)


def masquerade(*, random: bool = True) -> bytes:
    """Translate the source to the outgoing interface's address; ports fully random, lest two flows race for one."""
    return expression("masq", attr_u32be(1, PROTO_RANDOM_FULLY)) if random else expression("masq")


def destination_type(register: int = REG) -> bytes:
    """Load the kind of the destination address (RTN_LOCAL for one of this host's) by the routing table."""
    return expression("fib", attr_u32be(1, register), attr_u32be(2, FIB_ADDRTYPE), attr_u32be(3, FIB_DADDR))


def reverse_path(register: int = REG) -> bytes:
    """Load 1 or 0: whether this host would send to the packet's source through the interface that it came by. At the
    hook prerouting."""
    flags = FIB_SADDR | FIB_IIF | FIB_PRESENT
    return expression("fib", attr_u32be(1, register), attr_u32be(2, FIB_OIF), attr_u32be(3, flags))


def conntrack(key: int) -> bytes:
    """Load what the connection has: the bits of CT_STATE, CT_STATUS (IPS_DNAT: its destination was translated), or
    CT_MARK."""
    return expression("ct", attr_u32be(1, REG), attr_u32be(2, key))


def original_port(register: int = REG) -> bytes:
    """Load the destination port of the connection's first packet, before any translation."""
    return expression("ct", attr_u32be(1, register), attr_u32be(2, CT_PROTO_DST), attr_u8(3, CT_DIR_ORIGINAL))


def counter() -> bytes:
    return expression("counter")
