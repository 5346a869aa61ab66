# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table's elements for single pods: host ports and masqueraded addresses, each marked with its attachment.

An element's comment ("container ID, interface, network") names its owner, so that it is removed with its owner
and with no other.
"""

from __future__ import annotations

from errno import EBUSY, EEXIST, ENOENT, ERESTART

from ..netlink import nft_expr as nft
from ..netlink import nftables
from ..netlink.nftables import Chain, Rule, Table
from ..netlink.wire import U16BE, NetlinkError, pack_ip
from .table import LENGTH, TABLE, TRIES, not_multicast

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..netlink.channel import Channel
    from ..netlink.nftables import Data
    from ..netlink.wire import Request

    #: An element: set or map, key, data; and with its owner's comment.
    Element = tuple[str, bytes, Data]
    Owned = tuple[str, bytes, Data, str]

#: IANA's protocol numbers
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
#: Sets and maps whose elements belong to one attachment.
CONDITIONS = ("hostport_conditions", "hostport_conditions_at")
HOST_PORTS = ("hostports", "hostports_at", "hostport_hairpin", "hostport_masq_all", *CONDITIONS)
LINKS = "hostport_links"
#: Those whose keys hold no pod's address: there two pods may want the same.
BY_PORT = ("hostports", "hostport_conditions")
OWNED = ("masquerade_from", *HOST_PORTS, LINKS)
#: How long the parts of a comment may be, in bytes, beside an interface's name: nft shows no more than 128.
CONTAINER_MAX, NETWORK_MAX = 64, 39


def owner_comment(network: str, container_id: str, ifname: str) -> str:
    """The comment that marks an attachment's elements."""
    return f"{_short(container_id, CONTAINER_MAX)} {ifname} {_short(network, NETWORK_MAX)}"


def is_of_network(comment: str, network: str) -> bool:
    """Whether a comment of ``owner_comment`` names that network."""
    return comment.endswith(f" {_short(network, NETWORK_MAX)}")


def is_of_container(comment: str, container_id: str) -> bool:
    """Whether a comment of ``owner_comment`` names that container."""
    return comment.startswith(f"{_short(container_id, CONTAINER_MAX)} ")


def owner_of(comment: str) -> tuple[str, str, str] | None:
    """Network, container ID and interface of a comment of ``owner_comment``; None if it does not have them whole."""
    words = comment.split(" ")
    if len(words) != 3 or _is_short(words[0], CONTAINER_MAX) or _is_short(words[2], NETWORK_MAX):
        return None
    return words[2], words[0], words[1]


def _is_short(name: str, most: int) -> bool:
    """Whether `_short` may have made it: a name of that very form counts as such."""
    return len(name) == most and name[-17] == "-"


def _short(name: str, most: int) -> str:
    """The name, or its beginning with a checksum if it is too long."""
    if len(name) <= most:
        return name
    digest = _checksum(name)
    return f"{name[: most - len(digest) - 1]}-{digest}"


def _checksum(name: str) -> str:
    """64-bit FNV-1a in hexadecimal digits. Names in the kernel outlive the library, so it never changes."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def _within(prefix: str, operator: int = nft.EQUAL) -> bytes:
    """Go on only if the address that was loaded lies in a prefix (or does not, NOT_EQUAL)."""
    first, last = nftables.prefix_range(prefix)
    same = bytes(0xFF ^ one ^ two for one, two in zip(first, last))
    return nft.mask(len(first), same) + nft.compare(first, operator)


def masquerade_chain(subnet: str) -> Chain:
    """The chain that masquerades what leaves a pod's subnet ("10.1.2.0/24")."""
    family = 6 if ":" in subnet else 4
    leaves = nft.of_family(family) + nft.destination(family) + _within(subnet, nft.NOT_EQUAL)
    rule = Rule(f"out of {subnet}", leaves, not_multicast(family), nft.masquerade())
    return Chain(_named("masquerade", subnet), [rule])


def hairpin_chain(subnet: str) -> Chain:
    """The chain that masquerades connections to host ports of a pod from its own subnet, and from loopback."""
    family = 6 if ":" in subnet else 4
    sources = [subnet, "127.0.0.0/8"] if family == 4 else [subnet]
    load = nft.of_family(family) + nft.source(family)
    rules = [Rule(f"from {each}", load, _within(each), nft.masquerade()) for each in sources]
    return Chain(_named("hairpin", subnet), rules)


def _named(what: str, subnet: str) -> str:
    """A name as nft takes it."""
    return f"{what}-{subnet.replace(':', '_')}"


def condition_chain(conditions: tuple, family: int) -> Chain:
    """The chain that a mapping with conditions leads through: packets that do not meet all of them end there.

    A condition is (what, negated, value): "source" or "destination" and a prefix, or "interface" and the name of the
    one where packets come in ("eth*" for all that begin so).
    """
    rules = []
    for what, negated, value in conditions:
        missed = nft.EQUAL if negated else nft.NOT_EQUAL
        if what == "interface":
            name = value[:-1].encode() if value.endswith("*") else value.encode().ljust(16, b"\0")
            test = nft.meta("iifname") + nft.compare(name, missed)
        else:
            load = nft.source if what == "source" else nft.destination
            test = load(family) + _within(value, missed)
        words = f"{what} {'must not' if negated else 'must'} be {value}"
        rules.append(Rule(words, nft.of_family(family), test, nft.verdict("accept")))
    return Chain("conditions-" + _checksum(repr((family, conditions))), rules)


class PortMapping:
    """A port of this host that leads to one of a pod's: ``protocol`` ("tcp"), ``host_ip`` ("" for every local address),
    ``subnet`` (the pod's, for ``snat``), ``conditions`` (see ``condition_chain``)."""

    def __init__(
        self,
        protocol: str,
        host_port: int,
        host_ip: str,
        pod_ip: str,
        pod_port: int,
        *,
        subnet: str = "",
        snat: bool = False,
        masq_all: bool = False,
        conditions: tuple = (),
    ) -> None:
        self.protocol, self.host_port, self.host_ip = protocol, host_port, host_ip
        self.pod_ip, self.pod_port, self.subnet = pod_ip, pod_port, subnet
        self.snat, self.masq_all, self.conditions = snat, masq_all, conditions
        self.family = 6 if ":" in pod_ip else 4

    def elements(self) -> list[Element]:
        """Its elements; they lead to the chains of ``mapping_chains``."""
        protocol, port = bytes([PROTOCOLS[self.protocol]]), U16BE.pack(self.host_port)
        pod = pack_ip(self.pod_ip)
        at = [pack_ip(self.host_ip)] if self.host_ip else []
        end = f"_at{self.family}" if at else f"{self.family}"
        key = nftables.pack(("", ""), *at, protocol, port)
        found: list[Element] = [(f"hostports{end}", key, nftables.pack(("", ""), pod, U16BE.pack(self.pod_port)))]
        if self.conditions:
            found.append((f"hostport_conditions{end}", key, condition_chain(self.conditions, self.family).name))
        if self.snat:
            # with masq_all as well: loopback's answers need the rule that knows them
            connection = nftables.pack(("", ""), protocol, port, pod)
            found.append((f"hostport_hairpin{self.family}", connection, hairpin_chain(self.subnet).name))
            if self.masq_all:
                found.append((f"hostport_masq_all{self.family}", connection, None))
        return found


def mapping_chains(mappings: Iterable[PortMapping]) -> list[Chain]:
    """The chains that the elements of port mappings lead to."""
    found = {}
    for mapping in mappings:
        if mapping.conditions:
            chain = condition_chain(mapping.conditions, mapping.family)
            found[chain.name] = chain
        if mapping.snat:
            chain = hairpin_chain(mapping.subnet)
            found[chain.name] = chain
    return list(found.values())


def link_element(link: str, address: str) -> Element:
    """The element that says for which pod packets from 127.0.0.1 may go out of a link: (set, key, None)."""
    return f"{LINKS}4", nftables.pack(("", ""), link.encode().ljust(16, b"\0"), pack_ip(address)), None


def links(elements: Iterable[Owned]) -> set[str]:
    """The links of such elements among an attachment's, or all attachments'."""
    return {key[:16].rstrip(b"\0").decode() for name, key, _data, _comment in elements if name.startswith(LINKS)}


def masquerade_key(address: str) -> tuple[str, bytes]:
    """Map and key of what has a pod's address ("10.1.2.3") masqueraded; the data is a ``masquerade_chain``'s name."""
    return ("masquerade_from6" if ":" in address else "masquerade_from4"), pack_ip(address)


def add(channel: Channel, elements: list[Element], comment: str, chains: list[Chain]) -> None:
    """Put an attachment's elements into their sets and maps, all or none.

    The same transaction makes or repairs the table and the `chains` that they lead to. Raises NetlinkError, EEXIST for
    a host port that another pod has.
    """
    whole = Table(TABLE.family, TABLE.name, TABLE.sets, [*TABLE.chains, *chains])
    for attempt in range(TRIES):
        requests, _changes = nftables.differences(channel, whole)
        made = nftables.makes_sets(requests)
        if not nftables.makes_table(requests):
            requests += _replacing(channel, elements, comment)
        requests += [nftables.add_elements(TABLE, name, [(key, data)], comment=comment) for name, key, data in elements]
        try:
            nftables.transaction(channel, requests)
            return
        except NetlinkError as error:
            # another process changed the table meanwhile: it made the sets, or removed a chain or an old element
            again = error.errno in (ENOENT, ERESTART) or (error.errno == EEXIST and made)
            if not again or attempt == TRIES - 1:
                raise


def _replacing(channel: Channel, elements: list[Element], comment: str) -> list[Request]:
    """The requests that delete former elements for the same keys: one for our own address is left over from its former
    owner."""
    requests = []
    for name, key, data in elements:
        found = nftables.get_element(channel, TABLE, name, key)
        if found and found != (data, comment) and (found[0] == data or not name.startswith(BY_PORT)):
            requests.append(nftables.delete_elements(TABLE, name, [key]))
    return requests


def remove(channel: Channel, elements: list[tuple[str, bytes]], comment: str) -> None:
    """Take elements out that are there and carry this comment; an absent table is as good."""
    found = ((name, key, nftables.get_element(channel, TABLE, name, key)) for name, key in elements)
    take_out(channel, [(name, key, *told) for name, key, told in found if told and told[1] == comment])


def remove_all(channel: Channel, kinds: tuple[str, ...], chosen: Callable[[str], bool]) -> None:
    """Take out the elements with `chosen` comments from the sets of these ``kinds`` (names of ``OWNED``)."""
    take_out(channel, [element for element in owned(channel, kinds) if chosen(element[3])])


def port_of(name: str, key: bytes) -> tuple[int, int]:
    """The protocol's number and the host port of an element of a host port's set or map."""
    offset = LENGTH[int(name[-1])] if name[:-1].endswith("_at") else 0
    return key[offset], U16BE.unpack_from(key, offset + 4)[0]


def describe(name: str, key: bytes) -> str:
    """An element of a host port's set or map in words: "tcp 8080 (hostports4)"."""
    protocol, port = port_of(name, key)
    words = {number: text for text, number in PROTOCOLS.items()}
    return f"{words.get(protocol, protocol)} {port} ({name})"


def by_owner(comment: str) -> Callable[[str], bool]:
    """Chooses one attachment's elements."""
    return lambda other: other == comment


def by_network(network: str, valid: set) -> Callable[[str], bool]:
    """Chooses the elements of a network's attachments that are not ``valid``: (container ID, interface) pairs."""
    kept = {owner_comment(network, *owner) for owner in valid}
    return lambda other: is_of_network(other, network) and other not in kept


def take_out(channel: Channel, elements: list[Owned]) -> None:
    """Remove elements, and with the last one that leads to a chain the chain."""
    requests = [nftables.delete_elements(TABLE, name, [key]) for name, key, _data, _comment in elements]
    leading = [data for _name, _key, data, _comment in elements if isinstance(data, str)]
    left = {chain: nftables.chain_use(channel, TABLE, chain) for chain in sorted(set(leading))}
    last = [chain for chain, use in left.items() if use == leading.count(chain)]
    try:
        nftables.transaction(channel, requests + [nftables.delete_chain(TABLE, chain) for chain in last])
    except NetlinkError as error:
        if error.errno not in (EBUSY, ENOENT):
            raise
        # another process removed one of them, or put in an element that leads to a chain: each by itself
        _each(channel, requests)
        last = []
    for chain in left:
        # other elements, which other processes remove at this moment
        if chain not in last and nftables.chain_use(channel, TABLE, chain) == 0:
            _each(channel, [nftables.delete_chain(TABLE, chain)])


def _each(channel: Channel, requests: list[Request]) -> None:
    """Carry out deletions one by one, except of what is gone or in use again."""
    for request in requests:
        try:
            nftables.transaction(channel, [request])
        except NetlinkError as error:
            if error.errno not in (EBUSY, ENOENT):
                raise


def comment_of(channel: Channel, name: str, key: bytes) -> str | None:
    """An element's comment, None if the element is missing."""
    found = nftables.get_element(channel, TABLE, name, key)
    return found[1] if found else None


def owned(channel: Channel, kinds: tuple[str, ...] = OWNED) -> list[Owned]:
    """All elements that belong to single attachments; none without a table."""
    found: list[Owned] = []
    for name in [entry.name for entry in TABLE.sets if entry.name[:-1] in kinds]:
        try:
            elements = nftables.read_elements(channel, TABLE, name)
        except NetlinkError as error:
            if error.errno != ENOENT:
                raise
            continue
        found += [(name, key, data, comment) for key, (data, comment) in elements.items()]
    return found
