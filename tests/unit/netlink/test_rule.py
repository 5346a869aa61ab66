# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy routing rules: what is asked of the kernel reads back as the same rule."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import rule
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import attr, attr_u32


@pytest.mark.parametrize("table", [254, 10001])
@pytest.mark.parametrize("src", ["10.1.0.5/32", "fd00::/64"])
def test_a_rule_comes_back_as_it_went(src, table):
    ((kind, _flags, body, text),) = rule.Rule(src, table, 100).add(lambda _name: 0)
    found = rule.decode(body)
    assert (kind, text) == (rule.RTM_NEWRULE, f"add rule from {src} table {table}")
    assert (found.src, found.table, found.priority) == (src, table, 100)
    assert found.key() == rule.Rule(src, table).key()


def test_a_rule_for_all_sources_has_none():
    found = rule.decode(rule.add("0.0.0.0/0", 254)[2])
    assert (found.src, found.title()) == (None, "rule from all table 254")


def test_what_else_a_rule_asks_for():
    body = rule.INFO.pack(2, 0, 0, 0, 0, 0, 0, rule.FR_ACT_TO_TBL, 0) + b"".join(
        [
            attr_u32(rule.FRA_TABLE, 7),
            attr(rule.FRA_IIFNAME, b"eth0\0"),
            attr_u32(rule.FRA_FWMARK, 1),
            attr_u32(rule.FRA_FWMASK, 0xFF),
            attr(rule.FRA_IP_PROTO, b"\x11"),
            attr(rule.FRA_DPORT_RANGE, rule._PORTS.pack(53, 54)),
        ]
    )
    found = rule.decode(body)
    assert (found.table, found.iif, found.oif) == (7, "eth0", None)
    assert (found.mark, found.mask, found.protocol, found.sport, found.dport) == (1, 0xFF, 17, None, (53, 54))


def test_a_change_is_made_of_both():
    old, new = rule.Rule("10.1.0.5/32", 100, 7), rule.Rule("10.1.0.5/32", 100, 8)
    assert [kind for kind, *_more in new.change(old, lambda _name: 0)] == [rule.RTM_DELRULE, rule.RTM_NEWRULE]
