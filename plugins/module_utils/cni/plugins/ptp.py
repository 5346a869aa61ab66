# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ptp: a veth pair between the pod and this host, without a bridge: the host routes all of the pod's packets.

The pod's subnet is not on-link: the pod has a route to the gateway, an address of the host's end, and a route to the
subnet by the gateway. The host has a route to each of the pod's addresses.
"""

from __future__ import annotations

from errno import EEXIST, ESRCH

from ...ipam.ip import parse_subnet, width
from ...netlink import address, neighbour, route
from ...netlink.channel import Channel
from ...netlink.link import Link
from ..attach import interface, pod, veth
from ..attach.undo import Undo, each
from ..exec import delegate
from ..spec import config
from ..spec.errors import INTERNAL, CniError, config_error
from ..spec.names import mac
from ..spec.result import family, new

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.wire import Request
    from ..spec.call import Call

BACKENDS = ("nftables", "iptables")
#: Refusals that say that all is as wanted, by request: gone already, there already.
FINE = ((route.RTM_DELROUTE, ESRCH), (route.RTM_NEWROUTE, EEXIST), (address.RTM_NEWADDR, EEXIST))


class Settings(interface.Settings):
    def __init__(self, call: Call) -> None:
        super().__init__(call, ipam_wanted=True)
        self.masquerade = config.boolean(call.conf, "ipMasq")
        # nftables serves for both
        if config.string(call.conf, "ipMasqBackend", BACKENDS[0]) not in BACKENDS:
            raise config_error(f"ipMasqBackend must be nftables or iptables, not {call.conf['ipMasqBackend']!r}")


def add(call: Call) -> dict:
    """Makes the pair and the routes at both ends; the result has the host's end, then the pod's."""
    settings = Settings(call)
    pod_mac = mac("pod", call.network, *call.owner)
    with Undo() as undo:
        late = interface.by_link(call, settings.ipam)
        result = new() if late else _reserve(call, settings, undo)
        netns = pod.namespace(call.env)
        try:
            with Channel() as host:
                name = veth.make(host, call, netns.fd, pod_mac, undo, settings.mtu)
                if late:
                    interface.bring_up(call, netns)
                    result = _reserve(call, settings, undo)
                made = interface.configure(call, netns, {**result, "routes": []})
                with netns, Channel() as inside:  # the gateway may be outside the subnet: the route to it comes first
                    ways = _pod_requests(made.index, result) + pod.route_requests(made.index, result)
                    _carry_out(inside, ways, call.env.ifname)
                outer = veth.find(host, call, new(), made)
                _carry_out(host, _host_requests(outer.index, result, pod_mac), name)
                pod.settle(netns, result)
        finally:
            netns.close()
        for kind in {family(item["address"]) for item in result["ips"]}:
            pod.write_sysctl(pod.forwarding(kind), "1")
        if settings.masquerade:
            undo.append(lambda: _forget(call, settings))
            from ..attach import masquerade  # only if needed: it takes as long as all the rest

            masquerade.add(call, result["ips"])
    outside = [{"name": outer.name, "mac": outer.mac, "mtu": outer.mtu}]
    return interface.with_interfaces(call, settings, result, outside, made)


def _reserve(call: Call, settings: Settings, undo: Undo) -> dict:
    result = interface.reserve(call, settings.ipam, undo)
    for item in result["ips"]:
        if not item.get("gateway"):
            raise config_error(f"ptp needs a gateway for {item['address']}, and the IPAM result has none")
    return result


def _pod_requests(index: int, result: dict) -> list:
    """The requests that route the pod's own subnet by the gateway."""
    requests = []
    for item in result["ips"]:
        own, subnet = item["address"].partition("/")[0], parse_subnet(item["address"])
        if subnet.length == width(subnet.family):  # no other address is in its subnet
            requests.append(_own_way(pod.alone(item["gateway"]), index, own))
            continue
        requests += [
            route.delete(str(subnet), index),
            _own_way(pod.alone(item["gateway"]), index, own),
            _own_way(str(subnet), index, own, item["gateway"]),
        ]
    return requests


def _own_way(dst: str, index: int, own: str, gateway: str | None = None) -> Request:
    """A route after those to the same destination: another interface of the pod may have the same gateway, and of two
    addresses of one subnet the first is the preferred source."""
    return route.add(dst, index, gateway=gateway, src=own, protocol=route.RTPROT_BOOT, flags=route.BEHIND)


def _host_requests(index: int, result: dict, pod_mac: str) -> list:
    """The gateways' addresses, and routes and neighbor entries for the pod, before its first packet. A route of the
    address's former owner, whose link may still be going, is replaced."""
    requests = []
    for item in result["ips"]:
        own = item["address"].partition("/")[0]
        requests += [
            address.add(index, pod.alone(item["gateway"]), replace=False),
            route.add(pod.alone(own), index, scope="host", protocol=route.RTPROT_BOOT, flags=route.IN_PLACE),
            neighbour.add(index, own, pod_mac, state="reachable"),
        ]
    return requests


def _carry_out(channel: Channel, requests: list, what: str) -> None:
    for request, error in zip(requests, channel.batch(requests)):
        # two addresses of one subnet share its gateway; a subnet's route may be gone with the first of them
        if error and (request[0], error.errno) not in FINE:
            raise CniError(INTERNAL, f"failed to configure {what}: {error}")


def delete(call: Call) -> None:
    """Removes what is left of the attachment, and releases the address even if a step fails."""
    settings = Settings(call)
    interface.disconnect(call, settings.ipam, lambda: veth.remove(call), lambda: _forget(call, settings))


def _forget(call: Call, settings: Settings) -> None:
    """Removes the pod's masquerade elements; without prevResult it finds them by their comment."""
    if settings.masquerade:
        from ..attach import masquerade

        previous = call.previous or new()
        masquerade.remove(call, [item["address"].partition("/")[0] for item in previous["ips"]])


def restore(call: Call) -> None:
    """Restores masquerade."""
    if Settings(call).masquerade:
        from ..attach import masquerade

        masquerade.add(call, _ips(call.previous or new()))


def check(call: Call) -> None:
    """Both ends, their routes and the masquerade are as ADD left them."""
    settings = Settings(call)
    previous = call.previous or new()
    inner = interface.check(call, settings, veth.KIND)
    with pod.enter(call.env), Channel() as inside:
        _check_pod(inside, inner, previous)
    with Channel() as host:
        outer = veth.find(host, call, previous, inner)
        if not outer.up:
            raise CniError(INTERNAL, f"the host's end {outer.name} is down")
        _check_host(host, outer, previous)
    pod.check_forwarding(previous["ips"])
    if settings.masquerade:
        from ..attach import masquerade

        masquerade.check(call, _ips(previous))


def _ips(previous: dict) -> list[dict]:
    return [item for item in previous["ips"] if item.get("gateway")]


def _check_pod(inside: Channel, inner: Link, previous: dict) -> None:
    routes = route.dump(inside, table=0, index=inner.index)  # sbr or vrf, later in the chain, may have moved them
    for item in _ips(previous):
        subnet = parse_subnet(item["address"])
        wanted: list[tuple[str, str | None]] = [(pod.alone(item["gateway"]), None)]
        if subnet.length < width(subnet.family):
            wanted.append((str(subnet), pod.canonical(item["gateway"])))
        for dst, gateway in wanted:
            if not any(one.dst == dst and one.gateway == gateway for one in routes):
                raise CniError(INTERNAL, f"route to {dst} is missing in {inner.name}'s namespace, or leads elsewhere")


def _check_host(host: Channel, outer: Link, previous: dict) -> None:
    present = [one.address for one in address.dump(host, index=outer.index)]
    routes = [one.dst for one in route.dump(host, index=outer.index)]
    for item in _ips(previous):
        if pod.alone(item["gateway"]) not in present:
            raise CniError(INTERNAL, f"the host's end {outer.name} lacks the address {item['gateway']}")
        own = pod.alone(item["address"].partition("/")[0])
        if own not in routes:
            raise CniError(INTERNAL, f"the host's route to {own} is missing")


def status(call: Call) -> None:
    """As ready as the IPAM plugin."""
    interface.status(call, Settings(call))


def gc(call: Call) -> None:
    """Removes what belongs to no valid attachment; continues past errors."""
    settings = Settings(call)
    valid = call.valid_attachments()
    each(
        lambda: delegate.call(settings.ipam, "GC", call),
        lambda: _collect(call, valid),
    )


def _collect(call: Call, valid: set) -> None:
    from ..attach import leftovers, masquerade

    with Channel() as host:
        veth.collect(host, call.network, valid)
    each(lambda: masquerade.gc(call, valid), lambda: leftovers.collect(call, valid))
