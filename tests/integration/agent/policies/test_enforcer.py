# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies of a real API server, enforced by podnetd on pods that our plugin connects: at their start, when policies
change, and while podnetd or the API server is away. Witnesses: TCP connections, and nft."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time

import pytest

from .conftest import PolicyNode, alive
from .race import lock, race

TRY_AGAIN = 11
FROM_CLIENTS = {"ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]}]}


@pytest.fixture
def shop(node) -> PolicyNode:
    """A node whose podnetd runs, and the namespace "shop"."""
    node.cluster.namespace("shop")
    node.start()
    return node


@pytest.mark.parametrize("version", [4, 6])
def test_policies_come_change_and_go(shop, eventually, version):
    client, server = shop.run_pod("shop", "client", role="client"), shop.run_pod("shop", "server")
    assert client.reaches(server, version)
    shop.cluster.policy("shop", "deny")
    eventually("the policy", lambda: not client.reaches(server, version))
    shop.cluster.policy("shop", "clients", podSelector={}, **FROM_CLIENTS)
    eventually("the policy that allows", lambda: client.reaches(server, version))
    assert not server.reaches(client, version)
    shop.cluster.policy("shop", "clients", podSelector={}, ingress=[{"ports": [{"port": "web"}]}])
    eventually("the named port", lambda: server.reaches(client, version))
    shop.cluster.remove_policy("shop", "clients")
    eventually("the deny", lambda: not client.reaches(server, version))
    shop.cluster.remove_policy("shop", "deny")
    eventually("no policy", lambda: client.reaches(server, version) and server.reaches(client, version))
    assert shop.status()["failures"] == 0 and shop.status()["drift"] == 0


def test_a_pod_is_isolated_before_add_answers(shop):
    """every_start.py has a thousand of them."""
    server = shop.run_pod("shop", "server")
    lock(shop)
    assert race(shop, server, 20) == []
    assert shop.status()["admitted"] == 21 and shop.status()["refused"] == 0


def test_an_address_of_a_pod_that_ended_is_the_next_pods(shop, eventually):
    """The API shows the completed pod's address for as long as the pod is there."""
    shop.cluster.policy("shop", "deny", podSelector={"matchLabels": {"app": "locked"}})
    client = shop.run_pod("shop", "client")
    done = shop.run_pod("shop", "done", app="locked")
    shop.cluster.status("shop", "done", *done.addresses, phase="Succeeded")
    assert shop.call("DEL", done.container, done.netns, shop.cluster.namespace("shop"), "done", "") == {}
    shop.pods.remove(done)
    done.close()
    conf = shop.conf()
    conf["ipam"]["ranges"] = [
        [{"subnet": "10.244.1.0/24", "rangeStart": done.addresses[0], "rangeEnd": done.addresses[0]}]
    ]
    shop.conf = lambda: conf
    heir = shop.run_pod("shop", "heir")
    assert heir.addresses == done.addresses[:1] and client.reaches(heir)
    shop.cluster.remove_pod("shop", "done")
    time.sleep(0.5)
    assert client.reaches(heir)


def test_add_waits_until_the_api_shows_the_pod(shop, eventually):
    shop.cluster.policy("shop", "deny", podSelector={"matchLabels": {"app": "locked"}})
    eventually("the policy", lambda: shop.status()["objects"]["networkpolicies"] == 1)
    client = shop.run_pod("shop", "client")
    answers = []
    adding = threading.Thread(target=lambda: answers.append(shop.add("shop", "late")))
    adding.start()
    eventually("the call that waits", lambda: shop.status()["waiting"] == 1)
    shop.cluster.pod("shop", "late", app="locked")
    adding.join(10)
    assert not client.reaches(answers[0])
    never = shop.add("shop", "never")
    assert never["code"] == TRY_AGAIN and "shop" in never["msg"]
    assert shop.status()["refused"] == 1


def test_another_pod_of_the_same_name_does_not_get_the_formers_labels(shop, eventually):
    """A StatefulSet's pod is made again with other labels, and its ADD is faster than the API's event."""
    shop.cluster.policy("shop", "deny", podSelector={"matchLabels": {"app": "locked"}})
    client, first = shop.run_pod("shop", "client"), shop.run_pod("shop", "db-0", app="open")
    assert client.reaches(first)
    shop.delete(first)
    shop.cluster.pod("shop", "db-0", app="open")
    time.sleep(0.3)
    assert shop.add("shop", "db-0", "00000000-0000-4000-8000-000000000000")["code"] == TRY_AGAIN


def test_without_podnetd_policies_stay_and_only_pods_without_policy_start(shop, eventually):
    shop.cluster.namespace("free")
    shop.cluster.policy("shop", "clients", **FROM_CLIENTS)
    client, other, server = (
        shop.run_pod("shop", "client", role="client"), shop.run_pod("shop", "other"), shop.run_pod("shop", "server")
    )  # fmt: skip
    eventually("the policy", lambda: client.reaches(server) and not other.reaches(server))
    eventually("the file for ADD", lambda: "shop" in (shop.directory / "gate").read_text())
    before = shop.table()
    shop.node.agents[-1].stop(signal.SIGKILL)
    assert client.reaches(server) and not other.reaches(server) and shop.table() == before
    refused = shop.add("shop", "new", shop.cluster.pod("shop", "new"))
    assert refused["code"] == TRY_AGAIN and "podnetd" in refused["msg"]
    free = shop.run_pod("free", "free")
    assert free.reaches(client) is False and client.reaches(free)
    shop.start()
    eventually("podnetd", lambda: shop.status()["in_force"])
    assert client.reaches(free) and client.reaches(server) and not other.reaches(server)


def test_a_restart_changes_nothing_and_loses_nothing(shop, eventually):
    shop.cluster.policy("shop", "clients", **FROM_CLIENTS)
    client, server = shop.run_pod("shop", "client", role="client"), shop.run_pod("shop", "server")
    other = shop.run_pod("shop", "other")
    eventually("the policy", lambda: client.reaches(server) and not other.reaches(server))
    handles = shop.node.netns.run("nft -a -s list table inet podnet_policy").stdout
    stop, lost, leaked = threading.Event(), [], []

    def knock() -> None:
        while not stop.is_set():
            if not client.reaches(server):
                lost.append(time.monotonic())
            if other.reaches(server):
                leaked.append(time.monotonic())

    knocking = threading.Thread(target=knock)
    knocking.start()
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        shop.node.agents[-1].stop(number)
        time.sleep(0.3)
        shop.start()
        eventually("the policies in force", lambda: shop.status()["in_force"])
    stop.set()
    knocking.join()
    assert lost == [] and leaked == []
    assert shop.node.netns.run("nft -a -s list table inet podnet_policy").stdout == handles
    assert shop.status()["drift"] == 0


def test_a_boot_without_api_server_starts_with_the_policies_of_before(shop, eventually):
    shop.cluster.namespace("free")
    shop.cluster.policy("shop", "deny")
    client, server = shop.run_pod("free", "client"), shop.run_pod("shop", "server")
    eventually("the policy", lambda: not client.reaches(server))
    eventually("the program on disk", (shop.directory / "program").exists, 40)
    shop.node.agents[-1].stop()
    shop.forward.cut()
    # what a boot takes: the kernel's tables, and /run
    shop.node.netns.run("nft flush ruleset")
    for path in (shop.node.directory / "run/policy").iterdir():
        path.unlink()
    shop.node.ctl("load-policies")
    table = shop.table()
    assert "10.244.1.0/24" in table and server.addresses[0] not in table
    assert not client.reaches(server)  # neither has had its ADD since the boot
    agent = shop.start()
    refused = shop.add("shop", "again", "u1")
    assert refused["code"] == TRY_AGAIN
    free = shop.add("free", "again", "u2")
    assert not isinstance(free, dict), free
    assert [each["code"] for each in agent.status()["not_ready"]] == ["policy.not-synced"]
    shop.forward.heal()
    eventually("the API", lambda: shop.status()["in_force"], 40)


@pytest.mark.parametrize("connections", ["cut", "keep"])
@pytest.mark.parametrize("version", [4, 6])
def test_open_connections_that_a_changed_policy_forbids(node, eventually, connections, version):
    node.cluster.namespace("shop")
    node.start(connections=connections)
    client, server = node.run_pod("shop", "client", role="client"), node.run_pod("shop", "server")
    away = client.connect(server, version=version)  # the isolated pod's peer speaks first, and the other way round
    back = server.connect(client, version=version)
    assert away and back and alive(away) and alive(back)
    node.cluster.policy("shop", "deny", policyTypes=["Ingress", "Egress"], podSelector={})
    eventually("the policy", lambda: not client.reaches(server, version))
    if connections == "keep":
        time.sleep(1.5)
        assert alive(away) and alive(back)
        return
    eventually("the cut", lambda: node.status()["connections_cut"] >= 2, 30)
    assert not alive(away) and not alive(back)
    node.cluster.remove_policy("shop", "deny")
    eventually("no policy", lambda: client.reaches(server, version))
    eventually("the connections again", lambda: node.status()["connections_restored"] >= 2, 30)
    for connection in (away, back):  # TCP sends again what was dropped, at intervals that double
        connection.settimeout(60)
        assert connection.recv(64).startswith(b"hello")


def test_what_is_undone_by_hand_heals(shop, eventually):
    shop.cluster.policy("shop", "clients", **FROM_CLIENTS)
    client, other, server = (
        shop.run_pod("shop", "client", role="client"), shop.run_pod("shop", "other"), shop.run_pod("shop", "server")
    )  # fmt: skip
    eventually("the policy", lambda: client.reaches(server) and not other.reaches(server))
    before = shop.table()
    chains = [word.split()[1] for word in before.splitlines() if word.strip().startswith("chain")]
    damages = [
        "delete table inet podnet_policy",
        "flush set inet podnet_policy known4",
        "flush map inet podnet_policy ingress4",
        *[f"flush chain inet podnet_policy {chain}" for chain in chains],
        "add element inet podnet_policy known4 { 10.244.1.99 }",
        "insert rule inet podnet_policy forward accept",
        "add chain inet podnet_policy stray",
    ]
    for damage in damages:
        shop.node.netns.run("nft", damage, check=False)
        eventually(f"as before {damage}", lambda: sorted(shop.table().split()) == sorted(before.split()), 20)
        assert client.reaches(server) and not other.reaches(server), damage
    assert shop.status()["drift"] > 0


def test_policies_that_are_turned_off_leave_nothing(shop, eventually):
    shop.cluster.policy("shop", "deny")
    client, server = shop.run_pod("shop", "client"), shop.run_pod("shop", "server")
    eventually("the policy", lambda: not client.reaches(server))
    shop.node.agents[-1].stop()
    shop.start(off=True)
    assert shop.table() == "" and client.reaches(server)
    assert not (shop.node.directory / "run/policy").exists()
    assert shop.node.agents[-1].status()["policy"] is None


def test_a_bridge_past_the_packet_filter_is_reported(shop, eventually):
    agent = shop.node.agents[-1]
    assert "policy.bridge-bypassed" not in json.dumps(agent.status()["warnings"])
    agent.stop()
    shop.node.netns.sysctl("net/bridge/bridge-nf-call-iptables", "0")
    agent = shop.start()
    eventually("the warning", lambda: agent.status()["warnings"])
    (found,) = [each for each in agent.status()["warnings"] if each["code"] == "policy.bridge-bypassed"]
    assert found["subject"] == "net.bridge.bridge-nf-call-iptables" and found["parameters"] == {"value": "0"}


def test_a_lost_api_server_is_reported_and_found_again(shop, eventually):
    shop.cluster.policy("shop", "deny")
    client, server = shop.run_pod("shop", "client"), shop.run_pod("shop", "server")
    eventually("the policy", lambda: not client.reaches(server))
    agent = shop.node.agents[-1]
    shop.forward.cut()
    eventually("the log", lambda: agent.logged("policy.watch-lost"))
    assert not client.reaches(server)
    shop.cluster.remove_policy("shop", "deny")
    shop.forward.heal()
    eventually("what came meanwhile", lambda: client.reaches(server), 40)


def test_metrics(shop, eventually):
    shop.cluster.policy("shop", "deny")
    shop.run_pod("shop", "server")
    agent = shop.node.agents[-1]
    eventually("the policy", lambda: agent.status()["policy"]["isolated"]["ingress"] == 1)
    told = [line.split(" ") for line in agent.get("/metrics")[1].splitlines() if not line.startswith("#")]
    figures = {name: float(value) for name, value in told}
    wanted = (
        "podnet_policy_in_sync",
        'podnet_policy_objects{resource="networkpolicies"}',
        "podnet_policy_pods",
        'podnet_policy_isolated_pods{direction="ingress"}',
        'podnet_policy_pod_starts_total{answer="admitted"}',
    )
    assert {name: figures.get(name) for name in wanted} == dict.fromkeys(wanted, 1)


def test_a_table_that_another_process_owns_is_reported_and_taken_when_free(node, eventually):
    node.cluster.namespace("shop")
    node.cluster.policy("shop", "deny")
    with node.node.netns.entered():
        owner = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        owner.stdin.write("add table inet podnet_policy { flags owner; }\n")
        owner.stdin.flush()
        eventually("the owner's table", node.table)
        agent = node.start()
        eventually("the log", lambda: agent.logged("policy.out-of-sync"))
        assert [each["code"] for each in agent.status()["not_ready"]] == ["policy.out-of-sync"]
        assert agent.get("/readyz")[0] == 503 and agent.get("/healthz")[0] == 200
    finally:
        owner.kill()
        owner.wait()
    eventually("the table", lambda: node.status()["in_force"], 30)
    assert not node.run_pod("shop", "client").reaches(node.run_pod("shop", "server"))


def test_a_disk_that_takes_nothing_is_reported_and_keeps_nothing_from_its_work(node, eventually):
    node.cluster.namespace("shop")
    node.cluster.policy("shop", "deny")
    (node.directory / "program").mkdir(parents=True)
    agent = node.start()
    eventually("the log", lambda: agent.logged("policy.not-saved"))
    assert not node.run_pod("shop", "client").reaches(node.run_pod("shop", "server"))


def test_podnetctl_status_says_what_is_in_force(shop, eventually):
    shop.cluster.policy("shop", "deny")
    shop.run_pod("shop", "server")
    eventually("the policy", lambda: shop.status()["isolated"]["ingress"] == 1)
    (line,) = [one for one in shop.node.ctl("status").stdout.splitlines() if one.startswith("policies: ")]
    told = "in force; 1 in the cluster; 1 pods here, isolated: 1 for ingress, 0 for egress; 0 connections cut"
    assert line == f"policies: {told}"
