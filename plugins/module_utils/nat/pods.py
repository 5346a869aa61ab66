# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table's elements for single pods: host ports and masqueraded addresses, each marked with its attachment.

An element's comment ("container ID, interface, network") names its owner, so that it is removed with its owner
and with no other.
"""

from __future__ import annotations

from ..netlink import nft_expr as nft
from ..netlink import nftables
from ..netlink.nftables import Chain, Rule
from ..netlink.wire import U16BE, NetlinkError, pack_ip
from .table import EEXIST, ENOENT, LENGTH, TABLE, ensure

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..netlink.channel import Channel
    from ..netlink.nftables import Data
    from ..netlink.wire import Request

    #: An element: set or map, key, data.
    Element = tuple[str, bytes, Data]

#: IANA's protocol numbers
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
#: Sets and maps whose elements belong to one attachment.
CONDITIONS = ("hostport_conditions", "hostport_conditions_at")
HOST_PORTS = ("hostports", "hostports_at", "hostport_snat", "hostport_masq_all", *CONDITIONS)
OWNED = ("masqueraded", *HOST_PORTS)
#: How long the parts of a comment may be, in bytes, beside an interface's name: nft shows no more than 128.
CONTAINER_MAX, NETWORK_MAX = 64, 39
EBUSY, ENOTEMPTY = 16, 39


def owner_comment(network: str, container_id: str, ifname: str) -> str:
    """The comment that marks an attachment's elements."""
    return f"{_short(container_id, CONTAINER_MAX)} {ifname} {_short(network, NETWORK_MAX)}"


def is_of_network(comment: str, network: str) -> bool:
    """Whether a comment of ``owner_comment`` names that network."""
    return comment.endswith(f" {_short(network, NETWORK_MAX)}")


def is_of_container(comment: str, container_id: str) -> bool:
    """Whether a comment of ``owner_comment`` names that container."""
    return comment.startswith(f"{_short(container_id, CONTAINER_MAX)} ")


def _short(name: str, most: int) -> str:
    """The name, or its beginning with a checksum if it is too long."""
    if len(name) <= most:
        return name
    digest = Rule(name).digest().hex()
    return f"{name[: most - len(digest) - 1]}-{digest}"


def condition_chain(conditions: tuple, family: int) -> Chain:
    """The chain that a mapping with conditions leads through: packets that don't meet all of them end there.

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
            first, last = nftables.prefix_range(value)
            same = bytes(0xFF ^ one ^ two for one, two in zip(first, last))
            load = nft.source if what == "source" else nft.destination
            test = load(family) + nft.mask(len(first), same) + nft.compare(first, missed)
        words = f"{what} {'must not' if negated else 'must'} be {value}"
        rules.append(Rule(words, nft.of_family(family), test, nft.verdict("accept")))
    name = "conditions-" + Rule(repr((family, conditions))).digest().hex()
    return Chain(name, rules)


def mapping_elements(mapping: dict) -> list[Element]:
    """The elements of one port mapping as (set or map, key, data).

    ``mapping``: protocol ("tcp"), host_port, host_ip ("" for every local address), pod_ip, pod_port, snat, masq_all,
    conditions (see ``condition_chain``; the chain must be there).
    """
    family = 6 if ":" in mapping["pod_ip"] else 4
    protocol = bytes([PROTOCOLS[mapping["protocol"]]])
    port = U16BE.pack(mapping["host_port"])
    pod = pack_ip(mapping["pod_ip"])
    data = nftables.pack(("", ""), pod, U16BE.pack(mapping["pod_port"]))
    at = [pack_ip(mapping["host_ip"])] if mapping["host_ip"] else []
    end = f"_at{family}" if at else f"{family}"
    key = nftables.pack(("", ""), *at, protocol, port)
    elements: list[Element] = [(f"hostports{end}", key, data)]
    if mapping["conditions"]:
        elements.append((f"hostport_conditions{end}", key, condition_chain(mapping["conditions"], family).name))
    if mapping["snat"]:
        name = "hostport_masq_all" if mapping["masq_all"] else "hostport_snat"
        elements.append((f"{name}{family}", nftables.pack(("", ""), protocol, port, pod), None))
        if mapping["masq_all"]:  # answers to loopback need the rule that matches them
            elements.append((f"hostport_snat{family}", elements[-1][1], None))
    return elements


def masquerade_element(address: str) -> Element:
    """The element that masquerades a pod's address ("10.1.2.3", a prefix length is cut off): (set, key, None)."""
    return ("masqueraded6" if ":" in address else "masqueraded4"), pack_ip(address.partition("/")[0]), None


def add(
    channel: Channel, elements: list[Element], subnets: list[str], comment: str, chains: list[Chain] | None = None
) -> None:
    """Put an attachment's elements into their sets, all or none, and its subnets among the local ones.

    The table is made where it is missing, and so are the `chains` that elements lead to. Raises NetlinkError, EEXIST
    for a host port that another pod has.
    """
    ensure(channel)
    for subnet in subnets:
        add_local_subnet(channel, subnet)
    requests = [request for chain in chains or [] for request in nftables.put_chain(TABLE, chain)]
    for name, key, data in elements:
        # An element for our own address is left over from its former owner.
        found = nftables.get_element(channel, TABLE, name, key)
        if found and found[0] == data and found[1] != comment:
            requests.append(nftables.delete_elements(TABLE, name, [key]))
        requests.append(nftables.add_elements(TABLE, name, [(key, data)], comment=comment))
    nftables.transaction(channel, requests)


def add_local_subnet(channel: Channel, subnet: str) -> None:
    """Add a subnet of this node's pods to the local ones, unless an overlapping one is there."""
    family = 6 if ":" in subnet else 4
    try:
        nftables.transaction(channel, [nftables.add_prefixes(TABLE, f"local_subnets{family}", [subnet])])
    except NetlinkError as error:
        if error.errno not in (EEXIST, ENOTEMPTY):  # the latter: a partial overlap
            raise


def remove(channel: Channel, elements: list[tuple[str, bytes]], comment: str) -> None:
    """Remove the elements with this comment; a missing table is no error."""
    requests = []
    for name, key in elements:
        found = nftables.get_element(channel, TABLE, name, key)
        if found and found[1] == comment:
            requests.append(nftables.delete_elements(TABLE, name, [key]))
    _delete(channel, requests)


def remove_owner(channel: Channel, comment: str, kinds: tuple[str, ...] = OWNED) -> list[tuple[str, bytes]]:
    """Remove all elements with this comment; returns (set, key) of each."""
    return _remove(channel, [element for element in owned(channel, kinds) if element[3] == comment])


def port_of(name: str, key: bytes) -> tuple[int, int]:
    """The protocol's number and the host port of an element of a host port's set or map."""
    offset = LENGTH[int(name[-1])] if name[:-1].endswith("_at") else 0
    return key[offset], U16BE.unpack_from(key, offset + 4)[0]


def describe(name: str, key: bytes) -> str:
    """An element of a host port's set or map in words: "tcp 8080 (hostports4)"."""
    protocol, port = port_of(name, key)
    words = {number: text for text, number in PROTOCOLS.items()}
    return f"{words.get(protocol, protocol)} {port} ({name})"


def collect(channel: Channel, kinds: tuple[str, ...], network: str, valid: set) -> list[tuple[str, bytes]]:
    """Remove the elements of a network's attachments that are not ``valid``: (container ID, interface) pairs.

    Only those in sets of these ``kinds`` (names of ``OWNED``). Returns (set, key) of each.
    """
    kept = {owner_comment(network, *owner) for owner in valid}
    ours = [element for element in owned(channel, kinds) if is_of_network(element[3], network)]
    return _remove(channel, [element for element in ours if element[3] not in kept])


def _remove(channel: Channel, elements: list[tuple[str, bytes, Data, str]]) -> list[tuple[str, bytes]]:
    removed = [(name, key) for name, key, _data, _comment in elements]
    _delete(channel, [nftables.delete_elements(TABLE, name, [key]) for name, key in removed])
    for chain in sorted({data for _name, _key, data, _comment in elements if isinstance(data, str)}):
        try:
            nftables.transaction(channel, [nftables.delete_chain(TABLE, chain)])
        except NetlinkError as error:
            if error.errno not in (EBUSY, ENOENT):  # other elements lead there, or another process was first
                raise
    return removed


def comment_of(channel: Channel, name: str, key: bytes) -> str | None:
    """An element's comment, None if the element is missing."""
    found = nftables.get_element(channel, TABLE, name, key)
    return found[1] if found else None


def owned(channel: Channel, kinds: tuple[str, ...] = OWNED) -> list[tuple[str, bytes, Data, str]]:
    """All elements that belong to single attachments, as (set or map, key, data, comment); none without a table."""
    found = []
    for kind in kinds:
        for family in (4, 6):
            name = f"{kind}{family}"
            try:
                elements = nftables.read_elements(channel, TABLE, name)
            except NetlinkError as error:
                if error.errno == ENOENT:
                    continue
                raise
            found += [(name, key, data, comment) for key, (data, comment) in elements.items()]
    return found


def _delete(channel: Channel, requests: list[Request]) -> None:
    try:
        nftables.transaction(channel, requests)
    except NetlinkError as error:
        if error.errno != ENOENT:
            raise
        for request in requests:  # another process removed one of them: each by itself
            try:
                nftables.transaction(channel, [request])
            except NetlinkError as one:
                if one.errno != ENOENT:
                    raise
