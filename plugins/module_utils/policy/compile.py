# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The compiler: records of the cluster, put and dropped one by one, → the node's Program, kept up to date.

A pod elsewhere is an address in the sets that select it. Only policies that select a pod of this node have chains, one
for each direction; pods that the same policies select share a combination of these; and only sets that a chain looks
into exist. All are counted by their users. So an event costs what it changes, whatever the cluster's size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, Union

from ..ipam.prefix import parse_prefix
from . import describe, model
from .index import Index
from .lines import SetSpec, of_policy
from .members import Identity, Members
from .model import ADMIN, BASELINE, ClusterPolicy, Namespace, Pod, Policy, Rule
from .program import (
    ACCEPT,
    DROP,
    EGRESS,
    INGRESS,
    JUMP,
    Delta,
    Line,
    Local,
    Program,
    Source,
    chain_of,
    in_family,
    name_of,
)

Record = Union[Pod, Namespace, Policy, ClusterPolicy]
AnyPolicy = Union[Policy, ClusterPolicy]

IFNAMSIZ = 16  # linux/if.h


class Combination(NamedTuple):
    """What pods of this node go through in one direction: the chains of the policies that select them, in order. In the
    tier "" those of namespaces, of which any may accept; else those of cluster policies, of which the first that
    matches decides."""

    direction: str
    tier: str
    chains: tuple[str, ...]

    @property
    def name(self) -> str:
        return name_of(f"pods_{self.direction}", self.tier, self.chains)

    def lines(self, family: int) -> tuple[Line, ...]:
        jumps = tuple(Line(JUMP, in_family(chain, family), family=family) for chain in self.chains)
        if self.tier:
            return jumps
        # a pod cannot isolate itself from itself
        own = Line(ACCEPT, comment="to itself", family=family, own=f"self{family}")
        return (own, *jumps, Line(DROP, comment=f"isolated: no {self.direction} rule matches", family=family))


def _tier(policy: AnyPolicy) -> str:
    """ "" for a policy of a namespace."""
    return policy.tier if isinstance(policy, ClusterPolicy) else ""


def _decided(policy: AnyPolicy | None, direction: str) -> tuple[Rule, ...] | None:
    """The policy's rules; after the tier Baseline nothing comes that a pass could leave the decision to."""
    rules: tuple[Rule, ...] | None = getattr(policy, direction, None)
    if rules and isinstance(policy, ClusterPolicy) and policy.tier == BASELINE:
        return tuple(rule._replace(action=model.ACCEPT) if rule.action == model.PASS else rule for rule in rules)
    return rules


class Compiler:
    """Of the node ``node`` with the pod CIDRs ``networks``, whose pods are behind the bridges ``links``.

    A pod counts, as a peer and as known, once its namespace is known. In whatever order records come, the Program is
    the same in the end.
    """

    def __init__(self, node: str, networks: Iterable[str], links: Iterable[str] = ()) -> None:
        self.node = node
        self.program = Program()
        prefixes = [parse_prefix(network) for network in networks]
        for prefix in prefixes:
            size = 4 if prefix.version == 4 else 16
            ends = prefix.first.to_bytes(size, "big") + prefix.last.to_bytes(size, "big")
            self.program.put(f"local{prefix.version}", ends, 1)
        for link in links:
            self.program.put("links", link.encode().ljust(IFNAMSIZ, b"\0"), 1)
        self.families = tuple(sorted({prefix.version for prefix in prefixes}))
        self._members = Members(self.program, node, self.families)
        self._policies: dict[type, dict[str, AnyPolicy]] = {Policy: {}, ClusterPolicy: {}}
        self._policies_in: Counter[str] = Counter()
        self._subjects: Index[AnyPolicy] = Index()
        #: The rules of each policy's chain, whether it is in use or not, their direction, and the policy.
        self._rules: dict[str, tuple[tuple[Rule, ...], str, AnyPolicy]] = {}
        #: How many pods use a combination, and how many combinations use a policy's chain.
        self._combinations: Counter[Combination] = Counter()
        self._chains: Counter[str] = Counter()
        self._sets: dict[str, frozenset[SetSpec]] = {}
        #: This node's pods by namespace, and the combinations of each.
        self._here: dict[str, set[str]] = {}
        self._combined: dict[str, tuple[Combination, ...]] = {}
        self._stale: set[str] = set()
        self._rewritten: set[str] = set()

    def put(self, record: Record) -> None:
        """A record is new, or changed."""
        if isinstance(record, Pod):
            self._members.put(record)
            self._local(record.key, record.namespace, record.node == self.node)
        elif isinstance(record, Namespace):
            self._members.put_namespace(record.name, record.labels)
            self._stale |= self._here.get(record.name, set())
        else:
            self._put_policy(type(record), record.key, record)

    def drop(self, kind: type, key: str) -> None:
        """A record of that type is gone, if there was one."""
        if kind is Pod:
            self._members.drop(key)
            self._local(key, key.partition("/")[0], False)
        elif kind is Namespace:
            self._members.put_namespace(key, None)
            self._stale |= self._here.get(key, set())
        else:
            self._put_policy(kind, key, None)

    def take(self) -> Delta:
        """Settles everything that has come since the last call; what has changed in ``program``."""
        unused: list[Combination] = []
        wanted = {key: self._wanted(key) for key in self._stale}
        for key in wanted:
            if wanted[key] is None and key in self.program.locals:
                self.program.remove_local(key)
        for key, found in wanted.items():
            unused += self._combined.pop(key, ())
            if found is not None:
                self._settle(key, *found)
        for combination in unused:
            self._release(combination)
        for chain in self._rewritten:
            if chain in self._chains and chain in self._rules:
                before = self._sets[chain]
                self._write(chain)
                for spec in before:
                    self._members.release(spec)
        self._stale.clear()
        self._rewritten.clear()
        return self.program.take()

    def _local(self, key: str, namespace: str, here: bool) -> None:
        """A pod is on this node, or is not any more."""
        keys = self._here.setdefault(namespace, set())
        if here or key in keys:
            self._stale.add(key)
        if here:
            keys.add(key)
        else:
            keys.discard(key)
        if not keys:
            del self._here[namespace]

    def _put_policy(self, kind: type, key: str, policy: AnyPolicy | None) -> None:
        before = self._policies[kind].pop(key, None)
        for record, by in ((before, -1), (policy, 1)):
            if isinstance(record, Policy):
                self._policies_in[record.namespace] += by
        if before is not None:
            self._subjects.remove(before.subject, before)
        if policy is not None:
            self._policies[kind][key] = policy
            self._subjects.add(policy.subject, policy)
        for direction in (EGRESS, INGRESS):
            if before is not None:
                self._rules.pop(chain_of(direction, key, _tier(before)), None)
            rules = _decided(policy, direction)
            if policy is not None and rules is not None:
                chain = chain_of(direction, key, _tier(policy))
                self._rules[chain] = rules, direction, policy
                self._rewritten.add(chain)
        if kind is Policy:
            self._stale |= self._here.get(key.partition("/")[0], set())
        else:
            self._stale |= {pod for namespace, keys in self._here.items() if namespace for pod in keys}

    def _wanted(self, key: str) -> tuple[Pod, Identity] | None:
        """The pod, if it is here and what selects it is known."""
        found = self._members.pod(key)
        if found is None or found[0].node != self.node:
            return None
        return found if found[0].namespace in self._members.namespaces or not found[0].namespace else None

    def _settle(self, key: str, pod: Pod, identity: Identity) -> None:
        admin_egress, egress = self._in_force(identity, EGRESS)
        admin_ingress, ingress = self._in_force(identity, INGRESS)
        chosen = (admin_egress, egress, admin_ingress, ingress)
        self._combined[key] = tuple(combination for combination in chosen if combination)
        for combination in self._combined[key]:
            self._use(combination)
        local = Local(pod.addresses, *(combination.name if combination else "" for combination in chosen))
        before = self.program.locals.get(key)
        if before == local:
            return
        if before and before.addresses != local.addresses:
            self.program.remove_local(key)
        self.program.add_local(key, local)

    def _in_force(self, identity: Identity, direction: str) -> tuple[Combination | None, Combination | None]:
        """The combination of the tier Admin, and the one after it: of namespaced policies, or, where none isolates the
        pod in this direction, of the tier Baseline."""
        if not identity.namespace:
            return None, None
        around = self._members.namespaces[identity.namespace]
        selecting = list(self._subjects.matching(identity.namespace, around, identity.labels))
        isolating = {
            chain_of(direction, policy.key)
            for policy in selecting
            if isinstance(policy, Policy) and getattr(policy, direction) is not None
        }
        tiers = []
        for tier in (ADMIN, BASELINE):
            policies = [each for each in selecting if isinstance(each, ClusterPolicy) and each.tier == tier]
            policies.sort(key=lambda policy: (policy.priority, policy.name))
            chains = tuple(chain_of(direction, each.key, each.tier) for each in policies if getattr(each, direction))
            tiers.append(Combination(direction, tier, chains) if chains else None)
        return tiers[0], Combination(direction, "", tuple(sorted(isolating))) if isolating else tiers[1]

    def _use(self, combination: Combination) -> None:
        self._combinations[combination] += 1
        if self._combinations[combination] > 1:
            return
        for chain in combination.chains:
            self._chains[chain] += 1
            if self._chains[chain] == 1:
                self._write(chain)
        for family in self.families:
            self.program.put_chain(in_family(combination.name, family), combination.lines(family))

    def _release(self, combination: Combination) -> None:
        self._combinations[combination] -= 1
        if self._combinations[combination]:
            return
        del self._combinations[combination]
        self._remove_chain(combination.name)
        for chain in combination.chains:
            self._chains[chain] -= 1
            if not self._chains[chain]:
                del self._chains[chain]
                self._remove_chain(chain)
                for spec in self._sets.pop(chain):
                    self._members.release(spec)

    def _write(self, chain: str) -> None:
        """Gives a policy's chain its lines, and uses their sets."""
        rules, direction, policy = self._rules[chain]
        written = {family: of_policy(rules, direction, policy.key, family) for family in self.families}
        source = Source(policy.key, _tier(policy), direction, describe.rules(rules))
        self._sets[chain] = frozenset(spec for _lines, sets in written.values() for spec in sets)
        for spec in self._sets[chain]:
            self._members.use(spec)
        for family, (lines, _sets) in written.items():
            self.program.put_chain(in_family(chain, family), lines)
            self.program.sources[in_family(chain, family)] = source

    def _remove_chain(self, chain: str) -> None:
        for family in self.families:
            self.program.put_chain(in_family(chain, family), None)
            self.program.sources.pop(in_family(chain, family), None)
