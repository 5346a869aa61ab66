# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules about one kernel object each: what an object is made of by the module's options, and how it is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from ..netlink import address as addresses
from ..netlink import link as links
from ..netlink import neighbour as neighbours
from ..netlink import route as routes
from ..netlink.address import Address
from ..netlink.channel import Channel
from ..netlink.link import Link
from ..netlink.neighbour import Fdb, Neighbour
from ..netlink.objects import KernelObject
from ..netlink.route import Route
from ..netlink.wire import NetlinkError, pack_ip, pack_mac, split_prefix, unpack_ip, unpack_mac
from .kernel_objects import KernelObjects
from .module import run
from .plan import Plan

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

Options = dict[str, Any]


class Kind(NamedTuple):
    """A kind of object: ``make`` builds one from a module's options, raising ValueError for wrong ones; ``read`` gives
    those which the kernel has, given the options and link names by index."""

    make: Callable[[Options], KernelObject]
    read: Callable[[Channel, Options, dict[int, str]], Iterable[KernelObject]]


def converge(module: AnsibleModule, kind: str) -> None:
    """Runs a module about one object of ``KINDS``; the option ``state`` says whether it should exist."""
    make, read = KINDS[kind]
    options = module.params
    try:
        wanted = make(options)
        with Channel() as channel:
            names = {link.index: link.name for link in links.dump(channel)}
            actual = [thing for thing in read(channel, options, names) if thing.key() == wanted.key()]
            desired = [wanted] if options["state"] == "present" else []
            if desired and not actual and isinstance(wanted, Link) and not wanted.kind:
                raise ValueError(f"link {wanted.name} does not exist: give its kind to create it")
            run(module, Plan([KernelObjects(channel, desired, actual)]))
    except (ValueError, NetlinkError) as error:
        module.fail_json(msg=str(error))


def ip(value: str | None) -> str | None:
    """An address as the kernel's tools print it. Raises ValueError."""
    return None if value is None else unpack_ip(pack_ip(value))


def mac(value: str | None) -> str | None:
    """A MAC address, likewise."""
    return unpack_mac(pack_mac(value)) if value else None


def prefix(value: str) -> str:
    """An address with its prefix length, likewise; a host's where none is given."""
    packed, length = split_prefix(value)
    return f"{unpack_ip(packed)}/{length}"


def _link(options: Options) -> Link:
    if not 0 < len(options["name"].encode()) < 16:
        raise ValueError(f"name: {options['name']!r} cannot name a link: give 1 to 15 characters")
    links.pack_data(options["kind"] or "", options["data"], lambda name: 0)
    values = {name: options[name] for name in ("kind", "mtu", "up", "master", "alias", "data", "port")}
    return Link(options["name"], mac=mac(options["mac"]), **values)


def _address(options: Options) -> Address:
    return Address(options["dev"], prefix(options["address"]), ip(options["broadcast"]), options["scope"])


def _route(options: Options) -> Route:
    leads_out = options["state"] == "present" and options["type"] in ("unicast", "local")
    if leads_out and not (options["dev"] or options["gateway"]):
        raise ValueError(f"route {options['dst']}: give dev, gateway or both")
    values = {name: options[name] for name in ("dev", "onlink", "type", "protocol", "metric", "table", "mtu", "advmss")}
    return Route(prefix(options["dst"]), gateway=ip(options["gateway"]), src=ip(options["src"]), **values)


def _neighbour(options: Options) -> Neighbour:
    return Neighbour(options["dev"], ip(options["dst"]) or "", mac(options["mac"]))


def _fdb(options: Options) -> Fdb:
    return Fdb(options["dev"], mac(options["mac"]) or "", ip(options["dst"]) or "")


KINDS = {
    "link": Kind(_link, lambda channel, options, names: links.dump(channel)),
    "address": Kind(_address, lambda channel, options, names: addresses.dump(channel, names)),
    "route": Kind(_route, lambda channel, options, names: routes.dump(channel, names, table=options["table"])),
    "neighbour": Kind(_neighbour, lambda channel, options, names: neighbours.dump(channel, names)),
    "fdb": Kind(_fdb, lambda channel, options, names: neighbours.dump_fdb(channel, names)),
}
