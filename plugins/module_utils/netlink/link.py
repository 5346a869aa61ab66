# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links: bridge, veth, vxlan and any other kind, and their state as a bridge's port.

Requests and replies are RTM_*LINK of rtnetlink(7); the numbers are those of linux/if_link.h.
"""

from __future__ import annotations

from errno import ENODEV, ERANGE
from struct import Struct

from .objects import KernelObject
from .wire import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    U16,
    U16BE,
    NetlinkError,
    Request,
    attr,
    attr_str,
    attr_u8,
    attr_u16be,
    attr_u32,
    attributes,
    family_of,
    nest,
    number,
    pack_ip,
    pack_mac,
    parse,
    text,
    unpack_ip,
    unpack_mac,
)

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from typing import Any

    from .channel import Channel
    from .objects import IndexOf

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWLINKPROP = 108
RTM_DELLINKPROP = 109
RTNLGRP_LINK = 1

INFO = Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change mask
IFF_UP = 0x1
IFF_LOOPBACK = 0x8
IFF_NOARP = 0x80
IFF_PROMISC = 0x100
IFF_ALLMULTI = 0x200
AF_BRIDGE = 7

IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_MASTER = 10
IFLA_TXQLEN = 13
IFLA_OPERSTATE = 16
IFLA_LINKINFO = 18
IFLA_IFALIAS = 20
IFLA_NET_NS_FD = 28
IFLA_EXT_MASK = 29
IFLA_LINK_NETNSID = 37
IFLA_PROP_LIST = 52
IFLA_ALT_IFNAME = 53
IFLA_PARENT_DEV_NAME = 56
RTEXT_FILTER_SKIP_STATS = 1 << 3
IFNAMSIZ = 16

IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_KIND = 4
IFLA_INFO_SLAVE_DATA = 5
VETH_INFO_PEER = 1

#: linux/if.h, IF_OPER_*
OPERSTATES = ("UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP")
#: linux/if_bridge.h, BR_STATE_*
PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")

#: Values of a kind's IFLA_INFO_DATA: name → (attribute, how it is packed).
DATA: dict[str, dict[str, tuple[int, str]]] = {
    "bridge": {
        "forward_delay": (1, "u32"),
        "ageing_time": (4, "u32"),
        "stp_state": (5, "u32"),
        "vlan_filtering": (7, "bool"),
        "vlan_default_pvid": (39, "u16"),
    },
    "vxlan": {
        "id": (1, "u32"),
        "link": (3, "link"),
        "local": (4, "ip"),
        "local6": (17, "ip"),
        "ttl": (5, "u8"),
        "learning": (7, "bool"),
        "port": (15, "u16be"),
        "udp_csum": (18, "bool"),
        "gbp": (23, "flag"),
    },
    "vlan": {"id": (1, "u16")},
    "macvlan": {"mode": (1, "u32"), "bc_queue_len": (7, "u32")},
    "ipvlan": {"mode": (1, "u16"), "flags": (2, "u16")},
    "vrf": {"table": (1, "u32")},
    # read only: such links are made through /dev/net/tun, see tuntap.py
    "tun": {
        "owner": (1, "u32"),
        "group": (2, "u32"),
        "type": (3, "u8"),
        "persist": (6, "bool"),
        "multi_queue": (7, "bool"),
    },
}
#: Values of a bridge port, IFLA_BRPORT_*.
PORT: dict[str, tuple[int, str]] = {
    "state": (1, "portstate"),
    "hairpin": (4, "bool"),
    "learning": (8, "bool"),
    "flood": (9, "bool"),
    "bcast_flood": (30, "bool"),
    "neigh_suppress": (32, "bool"),
    "isolated": (33, "bool"),
    "locked": (39, "bool"),
}
#: A kind's values that the kernel cannot change: the link is deleted and recreated.
FIXED: dict[str, tuple[str, ...]] = {
    "vxlan": ("id", "link", "local", "local6", "port", "gbp"),
    "vlan": ("id",),
    "vrf": ("table",),
}


class Link(KernelObject):
    """A network interface.

    ``kind`` is the rtnetlink kind ("bridge", "veth", "vxlan"; "" for a physical device), ``data`` that kind's values by
    the names in ``DATA`` (a ``link`` inside it is a name), ``port`` its state as a bridge's port by those in ``PORT``.
    ``master`` is the name of the bridge it belongs to, "" for none. ``index``, ``peer_index``, ``netnsid``,
    ``operstate``, ``loopback``, ``noarp``, ``promisc``, ``allmulti``, ``txqlen``, ``altnames`` and ``parent`` (the ID
    of its device on its bus) are read only.
    """

    RANK = 0
    KEY = ("name",)
    VALUES = ("kind", "mac", "mtu", "up", "master", "alias", "data", "port")
    __slots__ = (
        "alias", "allmulti", "altnames", "data", "index", "kind", "loopback", "mac", "master", "mtu", "name", "netnsid",
        "noarp", "operstate", "parent", "peer_index", "port", "promisc", "txqlen", "up",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        kind: str | None = None,
        mac: str | None = None,
        mtu: int | None = None,
        up: bool | None = None,
        master: str | None = None,
        alias: str | None = None,
        data: dict[str, Any] | None = None,
        port: dict[str, Any] | None = None,
        index: int = 0,
    ):
        self.name = name
        self.kind = kind
        self.mac = mac
        self.mtu = mtu
        self.up = up
        self.master = master
        self.alias = alias
        self.data = data or {}
        self.port = port or {}
        self.index = index
        self.peer_index: int | None = None
        self.netnsid: int | None = None
        self.operstate: str | None = None
        self.loopback = False
        self.noarp = False
        self.promisc = False
        self.allmulti = False
        self.txqlen: int | None = None
        self.altnames: tuple[str, ...] = ()
        self.parent = ""

    def must_recreate(self, actual: Link) -> bool:
        """Whether ``actual`` cannot be changed into this link: another kind, or a value that is fixed at creation."""
        differing = self.differences(actual)
        if "kind" in differing:
            return True
        fixed = FIXED.get(self.kind or "", ())
        return any(name in self.data and self.data[name] != actual.data.get(name) for name in fixed)

    def add(self, index_of: IndexOf) -> list[Request]:
        requests = [
            add(
                self.name,
                self.kind or "",
                pack_data(self.kind or "", self.data, index_of),
                mac=self.mac,
                mtu=self.mtu,
                master=index_of(self.master) if self.master else None,
                up=bool(self.up),
            )
        ]
        if self.alias:
            requests.append(change(0, name=self.name, alias=self.alias))
        if self.port:
            requests.append(port(0, self.port, name=self.name))
        return requests

    def change(self, actual: Link, index_of: IndexOf) -> list[Request]:
        differing = self.differences(actual)
        wanted: dict[str, Any] = {
            name: getattr(self, name) for name in differing if name in ("mac", "mtu", "up", "alias")
        }
        if "master" in differing:
            wanted["master"] = index_of(self.master) if self.master else 0
        requests = [change(actual.index, what=self.name, **wanted)] if wanted else []
        if "data" in differing and self.kind:
            # apart from the rest: vxlan refuses an MTU beside its own values
            values = {name: value for name, value in self.data.items() if value != actual.data.get(name)}
            packed = info(self.kind, pack_data(self.kind, values, index_of))
            requests.append(change(actual.index, what=self.name, info=packed))
        # a new master resets the port's values
        if "port" in differing or ("master" in differing and self.port):
            requests.append(port(actual.index, self.port))
        return requests

    def delete(self, index_of: IndexOf) -> list[Request]:
        return [delete(name=self.name)]


def add(
    name: str,
    kind: str,
    data: bytes = b"",
    *,
    mac: str | None = None,
    mtu: int | None = None,
    link: int | None = None,
    master: int | None = None,
    netns: int | None = None,
    up: bool = False,
) -> Request:
    """Make a link; ``data`` is its packed IFLA_INFO_DATA, ``link`` the index below it, ``netns`` an open
    namespace's descriptor."""
    body = INFO.pack(0, 0, 0, IFF_UP if up else 0, IFF_UP if up else 0) + attr_str(IFLA_IFNAME, name)
    body += _common(mac, mtu, master, netns)
    if link is not None:
        body += attr_u32(IFLA_LINK, link)
    return RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body + info(kind, data), f"add {kind} link {name}"


def add_veth(
    name: str,
    peer: str,
    *,
    mac: str | None = None,
    mtu: int | None = None,
    master: int | None = None,
    peer_mac: str | None = None,
    peer_netns: int | None = None,
    up: bool = True,
) -> Request:
    """Make a veth pair in one request: ``name`` here, ``peer`` in the namespace open as descriptor ``peer_netns``
    (else here).

    The peer is down: the kernel makes it before its other end, without which it cannot be up (ENOTCONN).
    """
    other = INFO.pack(0, 0, 0, 0, 0) + attr_str(IFLA_IFNAME, peer) + _common(peer_mac, mtu, None, peer_netns)
    return add(name, "veth", nest(VETH_INFO_PEER, other), mac=mac, mtu=mtu, master=master, up=up)


def change(
    index: int,
    *,
    name: str | None = None,
    rename: str | None = None,
    mac: str | None = None,
    mtu: int | None = None,
    up: bool | None = None,
    promisc: bool | None = None,
    allmulti: bool | None = None,
    master: int | None = None,
    alias: str | None = None,
    netns: int | None = None,
    txqlen: int | None = None,
    info: bytes = b"",
    what: str = "",
) -> Request:
    """Change a link, found by ``index`` or (index 0) by ``name``; ``master`` 0 removes it from its bridge."""
    flags = mask = 0
    for bit, wanted in ((IFF_UP, up), (IFF_PROMISC, promisc), (IFF_ALLMULTI, allmulti)):
        if wanted is not None:
            mask |= bit
            flags |= bit if wanted else 0
    body = INFO.pack(0, 0, index, flags, mask)
    if not index and name:
        body += attr_str(IFLA_IFNAME, name)
    if rename:
        body += attr_str(IFLA_IFNAME, rename)
    body += _common(mac, mtu, master, netns)
    if alias is not None:
        body += attr(IFLA_IFALIAS, alias.encode())
    if txqlen is not None:
        body += attr_u32(IFLA_TXQLEN, txqlen)
    return RTM_NEWLINK, 0, body + info, f"change link {what or name or index}"


def port(index: int, values: dict[str, Any], *, name: str | None = None) -> Request:
    """Set a bridge port's values, by the names in ``PORT``."""
    body = INFO.pack(0, 0, index, 0, 0)
    if not index and name:
        body += attr_str(IFLA_IFNAME, name)
    packed = [_pack(attribute, how, values[key]) for key, (attribute, how) in PORT.items() if key in values]
    slave = attr_str(IFLA_INFO_SLAVE_KIND, "bridge") + nest(IFLA_INFO_SLAVE_DATA, *packed)
    return RTM_NEWLINK, 0, body + nest(IFLA_LINKINFO, slave), f"change bridge port {name or index}"


def delete(index: int = 0, name: str | None = None) -> Request:
    """Delete a link by its index or its name."""
    body = INFO.pack(0, 0, index, 0, 0)
    if name and not index:
        body += attr_str(IFLA_IFNAME, name)
    return RTM_DELLINK, 0, body, f"delete link {name or index}"


def add_altname(index: int, altname: str) -> Request:
    """Give a link an alternative name; EEXIST if any link of the namespace has it as a name or an alternative one."""
    return RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL, _altname(index, altname), f"add alternative name {altname}"


def delete_altname(index: int, altname: str) -> Request:
    """Take an alternative name from a link."""
    return RTM_DELLINKPROP, 0, _altname(index, altname), f"delete alternative name {altname}"


def _altname(index: int, altname: str) -> bytes:
    return INFO.pack(0, 0, index, 0, 0) + nest(IFLA_PROP_LIST, attr_str(IFLA_ALT_IFNAME, altname))


def info(kind: str, data: bytes = b"") -> bytes:
    """The IFLA_LINKINFO attribute for a kind and its packed data."""
    packed = attr_str(IFLA_INFO_KIND, kind)
    return nest(IFLA_LINKINFO, packed + nest(IFLA_INFO_DATA, data) if data else packed)


def get(channel: Channel, name: str | None = None, index: int = 0) -> Link | None:
    """The link of that name, alternative name or index, None if there is none. Its ``master`` and ``data["link"]`` are
    indexes here, not names."""
    body = INFO.pack(0, 0, index, 0, 0) + attr_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    if name:  # a name finds alternative ones, too, but its attribute takes no longer ones
        body += attr_str(IFLA_IFNAME if len(name.encode()) < IFNAMSIZ else IFLA_ALT_IFNAME, name)
    try:
        return decode(channel.get((RTM_GETLINK, 0, body, f"get link {name or index}")))
    except NetlinkError as error:
        if error.errno in (ENODEV, ERANGE):  # no link has a name that long
            return None
        raise


def dump(channel: Channel, kind: str | None = None) -> list[Link]:
    """All links of the namespace, or those of one kind, with masters and lower links by name."""
    body = INFO.pack(0, 0, 0, 0, 0) + attr_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    links = [decode(payload) for payload in channel.dump((RTM_GETLINK, NLM_F_ACK, body, "list links"))]
    names = {link.index: link.name for link in links}
    for link in links:
        link.master = names.get(int(link.master), "") if link.master else ""
        if link.data.get("link"):
            link.data["link"] = names.get(link.data["link"], link.data["link"])
    return [link for link in links if kind is None or link.kind == kind]


def decode(payload: bytes) -> Link:
    """A Link from an RTM_NEWLINK body."""
    _family, _type, index, flags, _change = INFO.unpack_from(payload)
    found = parse(payload, INFO.size)
    link = Link(text(found.get(IFLA_IFNAME, b"")), index=index)
    link.up = bool(flags & IFF_UP)
    link.loopback = bool(flags & IFF_LOOPBACK)
    link.noarp = bool(flags & IFF_NOARP)
    link.promisc = bool(flags & IFF_PROMISC)
    link.allmulti = bool(flags & IFF_ALLMULTI)
    link.txqlen = number(found[IFLA_TXQLEN]) if IFLA_TXQLEN in found else None
    link.mac = unpack_mac(found[IFLA_ADDRESS]) if IFLA_ADDRESS in found else None
    link.mtu = number(found[IFLA_MTU]) if IFLA_MTU in found else None
    link.master = str(number(found[IFLA_MASTER])) if IFLA_MASTER in found else ""
    link.alias = text(found[IFLA_IFALIAS]) if IFLA_IFALIAS in found else ""
    link.peer_index = number(found[IFLA_LINK]) if IFLA_LINK in found else None
    if IFLA_PROP_LIST in found:
        names = attributes(found[IFLA_PROP_LIST])
        link.altnames = tuple(text(value) for kind, value in names if kind == IFLA_ALT_IFNAME)
    link.parent = text(found.get(IFLA_PARENT_DEV_NAME, b""))
    link.netnsid = number(found[IFLA_LINK_NETNSID]) if IFLA_LINK_NETNSID in found else None
    if IFLA_OPERSTATE in found:
        state = number(found[IFLA_OPERSTATE])
        link.operstate = OPERSTATES[state] if state < len(OPERSTATES) else "UNKNOWN"
    link.kind = ""
    if IFLA_LINKINFO in found:
        linkinfo = parse(found[IFLA_LINKINFO])
        link.kind = text(linkinfo.get(IFLA_INFO_KIND, b""))
        if IFLA_INFO_DATA in linkinfo:
            link.data = _unpack_all(DATA.get(link.kind, {}), parse(linkinfo[IFLA_INFO_DATA]))
        if text(linkinfo.get(IFLA_INFO_SLAVE_KIND, b"")) == "bridge":
            link.port = _unpack_all(PORT, parse(linkinfo[IFLA_INFO_SLAVE_DATA]))
    return link


def pack_data(kind: str, values: dict[str, Any], index_of: IndexOf | None = None) -> bytes:
    """A kind's values as the attributes inside IFLA_INFO_DATA. Raises ValueError for an unknown value."""
    known = DATA.get(kind, {})
    packed = []
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"a {kind} link has no value {name!r}; it has {', '.join(known) or 'none'}")
        attribute, how = known[name]
        if how == "link" and isinstance(value, str) and index_of:
            value = index_of(value)
        if name == "local" and family_of(value) != 2:
            attribute = known["local6"][0]
        if value is not None:
            packed.append(_pack(attribute, how, value))
    return b"".join(packed)


def _common(mac: str | None, mtu: int | None, master: int | None, netns: int | None) -> bytes:
    body = b""
    if mac:
        body += attr(IFLA_ADDRESS, pack_mac(mac))
    if mtu:
        body += attr_u32(IFLA_MTU, mtu)
    if master is not None:
        body += attr_u32(IFLA_MASTER, master)
    if netns is not None:
        body += attr_u32(IFLA_NET_NS_FD, netns)
    return body


def _pack(attribute: int, how: str, value: Any) -> bytes:
    if how in ("bool", "u8"):
        return attr_u8(attribute, int(value))
    if how == "u16":
        return attr(attribute, U16.pack(int(value)))
    if how == "u16be":
        return attr_u16be(attribute, int(value))
    if how == "ip":
        return attr(attribute, pack_ip(value))
    if how == "flag":
        return attr(attribute, b"") if value else b""
    if how == "portstate":
        return attr_u8(attribute, PORT_STATES.index(value))
    return attr_u32(attribute, int(value))


def _unpack_all(known: dict[str, tuple[int, str]], found: dict[int, bytes]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, (attribute, how) in known.items():
        payload = found.get(attribute)
        if how == "flag":
            values[name] = payload is not None
        elif payload is None:
            continue
        elif how == "bool":
            values[name] = bool(number(payload))
        elif how == "u16be":
            values[name] = U16BE.unpack(payload)[0]
        elif how == "ip":
            values["local" if name == "local6" else name] = unpack_ip(payload)
        elif how == "portstate":
            state = number(payload)
            values[name] = PORT_STATES[state] if state < len(PORT_STATES) else str(state)
        else:
            values[name] = number(payload)
    return values
