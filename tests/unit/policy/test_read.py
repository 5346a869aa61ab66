# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""API objects → records: every default, every way to write the same, and errors that name the object."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import parse_prefix
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import pack_ip
from ansible_collections.podnet.cluster.plugins.module_utils.policy import read
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import (
    ANY_PROTOCOL,
    Block,
    NamedPort,
    Peer,
    Port,
    Rule,
)
from ansible_collections.podnet.cluster.plugins.module_utils.policy.selectors import EVERYTHING, parse

WEB = {"matchLabels": {"app": "web"}}


def pod(spec=None, status=None):
    return read.pod(
        {
            "metadata": {"namespace": "shop", "name": "web-0", "labels": {"app": "web"}},
            "spec": {"nodeName": "node1", **(spec or {})},
            "status": {"podIPs": [{"ip": "10.244.1.2"}, {"ip": "fd00::2"}], "podIP": "10.244.1.2", **(status or {})},
        }
    )


def policy(**spec):
    return read.policy({"metadata": {"namespace": "shop", "name": "p"}, "spec": {"podSelector": {}, **spec}})


def cluster_policy(**spec):
    spec = {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, **spec}
    return read.cluster_policy({"metadata": {"name": "p"}, "spec": spec})


def rules(**rule):
    (found,) = policy(ingress=[rule]).ingress
    return found


def test_a_pod_has_all_its_addresses():
    found = pod()
    assert (found.key, found.node, found.labels) == ("shop/web-0", "node1", (("app", "web"),))
    assert found.addresses == (pack_ip("10.244.1.2"), pack_ip("fd00::2"))
    assert pod(status={"podIPs": None}).addresses == (pack_ip("10.244.1.2"),)
    assert pod(status={"podIPs": None, "podIP": ""}).addresses == ()


def test_pods_that_policies_do_not_concern():
    assert pod(spec={"hostNetwork": True}) is None
    assert pod(status={"phase": "Succeeded"}) is None
    assert pod(status={"phase": "Failed"}) is None
    assert pod(status={"phase": "Running"}) is not None


def test_named_ports_of_containers_and_sidecars_but_not_of_init_containers():
    def container(number, **other):
        return {"ports": [{"name": "http", "containerPort": number}, {"containerPort": 9}], **other}

    found = pod(
        spec={
            "containers": [container(80), container(81)],
            "initContainers": [container(82), container(83, restartPolicy="Always")],
        }
    )
    assert [port.number for port in found.ports] == [80, 81, 83]
    assert found.ports[0] == NamedPort("http", 6, 80)


def test_policy_types_by_default():
    assert (policy().ingress, policy().egress) == ((), None)
    found = policy(egress=[{}])
    assert found.ingress == () and len(found.egress) == 1
    # without the word Egress nothing isolates a pod's egress unless there is a rule
    assert policy(egress=[]).egress is None
    assert policy(policyTypes=["Egress"]).ingress is None
    assert policy(policyTypes=["Egress"]).egress == ()
    # rules of a direction that policyTypes leaves out do not count
    assert policy(policyTypes=["Egress"], ingress=[{}]).ingress is None


def test_missing_and_empty_lists_are_everyone_and_every_port():
    everything = Rule("accept", None, (), ())
    assert rules() == rules(**{"from": []}) == rules(**{"from": None, "ports": []}) == everything


def test_peers():
    assert rules(**{"from": [{"podSelector": WEB}]}).peers == (Peer("shop", EVERYTHING, parse(WEB)),)
    assert rules(**{"from": [{"podSelector": {}}]}).peers == (Peer("shop", EVERYTHING, EVERYTHING),)
    assert rules(**{"from": [{"namespaceSelector": {}}]}).peers == (Peer("", EVERYTHING, EVERYTHING),)
    both = {"namespaceSelector": WEB, "podSelector": {}}
    assert rules(**{"from": [both]}).peers == (Peer("", parse(WEB), EVERYTHING),)
    # the indentation that makes two peers of one
    assert len(rules(**{"from": [{"namespaceSelector": WEB}, {"podSelector": WEB}]}).peers) == 2
    # a kind of peer from the future accepts nothing
    assert rules(**{"from": [{"galaxy": {}}]}) == Rule("accept", (), (), ())


def test_ip_blocks():
    found = rules(**{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]})
    assert found.blocks == (Block(parse_prefix("10.0.0.0/8"), (parse_prefix("10.1.0.0/16"),)),)
    assert found.peers == ()
    assert rules(**{"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}).blocks[0].cidr == parse_prefix("10.0.0.0/8")


@pytest.mark.parametrize(
    ("written", "port"),
    [
        ({}, Port(6)),
        ({"protocol": "SCTP"}, Port(132)),
        ({"port": 80}, Port(6, 80, 80)),
        ({"port": 80, "endPort": 90, "protocol": "UDP"}, Port(17, 80, 90)),
        ({"port": 80, "endPort": 80}, Port(6, 80, 80)),
        ({"port": "http"}, Port(6, name="http")),
    ],
)
def test_ports(written, port):
    assert rules(ports=[written]).ports == (port,)


@pytest.mark.parametrize(
    "written",
    [
        {"port": 0},
        {"port": 65536},
        {"port": True},
        {"port": 90, "endPort": 80},
        {"endPort": 80},
        {"port": "http", "endPort": 80},
        {"protocol": "ICMP"},
    ],
)
def test_a_malformed_port_names_the_policy(written):
    with pytest.raises(read.Malformed) as caught:
        rules(ports=[written])
    assert (caught.value.kind, caught.value.key) == ("NetworkPolicy", "shop/p")


@pytest.mark.parametrize(
    "spec",
    [
        {"podSelector": {"matchLabels": 1}},
        {"policyTypes": ["Sideways"]},
        {"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}]},
        {"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}]},
        {"ingress": [{"from": [{"ipBlock": {}}]}]},
        {"ingress": [7]},
    ],
)
def test_malformed_policies(spec):
    with pytest.raises(read.Malformed):
        policy(**spec)


def test_an_object_without_a_name():
    with pytest.raises(read.Malformed) as caught:
        read.namespace({})
    assert caught.value.kind == "Namespace"


def test_a_cluster_policy():
    found = cluster_policy(
        tier="Baseline",
        ingress=[{"action": "Deny", "from": [{"namespaces": WEB}]}],
        egress=[{"action": "Pass", "to": [{"networks": ["10.0.0.0/8"]}, {"pods": {"podSelector": WEB}}]}],
    )
    assert found.ingress == (Rule("deny", (Peer("", parse(WEB), EVERYTHING),), (), ()),)
    peers = (Peer("", EVERYTHING, parse(WEB)),)
    assert found.egress == (Rule("pass", peers, (Block(parse_prefix("10.0.0.0/8")),), ()),)


@pytest.mark.parametrize(
    ("written", "port"),
    [
        ({"tcp": {"destinationPort": {"number": 80}}}, Port(6, 80, 80)),
        ({"udp": {"destinationPort": {"range": {"start": 1, "end": 9}}}}, Port(17, 1, 9)),
        ({"sctp": {}}, Port(132)),
        ({"destinationNamedPort": "http"}, Port(ANY_PROTOCOL, name="http")),
    ],
)
def test_protocols_of_a_cluster_policy(written, port):
    rule = {"action": "Accept", "from": [{"namespaces": {}}], "protocols": [written]}
    assert cluster_policy(ingress=[rule]).ingress[0].ports == (port,)


@pytest.mark.parametrize(
    "unknown",
    [
        {"to": [{"nodes": {}}]},
        {"to": [{"domainNames": ["example.org"]}, {"networks": ["10.0.0.0/8"]}]},
        {"to": [{}]},
        {"to": [{"namespaces": {}}], "protocols": [{"quic": {}}]},
        {"to": [{"namespaces": {}}], "protocols": [{"tcp": {"sourcePort": {"number": 1}}}]},
    ],
)
def test_a_rule_that_is_not_understood_fails_closed(unknown):
    everything = Rule("deny", None, (), ())
    assert cluster_policy(egress=[{"action": "Accept", **unknown}]).egress == ()
    assert cluster_policy(egress=[{"action": "Deny", **unknown}]).egress == (everything,)
    assert cluster_policy(egress=[{"action": "Pass", **unknown}]).egress == (everything,)


@pytest.mark.parametrize("spec", [{"tier": "Top"}, {"priority": 1001}, {"subject": {}}, {"ingress": [{"action": "X"}]}])
def test_malformed_cluster_policies(spec):
    with pytest.raises(read.Malformed) as caught:
        cluster_policy(**spec)
    assert (caught.value.kind, caught.value.key) == ("ClusterNetworkPolicy", "p")
