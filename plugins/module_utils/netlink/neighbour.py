# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Neighbor entries (ARP, NDP) and FDB entries: RTM_*NEIGH of rtnetlink(7), numbers from linux/neighbour.h."""

from __future__ import annotations

from struct import Struct

from .objects import KernelObject
from .wire import (
    NLM_F_CREATE,
    NLM_F_REPLACE,
    S32,
    Request,
    attr,
    attr_u32,
    family_of,
    number,
    pack_ip,
    pack_mac,
    parse,
    unpack_ip,
    unpack_mac,
)

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .channel import Channel
    from .objects import IndexOf
    from .seen import Seen

RTM_NEWNEIGH = 28
RTM_DELNEIGH = 29
RTM_GETNEIGH = 30

INFO = Struct("=BxxxiHBB")  # struct ndmsg: family, index, state, flags, type
AF_BRIDGE = 7
#: The header with both addresses, NDA_DST and NDA_LLADDR, at once: thousands are made at a time.
_NEIGHBOUR = {4: Struct("=BxxxiHBBHH4sHH6sxx"), 16: Struct("=BxxxiHBBHH16sHH6sxx")}

NDA_DST = 1
NDA_LLADDR = 2
NDA_IFINDEX = 8
NDA_MASTER = 9

STATES = {
    "incomplete": 0x01, "reachable": 0x02, "stale": 0x04, "delay": 0x08, "probe": 0x10, "failed": 0x20, "noarp": 0x40,
    "permanent": 0x80,
}  # fmt: skip
STATE_NAMES = {value: name for name, value in STATES.items()}
#: What a bridge's entries are called that it has not learned, by the state's bit.
KEPT = {"static": STATES["noarp"], "permanent": STATES["permanent"]}
NTF_SELF = 0x02


class Neighbour(KernelObject):
    """Which MAC address an IP address has on the link named ``dev``. ``state`` as ``ip neigh`` names it, in lower
    case."""

    RANK = 2
    GOES_WITH_MAC = True  # neigh_changeaddr()
    KEY = ("dev", "dst")
    VALUES = ("mac", "state")
    __slots__ = ("dev", "dst", "index", "mac", "state")

    def __init__(self, dev: str, dst: str, mac: str | None = None, state: str | None = "permanent"):
        self.dev = dev
        self.dst = dst
        self.mac = mac
        self.state = state
        self.index = 0

    def add(self, index_of: IndexOf) -> list[Request]:
        return [add(index_of(self.dev), self.dst, self.mac or "", state=self.state or "permanent")]

    def change(self, actual: Neighbour, index_of: IndexOf) -> list[Request]:
        return self.add(index_of)

    def delete(self, index_of: IndexOf) -> list[Request]:
        return [delete(index_of(self.dev), self.dst)]


class Fdb(KernelObject):
    """An FDB entry of the vxlan link ``dev``: frames to ``mac`` go to the VTEP at address ``dst``.

    One MAC address may have several entries (the all-zero one lists where broadcasts go), so the destination belongs to
    the identity. ``state`` "permanent" entries do not age.
    """

    RANK = 3
    KEY = ("dev", "mac", "dst")
    VALUES = ("state",)
    __slots__ = ("dev", "dst", "index", "mac", "state")

    def __init__(self, dev: str, mac: str, dst: str, state: str | None = "permanent"):
        self.dev = dev
        self.mac = mac
        self.dst = dst
        self.state = state
        self.index = 0

    def add(self, index_of: IndexOf) -> list[Request]:
        return [add_fdb(index_of(self.dev), self.mac, self.dst, state=self.state or "permanent")]

    def change(self, actual: Fdb, index_of: IndexOf) -> list[Request]:
        return self.add(index_of)

    def delete(self, index_of: IndexOf) -> list[Request]:
        return [delete_fdb(index_of(self.dev), self.mac, self.dst)]


class BridgeEntry:
    """By which ``port`` a ``bridge`` sends frames to ``mac``; ``state`` is static, permanent or learned."""

    __slots__ = ("bridge", "mac", "port", "state")

    def __init__(self, bridge: str, port: str, mac: str, state: str):
        self.bridge = bridge
        self.port = port
        self.mac = mac
        self.state = state


def add(index: int, dst: str, mac: str, *, state: str = "permanent") -> Request:
    """Add a neighbor entry, or replace the one for this address."""
    packed = pack_ip(dst)
    length = len(packed)
    whole = _NEIGHBOUR[length]
    body = whole.pack(2 if length == 4 else 10, index, STATES[state], 0, 0, length + 4, 1, packed, 10, 2, pack_mac(mac))
    return RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body, f"add neighbor entry {dst}"


def delete(index: int, dst: str) -> Request:
    body = INFO.pack(family_of(dst), index, 0, 0, 0) + attr(NDA_DST, pack_ip(dst))
    return RTM_DELNEIGH, 0, body, f"delete neighbor entry {dst}"


def add_fdb(index: int, mac: str, dst: str, *, state: str = "permanent") -> Request:
    """Add an FDB entry of a vxlan link. A unicast MAC address has one destination: a new entry replaces the old one."""
    packed = pack_ip(dst)
    length = len(packed)
    whole = _NEIGHBOUR[length]
    body = whole.pack(AF_BRIDGE, index, STATES[state], NTF_SELF, 0, length + 4, 1, packed, 10, 2, pack_mac(mac))
    # broadcast entries (all-zero) collect destinations, so they are appended to
    flags = NLM_F_CREATE | (0x800 if mac == "00:00:00:00:00:00" else NLM_F_REPLACE)
    return RTM_NEWNEIGH, flags, body, f"add FDB entry {mac} to {dst}"


def delete_fdb(index: int, mac: str, dst: str | None = None) -> Request:
    """Delete a vxlan link's FDB entry for ``mac``; with ``dst``, only the one with that destination."""
    body = INFO.pack(AF_BRIDGE, index, 0, NTF_SELF, 0) + attr(NDA_LLADDR, pack_mac(mac))
    if dst:
        body += attr(NDA_DST, pack_ip(dst))
    return RTM_DELNEIGH, 0, body, f"delete FDB entry {mac}"


def dump(
    channel: Channel,
    names: dict[int, str] | None = None,
    *,
    index: int = 0,
    family: int = 0,
    seen: Seen | None = None,
) -> list[Neighbour]:
    """The neighbor entries of the namespace, or of the link ``index``."""
    body = INFO.pack(family, 0, 0, 0, 0) + (attr_u32(NDA_IFINDEX, index) if index else b"")
    payloads = channel.dump((RTM_GETNEIGH, 0, body, "list neighbor entries"))
    return [entry for entry in _decode_all(payloads, names, seen) if isinstance(entry, Neighbour)]


def dump_fdb(
    channel: Channel, names: dict[int, str] | None = None, *, index: int = 0, seen: Seen | None = None
) -> list[Fdb]:
    """The FDB entries with a destination (those of vxlan links) of the namespace, or of the link ``index``."""
    # a bridge's dump takes the older header too, and filters by NDA_* only with the new one: rtnl_fdb_dump()
    body = INFO.pack(AF_BRIDGE, index, 0, 0, 0)
    payloads = channel.dump((RTM_GETNEIGH, 0, body, "list FDB entries"))
    if index:
        packed = S32.pack(index)
        payloads = [payload for payload in payloads if payload[4:8] == packed]
    return [entry for entry in _decode_all(payloads, names, seen) if isinstance(entry, Fdb)]


def dump_bridges(channel: Channel, names: dict[int, str]) -> list[BridgeEntry]:
    """The forwarding entries of all bridges of the namespace."""
    body = INFO.pack(AF_BRIDGE, 0, 0, 0, 0)
    found = []
    for payload in channel.dump((RTM_GETNEIGH, 0, body, "list FDB entries")):
        _family, index, state, _flags, _type = INFO.unpack_from(payload)
        values = parse(payload, INFO.size)
        if NDA_MASTER in values and NDA_LLADDR in values:
            kept = next((name for name, bit in KEPT.items() if state & bit), "learned")
            master = names.get(number(values[NDA_MASTER]), "")
            found.append(BridgeEntry(master, names.get(index, ""), unpack_mac(values[NDA_LLADDR]), kept))
    return found


def _decode_all(payloads: list[bytes], names: dict[int, str] | None, seen: Seen | None) -> list[Neighbour | Fdb | None]:
    if seen is None:
        return [decode(payload, names) for payload in payloads]
    return seen.recall(payloads, _essence, lambda payload: decode(payload, names))


def _essence(payload: bytes) -> bytes:
    """The message without the counters and times at its end, if its attributes come in the usual order: a neighbor
    entry has its address before its MAC address, an FDB entry after it."""
    first, second = payload[14:15], payload[26:27]
    if payload[0] == AF_BRIDGE:
        if first == b"\2" and second == b"\1":
            return payload[: 24 + payload[24]]
    elif first == b"\1":
        end = 12 + payload[12]
        if payload[end + 2 : end + 3] == b"\2":
            return payload[: end + 12]
    return payload


def decode(payload: bytes, names: dict[int, str] | None = None) -> Neighbour | Fdb | None:
    """A Neighbour or an Fdb from an RTM_NEWNEIGH body; None for an entry without a destination, a bridge's own."""
    family, index, state, _flags, _type = INFO.unpack_from(payload)
    values = parse(payload, INFO.size)
    if NDA_DST not in values:
        return None
    dev = (names or {}).get(index, str(index))
    entry: Neighbour | Fdb
    if family == AF_BRIDGE:
        # NUD_NOARP | NUD_PERMANENT and the like: ``bridge fdb`` calls permanent what has the permanent bit
        kept = "permanent" if state & STATES["permanent"] else STATE_NAMES.get(state, str(state))
        entry = Fdb(dev, unpack_mac(values[NDA_LLADDR]), unpack_ip(values[NDA_DST]), kept)
    else:
        mac = unpack_mac(values[NDA_LLADDR]) if NDA_LLADDR in values else None
        entry = Neighbour(dev, unpack_ip(values[NDA_DST]), mac, STATE_NAMES.get(state, str(state)))
    entry.index = index
    return entry
