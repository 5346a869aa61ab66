# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's policies compiled: sets, verdict maps and chains as data, which ``table`` puts into the kernel, ``evaluate``
judges packets by, and ``files`` keeps on disk.

What is fixed (the base chains, which look into the sets and maps of ``FIXED``) is in ``table``. Names of all else are
hashes of what they stand for, so that equal content has equal names in every run and on every node.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple, Union

from ..netlink.nftables import ADDRESS
from ..netlink.wire import U16BE
from .explanation import RuleText

FAMILIES = (4, 6)
EGRESS, INGRESS = "egress", "ingress"
ACCEPT, DROP, JUMP, GOTO = "accept", "drop", "jump", "goto"
#: The chains that a pass of the Admin tier goes to.
NAMESPACED = {EGRESS: "egress_policies", INGRESS: "ingress_policies"}

#: A set's element: packed key; of an interval set first and last, one after the other. Its data: in a verdict map the
#: chain, in a set how many reasons there are for it.
Data = Union[str, int]


class Kind(NamedTuple):
    """A set's key (datatypes of nftables), and whether it holds intervals, or leads to chains."""

    key: tuple[str, ...]
    interval: bool = False
    verdict: bool = False


class Elements:
    """A set or map with its elements."""

    __slots__ = ("kind", "members")

    def __init__(self, kind: Kind, members: dict[bytes, Data] | None = None) -> None:
        self.kind = kind
        self.members: dict[bytes, Data] = {} if members is None else members


class Line(NamedTuple):
    """A rule: a verdict for the packets that meet all conditions; one that is empty always holds.

    ``family``: 4 or 6, of the packets that come here. ``source``, ``target``: the set that holds that address.
    ``protocol`` and ``first`` to ``last``: of the destination port; ``ports``: a set that holds it. ``named``: the set
    that holds target, protocol and port. ``own``: the set that holds source and target, of a pod's packets to itself.
    ``rule``: the number of the policy's rule that the line is part of, from 1; 0 for a line of no policy.
    """

    verdict: str
    chain: str = ""
    comment: str = ""
    family: int = 0
    source: str = ""
    target: str = ""
    protocol: int = 0
    first: int = 0
    last: int = 0
    ports: str = ""
    named: str = ""
    own: str = ""
    rule: int = 0


class Source(NamedTuple):
    """What a policy's chain stands for: a policy ("namespace/name", or a ClusterNetworkPolicy's "name" and ``tier``) in
    one direction."""

    policy: str
    tier: str
    direction: str
    rules: tuple[RuleText, ...]


class Local(NamedTuple):
    """A pod of this node: the chains that its traffic goes through, "" for none; without the family, ``in_family``."""

    addresses: tuple[bytes, ...]
    egress_admin: str = ""
    egress: str = ""
    ingress_admin: str = ""
    ingress: str = ""


#: The maps without their families, in the order of Local's chains.
VERDICTS = ("egress_admin", "egress", "ingress_admin", "ingress")


def _fixed() -> dict[str, Kind]:
    found = {"links": Kind(("ifname",))}
    for family in FAMILIES:
        address = ADDRESS[family]
        found[f"local{family}"] = Kind((address,), interval=True)
        found[f"known{family}"] = Kind((address,))
        found[f"self{family}"] = Kind((address, address))
        for name in VERDICTS:
            found[f"{name}{family}"] = Kind((address,), verdict=True)
    return found


#: ``links``: the bridges that pods are behind. ``local``: the node's pod CIDRs; ``known``: those addresses in them that
#: are a pod's whose policies are in force; ``self``: pairs of one address; the others lead pods to their chains.
FIXED = _fixed()


class Delta(NamedTuple):
    """What turns one state of a table into another. A map's element with another chain is in ``removed`` and in
    ``added``; a chain with other lines in ``chains`` and in ``changed_chains``."""

    new_sets: dict[str, Kind]
    gone_sets: tuple[str, ...]
    added: dict[str, dict[bytes, Data]]
    removed: dict[str, tuple[bytes, ...]]
    chains: dict[str, tuple[Line, ...]]
    changed_chains: frozenset[str]
    gone_chains: tuple[str, ...]
    #: Of the sets that elements are added to or removed from.
    kinds: dict[str, Kind]
    #: Whether packets may be dropped now that were accepted before; never False where it is so.
    narrows: bool = True

    def __bool__(self) -> bool:
        return any(self[:7])


class Program:
    """All of it. What is changed through its methods is journaled: ``take`` gives it as a Delta."""

    def __init__(self) -> None:
        self.sets = {name: Elements(kind) for name, kind in FIXED.items()}
        self.chains: dict[str, tuple[Line, ...]] = {}
        #: What each policy's chain stands for: no part of the table, but of its explanation.
        self.sources: dict[str, Source] = {}
        #: Pods of this node by "namespace/name".
        self.locals: dict[str, Local] = {}
        #: Which of them have an address; the last one has it now.
        self._owners: dict[bytes, dict[str, None]] = {}
        #: Chains in which an address more in a set may deny more.
        self._denying: set[str] = set()
        self._forget()

    def _forget(self) -> None:
        """What has changed since the last ``take``, as it was before; None for what was not there."""
        self._sets: dict[str, Kind | None] = {}
        self._elements: dict[str, dict[bytes, Data | None]] = {}
        self._chains: dict[str, tuple[Line, ...] | None] = {}

    def add_set(self, name: str, kind: Kind) -> None:
        self._sets.setdefault(name, None)
        self.sets[name] = Elements(kind)

    def remove_set(self, name: str) -> None:
        for key in list(self.sets[name].members):
            self.put(name, key, None)
        self._sets.setdefault(name, self.sets[name].kind)
        del self.sets[name]

    def put(self, name: str, key: bytes, data: Data | None) -> None:
        """Gives a set's element its data; None removes it."""
        members = self.sets[name].members
        self._elements.setdefault(name, {}).setdefault(key, members.get(key))
        if data is None:
            members.pop(key, None)
        else:
            members[key] = data

    def count(self, name: str, key: bytes, by: int) -> None:
        """One reason more or less (``by`` 1 or -1) for an element to be in a set."""
        before = self.sets[name].members.get(key, 0)
        assert isinstance(before, int)
        self.put(name, key, before + by or None)

    def put_chain(self, name: str, lines: tuple[Line, ...] | None) -> None:
        """Gives a chain these lines; None removes it."""
        self._chains.setdefault(name, self.chains.get(name))
        self._denying.discard(name)
        if lines is None:
            self.chains.pop(name, None)
            return
        self.chains[name] = lines
        if any(line.verdict == DROP and (line.source or line.target or line.named) for line in lines):
            self._denying.add(name)

    def admit(self, key: str, addresses: tuple[bytes, ...]) -> Delta | None:
        """A pod of this node that was known before gets these addresses; None where it was not known. For the time in
        which the API cannot be asked."""
        local = self.locals.get(key)
        if local is None:
            return None
        self.remove_local(key)
        self.add_local(key, local._replace(addresses=addresses))
        return self.take()

    def add_local(self, key: str, local: Local) -> None:
        """A pod of this node is known from now on. Its address is nobody else's any more: another pod that still has it
        in the API has ended."""
        self.locals[key] = local
        for address in local.addresses:
            owners = self._owners.setdefault(address, {})
            owners.pop(key, None)
            owners[key] = None
            self._lead(address, local)

    def remove_local(self, key: str) -> None:
        """The pod is unknown from now on; another one with the same address stays."""
        for address in self.locals.pop(key).addresses:
            owners = self._owners.get(address, {})
            owners.pop(key, None)
            if owners:
                self._lead(address, self.locals[next(reversed(owners))])
            else:
                self._owners.pop(address, None)
                self._lead(address, None)

    def _lead(self, address: bytes, local: Local | None) -> None:
        """An address of this node is that pod's; None: nobody's. One of a family without a pod CIDR here leads
        nowhere."""
        family = 4 if len(address) == 4 else 6
        if not self.sets[f"local{family}"].members:
            return
        known = None if local is None else 1
        self.put(f"known{family}", address, known)
        self.put(f"self{family}", address + address, known)
        for name, chain in zip(VERDICTS, local[1:] if local else ("",) * len(VERDICTS)):
            self.put(f"{name}{family}", address, in_family(chain, family) if chain else None)

    def forget_pods(self) -> None:
        """No pod is known any more, as after a boot; the chains stay, and so does what ``admit`` needs."""
        for name, kind in FIXED.items():
            if not kind.interval and name != "links":
                for key in list(self.sets[name].members):
                    self.put(name, key, None)
        self._owners.clear()

    def take(self) -> Delta:
        """What has changed since the last call."""
        new = {name: self.sets[name].kind for name, was in self._sets.items() if was is None and name in self.sets}
        gone = tuple(name for name, was in self._sets.items() if was is not None and name not in self.sets)
        added: dict[str, dict[bytes, Data]] = {}
        removed: dict[str, tuple[bytes, ...]] = {}
        for name, elements in self._elements.items():
            members = self.sets[name].members if name in self.sets else {}
            verdict = name in FIXED and FIXED[name].verdict
            changed = [
                (key, was, members.get(key))
                for key, was in elements.items()
                if (was != members.get(key) if verdict else (was is None) != (key not in members))
            ]
            come = {key: now for key, _was, now in changed if now is not None}
            leave = tuple(key for key, was, _now in changed if was is not None)
            if come:
                added[name] = come
            if leave and name not in gone:
                removed[name] = leave
        chains = {
            name: self.chains[name]
            for name, was in self._chains.items()
            if name in self.chains and self.chains[name] != was
        }
        changed_chains = frozenset(name for name in chains if self._chains[name] is not None)
        gone_chains = tuple(name for name, was in self._chains.items() if was is not None and name not in self.chains)
        narrows = bool(removed or changed_chains) or any(FIXED[name].verdict for name in added if name in FIXED)
        # an address more in a set denies more where a rule denies
        narrows = narrows or bool(added and self._denying)
        self._forget()
        kinds = {name: self.sets[name].kind for name in (*added, *removed)}
        return Delta(new, gone, added, removed, chains, changed_chains, gone_chains, kinds, narrows)


def port_key(address: bytes, protocol: int, number: int) -> bytes:
    """The element of a set of named ports, each part padded to four bytes."""
    return address + bytes((protocol, 0, 0, 0)) + U16BE.pack(number) + b"\0\0"


def name_of(kind: str, *parts: object) -> str:
    """A name that stands for these parts. 128 bits: nobody who writes policies finds two of one name."""
    return f"{kind}_{blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"


def in_family(chain: str, family: int) -> str:
    """The chain for packets of one family: there are two of each, and none that asks for the family."""
    return f"{chain}_{family}"


def chain_of(direction: str, policy: str, tier: str = "") -> str:
    """The chain of a policy ("namespace/name"; a ClusterNetworkPolicy's "name" and its tier) for one direction, without
    the family. With one chain for both tiers, an older table that is read into a newer one could be a loop: of the tier
    Admin a pass goes to the policies after it, Baseline's among them."""
    return name_of(f"cluster_{direction}", policy, tier) if tier else name_of(f"policy_{direction}", policy)
