# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""bridge: a veth pair between the pod and a bridge of this host.

ADD either reports in its result what it made, or undoes it. Names and MAC addresses are derived from the attachment, so
that DEL finds what ADD made without stored state.
"""

from __future__ import annotations

from errno import EEXIST

from ....ipam.ip import parse_interface, parse_subnet, to_text
from ....netlink import address, link, neighbour
from ....netlink.channel import Channel
from ....netlink.wire import NetlinkError
from ...attach import interface, pod, veth
from ...attach.undo import Undo, each
from ...exec import delegate
from ...spec import config
from ...spec.environment import INTERFACE_NAME, interface_name
from ...spec.errors import INTERNAL, CniError, config_error
from ...spec.names import host_name, mac
from ...spec.result import family, new

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ....netlink.link import Link
    from ....netlink.wire import Request
    from ...spec.call import Call
    from .vlans import Vlans

BRIDGE = "cni0"
IPV6_LEAST_MTU, MTU_MAX = 1280, 65535  # RFC 8200, section 5; linux/if_ether.h ETH_MAX_MTU
NO_MAC = "00:00:00:00:00:00"
VLAN_MAX = 4094

#: How long the kernel may take to bring a port up, in seconds, before ADD fails.
PORT_WAIT = 5.0


class Settings:
    def __init__(self, call: Call) -> None:
        conf = call.conf
        self.bridge = config.string(conf, "bridge", BRIDGE)
        self.default_gateway = config.boolean(conf, "isDefaultGateway")
        self.gateway = config.boolean(conf, "isGateway") or self.default_gateway
        self.force_address = config.boolean(conf, "forceAddress")
        self.masquerade = config.boolean(conf, "ipMasq")
        self.mtu = config.integer(conf, "mtu", 0, 0, MTU_MAX)
        self.hairpin = config.boolean(conf, "hairpinMode")
        self.promiscuous = config.boolean(conf, "promiscMode")
        self.isolated = config.boolean(conf, "portIsolation")
        self.detect = config.boolean(conf, "enabledad")
        self.dark = config.boolean(conf, "disableContainerInterface")
        self.vlan = config.integer(conf, "vlan", 0, 0, VLAN_MAX)
        self.vlans = _vlans(conf, self.vlan)
        self.guard_mac = config.boolean(conf, "macspoofchk")
        self.ipam = config.string(config.mapping(conf, "ipam"), "type")
        self.mac = interface.requested_mac(call)
        self.dns = config.dns(conf)
        self._check(conf)

    def _check(self, conf: dict) -> None:
        if self.hairpin and self.promiscuous:
            raise config_error("cannot set hairpin mode and promiscuous mode at the same time")
        for name in (self.bridge, self.gateway_link):
            if not interface_name(name):
                raise config_error(f"{name!r} is not a valid link name: {INTERFACE_NAME}")
        if config.string(conf, "ipMasqBackend", "nftables") not in ("nftables", "iptables"):
            raise config_error(f"ipMasqBackend must be nftables or iptables, not {conf['ipMasqBackend']!r}")
        if self.ipam in delegate.OWN and self.ipam not in delegate.IPAM:
            raise config_error(f"ipam: {self.ipam} is not an IPAM plugin")
        if self.dark and self.ipam:
            raise config_error("cannot use IPAM when DisableContainerInterface flag is set")

    @property
    def gateway_link(self) -> str:
        """The link with the gateway's addresses: the bridge, or a veth into the pods' VLAN."""
        return f"{self.bridge}.{self.vlan}" if self.vlan else self.bridge


def _vlans(conf: dict, access: int) -> Vlans | None:
    """The port's VLANs, None if it has none: then their module is not loaded."""
    trunk = config.objects(conf, "vlanTrunk")
    keep_default = config.boolean(conf, "preserveDefaultVlan")
    if not access and not trunk:
        return None
    from .vlans import Vlans, vlan_ranges

    return Vlans(access, [found for item in trunk for found in vlan_ranges(item)], keep_default)


def add(call: Call) -> dict:
    """Connects the pod; the result's interfaces are the bridge, the host's end, the pod's end, and the gateway's link
    in the pods' VLAN if there is one, in this order."""
    settings = Settings(call)
    with Undo() as undo:
        result = None if interface.by_link(call, settings.ipam) else _addresses(call, settings, undo)
        return _connect(call, settings, result, undo)


def _addresses(call: Call, settings: Settings, undo: Undo) -> dict:
    result = interface.reserve(call, settings.ipam, undo)
    _set_gateways(settings, result)
    return result


def _connect(call: Call, settings: Settings, result: dict | None, undo: Undo) -> dict:
    with Channel() as host:
        bridge = _bridge(host, settings)
        netns = pod.namespace(call.env)
        try:
            pod_mac = settings.mac or mac("pod", call.network, *call.owner)
            foreign = bridge.mac != _own_mac(settings)
            if foreign and settings.gateway:  # pins its MAC address, which would change with its ports
                # a bridge without ports has the all-zero MAC address, to which no frame can be sent
                _keep_mac(host, bridge, _own_mac(settings) if bridge.mac == NO_MAC else bridge.mac or "")
            _keep_mtu(host, bridge, settings)
            name = veth.make(
                host, call, netns.fd, pod_mac, undo, settings.mtu, bridge.index, _port_values(call, settings)
            )
            if foreign:
                bridge = link.get(host, bridge.name) or bridge
            if settings.vlans:
                settings.vlans.put(host, name)
            if settings.guard_mac:
                undo.append(lambda: _unguard(call, settings))
                from . import macspoof  # only if needed

                macspoof.add(call, name, pod_mac)
            if result is None:
                interface.bring_up(call, netns)
                _wait_for_port(host, name)
                result = _addresses(call, settings, undo)
            with netns, Channel() as inside:
                made = pod.interface(inside, call.env.ifname, call.env.netns)
                if not settings.dark:
                    pod.configure(inside, made.index, call.env.ifname, result, settings.detect)
            gateway_link = bridge
            if settings.gateway:
                if settings.vlan and settings.vlans:
                    gateway_link = settings.vlans.gateway(host, bridge, settings.gateway_link, settings.mtu)
                _serve_as_gateway(host, gateway_link, settings, result, pod_mac)
            if not settings.dark:
                _wait_for_port(host, name)
                pod.settle(netns, result, settings.detect)
        finally:
            netns.close()
    if settings.masquerade:
        undo.append(lambda: _forget(call, settings))
        from ...attach import masquerade  # only if needed: it takes as long as all the rest

        masquerade.add(call, result["ips"])
    for item in result["ips"]:
        item["interface"] = 2
    result["interfaces"] = [
        {"name": bridge.name, "mac": bridge.mac, "mtu": bridge.mtu},
        {"name": name, "mac": mac("host", name), "mtu": made.mtu},
        {"name": call.env.ifname, "mac": pod_mac, "mtu": made.mtu, "sandbox": call.env.netns},
    ]
    if gateway_link is not bridge:
        outer = {"name": gateway_link.name, "mac": gateway_link.mac, "mtu": gateway_link.mtu}
        result["interfaces"].append(outer)
    if settings.dns:
        result["dns"] = settings.dns
    return result


def _set_gateways(settings: Settings, result: dict) -> None:
    """Adds the gateways and default routes of isGateway and isDefaultGateway to the result."""
    for item in result["ips"]:
        kind, number, length = parse_interface(item["address"])
        if settings.gateway and not item.get("gateway"):
            item["gateway"] = to_text(kind, parse_subnet(f"{to_text(kind, number)}/{length}").first + 1)
    if not settings.default_gateway:
        return
    for kind in sorted({family(item["address"]) for item in result["ips"]}):
        gateway = next(item["gateway"] for item in result["ips"] if family(item["address"]) == kind)
        # A default route of IPAM wins.
        if not any(item["dst"] == pod.ANYWHERE[kind] for item in result["routes"]):
            result["routes"].append({"dst": pod.ANYWHERE[kind], "gw": gateway})


def _bridge(host: Channel, settings: Settings) -> Link:
    """The bridge, made if it is missing; a MAC address that is set at creation stays whatever its ports."""
    filters = settings.vlans is not None
    found = link.get(host, settings.bridge)
    if found is None:
        values = link.pack_data("bridge", {"vlan_filtering": True}) if filters else b""
        try:
            host.request(link.add(settings.bridge, "bridge", values, mac=_own_mac(settings), up=True))
            if settings.mtu:  # set at creation, it would follow the ports' MTUs
                host.request(link.change(0, name=settings.bridge, mtu=settings.mtu))
        except (NetlinkError, ValueError) as error:
            if getattr(error, "errno", None) != EEXIST:  # made by a concurrent call
                what = f"{settings.bridge!r}{', a bridge that filters VLANs' if filters else ''}"
                raise CniError(INTERNAL, f"could not add {what}: {error}") from None
        pod.write_sysctl(f"net/ipv6/conf/{settings.bridge}/accept_dad", "0", optional=True)
        found = link.get(host, settings.bridge)
    if found is None or found.kind != "bridge":
        raise CniError(INTERNAL, f"{settings.bridge!r} already exists but is not a bridge")
    pod.ignore_routers(found.name)
    if not found.up or (settings.promiscuous and not found.promisc):
        host.request(link.change(found.index, up=True, promisc=settings.promiscuous or None, what=found.name))
    if filters:
        from .vlans import enable_filtering

        enable_filtering(host, found)
    return found


def _keep_mac(host: Channel, bridge: Link, mac: str) -> None:
    """Pins the bridge's MAC address. One that none of its ports has is pinned already. Setting it flushes the neighbor
    entries; the permanent ones are added again."""
    ports = [one.mac for one in link.dump(host) if one.master == bridge.name]
    if mac == bridge.mac and ports and mac not in ports:
        return
    lasting = [one for one in neighbour.dump(host, index=bridge.index) if one.state == "permanent"]
    requests = [link.change(bridge.index, mac=mac, what=bridge.name)]
    requests += [neighbour.add(bridge.index, one.dst, one.mac or "", state="permanent") for one in lasting]
    for failure in host.batch(requests):
        if failure:
            raise CniError(INTERNAL, f"could not keep the MAC address of {bridge.name}: {failure}")


def _keep_mtu(host: Channel, bridge: Link, settings: Settings) -> None:
    """Pins the bridge's MTU where a new port would lower it below IPv6's minimum: the kernel would remove its IPv6
    addresses. An MTU that was set by a change stays; setting the present one is no change."""
    present = bridge.mtu or 0
    if settings.mtu and settings.mtu < IPV6_LEAST_MTU <= present:
        for mtu in (present + 1 if present < MTU_MAX else present - 1, present):
            host.request(link.change(bridge.index, mtu=mtu, what=bridge.name))


def _own_mac(settings: Settings) -> str:
    """The MAC address of a bridge made by this plugin."""
    return mac("bridge", settings.bridge)


def _port_values(call: Call, settings: Settings) -> list[Request]:
    """The request for the host end's port settings."""
    values = {"hairpin": settings.hairpin, "isolated": settings.isolated}
    wanted = {key: value for key, value in values.items() if value}
    return [link.port(0, wanted, name=host_name(call))] if wanted else []


def _serve_as_gateway(host: Channel, bridge: Link, settings: Settings, result: dict, pod_mac: str) -> None:
    """The bridge's gateway addresses, forwarding, and neighbor entries for the pod's addresses."""
    present = address.dump(host, index=bridge.index)
    requests = []
    for item in result["ips"]:
        kind, _number, length = parse_interface(item["address"])
        wanted = f"{pod.canonical(item['gateway'])}/{length}"
        if not any(one.address == wanted for one in present):
            requests += _make_room(bridge, settings, wanted, present)
            requests.append(address.add(bridge.index, wanted, broadcast="+"))
        # A reused address: the neighbor entry of its former owner would mislead packets for seconds.
        requests.append(neighbour.add(bridge.index, item["address"].partition("/")[0], pod_mac, state="reachable"))
        pod.write_sysctl(pod.forwarding(kind), "1")
    for failure in host.batch(requests):
        if failure:
            raise CniError(INTERNAL, f"failed to set up {bridge.name} as gateway: {failure}")


def _make_room(bridge: Link, settings: Settings, wanted: str, present: list) -> list:
    """The requests that delete addresses in conflict with `wanted`; CniError without forceAddress.

    A bridge has one IPv4 address, and IPv6 addresses of different subnets.
    """
    requests = []
    subnet = parse_subnet(wanted)
    for one in present:
        other = parse_subnet(one.address)
        overlaps = other.family == subnet.family and other.first <= subnet.last and subnet.first <= other.last
        if one.scope != "global" or other.family != subnet.family or (subnet.family == 6 and not overlaps):
            continue
        if not settings.force_address:
            raise CniError(INTERNAL, f'"{bridge.name}" already has an IP address different from {wanted}', one.address)
        requests.append(address.delete(bridge.index, one.address))
    return requests


def _wait_for_port(host: Channel, name: str) -> None:
    """Returns when the bridge forwards to the pod, by the kernel's event, without polling."""
    found = link.get(host, name)
    if found is None or found.port.get("state") == "forwarding":
        return
    with Channel() as events:
        events.subscribe(link.RTNLGRP_LINK)
        found = link.get(host, name)
        while found is not None and found.port.get("state") != "forwarding":
            if not events.wait(PORT_WAIT):
                state = found.port.get("state", "no port")
                raise CniError(INTERNAL, f"bridge port in error state: {name} is {state}, its link {found.operstate}")
            found = link.get(host, name)


def delete(call: Call) -> None:
    """Removes what is left of the attachment, and releases the address even if a step fails."""
    settings = Settings(call)
    interface.disconnect(
        call,
        settings.ipam,
        lambda: _unguard(call, settings),
        lambda: veth.remove(call),
        lambda: _forget(call, settings),  # after the link is gone: the pod's last packets would make the entry again
    )


def _forget(call: Call, settings: Settings) -> None:
    """Deletes neighbor entries and masquerade of the pod's addresses; without prevResult, by the pod's MAC address."""
    addresses = [item["address"].partition("/")[0] for item in (call.previous or {"ips": []})["ips"]]
    if settings.gateway:
        with Channel() as host:
            bridge = link.get(host, settings.gateway_link)
            if bridge:
                known = addresses or _known(call, settings, host, bridge)
                host.batch([neighbour.delete(bridge.index, item) for item in known])
    if settings.masquerade:
        from ...attach import masquerade

        masquerade.remove(call, addresses)


def _known(call: Call, settings: Settings, host: Channel, bridge: Link) -> list[str]:
    """The addresses whose neighbor entries have the pod's MAC address.

    If entries are deleted during a dump, the kernel skips others and does not report it: hence two dumps.
    """
    pod_mac = settings.mac or mac("pod", call.network, *call.owner)
    lists = [neighbour.dump(host, index=bridge.index) for _twice in range(2)]
    return sorted({item.dst for found in lists for item in found if item.mac == pod_mac})


def _unguard(call: Call, settings: Settings) -> None:
    if settings.guard_mac:
        from . import macspoof

        macspoof.remove(call)


def restore(call: Call) -> None:
    """Restores masquerade and the check of source MAC addresses."""
    settings, previous = Settings(call), call.previous or new()
    if settings.guard_mac and not settings.dark:
        from . import macspoof

        with pod.enter(call.env), Channel() as inside:
            inner = pod.interface(inside, call.env.ifname, call.env.netns)
        with Channel() as host:
            port = veth.find(host, call, previous, inner)
        macspoof.add(call, port.name, _told_mac(call, previous) or inner.mac or "")
    if settings.masquerade:
        from ...attach import masquerade

        masquerade.add(call, previous["ips"])


def _told_mac(call: Call, previous: dict) -> str:
    """The MAC address of the pod's interface in the result: the pod may have changed it since."""
    inside = (item for item in previous["interfaces"] if item.get("sandbox") and item.get("name") == call.env.ifname)
    return next((item.get("mac") or "" for item in inside), "")


def check(call: Call) -> None:
    """Pod, port, gateway and masquerade are as ADD left them."""
    settings = Settings(call)
    previous = call.previous or new()
    if settings.ipam:
        delegate.call(settings.ipam, "CHECK", call)
    if not settings.dark:
        with pod.enter(call.env), Channel() as inside:
            inner = pod.check_interface(inside, call.env.ifname, previous, "veth", call.env.netns)
    with Channel() as host:
        bridge = link.get(host, settings.bridge)
        if bridge is None or bridge.kind != "bridge" or not bridge.up:
            raise CniError(INTERNAL, f"bridge {settings.bridge} is missing or down")
        if settings.promiscuous and not bridge.promisc:
            raise CniError(INTERNAL, f"bridge {settings.bridge} is not promiscuous")
        port = veth.find(host, call, previous, None if settings.dark else inner)
        if port.master != str(bridge.index):
            raise CniError(INTERNAL, f"{port.name} is not a port of {settings.bridge}")
        if not port.up:
            raise CniError(INTERNAL, f"the host's end {port.name} is down")
        for value, wanted in (("hairpin", settings.hairpin), ("isolated", settings.isolated)):
            if port.port.get(value, False) != wanted:
                raise CniError(INTERNAL, f"{port.name}: {value} is {not wanted}, not {wanted}")
        if settings.vlans:
            settings.vlans.check(host, bridge, port)
        if settings.gateway:
            pod.check_forwarding(previous["ips"])
            gateway_link = link.get(host, settings.gateway_link)
            if gateway_link is None or not gateway_link.up:
                raise CniError(INTERNAL, f"the gateway's link {settings.gateway_link} is missing or down")
            present = [item.address for item in address.dump(host, index=gateway_link.index)]
            for item in previous["ips"]:
                if not item.get("gateway"):
                    continue
                gateway = f"{pod.canonical(item['gateway'])}/{item['address'].partition('/')[2]}"
                if gateway not in present:
                    raise CniError(INTERNAL, f"{settings.gateway_link} lacks the address {gateway}")
    if settings.guard_mac and not settings.dark:
        from . import macspoof

        macspoof.check(call, port.name, inner.mac or "")
    if settings.masquerade:
        from ...attach import masquerade

        masquerade.check(call, previous["ips"])


def status(call: Call) -> None:
    """As ready as the IPAM plugin."""
    settings = Settings(call)
    if settings.ipam:
        delegate.call(settings.ipam, "STATUS", call)


def gc(call: Call) -> None:
    """Removes what belongs to no valid attachment; continues past errors and raises the first at the end."""
    settings = Settings(call)
    valid = call.valid_attachments()
    each(
        lambda: delegate.call(settings.ipam, "GC", call) if settings.ipam else None,
        lambda: _collect(call, valid),
    )


def _collect(call: Call, valid: set) -> None:
    from ...attach import leftovers, masquerade
    from . import macspoof

    with Channel() as host:
        veth.collect(host, call.network, valid)
    # whatever the configuration says by now
    each(
        lambda: masquerade.gc(call, valid),
        lambda: macspoof.gc(call, valid),
        lambda: leftovers.collect(call, valid),
    )
