# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated cases with real packets on two nodes, TCP, UDP and SCTP, IPv4 and IPv6, against the oracle."""

from __future__ import annotations

from random import Random

import pytest
from policies import chance, oracle
from policies.cases import cases
from policies.events import of_case
from policies.fabric import TRIED

CASES = list(cases())
#: What the kernel's way through chains could do differently from the data's: a pass that comes back.
TIERS = [name for name, _policies in CASES if name.startswith(("Admin Pass", "Baseline Pass"))]


def expected(fabric, cluster) -> set[tuple[str, str, int, str, int]]:
    return {
        (source, target, family, protocol, port)
        for family in (4, 6)
        for source, one in fabric.addresses(family).items()
        for target, other in fabric.addresses(family).items()
        for protocol, port in TRIED
        if source != target and oracle.passes(cluster, one, other, protocol, port)
    }


@pytest.mark.parametrize(
    "name", sorted({*(name for name, _policies in CASES[::14]), *TIERS[::6], "Admin Pass before Deny"})
)
def test_what_passes_is_what_the_oracle_says(fabric, name):
    cluster = of_case(dict(CASES)[name])
    fabric.enforce(cluster)
    wanted = expected(fabric, cluster)
    found = fabric.passing(wanted)
    assert (sorted(found - wanted), sorted(wanted - found)) == ([], [])


@pytest.mark.parametrize("seed", range(20))
def test_policies_by_chance(fabric, seed):
    cluster = chance.cluster(Random(seed))
    fabric.enforce(cluster)
    wanted = expected(fabric, cluster)
    found = fabric.passing(wanted)
    assert (sorted(found - wanted), sorted(wanted - found)) == ([], [])
