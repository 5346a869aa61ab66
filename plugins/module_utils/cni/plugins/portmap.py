# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""portmap: maps ports of this host to ports of the pod."""

from __future__ import annotations

from ...ipam.ip import parse_address, parse_subnet, to_text
from ..spec import config
from ..spec.environment import INTERFACE_NAME_MAX
from ..spec.errors import UNSUPPORTED_FIELD, CniError, config_error
from ..spec.result import family, interface_of, new

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...nat.pods import PortMapping
    from ..spec.call import Call

PROTOCOLS = ("tcp", "udp", "sctp")
PORT_MAX = 65535


class Settings:
    """The configuration's keys, checked. ``ports`` are the requested mappings."""

    def __init__(self, call: Call) -> None:
        conf = call.conf
        self.snat = config.boolean(conf, "snat", True)
        self.masq_all = config.boolean(conf, "masqAll")
        self.conditions = {4: _conditions(conf, "conditionsV4", 4), 6: _conditions(conf, "conditionsV6", 6)}
        # Conntrack has the translation, so no mark is needed. These keys have no effect, but must be valid.
        if conf.get("markMasqBit") is not None and conf.get("externalSetMarkChain") is not None:
            raise config_error("Cannot specify externalSetMarkChain and markMasqBit")
        config.integer(conf, "markMasqBit", 13, 0, 31)
        config.string(conf, "externalSetMarkChain")
        if config.string(conf, "backend", "nftables") not in ("nftables", "iptables"):
            raise config_error(f"backend must be nftables or iptables, not {conf['backend']!r}")
        self.ports = [HostPort(item) for item in config.objects(call.runtime(), "portMappings")]
        self._refuse_two_targets()

    def _refuse_two_targets(self) -> None:
        """One host port has one target; a repeated mapping counts once."""
        ways: dict = {}
        for port in self.ports:
            what = f"{port.protocol} {port.host_port}"
            other = ways.setdefault((what, port.host_ip, port.family), port.pod_port)
            if other != port.pod_port:
                raise config_error(f"portMappings: {what} cannot lead to both {other} and {port.pod_port}")


#: The conditions, in the spelling of iptables and of nft.
WORDS = {
    "source": ("-s", "--source", "--src", "ip saddr", "ip6 saddr"),
    "destination": ("-d", "--destination", "--dst", "ip daddr", "ip6 daddr"),
    "interface": ("-i", "--in-interface", "iifname", "meta iifname"),
}


def _conditions(conf: dict, key: str, kind: int) -> tuple:
    """The conditions that packets must meet to be translated, as ``pods.condition_chain`` wants them.

    CniError 2 for anything but a condition on source, destination or interface, 7 for an invalid prefix.
    """
    words = " ".join(config.strings(conf, key)).split()
    found = []
    while words:
        negated = words[0] == "!"
        del words[:negated]
        what, length = _condition(words)
        if not what:
            known = ", ".join(word for spellings in WORDS.values() for word in spellings)
            raise CniError(
                UNSUPPORTED_FIELD, f"portmap: {key}: {' '.join(words)!r} is not supported", f"known: {known}"
            )
        iptables = words[0].startswith("-")
        del words[:length]
        if not iptables and words[:1] in (["!="], ["=="]):
            negated = words.pop(0) == "!="
        if not words:
            raise config_error(f"{key}: the {what} is missing")
        value = words.pop(0).strip('"')
        if what == "interface":
            value = value[:-1] + "*" if iptables and value.endswith("+") else value
            if not 0 < len(value.encode()) <= INTERFACE_NAME_MAX:
                raise config_error(f"{key}: {value!r} is not a valid interface name")
        else:
            try:
                subnet = parse_subnet(value if "/" in value else f"{value}/{128 if ':' in value else 32}")
            except ValueError as error:
                raise config_error(f"{key}: {error}") from None
            if subnet.family != kind:
                raise config_error(f"{key}: {value} is not IPv{kind}")
            value = str(subnet)
        found.append((what, negated, value))
    return tuple(found)


def _condition(words: list[str]) -> tuple[str, int]:
    """The kind of the condition at the beginning of `words`, and the number of its words."""
    for what, spellings in WORDS.items():
        for length in (1, 2):
            if " ".join(words[:length]) in spellings:
                return what, length
    return "", 0


class HostPort:
    """A requested mapping, checked; ``family`` 0: of both IP versions."""

    def __init__(self, item: dict) -> None:
        self.protocol = config.string(item, "protocol", "tcp").lower()
        if self.protocol not in PROTOCOLS:
            raise config_error(f"protocol must be one of {', '.join(PROTOCOLS)}, not {self.protocol!r}")
        self.host_ip = config.string(item, "hostIP")
        self.family = 0
        if self.host_ip:
            try:
                self.family, number = parse_address(self.host_ip)
            except ValueError as error:
                raise config_error(f"hostIP: {error}") from None
            # 0.0.0.0 and :: are every address of their family
            self.host_ip = to_text(self.family, number) if number else ""
        self.host_port = config.integer(item, "hostPort", None, 1, PORT_MAX)
        self.pod_port = config.integer(item, "containerPort", None, 1, PORT_MAX)


def add(call: Call, again: bool = False) -> dict:
    """Maps the ports to the pod's addresses and passes the result on."""
    if call.previous is None:
        raise config_error("must be called as chained plugin")
    settings = Settings(call)
    if not settings.ports:  # nothing to do: no request to the kernel
        return call.previous
    addresses = pod_addresses(call)
    mappings = mappings_of(settings, addresses)
    if not mappings:
        return call.previous
    from . import portmap_nft  # the kernel's side, only if needed: it takes as long as all the rest

    portmap_nft.add(call, mappings, again)
    return call.previous


def restore(call: Call) -> None:
    """Restores the host ports."""
    add(call, again=True)


def pod_addresses(call: Call) -> list[str]:
    """The pod's first address of each family, with prefix length."""
    previous = call.previous or new()
    found: dict[int, str] = {}
    for item in previous["ips"]:
        owner = interface_of(previous, item)
        if owner is None or owner.get("sandbox"):
            found.setdefault(family(item["address"]), item["address"])
    return [found[kind] for kind in sorted(found)]


def mappings_of(settings: Settings, addresses: list[str]) -> list[PortMapping]:
    """Each port with each of the pod's addresses of its families."""
    from ...nat.pods import PortMapping  # as portmap_nft, only if needed

    return [
        PortMapping(
            port.protocol,
            port.host_port,
            port.host_ip,
            item.partition("/")[0],
            port.pod_port,
            subnet=str(parse_subnet(item)),
            snat=settings.snat,
            masq_all=settings.masq_all,
            conditions=settings.conditions[family(item)],
        )
        for port in settings.ports
        for item in addresses
        if port.family in (0, family(item))
    ]


def delete(call: Call) -> None:
    """Removes the attachment's mappings and no others, even if the runtime does not repeat them."""
    if not may_have_ports(call):
        return
    from . import portmap_nft

    portmap_nft.delete(call)


def may_have_ports(call: Call) -> bool:
    """Whether ADD may have mapped ports: yes, unless the runtime gives an empty list."""
    return config.value(call.runtime(), "portMappings") != []


def check(call: Call) -> None:
    """Table, rules and elements are as ADD left them."""
    settings = Settings(call)
    mappings = mappings_of(settings, pod_addresses(call))
    if mappings:
        from . import portmap_nft

        portmap_nft.check(call, mappings)


def status(call: Call) -> None:
    """Ready if nftables is available and the configuration is valid."""
    Settings(call)
    from . import portmap_nft

    portmap_nft.status()


def gc(call: Call) -> None:
    """Removes the mappings of all but the valid attachments."""
    from . import portmap_nft

    portmap_nft.gc(call)
