# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared by the plugins that give the pod an interface, whatever kind of link it is.

ADD: an address is reserved, the link is made in the pod's namespace, and it gets the result's addresses and routes; a
failure undoes all of it. DEL releases the address last, and does not depend on host objects that may be gone.
"""

from __future__ import annotations

from ...netlink import link
from ...netlink.channel import Channel
from ...netlink.wire import NetlinkError
from ..exec import delegate
from ..spec import config
from ..spec.environment import known_args
from ..spec.errors import INTERNAL, CniError, config_error
from ..spec.result import new
from . import pod
from .undo import Undo, each

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.link import Link
    from ...netlink.netns import Netns
    from ..spec.call import Call

MTU_MAX = 65535


class Settings:
    """The keys that all of these plugins have, checked."""

    def __init__(self, call: Call, ipam_wanted: bool = False) -> None:
        self.mtu = config.integer(call.conf, "mtu", 0, 0, MTU_MAX)
        self.dns = config.dns(call.conf)
        self.ipam = config.string(config.mapping(call.conf, "ipam"), "type")
        if self.ipam in delegate.OWN and self.ipam not in delegate.IPAM:
            raise config_error(f"ipam: {self.ipam} is not an IPAM plugin")
        if ipam_wanted and not self.ipam:
            raise config_error(f"{call.conf.get('type')} requires an IPAM configuration: ipam.type is missing")


def requested_mac(call: Call) -> str:
    """The requested MAC address, "" for none.

    The last source that has one wins: configuration, CNI_ARGS, args.cni, runtimeConfig.
    """
    if call.env.command == "ADD":  # DEL must not fail for it
        known_args(call.env.args)
    mac = config.string(call.conf, "mac")
    mac = call.env.args.get("MAC") or mac
    mac = config.string(call.args(), "mac") or mac
    mac = config.string(call.runtime(), "mac") or mac
    try:
        return unicast_mac(mac) if mac else ""
    except CniError:
        if call.env.command != "DEL":
            raise
        return ""  # ADD has refused it: no link has such an address


def unicast_mac(mac: str) -> str:
    """A MAC address, its octets separated by ":" or "-", as the kernel's readers spell it; CniError 7 for none."""
    try:
        packed = link.pack_mac(mac.replace("-", ":"))
    except ValueError as error:
        raise config_error(str(error)) from None
    if packed[0] & 1 or packed == bytes(6):
        raise config_error(f"{mac} is not a unicast MAC address: an interface cannot have it")
    return link.unpack_mac(packed)


def attach(call: Call, settings: Settings, make, given: dict | None = None) -> dict:
    """ADD of a pod's single interface. ``make(netns, undo)`` makes the link in the pod's namespace, by its name.

    It gets addresses from the IPAM plugin, or those of `given`, a result.
    """
    with Undo() as undo:
        late = not given and by_link(call, settings.ipam)
        result = given or (new() if late else reserve(call, settings.ipam, undo))
        netns = pod.namespace(call.env)
        try:
            refuse_existing(call, netns)
            make(netns, undo)
            if late:
                bring_up(call, netns)
                result = reserve(call, settings.ipam, undo)
            made = configure(call, netns, result)
        finally:
            netns.close()
    return with_interfaces(call, settings, result, [], made)


def by_link(call: Call, ipam: str) -> bool:
    """Whether the IPAM plugin may need the pod's link to be up: dhcp does, and a foreign plugin may. CniError if there
    is no such plugin, before anything is made."""
    if ipam and ipam not in delegate.OWN:
        delegate.find(ipam, call.env.path)
    return bool(ipam) and ipam not in delegate.WITHOUT_LINK


def reserve(call: Call, ipam: str, undo: Undo) -> dict:
    """Calls the IPAM plugin's ADD; an empty result without IPAM plugin."""
    if not ipam:
        return new()
    result = delegate.call(ipam, "ADD", call)
    undo.append(lambda: release(call, ipam))
    if not result or not result["ips"]:
        raise CniError(INTERNAL, "IPAM plugin returned missing IP config")
    gated = delegate.gate_of(call.conf)
    if gated and call.previous is None:
        from ..exec import gate  # only if needed

        undo.append(lambda: gate.leave(gated, call))
        gate.ask(gated, call, result)
    return result


def release(call: Call, ipam: str) -> None:
    if ipam:
        delegate.call(ipam, "DEL", call)


def refuse_existing(call: Call, netns: Netns) -> None:
    """CniError if the pod has an interface of that name; called before anything is changed."""
    with netns, Channel() as inside:
        if link.get(inside, call.env.ifname):
            raise already_there(call)


def already_there(call: Call) -> CniError:
    """The error for an interface that exists already."""
    return CniError(INTERNAL, f"container interface {call.env.ifname} already exists in {call.env.netns}")


def request(channel: Channel, wanted: tuple, what: str) -> None:
    """Carries out a netlink request. CniError with its purpose if it fails."""
    try:
        channel.request(wanted)
    except NetlinkError as error:
        raise CniError(INTERNAL, f"{what}: {error}") from None


def configure(call: Call, netns: Netns, result: dict) -> Link:
    """Configures the pod's interface by the result and sets it up; returns it as it is then."""
    with netns, Channel() as inside:
        made = pod.interface(inside, call.env.ifname, call.env.netns)
        pod.configure(inside, made.index, call.env.ifname, result)
        return made


def bring_up(call: Call, netns: Netns) -> None:
    """Sets the pod's interface up for an IPAM plugin that needs it so; its addresses will be that one's alone."""
    with netns, Channel() as inside:
        made = pod.interface(inside, call.env.ifname, call.env.netns)
        pod.ignore_routers(made.name)
        request(inside, link.change(made.index, up=True, what=made.name), f"failed to set {made.name} up")


def with_interfaces(call: Call, settings: Settings, result: dict, outside: list[dict], made: Link) -> dict:
    """The result: interfaces on the host first, then the pod's, to which all addresses belong."""
    for item in result["ips"]:
        item["interface"] = len(outside)
    inside = {"name": call.env.ifname, "mac": made.mac or "", "mtu": made.mtu, "sandbox": call.env.netns}
    result["interfaces"] = [*outside, inside]
    if settings.dns:
        result["dns"] = settings.dns
    return result


def detach(call: Call, settings: Settings, kind: str, *names: str) -> None:
    """DEL: deletes the pod's interface (and what a killed ADD left under `names`), and releases the address."""
    disconnect(call, settings.ipam, lambda: remove(call, kind, call.env.ifname, *names))


def disconnect(call: Call, ipam: str, *steps) -> None:
    """DEL: takes every step, then releases the address; an IPAM plugin that needs the pod's link goes first. A failed
    step does not stop the others; the first failure is raised at the end."""
    free = (lambda: release(call, ipam),)
    each(*((*steps, *free) if ipam in delegate.WITHOUT_LINK else (*free, *steps)))


def remove(call: Call, kind: str, *names: str) -> None:
    """Deletes links of that kind from the pod's namespace; a link of another kind with that name is not ours."""
    with pod.enter_if_there(call.env) as there:
        if not there:
            return
        with Channel() as inside:
            for name in names:
                found = link.get(inside, name)
                if found and found.kind == kind:
                    pod.delete_link(inside, name)


def check(call: Call, settings: Settings, kind: str) -> Link:
    """CHECK: the address is reserved, the pod's interface is as the result says. Returns it."""
    if settings.ipam:
        delegate.call(settings.ipam, "CHECK", call)
    with pod.enter(call.env), Channel() as inside:
        return pod.check_interface(inside, call.env.ifname, call.previous or new(), kind, call.env.netns)


def status(call: Call, settings: Settings) -> None:
    """As ready as the IPAM plugin."""
    if settings.ipam:
        delegate.call(settings.ipam, "STATUS", call)


def collect(call: Call, settings: Settings) -> None:
    """GC of plugins of which only the address outlives the pod's namespace."""
    call.valid_attachments()  # raises without a list, with or without IPAM
    if settings.ipam:
        delegate.call(settings.ipam, "GC", call)
