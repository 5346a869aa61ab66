# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""portmap: ports of this host that lead to the pod."""

from __future__ import annotations

from .. import nat
from ..ipam.ip import parse_address, parse_subnet, to_text
from ..netlink import conntrack, link, route
from ..netlink.channel import Channel
from ..netlink.wire import NETLINK_NETFILTER, NetlinkError
from . import config, pod
from .errors import INTERNAL, NOT_AVAILABLE, UNSUPPORTED_FIELD, CniError, config_error
from .result import family

if False:  # for type checkers only
    from .call import Call

EEXIST = 17
PORT_MAX = 65535


class Settings:
    """The configuration's keys, checked. ``ports`` is what is to be mapped."""

    def __init__(self, call: Call) -> None:
        conf = call.conf
        self.snat = config.boolean(conf, "snat", True)
        self.masq_all = config.boolean(conf, "masqAll")
        for key in ("conditionsV4", "conditionsV6"):
            if config.strings(conf, key):
                raise CniError(UNSUPPORTED_FIELD, f"portmap: {key} is not supported; a mapping's hostIP may serve")
        # Translation is told by conntrack here: no mark is needed, so these say nothing, but they must make sense.
        if conf.get("markMasqBit") is not None and conf.get("externalSetMarkChain") is not None:
            raise config_error("Cannot specify externalSetMarkChain and markMasqBit")
        config.integer(conf, "markMasqBit", 13, 0, 31)
        config.string(conf, "externalSetMarkChain")
        if config.string(conf, "backend", "nftables") not in ("nftables", "iptables"):
            raise config_error(f"backend must be nftables or iptables, not {conf['backend']!r}")
        self.ports = [_port(item) for item in config.objects(call.runtime(), "portMappings")]


def _port(item: dict) -> dict:
    protocol = (config.string(item, "protocol") or "tcp").lower()
    if protocol not in nat.PROTOCOLS:
        raise config_error(f"protocol must be one of {', '.join(nat.PROTOCOLS)}, not {protocol!r}")
    host_ip = config.string(item, "hostIP")
    kind = 0
    if host_ip:
        try:
            kind, number = parse_address(host_ip)
        except ValueError as error:
            raise config_error(f"hostIP: {error}") from None
        # 0.0.0.0 and :: are every address of their family
        host_ip = to_text(kind, number) if number else ""
    return {
        "protocol": protocol,
        "host_port": config.integer(item, "hostPort", None, 1, PORT_MAX),
        "pod_port": config.integer(item, "containerPort", None, 1, PORT_MAX),
        "host_ip": host_ip,
        "family": kind,
    }


def add(call: Call) -> dict:
    """Maps the ports to the pod's addresses and passes the result on."""
    if call.previous is None:
        raise config_error("must be called as chained plugin")
    settings = Settings(call)
    if not settings.ports:  # nothing to do, and so nothing to ask the kernel for
        return call.previous
    addresses = pod_addresses(call)
    mappings = mappings_of(settings, addresses)
    if not mappings:
        return call.previous
    comment = nat.owner_comment(call.network, *call.owner)
    elements = [element for mapping in mappings for element in nat.mapping_keys(mapping)]
    with Channel(NETLINK_NETFILTER) as channel:
        try:
            nat.add(channel, elements, [str(parse_subnet(item)) for item in addresses], comment)
        except NetlinkError as error:
            if error.errno == EEXIST:
                raise CniError(INTERNAL, _conflict(channel, elements, comment)) from None
            raise CniError(INTERNAL, f"failed to map ports: {error}") from None
        if settings.snat:
            _open_loopback(addresses)
        _forget_connections(channel, mappings)
    return call.previous


def pod_addresses(call: Call) -> list[str]:
    """The pod's first address of each family, with prefix length."""
    previous = call.previous or {"interfaces": [], "ips": []}
    outside = {index for index, item in enumerate(previous["interfaces"]) if not item.get("sandbox")}
    found: dict[int, str] = {}
    for item in previous["ips"]:
        if item.get("interface") not in outside:
            found.setdefault(family(item["address"]), item["address"])
    return [found[kind] for kind in sorted(found)]


def mappings_of(settings: Settings, addresses: list[str]) -> list[dict]:
    """Each port to each address of a family that it is for, as ``nat.mapping_keys`` wants it."""
    return [
        {**port, "pod_ip": item.partition("/")[0], "snat": settings.snat, "masq_all": settings.masq_all}
        for port in settings.ports
        for item in addresses
        if port["family"] in (0, family(item))
    ]


def _conflict(channel: Channel, elements: list, comment: str) -> str:
    for name, key, _data in elements:
        other = nat.comment_of(channel, name, key)
        if other is not None and other != comment:
            return f"host port is taken: {nat.describe(name, key)} belongs to {other}"
    return "host port is taken"


def _open_loopback(addresses: list[str]) -> None:
    """Lets packets from 127.0.0.1 out to the pod; they are masqueraded on the way."""
    for item in addresses:
        if family(item) == 4:
            with Channel() as host:
                way = route.lookup(host, item.partition("/")[0])
                found = link.get(host, index=way.index)
            if found:
                pod.write_sysctl(f"net/ipv4/conf/{found.name}/route_localnet", "1")


def _forget_connections(channel: Channel, mappings: list[dict]) -> None:
    """UDP flows go on as long as packets come, to wherever they went before: they must be asked anew."""
    wanted = {(family(item["pod_ip"]), item["host_port"]) for item in mappings if item["protocol"] == "udp"}
    for kind, port in sorted(wanted):
        channel.batch([conntrack.forget(kind, nat.PROTOCOLS["udp"], port)])


def delete(call: Call) -> None:
    """Takes the mappings away: those that were asked for, and only where they are this attachment's."""
    ports = config.objects(call.runtime(), "portMappings")
    if not ports:
        return
    comment = nat.owner_comment(call.network, *call.owner)
    udp = {config.value(item, "hostPort") for item in ports if str(config.value(item, "protocol")).lower() == "udp"}
    with Channel(NETLINK_NETFILTER) as channel:
        nat.remove_owner(channel, comment, nat.HOST_PORTS)
        for port in udp:
            if isinstance(port, int) and 0 < port <= PORT_MAX:
                channel.batch([conntrack.forget(kind, nat.PROTOCOLS["udp"], port) for kind in (4, 6)])


def check(call: Call) -> None:
    """Table, rules and elements are as ADD left them."""
    settings = Settings(call)
    mappings = mappings_of(settings, pod_addresses(call))
    if not mappings:
        return
    comment = nat.owner_comment(call.network, *call.owner)
    with Channel(NETLINK_NETFILTER) as channel:
        _requests, changes = nat.differences(channel)
        if changes:
            raise CniError(INTERNAL, f"{nat.TABLE.title()} is not as it must be: {changes[0]}")
        for mapping in mappings:
            for name, key, _data in nat.mapping_keys(mapping):
                if nat.comment_of(channel, name, key) != comment:
                    raise CniError(INTERNAL, f"port mapping is missing: {nat.describe(name, key)}")


def status(_call: Call) -> None:
    """Ready wherever nftables answers."""
    try:
        with Channel(NETLINK_NETFILTER) as channel:
            nat.nftables.exists(channel, nat.TABLE)
    except OSError as error:
        raise CniError(NOT_AVAILABLE, f"nftables is not available: {error}") from None


def gc(call: Call) -> None:
    """Takes away what belongs to no valid attachment."""
    with Channel(NETLINK_NETFILTER) as channel:
        nat.collect(channel, nat.HOST_PORTS, call.network, call.valid_attachments())
