# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewall: accepts what this host forwards for its pods, by an ingress policy.

Rules of our table ``inet podnet``, made when the first pod needs them; pods are elements:

``firewall_pods4|6``    addresses: packets from there are accepted, and answers to there
``firewall_admin4|6``   the same addresses → the operator's chain, which comes first for such packets
``ingress_bridges``     bridges with an ingress policy: packets from one to another of them are dropped
``ingress_same``        bridge, bridge: packets within this bridge are accepted
``ingress_members``     bridge, host's end: its members; the last one removes the bridge from the other two sets

An accept ends this table's rules for the packet. It does not override a drop in another nftables table.
"""

from __future__ import annotations

import posix
from errno import ENOENT
from sys import byteorder

from ...nat import pods, table
from ...netlink import link, nftables
from ...netlink import nft_expr as nft
from ...netlink.channel import Channel
from ...netlink.nftables import Chain, Rule, Set, Table
from ...netlink.removal import Unhurried
from ...netlink.wire import NETLINK_NETFILTER, NetlinkError, pack_ip
from ..attach import veth
from ..spec import config
from ..spec.errors import INTERNAL, NOT_AVAILABLE, CniError, config_error
from ..spec.names import host_name
from ..spec.result import family, new

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ...netlink.link import Link
    from ...netlink.wire import Request
    from ..spec.call import Call

ADMIN = "CNI-ADMIN"
CHAIN_NAME_MAX = 28  # the limit of iptables; nft allows more
BACKENDS = ("", "nftables", "iptables", "firewalld")
POLICIES = ("open", "same-bridge", "isolated")
FILTER = 0  # linux/netfilter_ipv4.h NF_IP_PRI_FILTER
TRIES = 100

_BETWEEN_BRIDGES = (
    nft.meta("iifname")
    + nft.in_set("ingress_bridges")
    + nft.meta("oifname")
    + nft.in_set("ingress_bridges")
    + nft.meta("iifname", nft.REG32)
    + nft.meta("oifname", nft.REG32 + 4)
    + nft.in_set("ingress_same", nft.REG32, inverted=True)
)
_ANSWER = (
    nft.conntrack(nft.CT_STATE)
    + nft.mask(4, nft.ESTABLISHED_OR_RELATED.to_bytes(4, byteorder))
    + nft.compare(bytes(4), nft.NOT_EQUAL)
)


def _rules(kind: int) -> list[Rule]:
    only = nft.of_family(kind)
    members, admin = f"firewall_pods{kind}", nft.map_to(f"firewall_admin{kind}", nft.REG, nft.VERDICT_REG)
    accept = nft.verdict("accept")
    return [
        Rule(f"the operator's word on what IPv{kind} pods send", only, nft.source(kind), admin),
        Rule(f"the operator's word on what IPv{kind} pods receive", only, nft.destination(kind), admin),
        Rule(f"what IPv{kind} pods send", only, nft.source(kind), nft.in_set(members), accept),
        Rule(f"answers to IPv{kind} pods", only, nft.destination(kind), nft.in_set(members), _ANSWER, accept),
    ]


def _sets(kind: int) -> list[Set]:
    address = (nftables.ADDRESS[kind],)
    return [Set(f"firewall_pods{kind}", address), Set(f"firewall_admin{kind}", address, ("verdict",))]


#: This plugin's part of the table; the rest is nat/table.py's.
TABLE = Table(
    table.TABLE.family,
    table.TABLE.name,
    [
        Set("ingress_bridges", ("ifname",)),
        Set("ingress_same", ("ifname", "ifname")),
        Set("ingress_members", ("ifname", "ifname")),
        *_sets(4),
        *_sets(6),
    ],
    [
        Chain(
            "forward",
            [Rule("nothing between bridges", _BETWEEN_BRIDGES, nft.verdict("drop")), *_rules(4), *_rules(6)],
            "filter",
            "forward",
            FILTER,
        )
    ],
)
#: The sets whose elements belong to one attachment.
OWNED = ("firewall_pods4", "firewall_pods6", "firewall_admin4", "firewall_admin6", "ingress_members")


class Settings:
    def __init__(self, call: Call) -> None:
        self.backend = config.string(call.conf, "backend")
        self.admin = config.string(call.conf, "iptablesAdminChainName", ADMIN)
        self.policy = config.string(call.conf, "ingressPolicy", "open")
        if self.backend not in BACKENDS:
            raise config_error(f"backend must be one of {', '.join(BACKENDS[1:])}, not {self.backend!r}")
        if self.policy not in POLICIES:
            raise config_error(f"ingressPolicy must be one of {', '.join(POLICIES)}, not {self.policy!r}")
        if len(self.admin) > CHAIN_NAME_MAX or not self.admin.replace("-", "").replace("_", "").isalnum():
            raise config_error(f"iptablesAdminChainName: {self.admin!r} is not a valid chain name")
        if self.admin in [chain.name for chain in (*TABLE.chains, *table.TABLE.chains)]:
            raise config_error(f"iptablesAdminChainName: {self.admin} is reserved for the plugin's own chain")


def add(call: Call) -> dict:
    """Accepts the pod's addresses, applies the ingress policy, and passes the result on."""
    settings = Settings(call)
    if call.previous is None:
        raise config_error("missing prevResult from earlier plugin")
    bridge = _bridge(call) if settings.policy != "open" else None
    with Unhurried(NETLINK_NETFILTER) as channel:
        _attempt(lambda: nftables.ensure(channel, TABLE), "set up the firewall")
        _attempt(lambda: _add(channel, call, settings, bridge), "let the pod's packets through")
        try:
            if settings.policy == "isolated":
                _isolate(call)
            _warn_of_foreign_drops(channel)
        except BaseException:
            _remove(channel, _is(call))
            raise
    return call.previous


def restore(call: Call) -> None:
    """Restores the elements of ADD, which may be repeated."""
    add(call)


def _attempt(step, what: str) -> None:
    """Takes a step, and retries it if another process changed the rules meanwhile."""
    for attempt in range(TRIES):
        try:
            step()
            return
        except NetlinkError as error:
            if error.errno not in nftables.RACED or attempt == TRIES - 1:
                raise CniError(INTERNAL, f"failed to {what}: {error}") from None


def _bridge(call: Call) -> str:
    """The bridge of the policy: the first bridge among the host's interfaces in the previous result."""
    with Channel() as host:
        for item in (call.previous or new())["interfaces"]:
            if item.get("name") and not item.get("sandbox"):
                found = link.get(host, item["name"])
                if found and found.kind == "bridge":
                    return found.name
    raise config_error("ingressPolicy needs a bridge, and prevResult has none")


def _name(text: str) -> bytes:
    return text.encode().ljust(16, b"\0")


def _elements(call: Call, settings: Settings, bridge: str | None) -> list[tuple[str, bytes, str | None]]:
    """The attachment's own elements: set, key, and the chain to jump to in a map."""
    found: list[tuple[str, bytes, str | None]] = []
    for item in (call.previous or new())["ips"]:
        kind, packed = family(item["address"]), pack_ip(item["address"].partition("/")[0])
        found.append((f"firewall_pods{kind}", packed, None))
        found.append((f"firewall_admin{kind}", packed, settings.admin))
    if bridge:
        found.append(("ingress_members", _name(bridge) + _name(host_name(call)), None))
    return found


def _shared(settings: Settings, bridge: str | None) -> list[tuple[str, bytes]]:
    """The elements that a bridge has for all its pods."""
    if not bridge:
        return []
    found = [("ingress_bridges", _name(bridge))]
    if settings.policy == "same-bridge":
        found.append(("ingress_same", _name(bridge) * 2))
    return found


def _add(channel: Channel, call: Call, settings: Settings, bridge: str | None) -> None:
    comment = pods.owner_comment(call.network, *call.owner)
    admin = (nftables.NEWCHAIN, nftables.NLM_F_CREATE, _chain(settings.admin), f"add chain {settings.admin}")
    requests: list[Request] = [admin]
    since = nftables.generation(channel)
    for name, key, chain in _elements(call, settings, bridge):
        found = nftables.get_element(channel, TABLE, name, key)
        if found and found != (chain, comment):  # left over from the address's former owner
            requests.append(nftables.delete_elements(TABLE, name, [key]))
        requests.append(nftables.add_elements(TABLE, name, [(key, chain)], comment=comment))
    requests += [nftables.add_elements(TABLE, name, [(key, None)]) for name, key in _shared(settings, bridge)]
    nftables.transaction(channel, requests, since)


def _chain(name: str) -> bytes:
    return TABLE.header() + nftables.attr_str(3, name)


def _isolate(call: Call) -> None:
    """Isolates the pod's port from the bridge's other ports: bridged frames pass no ``inet`` rule."""
    with Channel() as host:
        port = _port(host, call)
        host.request(link.port(port.index, {"isolated": True}))


def _port(host: Channel, call: Call) -> Link:
    previous = call.previous or new()
    return veth.find(host, call, previous, None)


def _warn_of_foreign_drops(channel: Channel) -> None:
    """Warns on standard error, which runtimes log, of foreign chains that drop forwarded packets all the same."""
    droppers = nftables.dropping_chains(channel, nftables.HOOKS["forward"])
    if droppers:
        text = f"podnet firewall: {', '.join(droppers)}: what is not accepted there is dropped, pods' packets too\n"
        posix.write(2, text.encode())


def delete(call: Call) -> None:
    """Removes the attachment's elements, found by their owner, so that prevResult is not needed."""
    with Unhurried(NETLINK_NETFILTER) as channel:
        _remove(channel, _is(call))


def _is(call: Call):
    comment = pods.owner_comment(call.network, *call.owner)
    return lambda other: other == comment


def _remove(channel: Channel, chosen) -> None:
    """Removes the elements of the `chosen` owners, and those of bridges without members."""
    _attempt(lambda: _remove_once(channel, chosen), "clear the firewall")


def _remove_once(channel: Channel, chosen) -> None:
    since = nftables.generation(channel)
    elements = {name: _read(channel, name) for name in OWNED}
    requests = []
    gone: set[bytes] = set()
    left: set[bytes] = set()
    for name, found in elements.items():
        for key, (_data, comment) in found.items():
            if chosen(comment):
                requests.append(nftables.delete_elements(TABLE, name, [key]))
            if name == "ingress_members":
                (gone if chosen(comment) else left).add(key[:16])
    for bridge in sorted(gone - left):
        for name, key in (("ingress_bridges", bridge), ("ingress_same", bridge * 2)):
            if nftables.has_element(channel, TABLE, name, key):
                requests.append(nftables.delete_elements(TABLE, name, [key]))
    nftables.transaction(channel, requests, since)


def _read(channel: Channel, name: str) -> dict:
    try:
        return nftables.read_elements(channel, TABLE, name)
    except NetlinkError as error:
        if error.errno == ENOENT:
            return {}
        raise


def check(call: Call) -> None:
    """Rules and elements are as ADD left them."""
    settings = Settings(call)
    bridge = _bridge(call) if settings.policy != "open" else None
    comment = pods.owner_comment(call.network, *call.owner)
    with Unhurried(NETLINK_NETFILTER) as channel:
        _requests, changes = nftables.differences(channel, TABLE)
        if changes:
            raise CniError(INTERNAL, f"{TABLE.title()} has drifted: {changes[0]}")
        for name, key, chain in _elements(call, settings, bridge):
            if nftables.get_element(channel, TABLE, name, key) != (chain, comment):
                raise CniError(INTERNAL, f"firewall: set {name} lacks the pod's element")
        for name, key in _shared(settings, bridge):
            if not nftables.has_element(channel, TABLE, name, key):
                raise CniError(INTERNAL, f"firewall: set {name} lacks {bridge}")
    if settings.policy == "isolated":
        with Channel() as host:
            port = _port(host, call)
            if not port.port.get("isolated"):
                raise CniError(INTERNAL, f"firewall: {port.name} is not isolated")


def status(call: Call) -> None:
    """Ready if nftables is available."""
    Settings(call)
    try:
        with Unhurried(NETLINK_NETFILTER) as channel:
            nftables.exists(channel, TABLE)
    except OSError as error:
        raise CniError(NOT_AVAILABLE, f"nftables is not available: {error}") from None


def gc(call: Call) -> None:
    """Removes the elements of all but the valid attachments."""
    kept = {pods.owner_comment(call.network, *owner) for owner in call.valid_attachments()}
    with Unhurried(NETLINK_NETFILTER) as channel:
        _remove(channel, lambda other: pods.is_of_network(other, call.network) and other not in kept)
