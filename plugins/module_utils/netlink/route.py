# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes: RTM_*ROUTE of rtnetlink(7), numbers from linux/rtnetlink.h."""

from __future__ import annotations

from errno import ENOENT
from struct import Struct

from .objects import KernelObject
from .wire import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    U16,
    NetlinkError,
    Request,
    attr,
    attr_u32,
    family_of,
    nest,
    number,
    pack_ip,
    parse,
    split_prefix,
    unpack_ip,
)

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .channel import Channel
    from .objects import IndexOf
    from .seen import Seen

RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26

INFO = Struct("=BBBBBBBBI")  # struct rtmsg: family, dst, src lengths, tos, table, protocol, scope, type, flags

#: The header of a route through a gateway with RTA_DST, RTA_OIF, RTA_GATEWAY and RTA_PRIORITY.
_THROUGH = {4: Struct("=BBBBBBBBIHH4sHHIHH4sHHI"), 16: Struct("=BBBBBBBBIHH16sHHIHH16sHHI")}

RTA_DST = 1
RTA_SRC = 2
RTA_IIF = 3
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RTA_PREFSRC = 7
RTA_METRICS = 8
RTA_MULTIPATH = 9
RTA_TABLE = 15
RTA_VIA = 18
HOP = Struct("=HBBI")  # struct rtnexthop: length, flags, weight, index of the link
#: What becomes of another route of the same destination and metric: it is replaced; it stays, behind the new one or
#: before it. (IPv6 makes one of those that have gateways: they share the packets.)
IN_PLACE = NLM_F_CREATE | NLM_F_REPLACE
BESIDE = NLM_F_CREATE
BEHIND = NLM_F_CREATE | NLM_F_APPEND
RTAX_MTU = 2
RTAX_ADVMSS = 8

RT_TABLE_MAIN = 254
RT_TABLE_LOCAL = 255
RTPROT_KERNEL = 2
RTPROT_BOOT = 3
RTPROT_STATIC = 4
RTNH_F_ONLINK = 4
RTM_F_CLONED = 0x200
RTM_F_FIB_MATCH = 0x2000

TYPES = {"unicast": 1, "local": 2, "broadcast": 3, "blackhole": 6, "unreachable": 7, "prohibit": 8, "throw": 9}
TYPE_NAMES = {value: name for name, value in TYPES.items()}
SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}
SCOPE_NAMES = {value: name for name, value in SCOPES.items()}
#: The destination of a default route, by IP version.
ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


class Route(KernelObject):
    """A route to ``dst`` ("10.244.1.0/24"; the default route is "0.0.0.0/0" or "::/0").

    ``dev`` is a link's name, ``gateway`` an address, ``onlink`` says that the gateway is reached on the link though no
    address of it covers it. ``protocol`` says what made the route (rtnetlink.h RTPROT_*). ``mtu`` and
    ``advmss`` are RTAX metrics. ``hops``: where the kernel has several next hops, each as (index of the link, gateway);
    ``gateway`` is None then, which no wanted route with one gateway equals.

    A plan knows one route for each destination, table and metric; the kernel may have several, through other next hops.
    """

    RANK = 4
    KEY = ("dst", "table", "metric")
    VALUES = ("dev", "gateway", "onlink", "scope", "src", "protocol", "type", "mtu", "advmss")
    __slots__ = (
        "advmss", "dev", "dst", "gateway", "hops", "index", "metric", "mtu", "onlink", "protocol", "scope", "src",
        "table", "type",
    )  # fmt: skip

    def __init__(
        self,
        dst: str,
        dev: str | None = None,
        gateway: str | None = None,
        onlink: bool | None = None,
        scope: str | None = None,
        src: str | None = None,
        protocol: int | None = None,
        type: str | None = None,
        mtu: int | None = None,
        advmss: int | None = None,
        table: int = RT_TABLE_MAIN,
        metric: int | None = None,
    ):
        self.dst = dst
        self.dev = dev
        self.gateway = gateway
        self.onlink = onlink
        self.scope = scope
        self.src = src
        self.protocol = protocol
        self.type = type
        self.mtu = mtu
        self.advmss = advmss
        self.table = table
        # the kernel's defaults: 0, and 1024 (IP6_RT_PRIO_USER) for IPv6
        self.metric = metric if metric is not None else 1024 if ":" in dst else 0
        self.index = 0
        self.hops: tuple[tuple[int, str | None], ...] = ()

    def gateways(self, index: int = 0) -> list[str | None]:
        """The gateway of each next hop, of those of a link where given."""
        return [gateway for link, gateway in self.hops or ((self.index, self.gateway),) if index in (0, link)]

    def title(self) -> str:
        where = "" if self.table == RT_TABLE_MAIN else f" table {self.table}"
        return f"route {self.dst}{where}"

    def add(self, index_of: IndexOf) -> list[Request]:
        return [self._request(index_of, NLM_F_CREATE | NLM_F_EXCL)]

    def change(self, actual: Route, index_of: IndexOf) -> list[Request]:
        if ":" in self.dst and ((self.gateway is None) != (actual.gateway is None) or self.dev != actual.dev):
            # an IPv6 replace adds a sibling when one of the two has a gateway and the other has none, and is refused
            # when an onlink gateway lies in the destination that another link has (ip6_route_check_nh_onlink)
            return actual.delete(index_of) + self.add(index_of)
        return [self._request(index_of, IN_PLACE)]

    def delete(self, index_of: IndexOf) -> list[Request]:
        return [
            delete(
                self.dst, self.index or (index_of(self.dev) if self.dev else 0), table=self.table, metric=self.metric
            )
        ]

    def _request(self, index_of: IndexOf, flags: int) -> Request:
        return add(
            self.dst,
            index_of(self.dev) if self.dev else 0,
            gateway=self.gateway,
            onlink=bool(self.onlink),
            scope=self.scope,
            src=self.src,
            protocol=RTPROT_STATIC if self.protocol is None else self.protocol,
            kind=self.type or "unicast",
            mtu=self.mtu,
            advmss=self.advmss,
            table=self.table,
            metric=self.metric,
            flags=flags,
        )


def add(
    dst: str,
    index: int = 0,
    *,
    gateway: str | None = None,
    gateways: Sequence[str | None] = (),
    onlink: bool = False,
    scope: str | None = None,
    src: str | None = None,
    protocol: int = RTPROT_STATIC,
    kind: str = "unicast",
    mtu: int | None = None,
    advmss: int | None = None,
    table: int = RT_TABLE_MAIN,
    metric: int | None = None,
    flags: int = NLM_F_CREATE | NLM_F_EXCL,
) -> Request:
    """Make a route; with the ``flags`` IN_PLACE instead of one to the same destination, with BESIDE and BEHIND besides
    it, unless it is the very same (EEXIST). ``gateways``: several, which share the packets.

    Without ``scope`` it is what ``ip route`` takes: link for a unicast route without gateway, host for a local one,
    else global.
    """
    packed, length = split_prefix(dst)
    family = 2 if len(packed) == 4 else 10
    if len(gateways) == 1:
        gateway = gateways[0]
    several = len(gateways) > 1
    if gateway and index and length and kind == "unicast" and not (src or mtu or advmss or table >= 256):
        # there may be thousands of these: packed at once
        hop = pack_ip(gateway)
        size = len(hop)
        if size == len(packed):
            body = _THROUGH[size].pack(
                family, length, 0, 0, table, protocol, _number(scope or "global"), 1, RTNH_F_ONLINK if onlink else 0,
                size + 4, RTA_DST, packed, 8, RTA_OIF, index, size + 4, RTA_GATEWAY, hop, 8, RTA_PRIORITY, metric or 0,
            )  # fmt: skip
            return RTM_NEWROUTE, flags, body if metric is not None else body[:-8], f"add route {dst}"
    if scope is None:
        on_link = kind == "unicast" and not gateway and not any(gateways) and family == 2
        scope = "host" if kind == "local" else "link" if on_link else "global"
    body = INFO.pack(
        family, length, 0, 0, table if table < 256 else 0, protocol, _number(scope), TYPES[kind],
        RTNH_F_ONLINK if onlink else 0,
    )  # fmt: skip
    if length:
        body += attr(RTA_DST, packed)
    if index and not several:
        body += attr_u32(RTA_OIF, index)
    if gateway and not several:
        body += _through(gateway, packed)
    if several:
        hops = [_through(each, packed) if each else b"" for each in gateways]
        packed_hops = [HOP.pack(8 + len(hop), RTNH_F_ONLINK if onlink else 0, 0, index) + hop for hop in hops]
        body += nest(RTA_MULTIPATH, *packed_hops)
    if src:
        body += attr(RTA_PREFSRC, pack_ip(src))
    if metric is not None:
        body += attr_u32(RTA_PRIORITY, metric)
    if mtu or advmss:
        metrics = [attr_u32(kind, value) for kind, value in ((RTAX_MTU, mtu), (RTAX_ADVMSS, advmss)) if value]
        body += nest(RTA_METRICS, *metrics)
    if table >= 256:
        body += attr_u32(RTA_TABLE, table)
    return RTM_NEWROUTE, flags, body, f"add route {dst}"


def _through(gateway: str, destination: bytes) -> bytes:
    """The attribute of a gateway, for a packed destination."""
    hop = pack_ip(gateway)
    if len(hop) == len(destination):
        return attr(RTA_GATEWAY, hop)
    return attr(RTA_VIA, U16.pack(family_of(gateway)) + hop)  # IPv4 behind an IPv6 neighbour: struct rtvia


def _number(scope: str) -> int:
    return SCOPES[scope] if scope in SCOPES else int(scope)


def copy(one: Route, index: int, table: int, src: str | None) -> Request:
    """Make the same route in another table, besides others to its destination, with ``src`` as the address to send
    from; of its next hops those of the link ``index``."""
    return add(
        one.dst,
        index,
        gateways=one.gateways(index) if one.hops else [one.gateway],
        onlink=bool(one.onlink),
        scope=one.scope,
        src=src,
        protocol=RTPROT_BOOT if one.protocol is None else one.protocol,
        mtu=one.mtu,
        advmss=one.advmss,
        table=table,
        metric=one.metric,
        flags=BESIDE,
    )


def copy_deletes(one: Route, index: int, table: int) -> list[Request]:
    """What takes a ``copy`` away again, or, with its own table, the route itself; of its next hops those of the link
    ``index``: IPv6 next hops of several links are one route, from which each is taken by itself."""
    gateways = one.gateways(index) if one.hops and ":" in one.dst else [None if one.hops else one.gateway]
    return [delete(one.dst, index, gateway=each, table=table, metric=one.metric) for each in gateways]


def delete(
    dst: str, index: int = 0, *, gateway: str | None = None, table: int = RT_TABLE_MAIN, metric: int | None = None
) -> Request:
    """Remove the route to ``dst`` (of the link ``index``, through ``gateway``, where given)."""
    packed, length = split_prefix(dst)
    # scope 255 (nowhere) and type 0 match any: fib_table_delete()
    body = INFO.pack(family_of(dst), length, 0, 0, table if table < 256 else 0, 0, 255, 0, 0)
    if length:
        body += attr(RTA_DST, packed)
    if index:
        body += attr_u32(RTA_OIF, index)
    if gateway:
        body += _through(gateway, packed)
    if metric is not None:
        body += attr_u32(RTA_PRIORITY, metric)
    if table >= 256:
        body += attr_u32(RTA_TABLE, table)
    return RTM_DELROUTE, 0, body, f"delete route {dst}"


def dump(
    channel: Channel,
    names: dict[int, str] | None = None,
    *,
    family: int = 0,
    table: int = RT_TABLE_MAIN,
    index: int = 0,
    protocol: int = 0,
    seen: Seen | None = None,
) -> list[Route]:
    """The routes of a table (0: all tables), of a link and of a protocol where given; ``family`` 0 lists IPv4 and
    IPv6."""
    body = INFO.pack(family, 0, 0, 0, table if table < 256 else 0, protocol, 0, 0, 0)
    if table >= 256:
        body += attr_u32(RTA_TABLE, table)
    if index:
        body += attr_u32(RTA_OIF, index)
    families = [family] if family else [2, 10]
    routes: list[Route] = []
    for wanted in families:
        request = (RTM_GETROUTE, 0, bytes([wanted]) + body[1:], "list routes")
        try:
            payloads = channel.dump(request)
        except NetlinkError as error:
            if error.errno == ENOENT:  # no route was ever put into that table
                continue
            raise
        payloads = [payload for payload in payloads if not payload[9] & RTM_F_CLONED >> 8]
        if seen:
            routes += seen.recall(payloads, bytes, lambda payload: decode(payload, names))
        else:
            routes += [decode(payload, names) for payload in payloads]
    return routes


def lookup(
    channel: Channel,
    address: str,
    names: dict[int, str] | None = None,
    *,
    source: str | None = None,
    iif: int = 0,
    match: bool = False,
    more: bytes = b"",
) -> Route:
    """The route that a packet to ``address`` takes; with ``iif`` that of one from ``source`` that came in by the link
    ``iif``, with all that the kernel asks of such a packet. ``match``: the entry of the routing table that decides,
    not the route to the one address. ``more``: further attributes (RTA_MARK, RTA_IP_PROTO, ...).

    Raises NetlinkError: ENETUNREACH or EHOSTUNREACH where there is none (or nothing is forwarded), EXDEV where the
    reverse path filter drops the packet, EACCES, EINVAL for routes of type prohibit and blackhole.
    """
    packed, length = split_prefix(address)
    body = attr(RTA_DST, packed)
    from_length = 0
    if source:
        packed, from_length = split_prefix(source)
        body += attr(RTA_SRC, packed)
    if iif:
        body += attr_u32(RTA_IIF, iif)
    header = INFO.pack(family_of(address), length, from_length, 0, 0, 0, 0, 0, RTM_F_FIB_MATCH if match else 0)
    return decode(channel.get((RTM_GETROUTE, 0, header + body + more, f"look up the route to {address}")), names)


def _gateway(found: dict[int, bytes]) -> str | None:
    if RTA_GATEWAY in found:
        return unpack_ip(found[RTA_GATEWAY])
    return unpack_ip(found[RTA_VIA][2:]) if RTA_VIA in found else None


def _hops(data: bytes) -> Iterator[tuple[int, str | None]]:
    """The next hops of RTA_MULTIPATH: index of the link, gateway."""
    at = 0
    while at + HOP.size <= len(data):
        length, _flags, _weight, index = HOP.unpack_from(data, at)
        yield index, _gateway(parse(data[at + HOP.size : at + length]))
        at += length + 3 & ~3


def decode(payload: bytes, names: dict[int, str] | None = None) -> Route:
    """A Route from an RTM_NEWROUTE body."""
    family, length, _src, _tos, table, protocol, scope, kind, flags = INFO.unpack_from(payload)
    found = parse(payload, INFO.size)
    any_address = "0.0.0.0" if family == 2 else "::"
    route = Route(f"{unpack_ip(found[RTA_DST]) if RTA_DST in found else any_address}/{length}")
    route.table = number(found[RTA_TABLE]) if RTA_TABLE in found else table
    route.metric = number(found[RTA_PRIORITY]) if RTA_PRIORITY in found else 0
    route.protocol = protocol
    route.scope = SCOPE_NAMES.get(scope, str(scope))
    route.type = TYPE_NAMES.get(kind, str(kind))
    route.onlink = bool(flags & RTNH_F_ONLINK)
    if RTA_OIF in found:
        route.index = number(found[RTA_OIF])
    elif RTA_MULTIPATH in found:
        route.hops = tuple(_hops(found[RTA_MULTIPATH]))
        route.index = route.hops[0][0]
    if route.index:
        route.dev = (names or {}).get(route.index, str(route.index))
    if not route.hops:
        route.gateway = _gateway(found)
    if RTA_PREFSRC in found:
        route.src = unpack_ip(found[RTA_PREFSRC])
    if RTA_METRICS in found:
        metrics = parse(found[RTA_METRICS])
        route.mtu = number(metrics[RTAX_MTU]) if RTAX_MTU in metrics else None
        route.advmss = number(metrics[RTAX_ADVMSS]) if RTAX_ADVMSS in metrics else None
    return route
