# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Matches and targets of iptables, in its own tables and in iptables-nft's rules, as kube-proxy and the usual firewalls
use them. Structures are those of linux/netfilter/xt_*.h and linux/netfilter_ipv4/ipt_*.h, in host order."""

from __future__ import annotations

import struct
from typing import Callable, NamedTuple, Union

from .packet import ICMP, ICMPV6, IPS_DNAT, IPS_SNAT, SCTP, TCP, UDP, UNTRACKED, Host, Packet
from .verdicts import NAT_TARGETS

#: What a match says: it holds or not; None where it depends on chance or on what others sent; the name of what can't be
#: evaluated.
Answer = Union[bool, str, None]

_PORTS = struct.Struct("=HHHH")
_MARK = struct.Struct("=IIB")
_TYPES = struct.Struct("=HHI")
_U16 = struct.Struct("=H")


def matches(name: str, revision: int, data: bytes, packet: Packet, host: Host) -> Answer:
    """Whether the packet is what the match looks for, see Answer."""
    found = _MATCHES.get(name)
    try:
        return found(revision, data, packet, host) if found else f"match {name}"
    except (struct.error, IndexError, ValueError):
        return f"match {name}"


def header(data: bytes, packet: Packet) -> bool:
    """struct ipt_ip, ip6t_ip6: addresses, interfaces, protocol."""
    length = 4 if packet.family == 4 else 16
    source, destination, smask, dmask = (data[at * length : (at + 1) * length] for at in range(4))
    at = 4 * length
    names = [data[at + 16 * number : at + 16 * number + 16] for number in range(4)]  # in, out, their masks
    protocol = _U16.unpack_from(data, at + 64)[0]
    inverted = data[at + 67] if packet.family == 4 else data[at + 68]
    fits = (
        (0x01, _masked(packet.iif.encode().ljust(16, b"\0"), names[2]) == _masked(names[0], names[2])),  # "eth+" keeps
        (0x02, _masked(packet.oif.encode().ljust(16, b"\0"), names[3]) == _masked(names[1], names[3])),  # its plus
        (0x08, _masked(packet.saddr, smask) == source),
        (0x10, _masked(packet.daddr, dmask) == destination),
        (0x40, protocol in (0, packet.protocol)),
    )
    return all(fit != bool(inverted & bit) for bit, fit in fits)


def _masked(value: bytes, mask: bytes) -> bytes:
    return bytes(one & other for one, other in zip(value, mask))


def _tcp(_revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    """struct xt_tcp; xt_udp is its beginning."""
    if packet.protocol != TCP:
        return False
    option, mask, wanted, inverted = data[8:12]
    flags = ((packet.transport[13] & mask) == wanted) != bool(inverted & 4)
    if option:
        return "match tcp option"
    return _in_ports(data, inverted, packet) and flags


def _udp(_revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    return packet.protocol == UDP and _in_ports(data, data[8], packet)


def _sctp(_revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    """struct xt_sctp_info: what is asked of chunks is not known."""
    if packet.protocol != SCTP:
        return False
    flags, inverted = struct.unpack_from("=II", data, len(data) - 8)
    return "match sctp chunks" if flags & 4 else _in_ports(data, inverted, packet)


def _in_ports(data: bytes, inverted: int, packet: Packet) -> bool:
    first, last, other, end = _PORTS.unpack_from(data)
    source, destination = first <= packet.sport <= last, other <= packet.dport <= end
    return source != bool(inverted & 1) and destination != bool(inverted & 2)


def _multiport(revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    """struct xt_multiport_v1; ports in pairs where they are ranges."""
    if not packet.has_ports:
        return False
    which, count = data[0], data[1]
    ports = struct.unpack_from("=15H", data, 2)[:count]
    ranged = data[32:47] if revision else bytes(15)
    found, at = False, 0
    asked = ([packet.sport] if which in (0, 2) else []) + ([packet.dport] if which in (1, 2) else [])
    while at < count:
        first = ports[at]
        last = ports[at + 1] if ranged[at] and at + 1 < count else first
        found = found or any(first <= port <= last for port in asked)
        at += 2 if ranged[at] else 1
    return found != bool(revision and data[47])


def _icmp(_revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    """struct ipt_icmp, ip6t_icmp: type, range of codes."""
    if packet.protocol not in (ICMP, ICMPV6):
        return False
    kind, low, high, inverted = data[:4]
    actual, code = packet.transport[:2]
    every = packet.protocol == ICMP and kind == 0xFF
    return (every or (actual == kind and low <= code <= high)) != bool(inverted & 1)


def _addrtype(revision: int, data: bytes, packet: Packet, host: Host) -> Answer:
    """struct xt_addrtype_info_v1: kinds of addresses as bits of RTN_*."""
    source, destination, flags = _TYPES.unpack_from(data)
    if revision == 0:
        flags = (1 if flags else 0) | (2 if struct.unpack_from("=I", data, 8)[0] else 0)
    fits_source = not source or bool(source & 1 << host.kind_of(packet.saddr)) != bool(flags & 1)
    return fits_source and (not destination or bool(destination & 1 << host.kind_of(packet.daddr)) != bool(flags & 2))


def _mark(_revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    mark, mask, inverted = _MARK.unpack_from(data)
    return (packet.mark & mask == mark) != bool(inverted)


def _connmark(_revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    mark, mask, inverted = _MARK.unpack_from(data)
    return (packet.ct_mark & mask == mark) != bool(inverted)


def _conntrack(revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    """struct xt_conntrack_mtinfo1 to 3: of all that it may ask the state, the protocol and the original port."""
    if revision == 1:
        asked, inverted, states = *struct.unpack_from("=HH", data, 146), data[150]
    else:
        asked, inverted, states = struct.unpack_from("=HHH", data, 146)
    fits = []
    if asked & 0x1:
        actual = 1 << 8 if packet.state == UNTRACKED else packet.state
        if packet.state != UNTRACKED:
            actual |= (1 << 6 if packet.status & IPS_SNAT else 0) | (1 << 7 if packet.status & IPS_DNAT else 0)
        fits.append(bool(actual & states) != bool(inverted & 0x1))
    if asked & 0x2:
        fits.append((struct.unpack_from("=H", data, 136)[0] == packet.protocol) != bool(inverted & 0x2))
    if asked & 0x200:
        low = struct.unpack_from("=H" if revision == 3 else ">H", data, 140)[0]
        high = struct.unpack_from("=H", data, 156)[0] if revision == 3 else low
        fits.append((low <= packet.original[1] <= (high or low)) != bool(inverted & 0x200))
    if asked & ~(0x203 | 0x2000):
        return "match conntrack" if all(fits) else False
    return all(fits)


def _state(_revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    return bool(struct.unpack_from("=I", data)[0] & packet.state)


def _iprange(revision: int, data: bytes, packet: Packet, _host: Host) -> Answer:
    """struct xt_iprange_mtinfo: first and last of source, of destination."""
    if revision != 1:
        return "match iprange"
    ends, flags, length = [data[at * 16 : at * 16 + 16] for at in range(4)], data[64], len(packet.saddr)
    first, last, other, end = (each[:length] for each in ends)
    source = not flags & 1 or (first <= packet.saddr <= last) != bool(flags & 16)
    return source and (not flags & 2 or (other <= packet.daddr <= end) != bool(flags & 32))


def _recent(_revision: int, data: bytes, _packet: Packet, _host: Host) -> Answer:
    """struct xt_recent_mtinfo: --set always matches, the others ask who came before."""
    check, inverted = data[8], data[9]
    return not inverted if check & 2 else None


def _pkttype(_revision: int, data: bytes, _packet: Packet, _host: Host) -> Answer:
    kind, inverted = struct.unpack_from("=ii", data)
    return (kind == 0) != bool(inverted)


def _always(_revision: int, _data: bytes, _packet: Packet, _host: Host) -> Answer:
    return True


def _by_chance(_revision: int, _data: bytes, _packet: Packet, _host: Host) -> Answer:
    return None


_MATCHES: dict[str, Callable[[int, bytes, Packet, Host], Answer]] = {
    "comment": _always, "nfacct": _always, "tcp": _tcp, "udp": _udp, "udplite": _udp, "sctp": _sctp,
    "multiport": _multiport, "icmp": _icmp, "icmp6": _icmp, "addrtype": _addrtype, "mark": _mark, "connmark": _connmark,
    "conntrack": _conntrack, "state": _state, "iprange": _iprange, "recent": _recent, "pkttype": _pkttype,
    "statistic": _by_chance, "limit": _by_chance, "hashlimit": _by_chance,
}  # fmt: skip


class Nat(NamedTuple):
    """What a target makes of addresses: ``kind`` dnat, snat, masquerade or redirect; address and port "" and 0 where
    they stay, several addresses are a range."""

    kind: str
    first: bytes = b""
    last: bytes = b""
    port: int = 0
    last_port: int = 0


def nat(name: str, revision: int, data: bytes, packet: Packet) -> Nat | None:
    """What a target translates, None for one that doesn't. Raises struct.error for a shape that is not known."""
    if name not in NAT_TARGETS:
        return None
    length = len(packet.saddr)
    compat = packet.family == 4 and revision == 0  # struct nf_nat_ipv4_multi_range_compat, of one range
    if compat:
        flags, first, last, port, high = struct.unpack_from("=I4s4s2s2s", data, 4)
    else:
        flags, first, last, port, high = struct.unpack_from("=I16s16s2s2s", data)
    return Nat(
        NAT_TARGETS[name],
        first[:length] if flags & 1 else b"",
        last[:length] if flags & 1 else b"",
        int.from_bytes(port, "big") if flags & 2 else 0,
        int.from_bytes(high, "big") if flags & 2 else 0,
    )


def marked(name: str, revision: int, data: bytes, mark: int) -> int | None:
    """The mark after the target MARK (struct xt_mark_tginfo2), None for another one."""
    if name != "MARK" or revision != 2:
        return None
    value, mask = struct.unpack_from("=II", data)
    return (mark & ~mask ^ value) & 0xFFFFFFFF


def saved(revision: int, data: bytes, packet: Packet) -> None:
    """What CONNMARK (struct xt_connmark_tginfo1) makes of the marks: set, save, restore."""
    ctmark, ctmask, nfmask, mode = struct.unpack_from("=IIIB", data)
    if mode == 0:
        packet.ct_mark = packet.ct_mark & ~ctmask ^ ctmark
    elif mode == 1:
        packet.ct_mark = packet.ct_mark & ~ctmask ^ packet.mark & nfmask
    else:
        packet.mark = packet.mark & ~nfmask ^ packet.ct_mark & ctmask
