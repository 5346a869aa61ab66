# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies on the path of a traced packet: what they drop is named with pod, direction and rule, what they let pass and
is lost elsewhere is not blamed on them, and a table that is not as they say is. podnetd is played by its compiler, and
what it leaves on disk."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NETLINK_NETFILTER, pack_ip
from ansible_collections.podnet.cluster.plugins.module_utils.policy import files, read
from ansible_collections.podnet.cluster.plugins.module_utils.policy.compile import Compiler
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import Namespace, Pod
from ansible_collections.podnet.cluster.plugins.module_utils.policy.table import Table
from policies.cluster import cluster_policy, policy

FROM_A1 = {"from": [{"podSelector": {"matchLabels": {"app": "a1"}}}]}
#: What a trace probes, by its port.
PORT = 9


def select(app: str) -> dict:
    return {"podSelector": {"matchLabels": {"app": app}}}


class Enforced:
    """The cluster, on each of whose nodes policies are in force as a podnetd has left them."""

    def __init__(self, cluster) -> None:
        self.cluster = cluster
        self.pods = [
            Pod("default", pod.name.partition("/")[2], (("app", pod.name.partition("/")[2]),),
                tuple(map(pack_ip, pod.addresses)), (), node.name)
            for node in cluster.nodes for pod in node.pods
        ]  # fmt: skip
        for node in cluster.nodes:
            for path in ("var/lib/podnet/policy", "run/podnet/policy"):
                (node.root / path).mkdir(parents=True, exist_ok=True)
            (node.root / "etc/podnet/podnetd.json").write_text('{"policy": {}}')
            for pod in node.pods:
                record = {"namespace": "default", "name": pod.name.partition("/")[2], "uid": ""}
                record["addresses"] = pod.addresses
                (node.root / "run/podnet/policy" / pod.container).write_text(json.dumps(record))

    def enforce(self, *policies: dict) -> None:
        """Puts exactly these in force everywhere."""
        for node in self.cluster.nodes:
            compiler = Compiler(node.name, node.cidrs, ("cni0",))
            compiler.put(Namespace("default", ()))
            for each in policies:
                of_cluster = "tier" in each["spec"]
                compiler.put(read.cluster_policy(each) if of_cluster else read.policy(each))
            for pod in self.pods:
                compiler.put(pod)
            compiler.take()
            with node.netns.entered(), Channel(NETLINK_NETFILTER) as channel:
                assert Table(channel).plan(compiler.program).apply() == []
            files.save(str(node.root / "var/lib/podnet/policy/program"), compiler.program)

    def asked(self, source: str, target: str, port: int = PORT, packets: bool = False) -> dict:
        return self.cluster.traced(source, target, port) if packets else self.cluster.looked_at(source, target)

    def remove(self) -> None:
        for node in self.cluster.nodes:
            node.run("nft delete table inet podnet_policy", check=False)
            (node.root / "etc/podnet/podnetd.json").unlink()


@pytest.fixture(scope="module")
def enforced(cluster):
    made = Enforced(cluster)
    yield made
    made.remove()


def cause(found: dict) -> tuple:
    """What the verdict names: code, node, subject."""
    verdict = found["verdict"]
    return (verdict["code"], verdict["node"], verdict["subject"]) if verdict else (None, found["notes"])


def policies_of(path: dict) -> list[tuple[str, str]]:
    return [(hop["node"], hop["verdict"]) for hop in path["hops"] if hop["step"] == "policy"]


def test_both_ends_are_hops_where_policies_are_enforced(enforced):
    enforced.enforce(policy("allow", "default", ingress=[FROM_A1], **select("a2")))
    found = enforced.asked("a1", "a2")
    assert found["ok"], found["verdict"]
    assert policies_of(found["paths"][0]) == [("node1", "ok"), ("node2", "ok")]
    assert policies_of(found["paths"][1]) == []  # answers belong to the connection
    assert policies_of(enforced.asked("a1", "b1")["paths"][0]) == [("node1", "ok"), ("node1", "ok")]
    assert policies_of(enforced.asked("node1", "a2")["paths"][0]) == [("node2", "broken")]
    assert policies_of(enforced.asked("node1", "a1")["paths"][0]) == []  # always passes
    assert policies_of(enforced.asked("a1", "node1")["paths"][0]) == []


DENIED = {
    "isolated, no rule": (
        [policy("deny", "default", **select("a2"), policyTypes=["Ingress"])],
        ("policy.denied", "node2", "default/a2"), {"direction": "ingress", "policies": ["default/deny"], "allowed": []},
    ),
    "egress": (
        [policy("closed", "default", **select("a1"), policyTypes=["Egress"])],
        ("policy.denied", "node1", "default/a1"), {"direction": "egress", "policies": ["default/closed"]},
    ),
    "another peer is allowed": (
        [policy("b", "default", ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "b1"}}}]}], **select("a2"))],
        ("policy.denied", "node2", "default/a2"), {"policies": ["default/b"], "allowed": []},
    ),
    "another port is allowed": (
        [policy("web", "default", ingress=[{**FROM_A1, "ports": [{"port": 80}, {"port": 8000, "endPort": 8080}]}],
                **select("a2"))],
        ("policy.denied", "node2", "default/a2"), {"allowed": ["TCP 80", "TCP 8000-8080"]},
    ),
    "two policies, neither allows": (
        [policy("one", "default", **select("a2")), policy("two", "default", ingress=[], podSelector={})],
        ("policy.denied", "node2", "default/a2"), {"policies": ["default/one", "default/two"]},
    ),
    "an exception of a block": (
        [policy("block", "default", **select("a2"), ingress=[
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.244.1.0/24"]}}]}])],
        ("policy.denied", "node2", "default/a2"), {"policies": ["default/block"]},
    ),
    "a rule of the tier Admin": (
        [cluster_policy("guard", "Admin", 1, {"namespaces": {}}, ingress=[
            {"action": "Deny", "from": [{"namespaces": {}}]}])],
        ("policy.rule-denies", "node2", "default/a2"), {"policies": ["guard"], "rule": 1, "direction": "ingress"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("packets", [False, True], ids=["states", "packets"])
@pytest.mark.parametrize("name", DENIED)
def test_what_policies_drop_is_named(enforced, impatient, name, packets):
    policies, expected, parameters = DENIED[name]
    enforced.enforce(*policies)
    found = enforced.asked("a1", "a2", packets=packets)
    if packets and not (found["verdict"] or {}).get("evidence"):
        found = enforced.asked("a1", "a2", packets=True)  # a busy machine watched too late
    assert not found["ok"]
    assert cause(found) == expected
    assert found["verdict"]["parameters"].items() >= parameters.items()
    assert found["verdict"]["step"] == "policy"
    if packets:
        evidence = found["verdict"]["evidence"]
        assert evidence["code"] == "policy.drops-counted" and evidence["parameters"]["packets"] > 0


def test_on_one_node(enforced, impatient):
    enforced.enforce(policy("deny", "default", **select("b1")))
    assert cause(enforced.asked("a1", "b1", packets=True)) == ("policy.denied", "node1", "default/b1")


def test_a_node_is_a_stranger_to_other_nodes_pods(enforced, impatient):
    enforced.enforce(policy("deny", "default", **select("a2")))
    assert cause(enforced.asked("node1", "a2", packets=True)) == ("policy.denied", "node2", "default/a2")
    assert enforced.asked("node2", "a2", packets=True)["ok"]


def test_a_protocol_that_policies_do_not_let_pass_is_no_fault_where_the_port_is_open(enforced, impatient):
    enforced.enforce(policy("web", "default", ingress=[{**FROM_A1, "ports": [{"port": 80}]}], **select("a2")))
    found = enforced.asked("a1", "a2", 80, packets=True)
    assert found["ok"], found["verdict"]
    assert [note["parameters"]["traffic"] for note in found["notes"] if note["code"] == "policy.denied"] == [
        ["ICMP", "UDP 80"]
    ]
    assert not all(probe["ok"] for probe in found["probes"])


FIFTY = [
    policy(f"allow{number}", "default", ingress=[{**FROM_A1, "ports": [{"port": 1, "endPort": 65000 - number},
           {"protocol": "UDP"}]}, {}], **select("a2")) for number in range(50)
]  # fmt: skip


def test_fifty_policies_that_allow_are_no_alarm(enforced, impatient):
    enforced.enforce(*FIFTY)
    for ends in (("a1", "a2"), ("a2", "a1"), ("a1", "b1"), ("node1", "a2")):
        found = enforced.asked(*ends, packets=True)
        assert found["ok"] and not found["verdict"], (ends, found["verdict"])
        assert {note["code"] for note in found["notes"]} <= {"policy.stale"}


ELSEWHERE = {
    "another program's chain": (
        "node2", "nft add table ip stranger; nft add chain ip stranger f '{ type filter hook forward priority 0; }'; "
        "nft add rule ip stranger f ip daddr A2 drop", "nft delete table ip stranger", "filter.drops", "node2",
    ),
    "a dead veth": ("node2", "ip link set H2 down", "ip link set H2 up", "port.down", "node2"),
    "a route": ("node1", "ip route add blackhole A2/32", "ip route delete blackhole A2/32", "route.shadowed", "node1"),
}  # fmt: skip


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_lost_elsewhere_is_not_blamed_on_policies_that_allow(enforced, impatient, name):
    at, inject, fix, code, node = ELSEWHERE[name]
    enforced.enforce(*FIFTY)
    cluster = enforced.cluster
    pod = cluster.nodes[1].pods[0]
    netns = next(each.netns for each in cluster.nodes if each.name == at)
    words = {"A2": pod.address, "H2": pod.host}

    def run(script: str) -> None:
        for word, meant in words.items():
            script = script.replace(word, meant)
        netns.run("sh", "-ec", script)

    run(inject)
    try:
        found = enforced.asked("a1", "a2", packets=True)
    finally:
        run(fix)
    assert not found["ok"]
    assert cause(found)[1] == node, found["verdict"]
    assert found["verdict"]["step"] != "policy", found["verdict"]
    assert code.partition(".")[0] == found["verdict"]["code"].partition(".")[0], found["verdict"]["code"]


TABLE = "inet podnet_policy"
DRIFT = {
    "the table is gone": (f"nft delete table {TABLE}", "table inet podnet_policy"),
    "a base chain without rules": (f"nft flush chain {TABLE} ingress", f"chain ingress of table {TABLE}"),
    "a pod is not known": (f"nft delete element {TABLE} known4 '{{ A2 }}'", f"set known4 of table {TABLE}"),
    "a pod is led nowhere": (f"nft delete element {TABLE} ingress4 '{{ A2 }}'", f"set ingress4 of table {TABLE}"),
    "a rule more": (f"nft insert rule {TABLE} egress_policies drop", f"chain egress_policies of table {TABLE}"),
}  # fmt: skip


@pytest.mark.parametrize("name", DRIFT)
def test_a_table_that_is_not_as_the_policies_say_is_named(enforced, impatient, name):
    inject, subject = DRIFT[name]
    enforced.enforce(*FIFTY)
    node2 = enforced.cluster.nodes[1]
    node2.netns.run("sh", "-ec", inject.replace("A2", node2.pods[0].address))
    found = enforced.asked("a1", "a2")
    assert cause(found) == ("policy.drifted", "node2", subject)
    checks = [check.finding for check in enforced.cluster.failures() if check.finding]
    assert [(each.code.value, each.node, each.subject) for each in checks] == [("policy.drifted", "node2", subject)]


def test_policies_of_which_nothing_is_known(enforced):
    enforced.enforce(*FIFTY)
    node2 = enforced.cluster.nodes[1]
    (node2.root / "var/lib/podnet/policy/program").unlink()
    found = enforced.asked("a1", "a2")
    suspected = [each["code"] for hop in found["paths"][0]["hops"] for each in hop["suspected"]]
    assert found["ok"] and "policy.unknown" in suspected
    (check,) = [check.finding for check in enforced.cluster.failures() if check.finding]
    assert (check.code.value, check.node) == ("policy.unknown", "node2")


def test_an_address_of_no_known_pod(enforced, impatient):
    """Neither the API nor a record of ADD has the pod."""
    cluster = enforced.cluster
    record = cluster.nodes[1].root / "run/podnet/policy" / cluster.nodes[1].pods[0].container
    kept = record.read_text()
    record.unlink()
    known = enforced.pods
    enforced.pods = [pod for pod in known if pod.name != "a2"]
    try:
        enforced.enforce()
        found = cause(enforced.asked("a1", "a2", packets=True))
        assert found == ("policy.address-unknown", "node2", cluster.nodes[1].pods[0].address)
    finally:
        record.write_text(kept)
        enforced.pods = known


def test_pods_that_came_and_went_since_are_no_drift(enforced):
    """DEL leaves elements while podnetd is away; ADD makes an address known, and leads it nowhere."""
    enforced.enforce(*FIFTY)
    node2 = enforced.cluster.nodes[1]
    records = node2.root / "run/podnet/policy"
    gone, stays = (records / pod.container for pod in node2.pods)
    kept, address = gone.read_text(), node2.pods[0].address
    try:
        gone.unlink()
        assert enforced.cluster.failures() == []
        come = {"namespace": "other", "name": "new", "uid": "", "addresses": [address, "10.244.2.77"]}
        (records / "come").write_text(json.dumps(come))
        for name, element in (("known4", "10.244.2.77"), ("self4", "10.244.2.77 . 10.244.2.77")):
            node2.netns.run("nft", "add", "element", "inet", "podnet_policy", name, f"{{ {element} }}")
        node2.netns.run("nft", "delete", "element", "inet", "podnet_policy", "ingress4", f"{{ {address} }}")
        assert enforced.cluster.failures() == []
    finally:
        (records / "come").unlink(missing_ok=True)
        gone.write_text(kept)
    assert stays.exists()
