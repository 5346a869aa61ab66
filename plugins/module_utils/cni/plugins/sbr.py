# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sbr: source based routing. Packets from an address of the interface leave by the interface.

Each address gets a rule to its own table with the routes of the interface. The main table loses them, so that no other
packet uses them; with ``addSourceHints`` it keeps the way to the interface's own subnets, with its address as their
source. ``gateways`` replace those of the previous result. ``table`` is one table for all addresses, and then routes are
not moved.
"""

from __future__ import annotations

from ...ipam.ip import parse_address, parse_subnet, to_text
from ...netlink import address, route, rule
from ...netlink.channel import Channel
from ..attach import chained, pod
from ..attach.undo import Undo
from ..spec import config
from ..spec.errors import INTERNAL, CniError, config_error
from ..spec.result import family

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.route import Route
    from ..spec.call import Call

FIRST_TABLE = 100
TABLE_MAX = (1 << 32) - 1
LINK_LOCAL = "fe80::/64"


class Settings:
    def __init__(self, call: Call) -> None:
        self.table = config.integer(call.conf, "table", 0, 0, TABLE_MAX)
        self.source_hints = config.boolean(call.conf, "addSourceHints")
        self.gateways = _gateways(call.conf)


def _gateways(conf: dict) -> dict[int, str]:
    """``gateways`` by family: one each at most."""
    found: dict[int, str] = {}
    for text in config.strings(conf, "gateways"):
        try:
            kind, number = parse_address(text)
        except ValueError as error:
            raise config_error(f"gateways: {error}") from None
        if kind in found:
            raise config_error(f"gateways: {found[kind]} and {text} are both IPv{kind}: one of each family at most")
        found[kind] = to_text(kind, number)
    return found


def add(call: Call) -> dict:
    """Makes rules and tables for the interface's addresses; passes the result on."""
    settings = Settings(call)
    result = chained.previous(call)
    ips = chained.addresses(call)
    if not ips:
        raise CniError(INTERNAL, f"No IP addresses supplied on interface: {call.env.ifname}")
    with chained.Locked(pod.enter(call.env)), Channel() as inside, Undo() as undo:
        inner = chained.interface(inside, call)
        if settings.table:
            requests = [rule.add(_source(item), settings.table) for item in ips]
            back = [rule.delete(_source(item), settings.table) for item in ips]
        else:
            requests, back = _plan(inside, inner.index, ips, settings)
        undo.append(lambda: inside.batch(back))
        for failure in inside.batch(requests):
            if failure:
                raise CniError(INTERNAL, f"failed to set up source based routing for {inner.name}: {failure}")
    return result


def _plan(inside: Channel, index: int, ips: list[dict], settings: Settings) -> tuple[list, list]:
    """The requests and those that undo them: rules and tables first, then the removal of the main table's routes."""
    moving = [item for item in route.dump(inside, index=index) if item.type == "unicast" and item.dst != LINK_LOCAL]
    moving.sort(key=lambda one: any(one.gateways()))  # the kernel accepts a gateway only with a route to it
    taken = {item.table for item in rule.dump(inside)} | {item.table for item in route.dump(inside, table=0)}
    requests: list = []
    back: list = []
    table = FIRST_TABLE
    for item in ips:
        while table in taken:
            table += 1
        taken.add(table)
        source = _source(item)
        requests.append(rule.add(source, table))
        back.append(rule.delete(source, table))
        for one in _routes(item, moving, settings.gateways):
            requests.append(route.copy(one, index, table, one.src))
            back += route.copy_deletes(one, index, table)
    hinted = _hinted(ips, moving) if settings.source_hints else []
    stay = [one for one in moving if settings.source_hints and (one in hinted or not any(one.gateways()))]
    leave, fresh = [one for one in moving if one not in stay], [one for one in hinted if one not in moving]
    # a route differs from the one with a hint in nothing that the kernel looks at: the old one goes first
    leave += [one for one in stay if any(one.dst == other.dst for other in fresh)]
    requests += [request for one in leave for request in route.copy_deletes(one, index, route.RT_TABLE_MAIN)]
    requests += [route.copy(one, index, route.RT_TABLE_MAIN, one.src) for one in fresh]
    back += [request for one in fresh for request in route.copy_deletes(one, index, route.RT_TABLE_MAIN)]
    back += [route.copy(one, index, route.RT_TABLE_MAIN, one.src) for one in leave]
    return requests, back


def _hinted(ips: list[dict], present: list[Route]) -> list[Route]:
    """The routes to the addresses' subnets with those addresses as their source; those `present` that are so already
    (the kernel's own, of IPv4). Of several addresses in a subnet the first one is its source."""
    found: dict[str, Route] = {}
    for item in ips:
        subnet, source = str(parse_subnet(item["address"])), _source(item).partition("/")[0]
        if subnet not in found and not subnet.endswith(("/32", "/128")):
            there = (one for one in present if one.dst == subnet and one.src == source and not any(one.gateways()))
            found[subnet] = next(there, route.Route(subnet, src=source, protocol=route.RTPROT_BOOT))
    return list(found.values())


def _routes(item: dict, moving: list[Route], gateways: dict[int, str]) -> list[Route]:
    """The routes of an address's table: the interface's routes of its family, and a default route by its gateway. One
    of `gateways` (by family) precedes the address's own, and the interface's default routes."""
    subnet = parse_subnet(item["address"])
    found = []
    for one in moving:
        if (6 if ":" in one.dst else 4) != subnet.family:
            continue
        hops = [hop for hop in (one.src, *one.gateways(one.index)) if hop]
        if not hops or any(parse_address(hop) in subnet for hop in hops):
            found.append(one)
    anywhere = pod.ANYWHERE[subnet.family]
    if subnet.family in gateways:
        found = [one for one in found if one.dst != anywhere]
    gateway = gateways.get(subnet.family) or item.get("gateway")
    if gateway and not any(one.dst == anywhere for one in found):
        found.append(route.Route(anywhere, gateway=gateway, protocol=route.RTPROT_BOOT))
    return found


def _source(item: dict) -> str:
    return pod.alone(item["address"].partition("/")[0])


def delete(call: Call) -> None:
    """Deletes the rules of the interface's addresses, and their tables' routes, if the namespace still exists."""
    settings = Settings(call)
    with chained.Locked(pod.enter_if_there(call.env)) as there:
        if not there:
            return
        with Channel() as inside:
            found = chained.find(inside, call)
            sources = [_source(item) for item in chained.addresses(call)] if call.previous else []
            if found:
                sources += [
                    pod.alone(item.address.partition("/")[0]) for item in address.dump(inside, index=found.index)
                ]
            rules = [item for item in rule.dump(inside) if item.src in sources and _is_ours(item.table, settings)]
            requests = [rule.delete(item.src or "", item.table, item.priority) for item in rules]
            if found and not settings.table:
                for table in {item.table for item in rules}:
                    for one in route.dump(inside, table=table, index=found.index):
                        requests += route.copy_deletes(one, found.index, table)
            inside.batch(requests)


def _is_ours(table: int, settings: Settings) -> bool:
    return table == settings.table if settings.table else table >= FIRST_TABLE and table not in (253, 254, 255)


def check(call: Call) -> None:
    """Every address has its rule, and the rule's table a default route, by the configured gateway if there is one."""
    settings = Settings(call)
    with pod.enter(call.env), Channel() as inside:
        inner = chained.interface(inside, call)
        rules = rule.dump(inside)
        for item in chained.addresses(call):
            source = _source(item)
            tables = [one.table for one in rules if one.src == source and _is_ours(one.table, settings)]
            if not tables:
                raise CniError(INTERNAL, f"rule from {source} is missing")
            wanted = settings.gateways.get(family(source))
            if settings.table or not (wanted or item.get("gateway")):
                continue
            anywhere = pod.ANYWHERE[family(source)]
            routes = [one for one in route.dump(inside, table=tables[0], index=inner.index) if one.dst == anywhere]
            if not routes:
                raise CniError(INTERNAL, f"table {tables[0]} of {source} has no default route")
            if wanted and not any(wanted in one.gateways() for one in routes):
                raise CniError(INTERNAL, f"table {tables[0]} of {source} has no default route by {wanted}")


def status(call: Call) -> None:
    """Ready if the configuration is valid."""
    Settings(call)


def gc(_call: Call) -> None:
    """Nothing outlives the namespace."""
