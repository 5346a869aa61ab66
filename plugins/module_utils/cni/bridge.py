# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""bridge: a veth pair between the pod and a bridge of this host.

Whatever is made is either told in the result or undone. Names and MAC addresses follow from the attachment, so that DEL
finds what ADD made without any note of it.
"""

from __future__ import annotations

import posix

from ..ipam.ip import parse_interface, parse_subnet, to_text
from ..netlink import address, link, neighbour
from ..netlink.channel import Channel
from ..netlink.wire import NetlinkError
from . import config, delegate, pod
from .errors import INTERNAL, UNSUPPORTED_FIELD, CniError, config_error
from .names import host_name, mac
from .result import family, new

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..netlink.link import Link
    from .call import Call

BRIDGE = "cni0"
MTU_MAX = 65535
#: What the alias of a host's end begins with; network, container ID and interface follow.
ALIAS = "podnet"

#: How long the kernel may take to bring a port up, in seconds, before ADD fails.
PORT_WAIT = 5.0
EEXIST = 17


class Settings:
    """The configuration's keys, checked."""

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
        self.ipam = config.string(config.mapping(conf, "ipam"), "type")
        # Later sources count for more: CNI_ARGS, args.cni, runtimeConfig.
        self.mac = call.env.args.get("MAC", "")
        self.mac = config.string(call.args(), "mac", self.mac)
        self.mac = config.string(call.runtime(), "mac", self.mac)
        self.dns = config.mapping(conf, "dns")
        self._check(conf)

    def _check(self, conf: dict) -> None:
        if self.hairpin and self.promiscuous:
            raise config_error("cannot set hairpin mode and promiscuous mode at the same time")
        if config.integer(conf, "vlan", 0, 0, 4094) or config.objects(conf, "vlanTrunk"):
            raise CniError(UNSUPPORTED_FIELD, "bridge: vlan and vlanTrunk are not supported")
        if config.boolean(conf, "macspoofchk"):
            raise CniError(UNSUPPORTED_FIELD, "bridge: macspoofchk is not supported")
        if self.ipam in delegate.OWN and self.ipam not in delegate.IPAM:
            raise config_error(f"ipam: {self.ipam} doesn't manage addresses")
        if self.dark and self.ipam:
            raise config_error("cannot use IPAM when DisableContainerInterface flag is set")
        if self.mac:
            try:
                self.mac = link.unpack_mac(link.pack_mac(self.mac))
            except ValueError as error:
                raise config_error(str(error)) from None


def add(call: Call) -> dict:
    """Connects the pod; the result tells of the bridge, the host's end and the pod's end, in this order."""
    settings = Settings(call)
    result = new()
    done: list = []  # how to take back what this call did, and nothing that was there before
    try:
        if settings.ipam:
            result = delegate.call(settings.ipam, "ADD", call) or result
            done.append(_release)
            if not result["ips"]:
                raise CniError(INTERNAL, "IPAM plugin returned missing IP config")
        return _connect(call, settings, result, done)
    except BaseException:
        for step in reversed(done):
            try:
                step(call, settings)
            except (CniError, OSError):
                continue  # the first failure is the one that counts
        raise


def _connect(call: Call, settings: Settings, result: dict, done: list) -> dict:
    _set_gateways(settings, result)
    name = host_name(call)
    with Channel() as host:
        bridge = _bridge(host, settings)
        netns = pod.enter(call.env)
        try:
            pod_mac = settings.mac or mac("pod", call.network, *call.owner)
            _make_pair(host, bridge, name, pod_mac, netns.fd, call, settings, done)
            with netns, Channel() as inside:
                made = link.get(inside, call.env.ifname)
                if made is None:
                    raise CniError(INTERNAL, f"interface {call.env.ifname} vanished from {call.env.netns}")
                if not settings.dark:
                    pod.configure(inside, made.index, call.env.ifname, result, settings.detect)
        finally:
            netns.close()
        if settings.gateway:
            _serve_as_gateway(host, bridge, settings, result, pod_mac)
        if not settings.dark:
            _wait_for_port(host, name)
    if settings.masquerade:
        done.append(_forget)
        from . import masquerade  # loaded by those who need it: it takes as long as all the rest

        masquerade.add(call, result["ips"])
    for item in result["ips"]:
        item["interface"] = 2
    result["interfaces"] = [
        {"name": bridge.name, "mac": bridge.mac, "mtu": bridge.mtu},
        {"name": name, "mac": mac("host", name), "mtu": made.mtu},
        {"name": call.env.ifname, "mac": pod_mac, "mtu": made.mtu, "sandbox": call.env.netns},
    ]
    if settings.dns:
        result["dns"] = settings.dns
    return result


def _set_gateways(settings: Settings, result: dict) -> None:
    """Fills in what isGateway and isDefaultGateway mean for addresses and routes."""
    for item in result["ips"]:
        kind, number, length = parse_interface(item["address"])
        if settings.gateway and not item.get("gateway"):
            item["gateway"] = to_text(kind, parse_subnet(f"{to_text(kind, number)}/{length}").first + 1)
    if not settings.default_gateway:
        return
    for kind in sorted({family(item["address"]) for item in result["ips"]}):
        gateway = next(item["gateway"] for item in result["ips"] if family(item["address"]) == kind)
        there = [item for item in result["routes"] if item["dst"] == pod.ANYWHERE[kind]]
        for item in there:
            if item.get("gw") and item["gw"] != gateway:
                raise config_error(f"isDefaultGateway ineffective because IPAM sets default route via {item['gw']}")
        if not there:
            result["routes"].append({"dst": pod.ANYWHERE[kind], "gw": gateway})


def _bridge(host: Channel, settings: Settings) -> Link:
    """The bridge, made if there is none; a MAC address given at creation is the bridge's for ever."""
    found = link.get(host, settings.bridge)
    if found is None:
        try:
            host.request(
                link.add(
                    settings.bridge,
                    "bridge",
                    mac=mac("bridge", posix.uname().nodename, settings.bridge),
                    mtu=settings.mtu or None,
                    up=True,
                )
            )
        except (NetlinkError, ValueError) as error:
            if getattr(error, "errno", None) != EEXIST:  # made by a call that runs beside this one
                raise CniError(INTERNAL, f"could not add {settings.bridge!r}: {error}") from None
        pod.write_sysctl(f"net/ipv6/conf/{settings.bridge}/accept_dad", "0", optional=True)
        found = link.get(host, settings.bridge)
    if found is None or found.kind != "bridge":
        raise CniError(INTERNAL, f"{settings.bridge!r} already exists but is not a bridge")
    if not found.up or (settings.promiscuous and not found.promisc):
        host.request(link.change(found.index, up=True, promisc=settings.promiscuous or None, what=found.name))
    return found


def _make_pair(
    host: Channel,
    bridge: Link,
    name: str,
    pod_mac: str,
    netns_fd: int,
    call: Call,
    settings: Settings,
    done: list,
) -> None:
    pair = link.add_veth(
        name,
        call.env.ifname,
        mac=mac("host", name),
        mtu=settings.mtu or None,
        master=bridge.index,
        peer_mac=pod_mac,
        peer_netns=netns_fd,
    )
    requests = [pair, link.change(0, name=name, alias=alias(call))]
    if settings.hairpin or settings.isolated:
        values = {"hairpin": settings.hairpin, "isolated": settings.isolated}
        requests.append(link.port(0, {key: value for key, value in values.items() if value}, name=name))
    failures = host.batch(requests)
    if not failures[0]:
        done.append(_disconnect_ours)
    if failures[0] and failures[0].errno == EEXIST:
        if link.get(host, name) is None:
            raise CniError(INTERNAL, f"container interface {call.env.ifname} already exists in {call.env.netns}")
        raise CniError(INTERNAL, f"{call.env.container_id} is connected to {call.network} already, by {name}")
    for failure in failures:
        if failure:
            raise CniError(INTERNAL, f"failed to connect {call.env.ifname} to {bridge.name}: {failure}")


def alias(call: Call) -> str:
    """What marks the host's end as this attachment's."""
    return f"{ALIAS} {call.network} {call.env.container_id} {call.env.ifname}"[:255]


def _serve_as_gateway(host: Channel, bridge: Link, settings: Settings, result: dict, pod_mac: str) -> None:
    """The bridge's gateway addresses, forwarding, and who the pod's addresses belong to."""
    present = address.dump(host, index=bridge.index)
    requests = []
    for item in result["ips"]:
        kind, _number, length = parse_interface(item["address"])
        wanted = f"{pod.canonical(item['gateway'])}/{length}"
        if not any(one.address == wanted for one in present):
            requests += _make_room(bridge, settings, wanted, present)
            requests.append(address.add(bridge.index, wanted))
        # An address that is used again: neighbours asked about its last owner would be sent astray for seconds.
        requests.append(neighbour.add(bridge.index, item["address"].partition("/")[0], pod_mac, state="reachable"))
        if kind == 4:
            pod.write_sysctl("net/ipv4/ip_forward", "1")
        else:
            pod.write_sysctl("net/ipv6/conf/all/forwarding", "1")
    for failure in host.batch(requests):
        if failure:
            raise CniError(INTERNAL, f"failed to set up {bridge.name} as gateway: {failure}")


def _make_room(bridge: Link, settings: Settings, wanted: str, present: list) -> list:
    """The requests that take away addresses in the way of `wanted`; CniError when that isn't allowed.

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
    """Returns when the bridge forwards to the pod; the kernel says so in an event, there's nothing to poll."""
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
    """Frees the address, whatever comes of the rest; then takes away what is left of the connection."""
    settings = Settings(call)
    failures = []
    for step in (_release, _forget, _disconnect):
        try:
            step(call, settings)
        except (CniError, OSError) as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _release(call: Call, settings: Settings) -> None:
    if settings.ipam:
        delegate.call(settings.ipam, "DEL", call)


def _forget(call: Call, settings: Settings) -> None:
    """The host's knowledge of the pod's addresses, which it finds by the pod's MAC address where nobody tells them."""
    addresses = [item["address"].partition("/")[0] for item in (call.previous or {"ips": []})["ips"]]
    if settings.gateway:
        with Channel() as host:
            bridge = link.get(host, settings.bridge)
            if bridge:
                known = addresses
                if not known:
                    pod_mac = settings.mac or mac("pod", call.network, *call.owner)
                    known = [item.dst for item in neighbour.dump(host, index=bridge.index) if item.mac == pod_mac]
                host.batch([neighbour.delete(bridge.index, item) for item in known])
    if settings.masquerade:
        from . import masquerade

        masquerade.remove(call, addresses)


def _disconnect_ours(call: Call, _settings: Settings) -> None:
    """Removes the pair that ADD made."""
    with Channel() as host:
        pod.delete_link(host, host_name(call))


def _disconnect(call: Call, settings: Settings) -> None:
    """Removes the pair: by the host's end, or by the pod's where another implementation made it."""
    with Channel() as host:
        if pod.delete_link(host, host_name(call)):
            return
    with pod.enter_if_there(call.env) as there:
        if there:
            with Channel() as inside:
                found = link.get(inside, call.env.ifname)
                if found and found.kind == "veth":
                    pod.delete_link(inside, call.env.ifname)


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
        port = _port(host, call, previous, None if settings.dark else inner)
        if port.master != str(bridge.index):
            raise CniError(INTERNAL, f"{port.name} is not a port of {settings.bridge}")
        for value, wanted in (("hairpin", settings.hairpin), ("isolated", settings.isolated)):
            if port.port.get(value, False) != wanted:
                raise CniError(INTERNAL, f"{port.name}: {value} is {not wanted}, not {wanted}")
        if settings.gateway:
            present = [item.address for item in address.dump(host, index=bridge.index)]
            for item in previous["ips"]:
                if not item.get("gateway"):
                    continue
                gateway = f"{pod.canonical(item['gateway'])}/{item['address'].partition('/')[2]}"
                if gateway not in present:
                    raise CniError(INTERNAL, f"bridge {settings.bridge} lacks the address {gateway}")
    if settings.masquerade:
        from . import masquerade

        masquerade.check(call, previous["ips"])


def _port(host: Channel, call: Call, previous: dict, inner: Link | None) -> Link:
    """The host's end of the pair."""
    names = [item["name"] for item in previous["interfaces"] if not item.get("sandbox")]
    for name in [host_name(call), *[name for name in names if name]]:
        found = link.get(host, name)
        if found and found.kind == "veth" and (inner is None or found.index == inner.peer_index):
            return found
    raise CniError(INTERNAL, f"the host's end of {call.env.ifname} is missing")


def status(call: Call) -> None:
    """As ready as the address management."""
    settings = Settings(call)
    if settings.ipam:
        delegate.call(settings.ipam, "STATUS", call)


def gc(call: Call) -> None:
    """Removes what belongs to no valid attachment; goes on past errors and raises the first in the end."""
    settings = Settings(call)
    valid = call.valid_attachments()
    failures: list[Exception] = []
    if settings.ipam:
        try:
            delegate.call(settings.ipam, "GC", call)
        except CniError as error:
            failures.append(error)
    try:
        with Channel() as host:
            _collect_links(host, call.network, valid)
        from . import masquerade

        masquerade.gc(call, valid)
    except (CniError, OSError) as error:
        failures.append(error)
    if failures:
        raise failures[0]


def _collect_links(host: Channel, network: str, valid: set) -> None:
    for item in link.dump(host, "veth"):
        words = (item.alias or "").split(" ")
        if len(words) == 4 and words[:2] == [ALIAS, network] and (words[2], words[3]) not in valid:
            pod.delete_link(host, item.name)
