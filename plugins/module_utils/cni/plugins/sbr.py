# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sbr: source based routing. Packets from an address of the interface leave by the interface.

Each address gets a rule to its own table with the routes of the interface. The main table loses them, so that no other
packet uses them. ``table`` is one table for all addresses, and then routes are not moved.
"""

from __future__ import annotations

from ...ipam.ip import parse_address, parse_subnet
from ...netlink import address, route, rule
from ...netlink.channel import Channel
from ..attach import chained, pod
from ..attach.undo import Undo
from ..spec import config
from ..spec.errors import INTERNAL, CniError
from ..spec.result import family

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.route import Route
    from ..spec.call import Call

FIRST_TABLE = 100
TABLE_MAX = (1 << 32) - 1
LINK_LOCAL = "fe80::/64"


class Settings:
    """The configuration's keys, checked."""

    def __init__(self, call: Call) -> None:
        self.table = config.integer(call.conf, "table", 0, 0, TABLE_MAX)
        self.source_hints = config.boolean(call.conf, "addSourceHints")


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
        for one in _routes(item, moving):
            hint = source.partition("/")[0] if settings.source_hints else one.src
            requests.append(route.copy(one, index, table, hint))
            back += route.copy_deletes(one, index, table)
    requests += [request for one in moving for request in route.copy_deletes(one, index, route.RT_TABLE_MAIN)]
    back += [route.copy(one, index, route.RT_TABLE_MAIN, one.src) for one in moving]
    return requests, back


def _routes(item: dict, moving: list[Route]) -> list[Route]:
    """The routes of an address's table: the interface's routes of its family, and a default route by its gateway."""
    subnet = parse_subnet(item["address"])
    found = []
    for one in moving:
        if (6 if ":" in one.dst else 4) != subnet.family:
            continue
        hops = [hop for hop in (one.src, *one.gateways(one.index)) if hop]
        if not hops or any(parse_address(hop) in subnet for hop in hops):
            found.append(one)
    anywhere = pod.ANYWHERE[subnet.family]
    if item.get("gateway") and not any(one.dst == anywhere for one in found):
        found.append(route.Route(anywhere, gateway=item["gateway"], protocol=route.RTPROT_BOOT))
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
    """Every address has its rule, and the rule's table a default route by the address's gateway."""
    settings = Settings(call)
    with pod.enter(call.env), Channel() as inside:
        inner = chained.interface(inside, call)
        rules = rule.dump(inside)
        for item in chained.addresses(call):
            source = _source(item)
            tables = [one.table for one in rules if one.src == source and _is_ours(one.table, settings)]
            if not tables:
                raise CniError(INTERNAL, f"rule from {source} is missing")
            if settings.table or not item.get("gateway"):
                continue
            anywhere = pod.ANYWHERE[family(source)]
            routes = route.dump(inside, table=tables[0], index=inner.index)
            if not any(one.dst == anywhere for one in routes):
                raise CniError(INTERNAL, f"table {tables[0]} of {source} has no default route")


def status(call: Call) -> None:
    """Ready if the configuration is valid."""
    Settings(call)


def gc(_call: Call) -> None:
    """Nothing outlives the namespace."""
