# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster's pods, and the sets of a Program that hold their addresses and ports.

Pods of one namespace with equal labels are one identity: which sets select them is found out once for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from .index import Index
from .lines import AddressSet, NamedPortSet, RangeSet, SetSpec
from .model import Peer, Pod
from .program import Program, port_key
from .selectors import Labels

NONE: frozenset[InUse] = frozenset()


class InUse:
    """A set that has users: how many, and its names by family, since hashing them again costs more than all else."""

    __slots__ = ("names", "spec", "users")

    def __init__(self, spec: AddressSet | NamedPortSet, families: tuple[int, ...]) -> None:
        self.spec = spec
        self.names = {family: spec.name(family) for family in families}
        self.users = 1


class Identity:
    """All pods of one namespace with equal labels, by name; ``sets``: those in use that select them."""

    __slots__ = ("labels", "namespace", "pods", "sets")

    def __init__(self, namespace: str, labels: Labels) -> None:
        self.namespace = namespace
        self.labels = labels
        self.pods: dict[str, Pod] = {}
        self.sets: frozenset[InUse] = NONE


class Members:
    """Who is in the sets of ``program``, for the node ``node`` in a pod network of these families. A pod of a namespace
    that is not known is in none."""

    def __init__(self, program: Program, node: str, families: tuple[int, ...]) -> None:
        self.program = program
        self.node = node
        self.families = families
        self.namespaces: dict[str, Labels] = {}
        self._identities: dict[str, dict[Labels, Identity]] = {}
        #: Each pod's, by namespace and name: ten thousand keys would be strings more than the pods themselves have.
        self._of: dict[str, dict[str, Identity]] = {}
        self._in_use: dict[AddressSet | NamedPortSet, InUse] = {}
        self._ranges: Counter[RangeSet] = Counter()
        self._peers: Index[InUse] = Index()
        #: Sets of named ports by the port's name.
        self._named: dict[str, set[InUse]] = {}

    def pod(self, key: str) -> tuple[Pod, Identity] | None:
        """A pod by "namespace/name"."""
        namespace, _slash, name = key.partition("/")
        identity = self._of.get(namespace, {}).get(name)
        return (identity.pods[name], identity) if identity else None

    def put(self, pod: Pod) -> None:
        before = self.pod(pod.key)
        identity = self._identity(pod)
        if pod.labels is not identity.labels:
            pod = pod._replace(labels=identity.labels)  # of equal labels, one copy stays
        if before and before[0] == pod:
            return
        # first what comes: an element that stays does not change
        identity.pods[pod.name] = pod
        self._of.setdefault(pod.namespace, {})[pod.name] = identity
        self._count(identity, pod, 1)
        if before:
            self._count(before[1], before[0], -1)
            if before[1] is not identity:
                self._leave(before[1], pod.name)

    def drop(self, key: str) -> None:
        found = self.pod(key)
        if found:
            pod, identity = found
            self._count(identity, pod, -1)
            del self._of[pod.namespace][pod.name]
            if not self._of[pod.namespace]:
                del self._of[pod.namespace]
            self._leave(identity, pod.name)

    def put_namespace(self, name: str, labels: Labels | None) -> None:
        """Its labels; None where it is gone."""
        if self.namespaces.get(name) == labels:
            return
        identities = self._identities.get(name, {}).values()
        new = name not in self.namespaces
        if labels is None:
            for identity in identities:
                for pod in identity.pods.values():
                    self._count(identity, pod, -1)
                identity.sets = NONE
            del self.namespaces[name]
            return
        self.namespaces[name] = labels
        for identity in identities:
            before, identity.sets = identity.sets, self._selecting(identity)
            for pod in identity.pods.values():
                if new:
                    self._count(identity, pod, 1)
                else:
                    self._count_in(identity.sets - before, pod, 1)
                    self._count_in(before - identity.sets, pod, -1)

    def use(self, spec: SetSpec) -> None:
        """A set has a user more; it is made and filled for the first."""
        if isinstance(spec, RangeSet):
            self._ranges[spec] += 1
            if self._ranges[spec] == 1:
                self.program.add_set(spec.name, spec.kind)
                for element in spec.elements():
                    self.program.put(spec.name, element, 1)
        elif spec in self._in_use:
            self._in_use[spec].users += 1
        else:
            made = self._in_use[spec] = InUse(spec, self.families)
            for family, name in made.names.items():
                self.program.add_set(name, spec.kind(family))
            self._fill(made)

    def release(self, spec: SetSpec) -> None:
        """A set has a user less; it goes with the last."""
        if isinstance(spec, RangeSet):
            self._ranges[spec] -= 1
            if not self._ranges[spec]:
                del self._ranges[spec]
                self.program.remove_set(spec.name)
            return
        found = self._in_use[spec]
        found.users -= 1
        if not found.users:
            del self._in_use[spec]
            self._forget(found)
            for name in found.names.values():
                self.program.remove_set(name)

    def _fill(self, made: InUse) -> None:
        if isinstance(made.spec, AddressSet):
            for peer in made.spec.peers:
                self._peers.add(peer, made)
            for identity in self._selected(made.spec.peers):
                identity.sets |= {made}
                for pod in identity.pods.values():
                    self._count_in((made,), pod, 1)
        else:
            self._named.setdefault(made.spec.port, set()).add(made)
            for identity in self._known():
                for pod in identity.pods.values():
                    self._count_ports(pod, (made,), 1)

    def _forget(self, gone: InUse) -> None:
        if isinstance(gone.spec, AddressSet):
            for peer in gone.spec.peers:
                self._peers.remove(peer, gone)
            for identity in self._selected(gone.spec.peers):
                identity.sets -= {gone}
        else:
            self._named[gone.spec.port].discard(gone)
            if not self._named[gone.spec.port]:
                del self._named[gone.spec.port]

    def _identity(self, pod: Pod) -> Identity:
        known = self._identities.setdefault(pod.namespace, {})
        identity = known.get(pod.labels)
        if identity is None:
            identity = known[pod.labels] = Identity(pod.namespace, pod.labels)
            if pod.namespace in self.namespaces:
                identity.sets = self._selecting(identity)
        return identity

    def _leave(self, identity: Identity, name: str) -> None:
        del identity.pods[name]
        if not identity.pods:
            del self._identities[identity.namespace][identity.labels]
            if not self._identities[identity.namespace]:
                del self._identities[identity.namespace]

    def _selecting(self, identity: Identity) -> frozenset[InUse]:
        around = self.namespaces[identity.namespace]
        found = frozenset(self._peers.matching(identity.namespace, around, identity.labels))
        return found or NONE

    def _selected(self, peers: Iterable[Peer]) -> Iterator[Identity]:
        """Each identity once that any of the peers selects."""
        found: dict[Identity, None] = {}
        for peer in peers:
            for namespace, labels in self.namespaces.items() if not peer.namespace else self._one(peer.namespace):
                if peer.namespaces.matches(dict(labels)):
                    for identity in self._identities.get(namespace, {}).values():
                        if peer.pods.matches(dict(identity.labels)):
                            found[identity] = None
        return iter(found)

    def _one(self, namespace: str) -> list[tuple[str, Labels]]:
        return [(namespace, self.namespaces[namespace])] if namespace in self.namespaces else []

    def _known(self) -> Iterator[Identity]:
        for namespace, identities in self._identities.items():
            if namespace in self.namespaces:
                yield from identities.values()

    def _count(self, identity: Identity, pod: Pod, by: int) -> None:
        if identity.namespace in self.namespaces:
            self._count_in(identity.sets, pod, by)
            self._count_ports(pod, None, by)

    def _count_in(self, sets: Iterable[InUse], pod: Pod, by: int) -> None:
        for one in sets:
            for address in pod.addresses:
                name = one.names.get(4 if len(address) == 4 else 6)
                if name:
                    self.program.count(name, address, by)

    def _count_ports(self, pod: Pod, sets: Iterable[InUse] | None, by: int) -> None:
        """In these sets of named ports; None: in all."""
        for port in pod.ports:
            for one in self._named.get(port.name, ()) if sets is None else sets:
                spec = one.spec
                assert isinstance(spec, NamedPortSet)
                if spec.port == port.name and spec.holds(port.protocol) and (not spec.local or pod.node == self.node):
                    for address in pod.addresses:
                        name = one.names.get(4 if len(address) == 4 else 6)
                        if name:
                            self.program.count(name, port_key(address, port.protocol, port.number), by)
