# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table ``inet podnet_policy``: what the kernel has of a Program, and what brings it there in one transaction.

The table is adopted as it is found, compared, and changed where it differs; nothing is flushed, and no table of others
is touched. Both the comparison with the kernel and the compiler give a Delta, and one function makes requests of it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from typing import Callable, NamedTuple

from ..converge.failure import failure
from ..converge.plan import Diff
from ..findings.finding import Finding
from ..netlink import nftables
from ..netlink.channel import Channel
from ..netlink.nftables import Chain, Difference, Set
from ..netlink.nftables import Table as Declaration
from ..netlink.wire import NetlinkError, Request
from .program import JUMP, Data, Delta, Elements, Kind, Line, Program
from .rules import CUT, base_chains, of_line

__all__ = ["CUT", "Changes", "Table"]

DECLARATION = Declaration("inet", "podnet_policy", [], [])
BASE = {chain.name: chain for chain in base_chains()}
#: Elements in one message: a list attribute holds 64 KiB, and one that leads to a chain has its name.
ELEMENTS, VERDICTS = 500, 250
#: Bytes of new sets that go before, in transactions of their own: no rule looks into them yet.
BEFORE = 1 << 20
#: What the kernel answers where the table is not as it was read: it is read again.
MOVED = (errno.ENOENT, errno.EEXIST, errno.EBUSY, errno.ERESTART)
TRIES = 10


class Observed(NamedTuple):
    """What the kernel has: sets by name with shape and elements, chains with the digests of their rules, and those
    fixed chains that are at another hook."""

    present: bool
    shapes: dict[str, tuple[int, int, int, int]]
    elements: dict[str, dict[bytes, Data]]
    chains: dict[str, list[bytes]]
    moved: tuple[str, ...] = ()


class Table:
    """Through ``channel``, one of NETLINK_NETFILTER in the node's network namespace."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def plan(self, program: Program) -> Changes:
        """Compares the whole table with the kernel's. Raises NetlinkError if that cannot be read."""
        return Changes(self.channel, program)

    def follow(self, delta: Delta) -> None:
        """Brings a table that was in sync to the Program's new state. Raises NetlinkError if it was not: then
        ``plan``."""
        _carry_out(self.channel, delta)

    def remove(self) -> None:
        """Removes the table, if it is there. Nothing is enforced then."""
        if nftables.exists(self.channel, DECLARATION):
            nftables.transaction(self.channel, [nftables.delete_table(DECLARATION)])

    def dropped(self) -> dict[tuple[str, str], int]:
        """How many packets each rule has dropped, by chain and comment."""
        return nftables.counted_packets(self.channel, DECLARATION)


class Changes:
    """The table's step of a plan."""

    def __init__(self, channel: Channel, program: Program) -> None:
        self.channel = channel
        self.program = program
        self._read()

    def _read(self) -> None:
        self._observed = observe(self.channel, self.program)
        self._delta = difference(self._observed, self.program)
        self._base = [chain for chain in BASE.values() if not _same(self._observed, chain)]
        self.changes = list(_differences(self._observed, self._delta, self._base))

    def diffs(self) -> list[Diff]:
        return [Diff("nftables", "", "".join(f"{change}\n" for change in self.changes))]

    def apply(self) -> list[Finding]:
        for attempt in range(TRIES):
            try:
                _carry_out(self.channel, self._delta, _start(self._observed), self._base)
                return []
            except NetlinkError as error:
                if error.errno not in MOVED or attempt == TRIES - 1:
                    return [failure(error.what, error)]
            self._read()
        return []


def observe(channel: Channel, program: Program) -> Observed:
    """The table as it is; elements of those sets that the program has, too."""
    if not nftables.exists(channel, DECLARATION):
        return Observed(False, {}, {}, {})
    shapes = nftables.read_sets(channel, DECLARATION)
    elements = {name: _read(channel, name, program.sets[name].kind) for name in shapes if name in program.sets}
    rules, places = nftables.read_rules(channel, DECLARATION), nftables.read_chains(channel, DECLARATION)
    moved = tuple(name for name, place in places.items() if name in BASE and place != BASE[name].place())
    chains = {name: rules.get(name, []) for name in places if name not in moved}
    found = Observed(True, shapes, elements, chains, moved)
    if any(_set(name, program.sets[name].kind).shape() != shapes[name] for name in elements):
        return found._replace(shapes={}, elements={}, chains={})  # of another version: made anew
    return found


def difference(observed: Observed, program: Program) -> Delta:
    """What turns the one into the other."""
    added: dict[str, dict[bytes, Data]] = {}
    removed: dict[str, tuple[bytes, ...]] = {}
    for name, elements in program.sets.items():
        come, leave = _compare(observed.elements.get(name, {}), elements)
        if come:
            added[name] = come
        if leave:
            removed[name] = leave
    chains = {name: lines for name, lines in program.chains.items() if not _same(observed, _chain(name, lines))}
    return Delta(
        {name: elements.kind for name, elements in program.sets.items() if name not in observed.shapes},
        tuple(name for name in observed.shapes if name not in program.sets),
        added,
        removed,
        chains,
        frozenset(name for name in chains if name in observed.chains),
        tuple(name for name in observed.chains if name not in program.chains and name not in BASE),
        {name: program.sets[name].kind for name in (*added, *removed)},
    )


def _compare(actual: dict[bytes, Data], wanted: Elements) -> tuple[dict[bytes, Data], tuple[bytes, ...]]:
    """What an element's place is taken by, and what leaves; of intervals all or nothing."""
    if wanted.kind.interval:
        return ({}, ()) if actual.keys() == wanted.members.keys() else (wanted.members, tuple(actual))
    if wanted.kind.verdict:
        come = {key: data for key, data in wanted.members.items() if actual.get(key) != data}
        return come, tuple(key for key, data in actual.items() if wanted.members.get(key) != data)
    come = {key: data for key, data in wanted.members.items() if key not in actual}
    return come, tuple(key for key in actual if key not in wanted.members)


def _read(channel: Channel, name: str, kind: Kind) -> dict[bytes, Data]:
    if kind.interval:
        return {first + last: 1 for first, last in nftables.read_prefixes(channel, DECLARATION, name)}
    if not kind.verdict:
        return dict.fromkeys(nftables.read_keys(channel, DECLARATION, name), 1)
    found = nftables.read_elements(channel, DECLARATION, name)
    return {key: data if isinstance(data, str) else "" for key, (data, _comment) in found.items()}


def _same(observed: Observed, chain: Chain) -> bool:
    return observed.chains.get(chain.name) == [rule.digest() for rule in chain.rules]


def _start(observed: Observed) -> list[Request]:
    """What makes room: for a missing table, or for one whose sets have other shapes."""
    if not observed.present:
        return nftables.new_table(DECLARATION)
    if not observed.shapes:
        return [nftables.delete_table(DECLARATION), *nftables.new_table(DECLARATION)]
    return [nftables.delete_chain(DECLARATION, name) for name in observed.moved]


def _carry_out(
    channel: Channel,
    delta: Delta,
    start: Sequence[Request] = (),
    base: Sequence[Chain] = (),
) -> None:
    """What is new and large goes first and piece by piece, since nothing leads there yet; all else is one transaction.
    ``base``: the fixed chains to be written."""
    new = nftables.new_sets(DECLARATION, [_set(name, kind) for name, kind in delta.new_sets.items()])
    filling = [request for name, kind in delta.new_sets.items() if not kind.verdict for request in _add(name, delta)]
    filling += _new_chains(delta, base)
    recreates = any(request[0] == nftables.DELTABLE for request in start)
    if sum(len(body) for _kind, _flags, body, _what in filling) > BEFORE and not recreates:
        nftables.transaction(channel, [*start, *new])
        for piece in _pieces(filling):
            nftables.transaction(channel, piece)
        start, new, filling = [], [], []
    requests = [*start, *_removals(delta), *new, *filling, *_additions(delta, verdicts=False)]
    changed = [_chain(name, delta.chains[name]) for name in delta.changed_chains]
    requests += nftables.put_chains(DECLARATION, [*changed, *(chain for chain in base if chain.hook)])
    requests += _additions(delta, verdicts=True)
    requests += [nftables.flush_chain(DECLARATION, name) for name in delta.gone_chains]
    requests += [nftables.delete_chain(DECLARATION, name) for name in delta.gone_chains]
    requests += [nftables.delete_set(DECLARATION, name) for name in delta.gone_sets]
    nftables.transaction(channel, requests)


def _new_chains(delta: Delta, base: Sequence[Chain]) -> list[Request]:
    """Each chain after those that it leads to: in the end policies', then combinations of these."""
    new = [(name, lines) for name, lines in delta.chains.items() if name not in delta.changed_chains]
    new.sort(key=lambda each: any(line.verdict == JUMP for line in each[1]))
    chains = [*(chain for chain in base if not chain.hook), *(_chain(name, lines) for name, lines in new)]
    return [request for chain in chains for request in nftables.put_chains(DECLARATION, [chain])]


def _pieces(requests: list[Request]) -> Iterator[list[Request]]:
    piece: list[Request] = []
    size = 0
    for request in requests:
        piece.append(request)
        size += len(request[2])
        if size > BEFORE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _removals(delta: Delta) -> Iterator[Request]:
    """Elements that go; those of intervals all at once, and what leads to chains before these go."""
    for name, keys in delta.removed.items():
        if delta.kinds[name].interval:
            yield nftables.flush_set(DECLARATION, name)
        else:
            yield from _split(nftables.delete_elements, name, keys, ELEMENTS)


def _additions(delta: Delta, verdicts: bool) -> Iterator[Request]:
    """Elements that come into sets that are there, or into maps, whose chains must be there."""
    for name in delta.added:
        if delta.kinds[name].verdict == verdicts and (verdicts or name not in delta.new_sets):
            yield from _add(name, delta)


def _add(name: str, delta: Delta) -> Iterator[Request]:
    elements, kind = delta.added.get(name, {}), delta.kinds[name] if name in delta.kinds else delta.new_sets[name]
    if kind.interval:
        ranges = [(key[: len(key) // 2], key[len(key) // 2 :]) for key in sorted(elements)]
        return _split(nftables.add_ranges, name, ranges, ELEMENTS)
    if kind.verdict:
        return _split(nftables.add_elements, name, list(elements.items()), VERDICTS)
    return _split(nftables.add_elements, name, [(key, None) for key in elements], ELEMENTS)


def _split(request: Callable[..., Request], name: str, elements: Sequence, most: int) -> Iterator[Request]:
    return (request(DECLARATION, name, elements[at : at + most]) for at in range(0, len(elements), most))


def _set(name: str, kind: Kind) -> Set:
    return Set(name, kind.key, ("verdict",) if kind.verdict else None, kind.interval)


def _chain(name: str, lines: tuple[Line, ...]) -> Chain:
    return Chain(name, [of_line(line) for line in lines])


def _differences(observed: Observed, delta: Delta, base: Iterable[Chain]) -> Iterator[Difference]:
    title = DECLARATION.title()
    if not observed.present or not observed.shapes:
        yield Difference("recreate" if observed.present else "add", title)
        return
    for name in delta.new_sets:
        yield Difference("add", f"set {name} of {title}")
    for name in sorted({*delta.added, *delta.removed} - {*delta.new_sets}):
        come, leave = len(delta.added.get(name, ())), len(delta.removed.get(name, ()))
        yield Difference("change", f"set {name} of {title}", f"add {come}, remove {leave}")
    for name in (*delta.chains, *(chain.name for chain in base)):
        yield Difference("restore" if name in observed.chains else "add", f"chain {name} of {title}")
    for name in delta.gone_chains:
        yield Difference("delete", f"chain {name} of {title}")
    for name in delta.gone_sets:
        yield Difference("delete", f"set {name} of {title}")
