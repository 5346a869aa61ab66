# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases node by node are those of all nodes at once, whatever the history."""

from __future__ import annotations

import json
import random

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources.admission import NodeAdmission
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.admission import admit
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError

CONFIG = config.parse({"node_name": "own", "networks": ["10.0.0.0/16", "fd00::/32"]})


def text(name: str, number: int, since: int = 0, **other) -> str:
    """The entry of a node with the pod CIDR and the address number NUMBER."""
    entry = {"name": name, "address": f"192.0.2.{number}", "pod_cidrs": [f"10.0.{number}.0/24"], **other}
    return f"2026-01-01T00:00:{since:02d}Z {json.dumps(entry)}"


def test_the_older_of_two_that_contradict_each_other_wins():
    admission = NodeAdmission(CONFIG)
    admission.change({"own": text("own", 1, 30), "b": text("b", 2, 9), "a": text("a", 2, 10)})
    leases = admission.leases()
    assert [peer.name for peer in leases.peers] == ["b"]
    assert (leases.refused["a"].code, leases.refused["a"].parameters["other"]) == (Code.LEASE_TAKEN, "b")
    admission.change({"b": None})
    assert [peer.name for peer in admission.leases().peers] == ["a"]
    assert admission.leases().refused == {}


def test_one_that_stays_refused_has_nobody_looked_at_again():
    admission = NodeAdmission(CONFIG)
    admission.change({"own": text("own", 1), "b": text("b", 2, 9), "a": text("a", 2, 10), "wide": text("wide", 300)})
    (before,) = admission.leases().peers
    admission.change({"c": text("c", 3)})
    admission.change({"c": text("c", 4), "wide": text("wide", 301)})
    leases = admission.leases()
    assert leases.peers[0] is before and [peer.name for peer in leases.peers] == ["b", "c"]
    assert set(leases.refused) == {"a", "wide"}
    admission.change({"b": text("b", 5)})
    assert {peer.name for peer in admission.leases().peers} == {"a", "b", "c"}


def test_a_node_whose_address_is_anothers_place_is_refused_alone():
    """A pod's, a Service's, and one out of the underlay: by what it says of itself, then right again."""
    networks = {"service_networks": ["10.96.0.0/12"], "underlay_networks": ["192.0.2.0/24"]}
    admission = NodeAdmission(config.parse({**CONFIG.as_json(), **networks}))
    admission.change({"own": text("own", 1), "a": text("a", 2), "b": text("b", 3)})
    for address, code, kind in (
        ("10.0.3.7", Code.LEASE_ADDRESS_IN_NETWORK, "pod"),
        ("10.96.0.1", Code.LEASE_ADDRESS_IN_NETWORK, "service"),
        ("8.8.8.8", Code.LEASE_ADDRESS_OUTSIDE, None),
    ):
        admission.change({"b": text("b", 3, addresses=["192.0.2.3"])})
        assert [peer.name for peer in admission.leases().peers] == ["a", "b"]
        admission.change({"b": text("b", 3, address=address)})
        assert [peer.name for peer in admission.leases().peers] == ["a"]
        refused = admission.leases().refused["b"]
        assert (refused.code, refused.parameters.get("kind")) == (code, kind)


def test_our_own_wins_over_an_older_one():
    admission = NodeAdmission(CONFIG)
    admission.change({"own": text("own", 1, 30), "thief": text("thief", 1, 0)})
    assert admission.leases().refused["thief"].parameters["other"] == "own"


def test_without_our_own_there_is_nothing_to_be_right():
    admission = NodeAdmission(CONFIG)
    admission.change({"b": text("b", 2)})
    with pytest.raises(ConfigError, match="own, this node, has no pod CIDR"):
        admission.leases()
    admission.change({"own": text("own", 1)})
    assert len(admission.leases().peers) == 1
    admission.change({"own": text("own", 1, address="nowhere")})
    with pytest.raises(ConfigError, match=r"own, this node: lease\.invalid \(error: address: 'nowhere'"):
        admission.leases()


def test_another_configuration_is_another_judgement():
    admission = NodeAdmission(CONFIG)
    admission.change({"own": text("own", 1), "b": text("b", 2, backend="host-gw")})
    assert admission.leases().refused["b"].code == Code.LEASE_OTHER_BACKEND
    admission.configure(CONFIG._replace(backend=CONFIG.backend._replace(type="host-gw")))
    assert [peer.name for peer in admission.leases().peers] == ["b"]


@pytest.mark.parametrize("seed", range(12))
def test_any_history_ends_as_if_it_had_come_at_once(seed):
    """Nodes come, go, change, and take each other's addresses, blocks and MACs; the witness is ``admit``."""
    chance = random.Random(seed)
    admission = NodeAdmission(CONFIG)
    admission.change({"own": text("own", 1, 5)})
    crowd = 12 if seed % 2 else 60
    for _step in range(120):
        changes = {}
        for _change in range(chance.choice((1, 1, 1, 5))):
            name = f"n{chance.randrange(30)}"
            entry = text(name, chance.randrange(1, crowd), chance.randrange(20))
            if chance.random() < 0.15:
                entry = text(name, 3, 3, vtep_mac="02:00:00:00:00:09")
            if chance.random() < 0.1:
                entry = text(name, 4, 4, address="garbage")
            changes[name] = None if chance.random() < 0.3 else entry
        if chance.random() < 0.05:
            changes["own"] = text("own", chance.randrange(1, crowd), 5)
        admission.change(changes)
        if chance.random() < 0.5:
            continue
        entries = [json.loads(entry.partition(" ")[2]) for entry in sorted(admission.entries.values())]
        wanted, found = admit(CONFIG, entries), admission.leases()
        assert found.own == wanted.own
        assert sorted(found.peers) == sorted(wanted.peers)
        assert found.refused == wanted.refused
