# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces on top of another one, the master: shared by macvlan, ipvlan and vlan."""

from __future__ import annotations

from errno import EEXIST

from ...netlink import link, route
from ...netlink.channel import Channel
from ...netlink.wire import NetlinkError, family_of
from ..spec import config
from ..spec.errors import INTERNAL, NOT_AVAILABLE, CniError, config_error
from ..spec.names import host_name
from . import interface, pod

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.link import Link
    from ...netlink.netns import Netns
    from ..spec.call import Call
    from .undo import Undo


class Settings(interface.Settings):
    """The keys that all of these plugins have, checked without the kernel."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.master = config.string(call.conf, "master")
        self.in_container = config.boolean(call.conf, "linkInContainer")
        #: The kind's own values, by the names of link.pack_data; CHECK compares them.
        self.values: dict = {}


def make(
    call: Call,
    settings: Settings,
    netns: Netns,
    undo: Undo,
    kind: str,
    values: dict,
    mac: str = "",
) -> None:
    """Makes the link on top of the master, which is on the host or (``linkInContainer``) in the pod."""
    data = link.pack_data(kind, values)
    name = call.env.ifname
    what = f"failed to create {kind} {name}"
    if settings.in_container:
        with netns, Channel() as inside:
            below = checked(inside, settings)
            request = link.add(name, kind, data, mac=mac, mtu=settings.mtu, link=below.index)
            interface.request(inside, request, f"{what} on {below.name}")
            undo.append(lambda: interface.remove(call, kind, name))
        return
    # The name must be free on the host, too (rtnl_newlink), and "eth0" is not.
    passing = passing_name(call)
    with Channel() as host:
        below = checked(host, settings)
        request = link.add(passing, kind, data, mac=mac, mtu=settings.mtu, link=below.index, netns=netns.fd)
        interface.request(host, request, f"{what} on {below.name}")
    undo.append(lambda: interface.remove(call, kind, passing))
    with netns, Channel() as inside:
        made = link.get(inside, passing)
        if made is None:
            raise CniError(INTERNAL, f"{what}: it vanished")
        try:
            inside.request(link.change(made.index, rename=name, what=passing))
        except NetlinkError as error:
            if error.errno == EEXIST:
                raise interface.already_there(call) from None
            raise CniError(INTERNAL, f"{what}: {error}") from None
        undo.append(lambda: interface.remove(call, kind, name))


def announce(call: Call, netns: Netns) -> None:
    """Has the kernel announce the interface's addresses as it comes up (gratuitous ARP, RFC 5227 section 3; unsolicited
    neighbor advertisement, RFC 4861 section 7.2.6): neighbors on the master's network may know a former owner's MAC
    address. For every address, also one that the pod or a later plugin adds."""
    with netns:
        pod.write_sysctl(f"net/ipv4/conf/{call.env.ifname}/arp_notify", "1")
        pod.write_sysctl(f"net/ipv6/conf/{call.env.ifname}/ndisc_notify", "1", optional=True)


def passing_name(call: Call) -> str:
    """The link's temporary name, until it has its name in the pod."""
    return host_name(call, "pod")


def checked(channel: Channel, settings: Settings) -> Link:
    """The master, as ``find`` does; CniError 7 if the requested MTU exceeds its own."""
    below = find(channel, settings)
    if settings.mtu > (below.mtu or 0):
        raise config_error(f"invalid MTU {settings.mtu}, must be [0, master MTU({below.mtu})]")
    return below


def find(channel: Channel, settings: Settings) -> Link:
    """The master: the configured link, or the one of the default route. CniError if there is none."""
    if settings.master:
        found = link.get(channel, settings.master)
        if found is None:
            raise CniError(INTERNAL, f"failed to lookup master {settings.master!r}: Link not found")
        return found
    found = default_link(channel)
    if found is None:
        raise CniError(INTERNAL, "no default route interface found, and no master is configured")
    return found


def default_link(channel: Channel) -> Link | None:
    """The link of the default route: IPv4's before IPv6's, the smallest metric."""
    for anywhere in pod.ANYWHERE.values():
        routes = route.dump(channel, family=family_of(anywhere))
        routes = [item for item in routes if item.dst == anywhere and item.index and item.type == "unicast"]
        if routes:
            best = min(routes, key=lambda item: item.metric or 0)
            return link.get(channel, index=best.index)
    return None


def verbs(kind: str, settings_of: type[Settings]) -> tuple:
    """DEL, CHECK, STATUS and GC of the plugin for links of that kind, whose keys are `settings_of`'s."""

    def delete(call: Call) -> None:
        """Releases the address and deletes the interface; the master may be gone."""
        interface.detach(call, settings_of(call), kind, passing_name(call))

    def check(call: Call) -> None:
        """The interface is as ADD left it, its values and master included."""
        _check(call, settings_of(call), kind)

    def status(call: Call) -> None:
        """As ready as the IPAM plugin; not available (50) without the master."""
        _status(call, settings_of(call))

    def gc(call: Call) -> None:
        """Releases the addresses of attachments that are gone; their interfaces went with their namespaces."""
        interface.collect(call, settings_of(call))

    return delete, check, status, gc


def _check(call: Call, settings: Settings, kind: str) -> None:
    made = interface.check(call, settings, kind)
    for key, wanted in settings.values.items():
        if made.data.get(key) != wanted:
            raise CniError(INTERNAL, f"interface {made.name} has the {kind} {key} {made.data.get(key)}, not {wanted}")
    if not settings.master:
        return  # the default route may lead elsewhere by now
    if settings.in_container:
        with pod.enter(call.env), Channel() as inside:
            below = find(inside, settings)
    else:
        with Channel() as host:
            below = find(host, settings)
    # if both are in one namespace, the kernel reports no namespace of the master
    if made.peer_index != below.index or (made.netnsid is None) != settings.in_container:
        raise CniError(INTERNAL, f"interface {made.name} is not on top of {below.name}")


def _status(call: Call, settings: Settings) -> None:
    interface.status(call, settings)
    if settings.in_container:
        return
    with Channel() as host:
        try:
            find(host, settings)
        except CniError as error:
            raise CniError(NOT_AVAILABLE, error.msg) from None
