# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetctl policy on a node: by podnetd while it runs, by what it left on disk afterwards. Witness: TCP."""

from __future__ import annotations

import json
import time

import pytest

from .conftest import PORT, PolicyNode

CLIENTS = {"from": [{"podSelector": {"matchLabels": {"role": "client"}}}], "ports": [{"port": "web"}]}


@pytest.fixture
def shop(node) -> PolicyNode:
    """A node whose podnetd runs; a client, and a server that lets clients in."""
    node.cluster.namespace("shop")
    node.start()
    node.cluster.policy("shop", "clients", podSelector={"matchLabels": {"app": "server"}}, ingress=[CLIENTS])
    node.client = node.run_pod("shop", "client", role="client")
    node.server = node.run_pod("shop", "server", app="server")
    return node


def asked(shop: PolicyNode, *words: str, status: int = 0) -> dict:
    return json.loads(shop.node.ctl("policy", *words, "--json", status=status).stdout)


def name(shop: PolicyNode, pod: str) -> str:
    return f"{shop.cluster.namespace('shop')}/{pod}"


def settled(shop: PolicyNode) -> bool:
    return shop.client.reaches(shop.server) and shop.status()["isolated"]["ingress"] == 1


def test_who_may_reach_a_pod_and_why(shop, eventually):
    eventually("the policies", lambda: settled(shop))
    server, client = name(shop, "server"), name(shop, "client")
    found = asked(shop, server)
    assert (found["schema"], found["pod"], found["addresses"]) == (2, server, shop.server.addresses)
    assert found["origin"]["source"] == "podnetd" and found["origin"]["in_force"] and found["origin"]["following"]
    assert found["policies"]["egress"] == {"isolated": False, "policies": [], "otherwise": "accept"}
    ingress = found["policies"]["ingress"]
    assert ingress["isolated"] and ingress["otherwise"] == "drop"
    (policy,) = ingress["policies"]
    assert (policy["policy"], policy["tier"]) == (name(shop, "clients"), "NetworkPolicy")
    (rule,) = policy["rules"]
    assert rule["action"] == "accept" and rule["number"] == 1
    namespace = server.partition("/")[0]
    assert rule["pods"] == [{"pods": "role=client", "namespace": namespace, "namespaces": None}]
    assert rule["blocks"] == []
    assert [port["name"] for port in rule["ports"]] == ["web"]
    assert rule["matches"]["pods"] == [client]
    text = shop.node.ctl("policy", server).stdout
    for words in (name(shop, "clients"), "role=client", "TCP port named web", client, "otherwise: drop"):
        assert words in text, text


def test_one_connection(shop, eventually):
    eventually("the policies", lambda: settled(shop))
    server, client = name(shop, "server"), name(shop, "client")
    ingress, egress = "ingress", "egress"

    def verdicts(*words: str, status: int = 0) -> list[tuple]:
        flow = asked(shop, *words, status=status)["flows"][0]
        return [(each["direction"], each["accepted"], each["reason"]) for each in flow["judgements"]]

    port = f"{PORT}/tcp"
    assert verdicts(client, "--to", server, "--port", port) == [(egress, True, "not-isolated"), (ingress, True, "rule")]
    denied = [(egress, True, "not-isolated"), (ingress, False, "no-rule")]
    assert verdicts(server, "--from", client, "--port", "81/tcp", status=1) == denied
    assert verdicts(server, "--to", "192.0.2.1", "--port", "53/udp") == [(egress, True, "not-isolated")]
    assert verdicts(server, "--from", "192.0.2.1", "--port", port, status=1) == [(ingress, False, "no-rule")]
    text = shop.node.ctl("policy", server, "--from", client, "--port", "81/tcp", status=1).stdout
    assert f"TCP {PORT}" in text and "kubectl" in text  # what would pass, and where to change it


def test_what_is_no_pod_or_no_port_is_refused(shop):
    for words in ([name(shop, "nobody")], [name(shop, "server"), "--to", name(shop, "nobody")],
                  [name(shop, "server"), "--to", "10.0.0.1", "--port", "http"]):  # fmt: skip
        refused = shop.node.ctl("policy", *words, status=2)
        assert refused.stderr.startswith("podnetctl: policy: ") and not refused.stdout


def test_without_podnetd_by_what_it_left(shop, eventually):
    """An orderly end leaves what was in force to the last change."""
    eventually("the policies", lambda: settled(shop))
    shop.cluster.policy("shop", "closed", podSelector={"matchLabels": {"app": "server"}}, policyTypes=["Egress"])
    eventually("the last change", lambda: not shop.server.reaches(shop.client))
    before = asked(shop, name(shop, "server"))
    shop.node.agents[-1].stop()
    found = asked(shop, name(shop, "server"))
    assert found["origin"]["source"] == "disk" and found["origin"]["in_force"] and not found["origin"]["following"]
    assert time.time() - found["origin"]["time"] < 60
    assert found["policies"]["egress"] == before["policies"]["egress"] and found["policies"]["egress"]["isolated"]
    assert "on disk" in shop.node.ctl("policy", name(shop, "server")).stdout


def test_a_node_that_enforces_none(shop):
    shop.node.agents[-1].stop()
    shop.configure(off=True)
    assert "overlay_policy: true" in shop.node.ctl("policy", "shop/server", status=2).stderr
