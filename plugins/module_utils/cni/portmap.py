# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""portmap: ports of this host that lead to the pod."""

from __future__ import annotations

from ..ipam.ip import parse_address, to_text
from . import config
from .errors import UNSUPPORTED_FIELD, CniError, config_error
from .result import family

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from .call import Call

PROTOCOLS = ("tcp", "udp", "sctp")
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
    if protocol not in PROTOCOLS:
        raise config_error(f"protocol must be one of {', '.join(PROTOCOLS)}, not {protocol!r}")
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
    from . import hostports  # the kernel's side, loaded by those who need it: it takes as long as all the rest

    hostports.add(call, mappings, addresses, settings.snat)
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
    """Each port to each address of a family that it is for, as ``nat.mapping_elements`` wants it."""
    return [
        {**port, "pod_ip": item.partition("/")[0], "snat": settings.snat, "masq_all": settings.masq_all}
        for port in settings.ports
        for item in addresses
        if port["family"] in (0, family(item))
    ]


def delete(call: Call) -> None:
    """Takes the attachment's mappings away, and nobody else's."""
    if not config.objects(call.runtime(), "portMappings"):
        return
    from . import hostports

    hostports.delete(call)


def check(call: Call) -> None:
    """Table, rules and elements are as ADD left them."""
    settings = Settings(call)
    mappings = mappings_of(settings, pod_addresses(call))
    if mappings:
        from . import hostports

        hostports.check(call, mappings)


def status(_call: Call) -> None:
    """Ready wherever nftables answers."""
    from . import hostports

    hostports.status()


def gc(call: Call) -> None:
    """Takes away what belongs to no valid attachment."""
    from . import hostports

    hostports.gc(call)
