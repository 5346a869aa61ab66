# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Address translation for pods: the one nftables table of ours, ``inet podnet``, and what goes into its sets.

The table's chains and rules are fixed; they are made once (``ensure``) and put right where they differ. Everything that
comes and goes is an element:

``pod_networks4|6``        prefixes: sources whose way out of the cluster is masqueraded, unless it leads into
``not_masqueraded4|6``     these prefixes (the pod network itself, and whatever else shall see pod addresses)
``nodes4|6``               the other nodes' own addresses, which see pod addresses too
``masqueraded4|6``         single pod addresses to masquerade (the bridge plugin's ipMasq), unless they talk to
``local_subnets4|6``       the subnets of this node's pods
``hostports4|6``           protocol, port → pod address, port: on every local address
``hostports_at4|6``        address, protocol, port → pod address, port: on one address (hostIP)
``hostport_snat4|6``       protocol, host port, pod address: masquerade connections from loopback and from the pods'
                           own subnets, whose answers wouldn't come back through this host otherwise
``hostport_masq_all4|6``   the same, from everywhere (portmap's masqAll)
``hostport_conditions4|6`` protocol, port → a chain that lets packets go untranslated unless they meet a network's
                           conditions; ``hostport_conditions_at4|6`` the same for a port at one address. These chains
                           come and go with the elements that lead there

An element of a single pod carries its owner as comment ("container ID, interface, network"), so that it is removed with
its owner and never with somebody else's. The packet's original port is asked of conntrack; no packet mark is needed.
"""

from __future__ import annotations

from sys import byteorder

from .netlink import nft_expr as nft
from .netlink import nftables
from .netlink.nftables import Chain, Rule, Set, Table
from .netlink.wire import U16BE, NetlinkError, pack_ip

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .netlink.channel import Channel
    from .netlink.nftables import Data
    from .netlink.wire import Request

    #: An element: set or map, key, data.
    Element = tuple[str, bytes, Data]

#: IANA's protocol numbers
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
#: Priorities of netfilter's hooks, linux/netfilter_ipv4.h NF_IP_PRI_*
BEFORE_DNAT, AFTER_SNAT = -100, 100
NFPROTO = {4: b"\x02", 6: b"\x0a"}
ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
LENGTH = {4: 4, 6: 16}
#: Sets and maps whose elements belong to one attachment.
CONDITIONS = ("hostport_conditions", "hostport_conditions_at")
HOST_PORTS = ("hostports", "hostports_at", "hostport_snat", "hostport_masq_all", *CONDITIONS)
OWNED = ("masqueraded", *HOST_PORTS)
COMMENT_MAX = 120

ENOENT, EBUSY, EEXIST, ERESTART = 2, 16, 17, 85
TRIES = 10


def _family(family: int) -> bytes:
    """Go on only with packets of that family."""
    return nft.meta("nfproto") + nft.compare(NFPROTO[family])


def _not_multicast(family: int) -> bytes:
    if family == 4:
        return nft.destination(4) + nft.mask(4, b"\xf0\0\0\0") + nft.compare(b"\xe0\0\0\0", nft.NOT_EQUAL)
    return nft.destination(6) + nft.mask(16, b"\xff" + bytes(15)) + nft.compare(b"\xff" + bytes(15), nft.NOT_EQUAL)


def _port_key(family: int, at_address: bool) -> tuple[bytes, int]:
    """Loads (address,) protocol and port; the first register after them."""
    register = nft.REG32
    expressions = b""
    if at_address:
        expressions += nft.destination(family, register)
        register += LENGTH[family] // 4
    return expressions + nft.meta("l4proto", register) + nft.destination_port(register + 1), register + 2


def _mapped(name: str, family: int, at_address: bool) -> bytes:
    """Translate the destination by the map's entry for (address,) protocol and port."""
    expressions, result = _port_key(family, at_address)
    expressions += nft.map_to(name, nft.REG32, result)
    return expressions + nft.nat(nft.DNAT, family, result, result + LENGTH[family] // 4)


def _conditions(name: str, family: int, at_address: bool) -> bytes:
    """Jump to the chain with the conditions for (address,) protocol and port, if there is one."""
    return _port_key(family, at_address)[0] + nft.map_to(name, nft.REG32, nft.VERDICT_REG)


def _of_host_port(name: str, family: int) -> bytes:
    """Go on only with connections to a host port of ours: translated, and known with original port and pod address."""
    return (
        nft.conntrack_status()
        + nft.mask(4, nft.IPS_DNAT.to_bytes(4, byteorder))
        + nft.compare(bytes(4), nft.NOT_EQUAL)
        + nft.meta("l4proto", nft.REG32)
        + nft.original_port(nft.REG32 + 1)
        + nft.destination(family, nft.REG32 + 2)
        + nft.in_set(name, nft.REG32)
    )


def _loopback_source() -> bytes:
    return nft.source(4) + nft.mask(4, b"\xff\0\0\0") + nft.compare(b"\x7f\0\0\0")


def _destination_rules(family: int) -> list[Rule]:
    # Packets from ::1 never leave the host, so its ports can't be a pod's.
    only = _family(family)
    if family == 6:
        only += nft.destination(6) + nft.compare(bytes(15) + b"\x01", nft.NOT_EQUAL)
    found = []
    for at, words in ((True, f"host ports at one IPv{family} address"), (False, f"host ports, IPv{family}")):
        end = f"_at{family}" if at else f"{family}"
        found.append(Rule(f"conditions of {words}", only, _conditions(f"hostport_conditions{end}", family, at)))
        found.append(Rule(words, only, _mapped(f"hostports{end}", family, at)))
    return found


def _source_rules(family: int) -> list[Rule]:
    only = _family(family)
    out = nft.masquerade()
    rules = [
        Rule(
            f"host ports from the pods' own IPv{family} subnets",
            only,
            nft.source(family),
            nft.in_set(f"local_subnets{family}"),
            _of_host_port(f"hostport_snat{family}", family),
            out,
        )
    ]
    if family == 4:
        rules.append(
            Rule("host ports from loopback", only, _loopback_source(), _of_host_port("hostport_snat4", 4), out)
        )
    rules += [
        Rule(
            f"host ports from everywhere, IPv{family}", only, _of_host_port(f"hostport_masq_all{family}", family), out
        ),
        Rule(
            f"IPv{family} pods to elsewhere",
            only,
            nft.source(family),
            nft.in_set(f"masqueraded{family}"),
            nft.destination(family),
            nft.in_set(f"local_subnets{family}", inverted=True),
            _not_multicast(family),
            out,
        ),
        Rule(
            f"IPv{family} pods out of the cluster",
            only,
            nft.source(family),
            nft.in_set(f"pod_networks{family}"),
            nft.destination(family),
            nft.in_set(f"not_masqueraded{family}", inverted=True),
            nft.destination(family),
            nft.in_set(f"nodes{family}", inverted=True),
            _not_multicast(family),
            out,
        ),
    ]
    return rules


def _sets(family: int) -> list[Set]:
    address = ADDRESS[family]
    target = (address, "inet_service")
    port = ("inet_proto", "inet_service")
    return [
        Set(f"pod_networks{family}", (address,), interval=True),
        Set(f"not_masqueraded{family}", (address,), interval=True),
        Set(f"nodes{family}", (address,)),
        Set(f"local_subnets{family}", (address,), interval=True),
        Set(f"masqueraded{family}", (address,)),
        Set(f"hostports{family}", port, target),
        Set(f"hostports_at{family}", (address, *port), target),
        Set(f"hostport_conditions{family}", port, ("verdict",)),
        Set(f"hostport_conditions_at{family}", (address, *port), ("verdict",)),
        Set(f"hostport_snat{family}", (*port, address)),
        Set(f"hostport_masq_all{family}", (*port, address)),
    ]


_LOCAL = nft.destination_type() + nft.compare(nft.RTN_LOCAL.to_bytes(4, byteorder))
_TO_HOST_PORTS = Rule("to this host", _LOCAL, nft.verdict("jump", "hostports"))

TABLE = Table(
    "inet",
    "podnet",
    [*_sets(4), *_sets(6)],
    [
        Chain("hostports", [*_destination_rules(4), *_destination_rules(6)]),
        Chain("prerouting", [_TO_HOST_PORTS], "nat", "prerouting", BEFORE_DNAT),
        Chain("output", [_TO_HOST_PORTS], "nat", "output", BEFORE_DNAT),
        Chain("postrouting", [*_source_rules(4), *_source_rules(6)], "nat", "postrouting", AFTER_SNAT),
    ],
)


def ensure(channel: Channel) -> list[str]:
    """Make the table and what is fixed in it, where absent or different; elements stay. Returns what was done.

    ``channel`` is one of NETLINK_NETFILTER. Raises NetlinkError when the kernel refuses.
    """
    for attempt in range(TRIES):
        try:
            return nftables.ensure(channel, TABLE)
        except NetlinkError as error:
            # someone else, most likely another call of ours, changed the rules while we read and wrote them
            if error.errno not in (EEXIST, ENOENT, ERESTART) or attempt == TRIES - 1:
                raise
    return []


def differences(channel: Channel) -> tuple[list[Request], list[str]]:
    """The requests that would put the table right, and what they do, a line each; both empty if it is right."""
    return nftables.differences(channel, TABLE)


def network_differences(
    channel: Channel, pod_networks: list[str], not_masqueraded: list[str]
) -> tuple[list[Request], list[str]]:
    """What brings ``pod_networks*`` and ``not_masqueraded*`` to exactly these prefixes: requests, and each in words.

    Works for a table that isn't there yet: then everything is to be added. Carry the requests out together with
    those of ``differences`` in one ``nftables.transaction``.
    """
    requests: list[Request] = []
    changes: list[str] = []
    present = nftables.exists(channel, TABLE)
    known = nftables.read_sets(channel, TABLE) if present else {}
    for kind, prefixes in (("pod_networks", pod_networks), ("not_masqueraded", not_masqueraded)):
        for family in (4, 6):
            name = f"{kind}{family}"
            wanted = {nftables.prefix_range(item): item for item in prefixes if (":" in item) == (family == 6)}
            actual = nftables.read_prefixes(channel, TABLE, name) if name in known else []
            if sorted(wanted) == sorted(actual):
                continue
            if actual:
                requests.append(nftables.flush_set(TABLE, name))
            if wanted:
                requests.append(nftables.add_prefixes(TABLE, name, wanted.values()))
            changes.append(f"set {name} of {TABLE.title()} to {', '.join(wanted.values()) or 'nothing'}")
    return requests, changes


def node_differences(channel: Channel, nodes: Iterable[str]) -> tuple[list[Request], list[str]]:
    """What brings ``nodes*`` to exactly these addresses; otherwise as ``network_differences``."""
    requests: list[Request] = []
    changes: list[str] = []
    wanted: dict[str, set[bytes]] = {"nodes4": set(), "nodes6": set()}
    for address in nodes:
        wanted["nodes6" if ":" in address else "nodes4"].add(pack_ip(address))
    present = nftables.exists(channel, TABLE)
    for name, keys in wanted.items():
        try:
            actual = nftables.read_keys(channel, TABLE, name) if present else set()
        except NetlinkError as error:
            if error.errno != ENOENT:
                raise
            actual = set()  # a table from before there was that set
        requests += node_requests(name, keys - actual, actual - keys)
        if keys != actual:
            changes.append(f"set {name} of {TABLE.title()}: add {len(keys - actual)}, remove {len(actual - keys)}")
    return requests, changes


def node_requests(name: str, new: Iterable[bytes], gone: Iterable[bytes]) -> list[Request]:
    """The requests that put packed addresses into the set ``nodes4`` or ``nodes6``, and take others out."""
    found = nftables.split(nftables.delete_elements, TABLE, name, sorted(gone))
    return found + nftables.split(nftables.add_elements, TABLE, name, [(key, None) for key in sorted(new)])


def owner_comment(network: str, container_id: str, ifname: str) -> str:
    """The comment that marks an attachment's elements; too long ones end in a checksum."""
    comment = f"{container_id} {ifname} {network}"
    if len(comment.encode()) <= COMMENT_MAX:
        return comment
    digest = Rule(comment).digest().hex()
    return comment.encode()[: COMMENT_MAX - len(digest) - 1].decode("utf-8", "ignore") + " " + digest


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
        rules.append(Rule(words, _family(family), test, nft.verdict("accept")))
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
        if mapping["masq_all"]:  # loopback's answers need the rule that knows them
            elements.append((f"hostport_snat{family}", elements[-1][1], None))
    return elements


def masquerade_element(address: str) -> Element:
    """The element that has a pod's address ("10.1.2.3", a prefix length is cut off) masqueraded: (set, key, None)."""
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
        # An element for the very address that we were given is left over from who had the address before.
        found = nftables.get_element(channel, TABLE, name, key)
        if found and found[0] == data and found[1] != comment:
            requests.append(nftables.delete_elements(TABLE, name, [key]))
        requests.append(nftables.add_elements(TABLE, name, [(key, data)], comment=comment))
    nftables.transaction(channel, requests)


def add_local_subnet(channel: Channel, subnet: str) -> None:
    """Put a subnet of this node's pods among the local ones; one that overlaps with another's is covered by that."""
    family = 6 if ":" in subnet else 4
    try:
        nftables.transaction(channel, [nftables.add_prefixes(TABLE, f"local_subnets{family}", [subnet])])
    except NetlinkError as error:
        if error.errno not in (EEXIST, 39):  # ENOTEMPTY: it overlaps in part
            raise


def remove(channel: Channel, elements: list[tuple[str, bytes]], comment: str) -> None:
    """Take elements out that are there and carry this comment; an absent table is as good."""
    requests = []
    for name, key in elements:
        found = nftables.get_element(channel, TABLE, name, key)
        if found and found[1] == comment:
            requests.append(nftables.delete_elements(TABLE, name, [key]))
    _delete(channel, requests)


def remove_owner(channel: Channel, comment: str, kinds: tuple[str, ...] = OWNED) -> list[tuple[str, bytes]]:
    """Take out all that carries this comment; (set, key) of what it was."""
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
    """Take out the elements of a network's attachments that aren't ``valid``: (container ID, interface) pairs.

    Only those in sets of these ``kinds`` (names of ``OWNED``). Returns (set, key) of what it was.
    """
    kept = {owner_comment(network, *owner) for owner in valid}
    ours = [element for element in owned(channel, kinds) if element[3].endswith(f" {network}")]
    return _remove(channel, [element for element in ours if element[3] not in kept])


def _remove(channel: Channel, elements: list[tuple[str, bytes, Data, str]]) -> list[tuple[str, bytes]]:
    removed = [(name, key) for name, key, _data, _comment in elements]
    _delete(channel, [nftables.delete_elements(TABLE, name, [key]) for name, key in removed])
    for chain in sorted({data for _name, _key, data, _comment in elements if isinstance(data, str)}):
        try:
            nftables.transaction(channel, [nftables.delete_chain(TABLE, chain)])
        except NetlinkError as error:
            if error.errno not in (EBUSY, ENOENT):  # other elements lead there, or somebody was quicker
                raise
    return removed


def comment_of(channel: Channel, name: str, key: bytes) -> str | None:
    """An element's comment, None if it isn't there."""
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
        for request in requests:  # somebody was quicker with one of them: each for itself
            try:
                nftables.transaction(channel, [request])
            except NetlinkError as one:
                if one.errno != ENOENT:
                    raise
