# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nftables: a table declared once, and elements that are added to and removed from its sets and maps.

The declaration (``Table``: sets, maps, chains, rules) is one desired state; ``ensure`` reads what the kernel has
and repairs what differs in one transaction, keeping the elements. Nothing outside that table is ever touched.
Messages and numbers are those of linux/netfilter/nf_tables.h; the datatype numbers, which make ``nft list`` readable,
are nft's own.
"""

from __future__ import annotations

from errno import EEXIST, ENOENT, ERESTART
from struct import Struct

from .checksum import checksum
from .nft_expr import DATA_VALUE, DATA_VERDICT, LIST_ELEM, VERDICT_CHAIN, verdict_data
from .wire import (
    NLA_TYPE_MASK,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    U32,
    U32BE,
    NetlinkError,
    Request,
    attr,
    attr_str,
    attr_u32be,
    attributes,
    nest,
    parse,
    split_prefix,
    text,
)

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Union

    from .channel import Channel

    #: A map's data: as packed by ``pack``; in a verdict map the name of the chain to jump to; in a set None.
    Data = Union[bytes, str, None]

SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
NEWTABLE, GETTABLE, DELTABLE = SUBSYSTEM, SUBSYSTEM | 1, SUBSYSTEM | 2
NEWCHAIN, GETCHAIN, DELCHAIN = SUBSYSTEM | 3, SUBSYSTEM | 4, SUBSYSTEM | 5
NEWRULE, GETRULE, DELRULE = SUBSYSTEM | 6, SUBSYSTEM | 7, SUBSYSTEM | 8
NEWSET, GETSET, DELSET = SUBSYSTEM | 9, SUBSYSTEM | 10, SUBSYSTEM | 11
NEWSETELEM, GETSETELEM, DELSETELEM = SUBSYSTEM | 12, SUBSYSTEM | 13, SUBSYSTEM | 14
GETGEN = SUBSYSTEM | 16
BATCH_BEGIN, BATCH_END = 16, 17
BATCH_GENID = 1  # linux/netfilter/nfnetlink.h NFNL_BATCH_GENID

I32BE = Struct(">i")
INFO = Struct(">BBH")  # struct nfgenmsg: family, version, resource
FAMILIES = {"inet": 1, "ip": 2, "bridge": 7, "ip6": 10}
HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}

CHAIN_HOOK, CHAIN_POLICY, CHAIN_USE, CHAIN_TYPE = 4, 5, 6, 7
COUNTER_PACKETS = 2
SET_ANONYMOUS, SET_INTERVAL, SET_MAP, SET_CONCAT = 1, 4, 8, 0x80
ELEM_INTERVAL_END = 1
#: nft's datatypes: name → (number, bytes)
TYPES = {
    "ipv4_addr": (7, 4),
    "ipv6_addr": (8, 16),
    "ether_addr": (9, 6),
    "inet_proto": (12, 1),
    "inet_service": (13, 2),
    "mark": (19, 4),
    "ifname": (41, 16),
}
TYPE_VERDICT = 0xFFFFFF00
ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}

#: What the kernel answers where another process has changed the rules meanwhile.
RACED = (ENOENT, EEXIST, ERESTART)
#: How often a set is read at most until nothing changed meanwhile.
READ_TRIES = 20
KEY_BYTEORDER, HOST_ENDIAN = 0, 1  # NFTNL_UDATA_SET_KEYBYTEORDER, and nft's enum byteorder
COMMENT = 0  # NFTNL_UDATA_*_COMMENT, the user data that ``nft list`` shows
DIGEST = 0xFE  # user data of ours: what a rule was made from


class Rule:
    """A rule: its expressions (see nft_expr) and the comment that ``nft list`` shows."""

    __slots__ = ("comment", "expressions")

    def __init__(self, comment: str, *expressions: bytes):
        self.comment = comment
        self.expressions = b"".join(expressions)

    def digest(self) -> bytes:
        """What identifies this rule: a checksum of its expressions and comment."""
        return checksum(self.expressions + self.comment.encode(), 8)


class Chain:
    """A chain: a base chain with ``type`` ("nat", "filter", "route"), ``hook`` and ``priority``, or one to jump to
    without. ``is_in`` compares it with what the kernel has."""

    __slots__ = ("hook", "name", "priority", "rules", "type")

    def __init__(
        self, name: str, rules: list[Rule], type: str | None = None, hook: str | None = None, priority: int = 0
    ):
        self.name = name
        self.rules = rules
        self.type = type
        self.hook = hook
        self.priority = priority

    def place(self) -> tuple[str, int, int] | None:
        """What cannot change while the chain lives: type, number of the hook, priority; None for one to jump to."""
        return (self.type, HOOKS[self.hook], self.priority) if self.hook and self.type else None

    def is_in(self, rules: dict[str, list[bytes]]) -> bool:
        """Whether these ``read_rules`` have this chain's, and no others in it."""
        return rules.get(self.name, []) == [rule.digest() for rule in self.rules]


class Set:
    """A set, or with ``data`` a map. ``key`` and ``data`` are datatype names of ``TYPES``, several for a concatenation;
    ``data`` may be "verdict". ``interval``: its elements are prefixes."""

    __slots__ = ("data", "interval", "key", "name")

    def __init__(self, name: str, key: tuple[str, ...], data: tuple[str, ...] | None = None, interval: bool = False):
        self.name = name
        self.key = key
        self.data = data
        self.interval = interval

    @property
    def flags(self) -> int:
        flags = SET_MAP if self.data else 0
        if self.interval:
            flags |= SET_INTERVAL | (SET_CONCAT if len(self.key) > 1 else 0)
        return flags

    def shape(self) -> tuple[int, int, int, int]:
        """What cannot change while the set lives: flags, key type, key length, data type."""
        kind, length = _type(self.key)
        return self.flags, kind, length, _type(self.data)[0] if self.data else 0


class Table:
    """A table of ours with everything in it but the elements. ``former``: sets that older versions of us made."""

    __slots__ = ("chains", "family", "former", "name", "sets")

    def __init__(self, family: str, name: str, sets: list[Set], chains: list[Chain], former: tuple[str, ...] = ()):
        self.family = family
        self.name = name
        self.sets = sets
        self.chains = chains
        self.former = former

    def header(self) -> bytes:
        """How a request about the table, or about something in it, begins: its family and its name."""
        return INFO.pack(FAMILIES[self.family], 0, 0) + attr_str(1, self.name)

    def title(self) -> str:
        return f"table {self.family} {self.name}"


class Difference:
    """A difference of a table from its desired state: ``action`` ("add", "change", "recreate", "restore", "delete"),
    ``subject`` ("set nodes4 of table inet podnet") and, for elements, ``detail`` ("add 3, remove 1")."""

    kind = "nftables"
    __slots__ = ("action", "detail", "subject")

    def __init__(self, action: str, subject: str, detail: str = ""):
        self.action = action
        self.subject = subject
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.action} {self.subject}" + (f": {self.detail}" if self.detail else "")


def transaction(channel: Channel, requests: list[Request], since: bytes = b"") -> None:
    """Carry out all requests or none. Raises the NetlinkError of the refused one.

    With `since`, a ``generation``, only if no process has changed nftables since then; else NetlinkError ERESTART.
    """
    if not requests:
        return
    batch = INFO.pack(0, 0, 10)
    begin = batch + (attr(BATCH_GENID, since) if since else b"")
    channel.transaction((BATCH_BEGIN, 0, begin, "commit nftables changes"), requests, (BATCH_END, 0, batch, ""))


def ensure(channel: Channel, table: Table) -> list[Difference]:
    """Make the kernel's table what ``table`` declares; elements of sets that stay are kept. Returns what was done."""
    requests, changes = differences(channel, table)
    transaction(channel, requests)
    return changes


def differences(channel: Channel, table: Table) -> tuple[list[Request], list[Difference]]:
    """The requests that ``ensure`` would send, and what they do; both empty if the table is right."""
    try:
        sets = read_sets(channel, table)
    except NetlinkError as error:
        if error.errno != ENOENT:
            raise
        return [*new_table(table), *new_sets(table, table.sets), *put_chains(table, table.chains)], [
            Difference("add", table.title())
        ]
    if any(entry.name in sets and sets[entry.name] != entry.shape() for entry in table.sets):
        requests = [delete_table(table), *new_table(table), *new_sets(table, table.sets)]
        return [*requests, *put_chains(table, table.chains)], [Difference("recreate", table.title())]
    missing = [entry for entry in table.sets if entry.name not in sets]
    chains, rules = read_chains(channel, table), read_rules(channel, table)
    moved = [chain for chain in table.chains if chains.get(chain.name, chain.place()) != chain.place()]
    wrong = [chain for chain in table.chains if chain in moved or chain.name not in chains or not chain.is_in(rules)]
    requests = new_sets(table, missing)
    requests += [delete_chain(table, chain.name) for chain in moved]  # the kernel moves no chain to another hook
    former = [name for name in table.former if name in sets]
    requests += [*put_chains(table, wrong), *(delete_set(table, name) for name in former)]
    changes = [Difference("add", f"set {entry.name} of {table.title()}") for entry in missing]
    changes += [Difference("restore", f"chain {chain.name} of {table.title()}") for chain in wrong]
    changes += [Difference("delete", f"set {name} of {table.title()}") for name in former]
    return requests, changes


def makes_sets(requests: list[Request]) -> bool:
    """Whether a table or sets are made by these requests: then another process may be quicker (EEXIST)."""
    return any(kind in (NEWTABLE, NEWSET) for kind, *_request in requests)


def makes_table(requests: list[Request]) -> bool:
    """Whether the table is made by these requests, and so without elements."""
    return any(kind == NEWTABLE for kind, *_request in requests)


def exists(channel: Channel, table: Table) -> bool:
    """Whether the kernel has a table of that family and name."""
    try:
        channel.get((GETTABLE, 0, table.header(), f"get {table.title()}"))
    except NetlinkError as error:
        if error.errno == ENOENT:
            return False
        raise
    return True


def dropping_chains(channel: Channel, hook: int) -> list[str]:
    """All chains at a hook (a number of ``HOOKS``) with policy drop, as nft names them ("ip filter FORWARD").

    Those of the bridge family, which see frames, are left out; those of iptables-legacy cannot be seen.
    """
    names = {value: name for name, value in FAMILIES.items()}
    found = []
    for payload in channel.dump((GETCHAIN, 0, INFO.pack(0, 0, 0), "list chains")):
        values = parse(payload, INFO.size)
        if CHAIN_HOOK not in values or values.get(CHAIN_POLICY) != bytes(4) or payload[0] == FAMILIES["bridge"]:
            continue
        if _be32(parse(values[CHAIN_HOOK]).get(1)) == hook:
            found.append(f"{names.get(payload[0], payload[0])} {text(values[1])} {text(values[3])}")
    return sorted(found)


def delete_table(table: Table) -> Request:
    """Remove the table with all that is in it."""
    return DELTABLE, 0, table.header(), f"delete {table.title()}"


def read_sets(channel: Channel, table: Table) -> dict[str, tuple[int, int, int, int]]:
    """The table's sets and maps by name, each with its shape."""
    found = {}
    for payload in channel.dump((GETSET, 0, table.header(), f"list sets of {table.title()}")):
        values = parse(payload, INFO.size)
        flags = _be32(values.get(3))
        if not flags & SET_ANONYMOUS:
            found[text(values[2])] = (flags, _be32(values.get(4)), _be32(values.get(5)), _be32(values.get(6)))
    return found


def read_chains(channel: Channel, table: Table) -> dict[str, tuple[str, int, int] | None]:
    """The table's chains by name, each with its place (``Chain.place``)."""
    found: dict[str, tuple[str, int, int] | None] = {}
    for payload in channel.dump((GETCHAIN, 0, table.header(), f"list chains of {table.title()}")):
        values = parse(payload, INFO.size)
        if payload[0] != FAMILIES[table.family] or text(values[1]) != table.name:
            continue
        hook = parse(values.get(CHAIN_HOOK, b""))
        place = (text(values[CHAIN_TYPE]), _be32(hook.get(1)), I32BE.unpack(hook[2])[0]) if hook else None
        found[text(values[3])] = place
    return found


def read_rules(channel: Channel, table: Table) -> dict[str, list[bytes]]:
    """The digests of the table's rules in order, by chain; ``b""`` for a foreign rule."""
    found: dict[str, list[bytes]] = {}
    for values in _rules(channel, table):
        found.setdefault(text(values[2]), []).append(user_data(values.get(7, b"")).get(DIGEST, b""))
    return found


def counted_packets(channel: Channel, table: Table) -> dict[tuple[str, str], int]:
    """How many packets the table's counters have seen, by chain and the rule's comment; those of equal rules of one
    chain together."""
    found: dict[tuple[str, str], int] = {}
    for values in _rules(channel, table):
        for _kind, expression in attributes(values.get(4, b"")):
            parts = parse(expression)
            if text(parts[1]) == "counter":
                comment = text(user_data(values.get(7, b"")).get(COMMENT, b""))
                key = text(values[2]), comment
                found[key] = found.get(key, 0) + int.from_bytes(parse(parts[2])[COUNTER_PACKETS], "big")
    return found


def _rules(channel: Channel, table: Table) -> Iterator[dict[int, bytes]]:
    """The table's rules by their attributes."""
    for payload in channel.dump((GETRULE, 0, table.header(), f"list rules of {table.title()}")):
        values = parse(payload, INFO.size)
        if payload[0] == FAMILIES[table.family] and text(values[1]) == table.name:
            yield values


def flush_chain(table: Table, name: str) -> Request:
    """Remove the rules of a chain."""
    return DELRULE, 0, table.header() + attr_str(2, name), f"flush chain {name}"


def delete_set(table: Table, name: str) -> Request:
    """Remove a set with its elements; the kernel refuses (EBUSY) while a rule looks into it."""
    return DELSET, 0, table.header() + attr_str(2, name), f"delete set {name}"


def delete_chain(table: Table, name: str) -> Request:
    """Remove a chain with its rules; the kernel refuses (EBUSY) while something jumps there."""
    return DELCHAIN, 0, table.header() + attr_str(3, name), f"delete chain {name}"


def chain_use(channel: Channel, table: Table, name: str) -> int | None:
    """How many elements and rules lead to a chain; None where it does not exist.

    To ask is quick; a transaction that the kernel refuses waits for an RCU grace period (nf_tables_abort()).
    """
    body = table.header() + attr_str(3, name)
    try:
        use = _be32(parse(channel.get((GETCHAIN, 0, body, f"get chain {name}")), INFO.size).get(CHAIN_USE))
    except NetlinkError as error:
        if error.errno == ENOENT:
            return None
        raise
    body = table.header() + attr_str(2, name)
    return use - len(channel.dump((GETRULE, 0, body, f"list rules of chain {name}")))  # its own rules count too


def generation(channel: Channel) -> bytes:
    """The generation of nftables, packed: it changes with every transaction of any process."""
    body = INFO.pack(0, 0, 0)
    return parse(channel.get((GETGEN, 0, body, "get the generation of nftables")), INFO.size)[1]


def add_elements(table: Table, name: str, elements: Iterable[tuple[bytes, Data]], *, comment: str = "") -> Request:
    """Put elements into a set (key, None) or a map (key, data), as packed by ``pack``; an equal one may be there
    already.

    The kernel refuses a map's element (EEXIST) whose key is there with other data.
    """
    return NEWSETELEM, NLM_F_CREATE, _elements(table, name, elements, comment), f"add elements to {name}"


def delete_elements(table: Table, name: str, keys: Iterable[bytes]) -> Request:
    """Remove elements from a set or map; the kernel refuses (ENOENT) if one is missing."""
    return DELSETELEM, 0, _elements(table, name, [(key, None) for key in keys], ""), f"delete elements of {name}"


def add_prefixes(table: Table, name: str, prefixes: Iterable[str]) -> Request:
    """Add prefixes to an interval set; the kernel refuses (EEXIST) an overlap with an existing one."""
    return add_ranges(table, name, map(prefix_range, prefixes))


def add_ranges(table: Table, name: str, ranges: Iterable[tuple[bytes, bytes]]) -> Request:
    """Add ranges (first, last) to an interval set; the kernel refuses (EEXIST) an overlap with an existing one."""
    return NEWSETELEM, NLM_F_CREATE, _intervals(table, name, ranges), f"add ranges to {name}"


def flush_set(table: Table, name: str) -> Request:
    """Remove all elements of a set or map."""
    body = table.header() + attr_str(2, name)
    return DELSETELEM, 0, body, f"flush set {name}"


def read_elements(channel: Channel, table: Table, name: str) -> dict[bytes, tuple[Data, str]]:
    """A set's elements: key → (data, comment). Data is None in a set. Raises NetlinkError ENOENT if there is no
    such set."""
    found = {}
    for key, _flags, data, comment in _read(channel, table, name):
        found[key] = (data, comment)
    return found


def read_keys(channel: Channel, table: Table, name: str) -> set[bytes]:
    """The keys of a set without intervals. Raises NetlinkError ENOENT if there is no such set."""
    return {key for key, _flags, _data, _comment in _read(channel, table, name)}


def split(request: Callable[..., Request], table: Table, name: str, elements: list) -> list[Request]:
    """As many requests for ``elements`` as needed: a list attribute holds 64 KiB (its length is a u16)."""
    return [request(table, name, elements[at : at + 1000]) for at in range(0, len(elements), 1000)]


def read_prefixes(channel: Channel, table: Table, name: str) -> list[tuple[bytes, bytes]]:
    """An interval set's ranges as (first, last) in order, both included."""
    ranges: list[tuple[bytes, bytes]] = []
    marks = sorted((key, not flags & ELEM_INTERVAL_END) for key, flags, _data, _comment in _read(channel, table, name))
    start: bytes | None = None
    for key, opens in marks:
        if start is not None:
            ranges.append((start, (int.from_bytes(key, "big") - 1).to_bytes(len(key), "big")))
        start = key if opens else None
    if start is not None:
        ranges.append((start, b"\xff" * len(start)))
    return ranges


def has_element(channel: Channel, table: Table, name: str, key: bytes) -> bool:
    """Whether a set or map holds ``key``, without listing it."""
    return get_element(channel, table, name, key) is not None


def get_element(channel: Channel, table: Table, name: str, key: bytes) -> tuple[Data, str] | None:
    """The (data, comment) that a set or map holds for ``key``, None if it is not there; without listing it."""
    body = _elements(table, name, [(key, None)], "")
    try:
        payload = channel.get((GETSETELEM, 0, body, f"get element of {name}"))
    except NetlinkError as error:
        if error.errno == ENOENT:
            return None
        raise
    for _key, _flags, data, comment in _decode_elements(payload):
        return data, comment
    return None


def pack(types: tuple[str, ...], *values: bytes) -> bytes:
    """Values of ``types`` as an element's key or data; those of a concatenation are each padded to four bytes."""
    if len(types) == 1:
        return values[0]
    return b"".join([value + b"\0" * (-len(value) & 3) for value in values])


def prefix_range(prefix: str) -> tuple[bytes, bytes]:
    """A prefix's first and last address, packed."""
    packed, length = split_prefix(prefix)
    host = (1 << (len(packed) * 8 - length)) - 1
    first = int.from_bytes(packed, "big") & ~host
    return first.to_bytes(len(packed), "big"), (first | host).to_bytes(len(packed), "big")


def new_table(table: Table) -> list[Request]:
    """Make a table that is not there, with nothing in it."""
    return [(NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, table.header(), f"add {table.title()}")]


def new_sets(table: Table, sets: list[Set]) -> list[Request]:
    """Make sets that are not there; once in a transaction, since it numbers them."""
    requests = []
    for number, entry in enumerate(sets, 1):
        flags, kind, length, _data = entry.shape()
        body = table.header() + attr_str(2, entry.name)
        body += attr_u32be(3, flags) + attr_u32be(4, kind) + attr_u32be(5, length)
        if entry.data:
            data_kind, data_length = _type(entry.data)
            body += attr_u32be(6, data_kind) + attr_u32be(7, data_length)
        body += attr_u32be(10, number)
        if entry.key == ("ifname",):  # only nft uses it: the byte order of a name
            body += attr(13, bytes([KEY_BYTEORDER, 4]) + U32.pack(HOST_ENDIAN))
        if flags & SET_CONCAT:
            fields = [nest(LIST_ELEM, attr_u32be(1, TYPES[name][1])) for name in entry.key]
            body += nest(9, nest(2, *fields))
        requests.append((NEWSET, NLM_F_CREATE | NLM_F_EXCL, body, f"add set {entry.name}"))
    return requests


def put_chains(table: Table, chains: list[Chain]) -> list[Request]:
    """Chains with exactly these rules, present or not. All chains come before the first rule, which may jump to any."""
    requests = []
    for chain in chains:
        body = table.header() + attr_str(3, chain.name)
        if chain.hook and chain.type:
            body += nest(CHAIN_HOOK, attr_u32be(1, HOOKS[chain.hook]), attr(2, I32BE.pack(chain.priority)))
            body += attr_str(CHAIN_TYPE, chain.type) + attr_u32be(CHAIN_POLICY, 1)
        requests.append((NEWCHAIN, NLM_F_CREATE, body, f"add chain {chain.name}"))
        requests.append(flush_chain(table, chain.name))
    for chain in chains:
        for rule in chain.rules:
            comment = rule.comment.encode() + b"\0"
            user_data = bytes([COMMENT, len(comment)]) + comment + bytes([DIGEST, 8]) + rule.digest()
            body = table.header() + attr_str(2, chain.name)
            body += nest(4, rule.expressions) + attr(7, user_data)
            requests.append((NEWRULE, NLM_F_CREATE | NLM_F_APPEND, body, f"add rule {rule.comment!r}"))
    return requests


def _elements(table: Table, name: str, elements: Iterable[tuple[bytes, Data]], comment: str) -> bytes:
    elements = list(elements)
    if not comment and elements and all(data is None for _key, data in elements):
        # plain keys, of which there may be thousands: each between the same bytes
        size = len(elements[0][0])
        if size % 4 == 0 and all(len(key) == size for key, _data in elements):
            before = nest(LIST_ELEM, nest(1, attr(DATA_VALUE, bytes(size))))[:-size]
            keys = b"".join([before + key for key, _data in elements])
            return table.header() + attr_str(2, name) + nest(3, keys)
    packed = []
    for key, data in elements:
        body = nest(1, attr(DATA_VALUE, key))
        if isinstance(data, str):
            body += nest(2, verdict_data("jump", data))
        elif data is not None:
            body += nest(2, attr(DATA_VALUE, data))
        if comment:
            shown = comment.encode()[:120] + b"\0"
            body += attr(6, bytes([COMMENT, len(shown)]) + shown)
        packed.append(nest(LIST_ELEM, body))
    return table.header() + attr_str(2, name) + nest(3, *packed)


def _intervals(table: Table, name: str, ranges: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Each range as its first value and, marked as an end, the one after its last."""
    packed = []
    for first, last in ranges:
        packed.append(nest(LIST_ELEM, nest(1, attr(DATA_VALUE, first))))
        after = int.from_bytes(last, "big") + 1
        if after < 1 << (len(last) * 8):
            end = nest(1, attr(DATA_VALUE, after.to_bytes(len(last), "big")))
            packed.append(nest(LIST_ELEM, end, attr_u32be(3, ELEM_INTERVAL_END)))
    return table.header() + attr_str(2, name) + nest(3, *packed)


def _read(channel: Channel, table: Table, name: str) -> list[tuple[bytes, int, Data, str]]:
    """All elements of the set; with some deleted ones, if other processes keep changing it.

    The kernel continues a long dump by the number of elements that it has sent. If others are deleted meanwhile, or its
    hash table is resized, it skips some, and does not mark the dump as interrupted. Each part has its generation
    (net/netfilter/nf_tables_api.c, nf_tables_dump_set). So a dump is valid if it has one generation and equals the one
    before; else the result is the union of all dumps.
    """
    request = (GETSETELEM, 0, table.header() + attr_str(2, name), f"list elements of {name}")
    seen: dict[tuple[bytes, int, Data, str], None] = {}
    last = None
    for _attempt in range(READ_TRIES):
        parts = channel.dump(request)
        found = [element for part in parts for element in _decode_elements(part)]
        now = {INFO.unpack_from(part)[2] for part in parts}, set(found)
        if len(parts) < 2 or (len(now[0]) == 1 and now == last):
            return found
        last = now
        seen.update(dict.fromkeys(found))
    return list(seen)


#: How a plain element begins: length and type of its key, of the key's value.
_PLAIN = Struct("=HHHH")


def _decode_elements(payload: bytes) -> list[tuple[bytes, int, Data, str]]:
    """The (key, flags, data, comment) of each element of an NFT_MSG_NEWSETELEM body."""
    found: list[tuple[bytes, int, Data, str]] = []
    for _kind, element in attributes(parse(payload, INFO.size).get(3, b"")):
        if len(element) > _PLAIN.size:
            whole, key, size, _value = _PLAIN.unpack_from(element)
            if whole == len(element) and key & NLA_TYPE_MASK == 1:  # a key and nothing else: there may be thousands
                found.append((element[_PLAIN.size : 4 + size], 0, None, ""))
                continue
        values = parse(element)
        if 1 not in values:
            continue  # the catch-all element has no key
        content = parse(values[2]) if 2 in values else {}
        data: Data = content.get(DATA_VALUE)
        if DATA_VERDICT in content:
            data = text(parse(content[DATA_VERDICT]).get(VERDICT_CHAIN, b""))
        comment = text(user_data(values.get(6, b"")).get(COMMENT, b""))
        found.append((parse(values[1])[DATA_VALUE], _be32(values.get(3)), data, comment))
    return found


def _type(names: tuple[str, ...]) -> tuple[int, int]:
    """The datatype number and length in bytes of a concatenation of ``names``."""
    if names == ("verdict",):
        return TYPE_VERDICT, 0
    if len(names) == 1:
        return TYPES[names[0]]
    kind = length = 0
    for name in names:
        number, size = TYPES[name]
        kind = kind << 6 | number
        length += (size + 3) & ~3
    return kind, length


def user_data(data: bytes) -> dict[int, bytes]:
    """The entries of a rule's or an element's user data, by type."""
    found = {}
    offset = 0
    while offset + 2 <= len(data):
        found[data[offset]] = data[offset + 2 : offset + 2 + data[offset + 1]]
        offset += 2 + data[offset + 1]
    return found


def _be32(payload: bytes | None) -> int:
    return int(U32BE.unpack(payload)[0]) if payload else 0
