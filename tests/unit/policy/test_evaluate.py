# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiler against an oracle: what the Program does to every connection is what the API's objects say."""

from __future__ import annotations

from collections.abc import Container

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import pack_ip
from ansible_collections.podnet.cluster.plugins.module_utils.policy.compile import Compiler
from ansible_collections.podnet.cluster.plugins.module_utils.policy.evaluate import allows
from hypothesis import given, settings, strategies
from policies import chance, oracle
from policies.cases import cases
from policies.cluster import OUTSIDE, address
from policies.events import compilers, of_case

CASES = list(cases())
NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132, "ICMP": 1}
TRAFFIC = [
    *(("TCP", port) for port in (80, 81, 82)),
    ("UDP", 80),
    ("UDP", 81),
    ("SCTP", 80),
    ("SCTP", 81),
    ("ICMP", None),
]


def pairs(cluster: oracle.Cluster):
    """(source, target) of all connections: between all pods, to themselves too, and with a host outside."""
    for family in (4, 6):
        ends = [address(pod, family) for pod in cluster.pods]
        for one in [*ends, OUTSIDE[family]]:
            for other in [*ends, OUTSIDE[family]]:
                if (one, other) != (OUTSIDE[family], OUTSIDE[family]):
                    yield one, other


def difference(found: dict[str, Compiler], cluster: oracle.Cluster, closed: Container[str] = ()) -> list[str]:
    """The connections that nodes and oracle do not agree about; ``closed`` addresses take part in none."""
    wrong = []
    for source, target in pairs(cluster):
        for protocol, port in TRAFFIC:
            passed = all(
                allows(compiler.program, pack_ip(source), pack_ip(target), NUMBERS[protocol], port)
                for compiler in found.values()
            )
            open_ends = source not in closed and target not in closed
            if passed != (open_ends and oracle.passes(cluster, source, target, protocol, port)):
                wrong.append(f"{source} to {target} {protocol} {port}: {'passes' if passed else 'does not pass'}")
    return wrong


def test_there_are_enough_cases():
    names = [name for name, _policies in CASES]
    assert len(names) == len(set(names)) >= 200


def test_the_cases_tell_right_from_wrong():
    """Most cases forbid something and allow something, or they would prove little."""
    telling = 0
    for _name, policies in CASES:
        cluster = of_case(policies)
        verdicts = {oracle.passes(cluster, *pair, "TCP", 80) for pair in pairs(cluster)}
        telling += len(verdicts) == 2
    assert telling > 0.8 * len(CASES)


@pytest.mark.parametrize("slice", range(8))
def test_generated_cases(slice):
    for name, policies in CASES[slice::8]:
        cluster = of_case(policies)
        assert not difference(compilers(cluster), cluster), name


@settings(max_examples=120)
@given(strategies.randoms(use_true_random=False))
def test_policies_by_chance(random):
    cluster = chance.cluster(random)
    for item in cluster.pods:  # one that is not seen by any policy
        if random.random() < 0.05:
            item["status"]["phase"] = random.choice(["Succeeded", "Failed"])
    assert not difference(compilers(cluster), cluster, ended(cluster))


def ended(cluster: oracle.Cluster) -> set[str]:
    """The addresses of pods that have ended: nobody has them, and their node keeps them closed."""
    return {
        each["ip"]
        for item in cluster.pods
        if item["status"]["phase"] in ("Succeeded", "Failed")
        for each in item["status"]["podIPs"]
    }
