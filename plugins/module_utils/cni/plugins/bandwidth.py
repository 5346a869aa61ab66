# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""bandwidth: limits the rates at which a pod receives and sends.

The host limits packets where it sends them. What the pod receives leaves the host by its end of the pair. What the pod
sends arrives there, and is redirected through an ifb, a link that exists for its qdisc only.
"""

from __future__ import annotations

from errno import EEXIST, ENOENT, EOPNOTSUPP

from ...ipam.ip import parse_subnet
from ...netlink import link, traffic
from ...netlink.channel import Channel
from ..attach import pod, veth
from ..spec import config
from ..spec.errors import INTERNAL, CniError, config_error
from ..spec.names import host_name
from ..spec.result import new

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.link import Link
    from ..spec.call import Call

RATE_MAX = (1 << 63) - 1
#: How long a packet may wait besides the time that a burst takes at the rate, in milliseconds: as tc-tbf(8) takes
#: ``latency``, and Go's plugin. What would wait longer is dropped, and the sender slows down.
LATENCY = 25
#: containerd's burst for a pod that has a rate only (math.MaxUint32): none is given.
NO_BURST = (1 << 32) - 1
#: The bytes of a packet beyond the MTU: the Ethernet header, and a VLAN tag.
HEADER = 18
BYTES_MAX = (1 << 32) - 1
MTU_MAX = 65535  # linux/if_ether.h ETH_MAX_MTU


class Limit:
    """One direction's limits: bytes a second, bytes of a burst, bytes that may wait."""

    def __init__(self, section: dict, name: str) -> None:
        rate = config.integer(section, f"{name}Rate", 0, 0, RATE_MAX)
        burst = config.integer(section, f"{name}Burst", 0, 0, RATE_MAX)
        if bool(rate) != bool(burst):
            there, missing = ("Rate", "Burst") if rate else ("Burst", "Rate")
            raise config_error(f"if {name}{there} is set, {name}{missing} must also be set")
        if rate and rate < 8:
            raise config_error(f"{name}Rate must be at least 8 bits per second, not {rate}")
        if burst // 8 > BYTES_MAX:
            raise config_error(f"{name}Burst cannot be more than 4GB, {burst} bits are")
        self.name = name
        self.rate = rate // 8
        self.burst = burst // 8 if burst != NO_BURST else _burst(self.rate)
        self.limit = min(self.rate * LATENCY // 1000 + self.burst, BYTES_MAX)


def _burst(rate: int) -> int:
    """The burst in bytes where none is given: what goes by in the latency, and one packet of any link at least."""
    return min(max(rate * LATENCY // 1000, MTU_MAX + HEADER), BYTES_MAX)


class Settings:
    """The configuration's keys, checked; the runtime's capability wins."""

    def __init__(self, call: Call) -> None:
        section = {**call.conf, **config.mapping(call.runtime(), "bandwidth")}
        self.ingress = Limit(section, "ingress")  # as the pod sees it: what it receives
        self.egress = Limit(section, "egress")
        self.shaped = _subnets(section, "shapedSubnets")
        self.unshaped = _subnets(section, "unshapedSubnets")
        if self.shaped and self.unshaped:
            raise config_error(
                "unshapedSubnets and shapedSubnets cannot be both specified, one of them should be discarded"
            )


def _subnets(section: dict, key: str) -> list[str]:
    try:
        return [str(parse_subnet(item)) for item in config.strings(section, key)]
    except ValueError as error:
        raise config_error(f"{key}: {error}") from None


def ifb_name(call: Call) -> str:
    """The name of the attachment's ifb, derived from it."""
    return host_name(call, "ifb")


def add(call: Call) -> dict:
    """Sets the limits and passes the result on, with the ifb if there is one."""
    settings = Settings(call)
    if not settings.ingress.rate and not settings.egress.rate:
        return call.previous or new()
    if call.previous is None:
        raise config_error("must be called as chained plugin")
    result = call.previous
    with Channel() as host:
        outside = _host_end(host, call)
        for limit in (settings.ingress, settings.egress):
            if limit.rate and limit.burst < (outside.mtu or 0) + HEADER:
                raise config_error(
                    f"{limit.name}Burst is {limit.burst} bytes, less than one packet of {outside.name} "
                    f"({(outside.mtu or 0) + HEADER}): none would ever pass"
                )
        try:
            _clear(host, outside.index)
            if settings.ingress.rate:
                _carry_out(host, _shape(outside.index, settings, settings.ingress, True), outside.name)
            if settings.egress.rate:
                ifb = _make_ifb(host, call, outside)
                requests = _shape(ifb.index, settings, settings.egress, False)
                _carry_out(host, requests + traffic.redirect(outside.index, ifb.index), outside.name)
                result["interfaces"].append({"name": ifb.name, "mac": ifb.mac, "mtu": ifb.mtu})
        except BaseException:
            _clear(host, outside.index)
            host.batch([link.delete(name=ifb_name(call))])
            raise
    return result


def _host_end(host: Channel, call: Call) -> Link:
    """The link by which the host sends to the pod: its end of the pair, among the previous result's interfaces."""
    with pod.enter(call.env), Channel() as inside:
        found = pod.interface(inside, call.env.ifname, call.env.netns)
    return _other_end(host, call, found)


def _other_end(host: Channel, call: Call, found: Link) -> Link:
    interfaces = (call.previous or new())["interfaces"]
    for item in interfaces:
        if item.get("name") and not item.get("sandbox"):
            outside = link.get(host, item["name"])
            if outside and outside.kind == "veth" and outside.index == found.peer_index:
                return outside
    if not interfaces and found.kind == "veth" and found.peer_index:  # results before 0.3.0 name none
        outside = link.get(host, index=found.peer_index)
        if outside and outside.kind == "veth" and outside.peer_index == found.index:
            return outside
    raise CniError(
        INTERNAL, f"no interface of this host in prevResult is the other end of {call.env.ifname}, a {found.kind}"
    )


def _shape(index: int, settings: Settings, limit: Limit, source: bool) -> list:
    """The requests that limit what a link sends. The subnets are the peers': senders (`source`) or receivers."""
    subnets = settings.shaped or settings.unshaped
    if not subnets:
        return [traffic.bucket(index, limit.rate, limit.burst, limit.limit)]
    requests = traffic.classes(index, limit.rate, limit.burst, limit.limit, bool(settings.unshaped))
    for priority, subnet in enumerate(subnets, 1):
        requests.append(traffic.to_class(index, subnet, source, bool(settings.shaped), priority))
    return requests


def _make_ifb(host: Channel, call: Call, outside: Link) -> Link:
    name = ifb_name(call)
    requests = [
        link.add(name, "ifb", mtu=outside.mtu),
        link.change(0, name=name, alias=veth.alias(call), up=True),
    ]
    for error in host.batch(requests):
        if error and error.errno == EOPNOTSUPP:
            raise CniError(INTERNAL, f"egressRate needs the kernel's ifb module: {error}")
        if error and error.errno != EEXIST:
            raise CniError(INTERNAL, f"failed to limit the pod's egress: {error}")
    found = link.get(host, name)
    if found is None or found.kind != "ifb":
        raise CniError(INTERNAL, f"{name} is not an ifb")
    _clear(host, found.index)
    return found


def _carry_out(host: Channel, requests: list, name: str) -> None:
    for error in host.batch(requests):
        if error and error.errno in (ENOENT, EOPNOTSUPP):
            modules = "sch_tbf, sch_htb, cls_u32 and act_mirred"
            raise CniError(INTERNAL, f"failed to limit {name}: {error}; the kernel needs {modules}")
        if error:
            raise CniError(INTERNAL, f"failed to limit {name}: {error}")


def _clear(host: Channel, index: int) -> None:
    for error in host.batch(traffic.clear(index)):
        if error and error.errno not in traffic.NOTHING:
            raise CniError(INTERNAL, str(error))


def delete(call: Call) -> None:
    """Removes the ifb, and the limits from a host's end that is still there."""
    with Channel() as host:
        pod.delete_link(host, ifb_name(call))
        with pod.enter_if_there(call.env) as there:
            found = None
            if there:
                with Channel() as inside:
                    found = link.get(inside, call.env.ifname)
        try:
            outside = _other_end(host, call, found) if found else None
        except CniError:
            return  # it is gone with its limits, or prevResult does not name it
        if outside:
            _clear(host, outside.index)


def check(call: Call) -> None:
    """The limits are as configured."""
    settings = Settings(call)
    if not settings.ingress.rate and not settings.egress.rate:
        return
    kind = "htb" if settings.shaped or settings.unshaped else "tbf"
    with Channel() as host:
        outside = _host_end(host, call)
        if settings.ingress.rate:
            _check_shape(host, outside, kind, settings.ingress)
        if settings.egress.rate:
            ifb = link.get(host, ifb_name(call))
            if ifb is None or not ifb.up:
                raise CniError(INTERNAL, f"{ifb_name(call)}, which limits the pod's egress, is missing or down")
            _check_shape(host, ifb, kind, settings.egress)
            if traffic.redirected(host, outside.index) != ifb.index:
                raise CniError(INTERNAL, f"the pod's egress is not redirected from {outside.name} to {ifb.name}")


def _check_shape(host: Channel, at: Link, kind: str, limit: Limit) -> None:
    found = traffic.shape(host, at.index)
    if found != (kind, limit.rate):
        raise CniError(
            INTERNAL,
            f"{limit.name} is not limited as configured: {at.name} has {found[0] or 'no'} queue, {found[1]} bytes/s",
        )


def status(call: Call) -> None:
    """Ready if the configuration is valid; missing kernel modules show at ADD."""
    Settings(call)


def gc(call: Call) -> None:
    """Deletes the ifbs of all but the valid attachments."""
    with Channel() as host:
        veth.collect(host, call.network, call.valid_attachments(), "ifb")
