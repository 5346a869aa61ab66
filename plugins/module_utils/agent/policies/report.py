# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What enforcement says of itself: its state, JSON-ready, and findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...converge.sysctls import read
from ...findings.codes import Code
from ...findings.finding import Finding

if TYPE_CHECKING:
    from .enforcer import Enforcer

#: By which the kernel shows packets between ports of a bridge to nftables; each IP version has its own.
BRIDGE = {4: "net.bridge.bridge-nf-call-iptables", 6: "net.bridge.bridge-nf-call-ip6tables"}


class EnforcerStatus(NamedTuple):
    """``objects``: those of the API that are known, by resource, and which resources are followed (``watching``);
    ``unreadable``: objects with the reason; ``pods`` of this node, and how many are ``isolated`` by direction;
    ``admitted``, ``refused``: answers to ADD, ``waiting``: those yet to be given. The rest are counts."""

    in_force: bool
    synced: bool
    connections: str
    objects: dict[str, int]
    watching: dict[str, bool]
    unreadable: dict[str, str]
    pods: int
    isolated: dict[str, int]
    updates: int
    reconciliations: int
    failures: int
    drift: int
    admitted: int
    refused: int
    waiting: int
    connections_cut: int
    connections_restored: int


def status(enforcer: Enforcer) -> EnforcerStatus:
    followers = enforcer.cluster.followers if enforcer.cluster else {}
    names = {follower: follower.collection.path.rpartition("/")[2] for follower in followers.values()}
    local = list(enforcer.compiler.program.locals.values()) if enforcer.compiler else []
    cutter = enforcer.cutter
    return EnforcerStatus(
        in_force=enforcer.in_force,
        synced=bool(enforcer.cluster and enforcer.cluster.synced),
        connections=enforcer.options.connections,
        objects={name: len(follower.records) for follower, name in names.items()},
        watching={name: follower.live for follower, name in names.items() if follower.served},
        unreadable={key: why for follower in names for key, why in follower.malformed.items()},
        pods=len(local),
        isolated={
            "ingress": sum(bool(pod.ingress or pod.ingress_admin) for pod in local),
            "egress": sum(bool(pod.egress or pod.egress_admin) for pod in local),
        },
        updates=enforcer.updates,
        reconciliations=enforcer.reconciliations,
        failures=enforcer.failures,
        drift=enforcer.drift,
        admitted=enforcer.admitted,
        refused=enforcer.refused,
        waiting=enforcer.waiting(),
        connections_cut=cutter.cut if cutter else 0,
        connections_restored=cutter.restored if cutter else 0,
    )


def unready(enforcer: Enforcer) -> list[Finding]:
    """Why policies that the API has may not be in force."""
    node = enforcer.cluster.node if enforcer.cluster else ""
    if enforcer.problem:
        return [enforcer.problem]
    if enforcer.cluster and not enforcer.cluster.synced:
        reasons = [each.reason for each in enforcer.cluster.followers.values() if not each.synced]
        return [Finding(Code.POLICY_NOT_SYNCED, node, "podnetd", {"error": reasons[0]})]
    return []


def warnings(enforcer: Enforcer) -> list[Finding]:
    """What is wrong and not the agent's to repair."""
    if enforcer.cluster is None:
        return []
    node = enforcer.cluster.node
    found = []
    for version in enforcer.bridged():
        value = read(BRIDGE[version])
        if value != "1":
            told = value if value is not None else "missing"
            found.append(Finding(Code.POLICY_BRIDGE_BYPASSED, node, BRIDGE[version], {"value": told}))
    for follower in enforcer.cluster.followers.values():
        if follower.synced and not follower.live and follower.served and follower.reason:
            lost = {"error": follower.reason}
            found.append(Finding(Code.POLICY_WATCH_LOST, node, follower.collection.path, lost))
        for key, reason in follower.malformed.items():
            found.append(Finding(Code.POLICY_UNREADABLE, node, key, {"error": reason}))
    return found
