# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The continuous probe of podnetd: who answers, who does not, and that there is none unless it is asked for."""

from __future__ import annotations

import re
import time

import pytest


def figures(agent, name: str) -> dict[str, float]:
    """A metric's values by peer, as Prometheus would read them."""
    found = re.findall(rf'^podnet_{name}{{peer="(\w+)"}} (\S+)$', agent.get("/metrics")[1], re.MULTILINE)
    return {peer: float(value) for peer, value in found}


def raw_sockets(node) -> int:
    """How many raw sockets the node has."""
    return len(node.netns.run("ss --raw --numeric --no-header --all").stdout.splitlines())


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_it_tells_who_answers_and_how_soon(make_nodes, eventually, backend):
    nodes, _switch = make_nodes(3, backend={"type": backend})
    first, second, third = nodes
    for node in nodes:
        node.ctl("apply")
    (first.directory / "podnetd.json").write_text('{"probe": 0.2}')
    agent = first.start()
    eventually("both answer", lambda: figures(agent, "peer_reachable") == {"node2": 1, "node3": 1})
    assert all(0 < value < 1 for value in figures(agent, "peer_round_trip_seconds").values())
    assert raw_sockets(first) == 2
    third.netns.run("ip link set eth0 down")
    eventually("one is silent", lambda: figures(agent, "peer_reachable") == {"node2": 1, "node3": 0})
    assert set(figures(agent, "peer_round_trip_seconds")) == {"node2"}
    assert figures(agent, "peer_lost_total")["node3"] >= 1
    assert figures(agent, "peer_lost_total")["node2"] == 0
    third.netns.run("ip link set eth0 up")
    eventually("it is back", lambda: figures(agent, "peer_reachable") == {"node2": 1, "node3": 1})
    first.write([first.lease(), second.lease()], backend={"type": backend})
    eventually("it left", lambda: set(figures(agent, "peer_requests_total")) == {"node2"})


def test_it_is_off_unless_it_is_asked_for(make_nodes):
    (node, peer), _switch = make_nodes(2)
    peer.ctl("apply")
    agent = node.start()
    assert "podnet_peer_" not in agent.get("/metrics")[1]
    assert raw_sockets(node) == 0


def test_many_peers_share_the_rate(make_nodes, eventually):
    (node,), _switch = make_nodes(1)
    peers = [
        {"name": f"peer{n}", "address": f"10.77.0.{50 + n}", "pod_cidrs": [f"10.244.{100 + n}.0/24"]} for n in range(50)
    ]
    node.write([node.lease(pod_cidrs=["10.244.1.0/24"]), *peers], networks=["10.244.0.0/16"])
    (node.directory / "podnetd.json").write_text('{"probe": 2}')
    agent = node.start()
    eventually("all were asked", lambda: len(figures(agent, "peer_requests_total")) == 50)
    time.sleep(2)
    sent = figures(agent, "peer_requests_total").values()
    assert max(sent) - min(sent) <= 1, "each is asked as often as the others"
