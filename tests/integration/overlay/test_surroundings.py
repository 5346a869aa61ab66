# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy routing rules of others as the kernel lists them, such as nm-cloud-setup's."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings import render
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import surroundings


@pytest.fixture
def diverting(netns):
    """What a rule leads to for a node's address; then the fix is run, which leaves nothing."""

    def judge(rule: str, address: str = "10.0.0.11") -> list:
        family = "-6" if ":" in address else "-4"
        netns.run(f"ip {family} rule add {rule}")
        with Netns(netns.path):
            found = surroundings.diverting("node1", address)
        for each in found:
            netns.run(render.fix(each).rpartition("; ")[2])
        with Netns(netns.path):
            assert surroundings.diverting("node1", address) == []
        return [(each.code, each.subject) for each in found]

    return judge


@pytest.mark.parametrize(
    ("rule", "address"),
    [
        ("from 10.0.0.11 lookup 30400 priority 30400", "10.0.0.11"),
        ("from 10.0.0.0/24 lookup 30200 priority 30200", "10.0.0.11"),
        ("from fd00::11 lookup 30400", "fd00::11"),
    ],
)
def test_a_rule_for_the_node_s_address(diverting, rule, address):
    assert diverting(rule, address) == [(Code.OVERLAY_RULE_FOREIGN, address)]


@pytest.mark.parametrize(
    "rule",
    [
        "from 10.0.0.12 lookup 30400",
        "from 10.0.0.11 lookup main priority 100",
        "from 10.0.0.11 fwmark 1 lookup 30400",
        "from 10.0.0.11 to 192.0.2.0/24 lookup 30400",
        "iif lo lookup 30400",
    ],
)
def test_another_rule(diverting, rule):
    assert diverting(rule) == []
