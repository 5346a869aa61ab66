# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's own decisions about packets: by which route, and by which port of a bridge."""

from __future__ import annotations

from typing import Any

from ...netlink import neighbour as neighbours
from ...netlink import route as routes
from ...netlink.channel import Channel
from ...netlink.wire import NetlinkError, number, parse, unpack_mac
from ...overlay.backend import ROUTE_PROTOCOL
from .attachments import Attachment

Flow = tuple[str, str]  # source, destination
AF_BRIDGE = 7


def entrances(found: dict[str, Any], attached: list[Attachment]) -> list[str]:
    """The links by which a flow's packets may come into the node."""
    candidates = [found["overlay"]["device"], found["overlay"]["underlay"], found["cni"]["bridge"]]
    candidates += [found["links"].get(one.host, {}).get("master") or one.host for one in attached]
    return [name for name in dict.fromkeys(candidates) if name and found["links"].get(name, {}).get("up")]


def lookups(
    channel: Channel,
    names: dict[int, str],
    entrances: list[str],
    flows: list[Flow],
    overlay: dict[str, Any],
    policy: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The kernel's decisions: to a flow's target from the node itself, and for packets that come in; and the same for
    packets that somebody's policy rules single out."""
    index_of = {name: index for index, name in names.items()}
    found = []
    nodes = [address for peer in overlay["peers"] if peer["concerned"] for address in peer["addresses"]]
    targets = [*(target for _source, target in flows), *nodes]
    for target in dict.fromkeys(targets):
        found.append(lookup(channel, names, target))
    for source, target in flows:
        for entrance in entrances:
            found.append(lookup(channel, names, target, source, entrance, index_of[entrance]))
            for rule in policy:
                if rule["packet"]:
                    found.append(lookup(channel, names, target, source, entrance, index_of[entrance], rule))
    return found


def lookup(
    channel: Channel,
    names: dict[int, str],
    target: str,
    source: str | None = None,
    iif: str = "",
    index: int = 0,
    rule: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The route that a packet takes, or why there is none; with ``rule`` that of packets which the rule is for."""
    decided: dict[str, Any] = {"to": target, "from": source, "iif": iif, "route": None, "error": ""}
    more = b""
    if rule:
        decided["rule"], decided["packet"], decided["cure"] = rule["rule"], rule["packet"], rule["cure"]
        more = bytes.fromhex(rule["attributes"])
    try:
        decided["route"] = described(
            routes.lookup(channel, target, names, source=source if iif else None, iif=index, match=True, more=more)
        )
    except NetlinkError as error:
        decided["error"] = error.strerror or str(error)
    return decided


def foreign(channel: Channel, names: dict[int, str], found: dict[str, Any]) -> list[dict[str, Any]]:
    """Routes into the pod network that somebody else made: whatever they are for, they take packets from ours."""
    config, lease = found["overlay"]["config"], found["overlay"]["lease"]
    if not config or not lease:
        return []
    networks = [routes.split_prefix(network) for network in config["networks"]]
    # the kernel makes routes to what its addresses cover; with IPv6 to an address that stands alone, too
    own = (thing["address"] for thing in found["wanted"] if thing["object"] == "address")
    expected = {*lease["pod_cidrs"], *config["networks"], *own}
    kept = []
    for route in routes.dump(channel, names, table=0):
        local = route.table == routes.RT_TABLE_LOCAL or route.type in ("local", "broadcast", "multicast", "anycast")
        if local or route.protocol == ROUTE_PROTOCOL or (route.protocol == 2 and route.dst in expected):
            continue
        packed, length = routes.split_prefix(route.dst)
        if any(_inside(packed, length, network, size) for network, size in networks):
            kept.append(described(route))
    return kept


def _inside(packed: bytes, length: int, network: bytes, size: int) -> bool:
    if len(packed) != len(network) or length < size:
        return False
    shift = len(network) * 8 - size
    return int.from_bytes(packed, "big") >> shift == int.from_bytes(network, "big") >> shift


def bridge_fdb(channel: Channel, names: dict[int, str], macs: set[str]) -> list[dict[str, str]]:
    """By which port the bridges send frames to these MAC addresses, as far as they know; what is for a bridge itself,
    by that."""
    found = []
    body = neighbours.INFO.pack(AF_BRIDGE, 0, 0, 0, 0)
    for payload in channel.dump((neighbours.RTM_GETNEIGH, 0, body, "list forwarding entries")):
        _family, index, state, _flags, _type = neighbours.INFO.unpack_from(payload)
        values = parse(payload, neighbours.INFO.size)
        if neighbours.NDA_MASTER not in values or neighbours.NDA_LLADDR not in values:
            continue
        mac = unpack_mac(values[neighbours.NDA_LLADDR])
        if mac in macs:
            master = number(values[neighbours.NDA_MASTER])
            kept = "permanent" if state & neighbours.STATES["permanent"] else "learned"
            if state & neighbours.STATES["noarp"]:
                kept = "static"
            found.append({"bridge": names.get(master, ""), "port": names.get(index, ""), "mac": mac, "state": kept})
    return found


def described(thing: Any) -> dict[str, Any]:
    """A kernel object, JSON-ready."""
    return thing.describe()
