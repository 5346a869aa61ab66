# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several nodes together show."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.provision import between


def facts(mtu=1500, offset=0.4):
    """A node's facts, as far as they matter."""
    return {"interface": "eth0", "interfaces": {"eth0": {"mtu": mtu}}, "clock_offset": offset}


def found(nodes, mtu_is_set=False):
    return [(each.code, each.subject, dict(each.parameters)) for each in between.check(nodes, mtu_is_set)]


def test_nodes_that_agree():
    assert found({"a": facts(offset=0.2), "b": facts(offset=20), "c": facts(offset=None)}) == []
    assert found({}) == []
    assert found({"a": {**facts(), "interface": None}}) == []


def test_a_clock_that_differs():
    nodes = {"a": facts(offset=0.3), "b": facts(offset=-3600.0), "c": facts(offset=1.3)}
    assert found(nodes) == [(Code.CLOCK_DIFFERS, "b", {"seconds": 3600})]


def test_a_controller_whose_clock_is_wrong_is_no_node_s_fault():
    assert found({"a": facts(offset=7200.3), "b": facts(offset=7201.0)}) == []


def test_underlays_of_different_mtu():
    nodes = {"a": facts(9000), "b": facts(1500)}
    values = {"interface": "eth0", "mtu": 9000, "least": 1500, "other": "b"}
    assert found(nodes) == [(Code.MTU_DIFFERS, "a", values)]
    assert found(nodes, mtu_is_set=True) == []


def test_nodes_that_did_not_answer(three):
    absent = between.unreachable(three, {"host1", "host3"})
    assert [node.host for node in absent] == ["host2"]
    assert between.unreachable(three, {"host1", "host2", "host3"}) == []


def test_an_unreachable_node_s_silence_is_no_other_node_s_fault(three):
    """It is reported as unreachable, and does not keep the others from anything."""
    silent = [Finding(Code.PEER_SILENT, "host1", node.address) for node in three]
    down = Finding(Code.LINK_DOWN, "host1", three[1].address)
    left = between.without_silence_of([three[1]], [*silent, down])
    assert left == [silent[0], silent[2], down]
