# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases from an API server: what it tells, how it fails, and what is wrong with its nodes."""

from __future__ import annotations

import json
import signal

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent import follower as agent_follower
from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources import kubernetes as kubernetes_source
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from standin import apiserver, client
from standin.client import wait

FLANNEL = "flannel.alpha.coreos.com/"
NODES = "/api/v1/nodes"


def node(name: str, number: int, **metadata) -> dict:
    """A small Node."""
    return {
        "metadata": {"name": name, "creationTimestamp": "2027-01-01T00:00:00Z", **metadata},
        "spec": {"podCIDRs": [apiserver.cidr(number)]},
        "status": {"addresses": [{"type": "InternalIP", "address": apiserver.address(number)}]},
    }


def assert_logged(capfd, code: str) -> None:
    """Sooner or later the log has a finding of that code."""
    log = []
    wait(lambda: log.append(capfd.readouterr().err) or "".join(log), lambda found: f"{code}: " in found)


def test_nodes_come_change_and_go(server, follow):
    follower = follow()
    leases = follower.names("node2", "node3")
    assert (leases.own.name, leases.own.address) == ("node1", "10.77.0.1")
    assert [str(cidr) for cidr in leases.own.pod_cidrs] == ["100.0.1.0/24"]
    server.do("POST", NODES, node("node9", 9))
    follower.names("node2", "node3", "node9")
    data = json.dumps({"VNI": 1, "VtepMAC": "02:00:00:00:00:99"})
    server.patch("node9", {"metadata": {"annotations": {FLANNEL + "backend-data": data}}})
    follower.until(lambda found: any(peer.vtep_mac == "02:00:00:00:00:99" for peer in found.peers))
    server.do("DELETE", f"{NODES}/node2")
    follower.names("node3", "node9")


def test_a_node_counts_from_its_pod_cidr_on(server, follow):
    follower = follow()
    follower.names("node2", "node3")
    server.do("POST", NODES, {**node("node9", 9), "spec": {}})
    server.patch("node9", {"spec": {"podCIDR": "100.0.9.0/24"}})
    follower.names("node2", "node3", "node9")


def test_our_own_node_says_how_it_is_reached_and_nothing_is_written_twice(server, follow):
    follower = follow()
    leases = follower.names("node2", "node3")
    before = server.node("node1")
    assert FLANNEL + "backend-data" not in before["metadata"]["annotations"]
    follower.source.report(True, "")
    told = wait(
        lambda: server.node("node1"), lambda found: FLANNEL + "backend-data" in found["metadata"]["annotations"]
    )
    annotations = told["metadata"]["annotations"]
    assert json.loads(annotations[FLANNEL + "backend-data"]) == {"VNI": 1, "VtepMAC": leases.own.vtep_mac}
    assert annotations[FLANNEL + "public-ip"] == "10.77.0.1"
    assert annotations.items() >= before["metadata"]["annotations"].items()
    (condition,) = [each for each in told["status"]["conditions"] if each["type"] == "NetworkUnavailable"]
    assert (condition["status"], condition["reason"]) == ("False", "PodnetInSync")
    assert len(told["status"]["conditions"]) == len(before["status"]["conditions"]) + 1
    assert told["spec"] == before["spec"]
    # what was written comes back as an event, other reports as well: neither is a reason to write
    for _report in range(5):
        follower.source.report(True, "")
    server.patch("node1", {"metadata": {"labels": {"a": "b"}}})
    server.do("POST", NODES, node("node9", 9))
    follower.names("node2", "node3", "node9")
    assert server.standin("stats")["PATCH item"] == 2  # the source's and the label's


def test_what_others_break_of_our_annotations_is_mended(server, follow):
    follower = follow()
    follower.names("node2", "node3")
    follower.source.report(True, "")
    key = FLANNEL + "backend-data"
    good = wait(lambda: server.node("node1")["metadata"]["annotations"].get(key), bool)
    server.patch("node1", {"metadata": {"annotations": {key: "garbage"}}})
    wait(lambda: server.node("node1")["metadata"]["annotations"].get(key), lambda found: found == good)
    assert follower.names("node2", "node3").own.name == "node1"


def test_the_condition_tells_the_truth(server, follow, monkeypatch):
    """A node that stays wrong is told as such, with the reason, and one that is right again as that."""

    def condition() -> dict:
        found = {each["type"]: each for each in server.node("node1")["status"]["conditions"]}
        return found.get("NetworkUnavailable", {})

    patience = "ansible_collections.podnet.cluster.plugins.module_utils.agent.sources.node_status.PATIENCE"
    monkeypatch.setattr(patience, 0.2)
    follower = follow()
    follower.names("node2", "node3")
    follower.source.report(False, "flannel.1: operation not permitted")
    told = wait(condition, lambda found: found.get("status") == "True")
    assert "operation not permitted" in told["message"]
    follower.source.report(True, "")
    wait(condition, lambda found: found.get("status") == "False")


def test_nothing_is_written_where_it_is_not_wanted(server, follow):
    follower = follow(annotate=False)
    follower.names("node2", "node3")
    follower.source.report(True, "")
    server.do("POST", NODES, node("node9", 9))
    follower.names("node2", "node3", "node9")
    assert server.standin("stats").get("PATCH item", 0) == 0


def test_a_list_of_many_pages(server, directory, follow, monkeypatch):
    """The first list comes from the cache in one; after 410 pages come from a snapshot."""
    monkeypatch.setattr(agent_follower, "FIRST_PAUSE", 4.0)  # it is away meanwhile, and no bookmark comes
    server.standin("populate", count=1200)
    follower = follow()
    follower.until(lambda found: len(found.peers) == 1199)
    assert server.standin("stats")["GET list"] == 1
    server.do("DELETE", f"{NODES}/node700")
    follower.until(lambda found: len(found.peers) == 1198)
    server.standin("drop")
    server.standin("compact")
    server.do("DELETE", f"{NODES}/node701")
    follower.until(lambda found: len(found.peers) == 1197)
    stats = server.standin("stats")
    assert stats["GET list"] == 4  # 500, 500 and 198 more
    assert follower.source.status().counters["lists"] == 2


def test_a_lost_watch_goes_on_where_it_was(server, follow):
    follower = follow()
    follower.names("node2", "node3")
    for number in range(9, 12):
        server.standin("drop")
        server.do("POST", NODES, node(f"node{number}", number))
        follower.until(lambda found, number=number: f"node{number}" in {peer.name for peer in found.peers})
    status = follower.source.status()
    assert (status.counters["lists"], status.connected) == (1, True)
    assert status.counters["watches"] > 1


def test_bookmarks_keep_a_quiet_watch_s_place(server, follow):
    """Versions pass that change no node; when the server has forgotten the older ones there is no new list."""
    follower = follow()
    follower.names("node2", "node3")
    server.do("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": "other"}})
    version = server.standin("compact")["version"]
    wait(lambda: follower.source._nodes.reflector.version, lambda found: int(found) >= version)
    server.standin("drop")
    server.do("POST", NODES, node("node9", 9))
    follower.names("node2", "node3", "node9")
    assert follower.source.status().counters["lists"] == 1


@pytest.mark.parametrize("bump", [0, 1_000_000_000], ids=["versions go back", "versions bumped"])
def test_what_a_restored_cluster_lacks_is_dropped(server, follow, bump):
    """A backup knows nothing of node9, nor that node3 is gone: by lower versions or by a compacted history, the agent
    takes the new list for the truth, and what comes after it."""
    follower = follow()
    follower.names("node2", "node3")
    server.standin("save")
    server.do("POST", NODES, node("node9", 9))
    server.do("DELETE", f"{NODES}/node3")
    follower.names("node2", "node9")
    server.standin("restore", bump=bump)
    follower.names("node2", "node3")
    server.do("POST", NODES, node("node8", 8))
    follower.names("node2", "node3", "node8")
    assert follower.source.status().counters["lists"] == 2


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_refuses_is_asked_again_later(server, follow, status):
    server.standin("fail", status=status, **{"for": 1.5})
    follower = follow()
    told = wait(follower.source.status, lambda found: found.counters["errors"])
    assert (told.connected, told.synced) == (False, False)
    assert str(status) in told.reason
    with pytest.raises(ValueError, match=f"no node is known yet: {status}"):
        follower.source.read()
    follower.names("node2", "node3")
    assert follower.source.status().counters["errors"] < 8


def test_without_the_right_the_reason_is_told(server, directory, authority, follow, capfd):
    """node2's credentials on node1: it may read, and not write."""
    apiserver.identity(authority, "node2", "/O=podnet:nodes/CN=podnet:node:node2")
    (directory / "kube.json").write_text(json.dumps(apiserver.kubeconfig(authority, "node2", server.server)))
    follower = follow()
    follower.names("node2", "node3")
    follower.source.report(True, "")
    told = wait(follower.source.status, lambda found: found.connected and found.reason)
    assert "own Node not patched: 403 Forbidden" in told.reason
    assert told.connected
    assert_logged(capfd, "agent.node-not-patched")
    # the right credentials come, and the agent is told to look
    (directory / "kube.json").write_text(json.dumps(apiserver.kubeconfig(authority, "node1", server.server)))
    follower.source.reread()
    wait(lambda: server.node("node1")["metadata"]["annotations"], lambda found: FLANNEL + "public-ip" in found)


def test_a_server_that_is_somebody_else_is_not_believed(tmp_path, server, directory, follow, capfd):
    other = tmp_path / "other"
    other.mkdir()
    apiserver.authority(other, "127.0.0.1")
    config = json.loads((directory / "kube.json").read_text())
    config["clusters"][0]["cluster"]["certificate-authority"] = str(other / "ca.crt")
    (directory / "kube.json").write_text(json.dumps(config))
    follower = follow()
    told = wait(follower.source.status, lambda found: found.counters["errors"])
    assert "CERTIFICATE_VERIFY_FAILED" in told.reason
    assert_logged(capfd, "agent.source-lost")
    assert not told.synced


def test_a_certificate_that_has_ended_is_told_and_a_new_one_is_taken(server, directory, authority, follow):
    subject = "/O=podnet:nodes/CN=podnet:node:node1"
    apiserver.identity(authority, "old", subject, days=-1)
    apiserver.identity(authority, "new", subject)
    (directory / "kube.json").write_text(json.dumps(apiserver.kubeconfig(authority, "old", server.server)))
    follower = follow()
    told = wait(follower.source.status, lambda found: "certificate" in found.reason)
    assert f"certificate {authority}/old.crt expired at 20" in told.reason
    for kind in ("crt", "key"):
        (authority / f"new.{kind}").rename(authority / f"old.{kind}")
    follower.names("node2", "node3")


def test_a_certificate_that_ends_soon_is_told_by_the_command(directory, authority):
    told = {}
    for days in (20, 40):
        apiserver.identity(authority, "soon", "/O=podnet:nodes/CN=podnet:node:node1", days=days)
        (directory / "kube.json").write_text(json.dumps(apiserver.kubeconfig(authority, "soon", "https://192.0.2.1")))
        told[days] = kubernetes_source.expiring_soon(str(directory), {})
    assert told[20].code == Code.AGENT_CERTIFICATE_EXPIRES and told[20].subject == f"{authority}/soon.crt"
    assert told[40] is None


def test_a_cache_that_cannot_be_written_is_written_when_it_can(server, follow, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("ansible_collections.podnet.cluster.plugins.module_utils.agent.sources.cache.PAUSE", 0.2)
    cache = tmp_path / "cache.json"
    cache.mkdir()
    follower = follow()
    follower.names("node2", "node3")
    wait(follower.source.status, lambda found: found.reason == f"{cache}: Is a directory")
    assert_logged(capfd, "agent.cache-not-written")
    cache.rmdir()
    wait(lambda: cache.is_file() and set(json.loads(cache.read_text())["nodes"]), lambda found: found)
    assert not follower.source.status().reason


def test_a_cluster_that_does_not_know_us_is_not_kept(server, follow, tmp_path):
    """Who was restored to a time before us says nothing of us: what is there stays, and is there after a boot."""
    follower = follow()
    follower.names("node2", "node3")
    for number in (1, 2, 3):
        server.do("DELETE", f"{NODES}/node{number}")
    wait(follower.source.status, lambda found: found.counters["nodes"] == 0)
    with pytest.raises(ValueError, match="node1, this node, has no pod CIDR"):
        follower.source.read()
    follower.source.close()
    assert set(json.loads((tmp_path / "cache.json").read_text())["nodes"]) == {"node1", "node2", "node3"}


def test_the_server_is_gone_and_comes_back(server, authority, directory, follow, tmp_path):
    """What was known stays; a start without a server has it from the disk; the new server's truth comes in the end."""
    follower = follow()
    follower.names("node2", "node3")
    server.process.kill()
    server.process.wait()
    told = wait(follower.source.status, lambda found: not found.connected and "refused" in found.reason)
    assert told.counters["nodes"] == 3
    assert {peer.name for peer in follower.source.read()[1].peers} == {"node2", "node3"}
    follower.source.close()
    again = follow()
    again.names("node2", "node3")
    assert (again.source.status().synced, again.source.status().connected) == (False, False)
    with client.serving(authority, "127.0.0.1", server.port) as (admin, _process):
        admin.standin("populate", count=4)
        admin.do("DELETE", f"{NODES}/node3")
        again.names("node2", "node4")
        assert again.source.status().synced


@pytest.mark.parametrize(
    "text", ["", "{", '{"nodes": [1]}', '{"nodes": {"node2": "x"}}', '{"nodes": {"a": 1}}', "[" * 9999]
)
def test_a_spoilt_cache_is_no_cache(server, follow, tmp_path, text):
    (tmp_path / "cache.json").write_text(text)
    follow().names("node2", "node3")


def test_the_other_end_hangs(server, follow, monkeypatch):
    """The server is stopped in the middle of a watch: TCP answers, and nothing comes. It is left, and asked anew."""
    module = "ansible_collections.podnet.cluster.plugins.module_utils."
    monkeypatch.setattr(module + "kube.reflector.WATCH", 1)
    monkeypatch.setattr(module + "kube.client.ANSWER", 1)
    follower = follow()
    wait(follower.source.status, lambda found: found.connected)
    server.process.send_signal(signal.SIGSTOP)
    try:
        wait(follower.source.status, lambda found: "no data from the server" in found.reason)
    finally:
        server.process.send_signal(signal.SIGCONT)
    server.do("POST", NODES, node("node9", 9))
    follower.names("node2", "node3", "node9")


def test_malformed_objects_stop_nothing(server, follow):
    """Objects that no API server would keep, in the list and in the watch."""
    bad = [
        {"metadata": {"name": "no-spec"}},
        {"metadata": {"name": "odd-spec"}, "spec": [1]},
        {"metadata": {"name": "odd-cidrs"}, "spec": {"podCIDRs": {"a": 1}}},
        {"metadata": {"name": "odd-status", "annotations": 5}, "spec": {"podCIDRs": [8, None]}, "status": "x"},
        {**node("odd-address", 60), "status": {"addresses": [None, {"type": "InternalIP", "address": 5}]}},
        {**node("no-address", 61), "status": {}},
        {**node("odd-block", 62), "spec": {"podCIDRs": ["100.0.0.0/99"]}},
        {**node("host-bits", 63), "spec": {"podCIDRs": ["100.0.63.1/24"]}},
        node("odd-annotations", 64, annotations={FLANNEL + "backend-data": [1], FLANNEL + "public-ip": {}}),
        node("name/with;signs", 65),
    ]
    good = {"node2", "node3"}
    for each in bad[::2]:
        server.do("POST", NODES, each)
    follower = follow()
    follower.until(lambda found: {peer.name for peer in found.peers} >= good)
    for each in bad[1::2]:
        server.do("POST", NODES, each)
    server.do("POST", NODES, node("node9", 9))
    leases = follower.until(lambda found: {peer.name for peer in found.peers} >= {*good, "node9"})
    assert {peer.name for peer in leases.peers} == {*good, "node9"}
    refused = {name: (each.code, each.parameters.get("error", "")) for name, each in leases.refused.items()}
    assert refused["no-address"][0] == refused["odd-address"][0] == Code.LEASE_ADDRESS_MISSING
    for name, words in (
        ("odd-block", "is not an address block"),
        ("host-bits", "host bits"),
        ("odd-annotations", "is not a JSON object"),
        ("name/with;signs", "is not a node name"),
    ):
        assert refused[name][0] == Code.LEASE_INVALID and words in refused[name][1]


def test_peers_that_contradict_others_are_refused_and_taken_when_they_are_right(server, follow):
    follower = follow()
    follower.names("node2", "node3")
    server.do("POST", NODES, node("ours", 1))
    server.do("POST", NODES, node("twin", 2))
    overlapping = {**node("wide", 70), "spec": {"podCIDRs": ["100.0.2.0/23"]}}
    server.do("POST", NODES, overlapping)
    server.do("POST", NODES, node("unknown", 71, annotations={FLANNEL + "backend-type": "ipsec"}))
    leases = follower.until(lambda found: len(found.refused) == 4)
    assert {peer.name for peer in leases.peers} == {"node2", "node3"}
    assert {name: (each.code, each.parameters.get("other")) for name, each in leases.refused.items()} == {
        "ours": (Code.LEASE_TAKEN, "node1"),
        "twin": (Code.LEASE_TAKEN, "node2"),
        "wide": (Code.LEASE_POD_CIDR_OVERLAPS, "node2"),
        "unknown": (Code.LEASE_OTHER_BACKEND, None),
    }
    server.do("DELETE", f"{NODES}/node2")
    server.patch("unknown", {"metadata": {"annotations": {FLANNEL + "backend-type": "vxlan"}}})
    follower.until(lambda found: {peer.name for peer in found.peers} == {"node3", "twin", "unknown"})


def test_configuration_that_changes_is_read_again(server, directory, follow):
    follower = follow()
    follower.names("node2", "node3")
    (directory / "overlay.json").write_text("{")
    wait(lambda: follower.poll.poll(0), bool)
    with pytest.raises(ValueError, match=r"overlay\.json"):
        follower.source.read()
    (directory / "overlay.json").write_text(json.dumps({"node_name": "node1", "networks": ["100.0.2.0/23"]}))
    with pytest.raises(ValueError, match=r"lease\.pod-cidr-outside"):
        wait(lambda: follower.poll.poll(0), bool)
        follower.source.read()
    (directory / "overlay.json").write_text(
        json.dumps({"node_name": "node1", "networks": ["100.0.0.0/23", "fd00::/48"]})
    )
    follower.until(lambda found: set(found.refused) == {"node2", "node3"})


def test_a_start_without_files_waits_for_them(server, directory, follow):
    overlay = (directory / "overlay.json").read_text()
    (directory / "overlay.json").unlink()
    follower = follow()
    with pytest.raises(ValueError, match="file does not exist"):
        follower.source.read()
    (directory / "overlay.json").write_text(overlay)
    follower.names("node2", "node3")
