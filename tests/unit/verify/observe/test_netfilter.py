# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chains are suspects for a packet that is lost, by what their rules may do."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.read import Base, ChainKey, Rule
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import netfilter

FORWARD, USER = ChainKey("ip", "filter", "FORWARD"), ChainKey("ip", "filter", "USER")


class Rules:
    """A ruleset: the expressions of rules by chain, and whether FORWARD's policy drops."""

    def __init__(self, chains: dict, drops: bool = False) -> None:
        self._chains, self._drops = chains, drops

    def bases(self) -> list[Base]:
        return [Base(FORWARD, "filter", "forward", 0, self._drops)]

    def rules(self, key: ChainKey) -> list[Rule]:
        return [Rule(key, 1, "", expressions) for expressions in self._chains.get(key, [])]


def target(name: str) -> list:
    return [("target", {1: name.encode() + b"\0"})]


def jump(chain: str) -> list:
    return [("verdict", {1: (-3).to_bytes(4, "big", signed=True), 2: chain.encode()})]


def suspected(*rules: list) -> tuple[bool, bool, bool] | None:
    """Whether FORWARD may drop, translate, rewrite; None where it is no suspect."""
    found = netfilter.chains(Rules({FORWARD: list(rules)}))
    return (found[0].drops, found[0].translates, found[0].rewrites) if found else None


@pytest.mark.parametrize(
    ("name", "effects"),
    [
        ("REJECT", (True, False, False)),
        ("QUEUE", (True, False, False)),
        ("SYNPROXY", (True, False, False)),
        ("DNAT", (False, True, False)),
        ("NETMAP", (False, True, False)),
        ("TCPMSS", (False, False, True)),
        ("UNHEARD", (False, False, True)),
        ("MARK", None),
        ("HMARK", None),
        ("LOG", None),
    ],
)
def test_what_iptables_targets_may_do(name, effects):
    assert suspected(target(name)) == effects


def test_what_nftables_expressions_may_do():
    assert suspected([("reject", {})]) == (True, False, False)
    assert suspected([("masq", {})]) == (False, True, False)
    assert suspected([("payload", {5: bytes(4)})]) == (False, False, True)
    assert suspected([("payload", {1: bytes(4)}), ("counter", {})]) is None


def test_a_chain_that_another_leads_to_counts_and_is_named():
    (found,) = netfilter.chains(Rules({FORWARD: [jump("USER")], USER: [target("REJECT")]}))
    assert (found.chain, found.drops, found.policy_drops, found.dropping) == ("FORWARD", True, False, ["USER"])


def test_a_policy_that_drops_is_enough():
    (found,) = netfilter.chains(Rules({}, drops=True))
    assert found.drops and found.policy_drops and found.dropping == []


def test_our_own_table_is_no_suspect(monkeypatch):
    monkeypatch.setattr(netfilter, "OWN", FORWARD[:2])
    assert suspected(target("REJECT")) is None
