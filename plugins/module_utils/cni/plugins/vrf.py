# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vrf: puts the interface of the previous plugins into a VRF with its own routing table.

The first interface makes the VRF, the last one removes it.
"""

from __future__ import annotations

from ...netlink import address, link, route, rule
from ...netlink.channel import Channel
from ..attach import chained, pod
from ..attach import interface as interfaces
from ..attach.undo import Undo
from ..spec import config
from ..spec.environment import interface_name
from ..spec.errors import INTERNAL, CniError, config_error

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.link import Link
    from ..spec.call import Call

KIND = "vrf"
TABLE_MAX = (1 << 32) - 1
#: linux/rtnetlink.h: RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL
RESERVED = {253, 254, 255}


class Settings:
    def __init__(self, call: Call) -> None:
        self.name = config.string(call.conf, "vrfname")
        if not self.name:
            raise config_error("configuration is expected to have a valid vrf name: vrfname is missing")
        if not interface_name(self.name):
            raise config_error(f"vrfname: {self.name!r} is not a valid interface name")
        self.table = config.integer(call.conf, "table", 0, 0, TABLE_MAX)
        if self.table in RESERVED:
            raise config_error(f"table {self.table} is the kernel's own: a VRF cannot have it")


def add(call: Call) -> dict:
    """Puts the interface into the VRF with its addresses and routes; passes the result on."""
    settings = Settings(call)
    result = chained.previous(call)
    with chained.Locked(pod.enter(call.env)), Channel() as inside, Undo() as undo:
        inner = chained.interface(inside, call)
        if inner.master:
            master = link.get(inside, index=int(inner.master))
            name = master.name if master else inner.master
            raise CniError(INTERNAL, f"interface {inner.name} has already a master set: {name}")
        undo.append(lambda: _leave(inside, settings, call.env.ifname))
        vrf = _vrf(inside, settings)
        _join(inside, vrf, inner)
    return result


def _vrf(inside: Channel, settings: Settings) -> Link:
    """The VRF, made if it is missing."""
    found = link.get(inside, settings.name)
    if found is None:
        table = settings.table or free_table(inside)
        request = link.add(settings.name, KIND, link.pack_data(KIND, {"table": table}), up=True)
        interfaces.request(inside, request, f"could not add VRF {settings.name}")
        found = link.get(inside, settings.name)
    if found is None or found.kind != KIND:
        raise CniError(INTERNAL, f"{settings.name} exists and is not a VRF")
    if settings.table and found.data["table"] != settings.table:
        raise CniError(
            INTERNAL, f"VRF {settings.name} already exists with table {found.data['table']}, not {settings.table}"
        )
    return found


def free_table(inside: Channel) -> int:
    """The first table that no VRF, rule or route of the namespace uses, and that is not the kernel's own."""
    taken = {item.data.get("table") for item in link.dump(inside, KIND)}
    taken |= {item.table for item in rule.dump(inside)} | {item.table for item in route.dump(inside, table=0)}
    table = 1
    while table in taken | RESERVED:
        table += 1
    return table


def _join(inside: Channel, vrf: Link, inner: Link) -> None:
    """Makes the VRF the interface's master, and restores what is lost because the kernel sets the interface down."""
    table = vrf.data["table"]
    addresses = [item for item in address.dump(inside, index=inner.index) if item.scope == "global"]
    routes = route.dump(inside, index=inner.index)
    request = link.change(inner.index, master=vrf.index, what=inner.name)
    interfaces.request(inside, request, f"could not set vrf {vrf.name} as master of {inner.name}")
    present = [item.address for item in address.dump(inside, index=inner.index)]
    requests = [address.add(inner.index, item.address) for item in addresses if item.address not in present]
    # an address brings its subnet's route with it, which the previous plugin may have removed (ptp)
    own = [item.dst for item in routes if item.protocol == route.RTPROT_KERNEL]
    for item in route.dump(inside, table=table, index=inner.index):
        if item.type == "unicast" and item.protocol == route.RTPROT_KERNEL and item.dst not in own:
            requests.append(route.delete(item.dst, inner.index, table=table, metric=item.metric))
    others = [item for item in routes if item.protocol != route.RTPROT_KERNEL]
    # on-link routes first: gateways need them
    for item in sorted(others, key=lambda item: any(item.gateways())):
        requests.append(route.copy(item, inner.index, table, item.src))
    for failure in inside.batch(requests):
        if failure:
            raise CniError(INTERNAL, f"could not restore addresses and routes of {inner.name} in {vrf.name}: {failure}")


def _leave(inside: Channel, settings: Settings, ifname: str) -> None:
    """Takes the interface out of the VRF, and deletes an empty VRF."""
    vrf = link.get(inside, settings.name)
    if vrf is None or vrf.kind != KIND:
        return
    inner = link.get(inside, ifname)
    if inner and inner.master == str(vrf.index):
        interfaces.request(
            inside, link.change(inner.index, master=0, what=ifname), f"could not take {ifname} out of it"
        )
    if not any(item.master == vrf.name for item in link.dump(inside)):
        pod.delete_link(inside, vrf.name)


def delete(call: Call) -> None:
    """Takes the interface out of the VRF, if the namespace still exists."""
    settings = Settings(call)
    with chained.Locked(pod.enter_if_there(call.env)) as there:
        if there:
            with Channel() as inside:
                _leave(inside, settings, call.env.ifname)


def check(call: Call) -> None:
    """The interface is in the VRF, and the VRF has its table."""
    settings = Settings(call)
    with pod.enter(call.env), Channel() as inside:
        inner = chained.interface(inside, call)
        vrf = link.get(inside, settings.name)
    if vrf is None or vrf.kind != KIND:
        raise CniError(INTERNAL, f"VRF {settings.name} is missing in {call.env.netns}")
    if settings.table and vrf.data["table"] != settings.table:
        raise CniError(INTERNAL, f"VRF {settings.name} has table {vrf.data['table']}, not {settings.table}")
    if inner.master != str(vrf.index):
        raise CniError(INTERNAL, f"interface {inner.name} is not in VRF {settings.name}")


def status(call: Call) -> None:
    """Ready if the configuration is valid."""
    Settings(call)


def gc(_call: Call) -> None:
    """Nothing outlives the namespace."""
