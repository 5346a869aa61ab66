# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What policies are made of, as typed records: pods and namespaces with labels, NetworkPolicies (networking.k8s.io/v1)
and ClusterNetworkPolicies (policy.networking.k8s.io/v1alpha2, v1beta1), every default of the API applied."""

from __future__ import annotations

from typing import NamedTuple

from ..ipam.prefix import Prefix
from .selectors import EVERYTHING, Labels, Selector

#: IANA protocol numbers of the API's three.
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
ANY_PROTOCOL = 0
LAST_PORT = 65535

ACCEPT, DENY, PASS = "accept", "deny", "pass"
ADMIN, BASELINE = "Admin", "Baseline"


class NamedPort(NamedTuple):
    """A container's port with a name; one name may occur several times."""

    name: str
    protocol: int
    number: int


class Pod(NamedTuple):
    """A pod with addresses of its own: never one of the host's network, nor one that has ended. ``addresses``: packed,
    of both families. In namespace "": an attachment that is not a pod's, which no policy selects."""

    namespace: str
    name: str
    labels: Labels
    addresses: tuple[bytes, ...]
    ports: tuple[NamedPort, ...]
    node: str

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class Namespace(NamedTuple):
    name: str
    labels: Labels

    @property
    def key(self) -> str:
        return self.name


class Peer(NamedTuple):
    """Pods by selectors: those of ``namespace`` ("": of every namespace that ``namespaces`` matches)."""

    namespace: str
    namespaces: Selector
    pods: Selector


class Block(NamedTuple):
    """An ipBlock: ``excepts`` are cut out of this ``cidr`` only."""

    cidr: Prefix
    excepts: tuple[Prefix, ...] = ()


class Port(NamedTuple):
    """Ports of one protocol, ``first`` to ``last``; or those that the destination pod calls ``name``, which with
    ANY_PROTOCOL are those of every protocol."""

    protocol: int
    first: int = 0
    last: int = LAST_PORT
    name: str = ""


class Rule(NamedTuple):
    """Matches traffic with any of the peers and blocks (None: with every address), to any of the ports (none: any
    protocol and port). A policy of a namespace only has rules that accept."""

    action: str
    peers: tuple[Peer, ...] | None
    blocks: tuple[Block, ...]
    ports: tuple[Port, ...]


class Policy(NamedTuple):
    """A NetworkPolicy: isolates the pods of its namespace that ``pods`` selects, in each direction whose rules are not
    None."""

    namespace: str
    name: str
    pods: Selector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def subject(self) -> Peer:
        return Peer(self.namespace, EVERYTHING, self.pods)


class ClusterPolicy(NamedTuple):
    """A ClusterNetworkPolicy of the ``tier`` ADMIN or BASELINE; lower ``priority`` is asked first. Its first rule that
    matches decides; none leaves it to the next policy."""

    name: str
    tier: str
    priority: int
    subject: Peer
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]

    @property
    def key(self) -> str:
        return self.name
