# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate of policies that ADD passes: it waits for podnetd, fails closed, and costs nothing where there is none."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.exec import delegate, gate
from ansible_collections.podnet.cluster.plugins.module_utils.policy import program

TRY_AGAIN = 11
POD = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u1"
RULESET = """
table inet podnet_policy {
  set known4 { type ipv4_addr; }
  set known6 { type ipv6_addr; }
  set self4 { type ipv4_addr . ipv4_addr; }
  set self6 { type ipv6_addr . ipv6_addr; }
  map egress4 { type ipv4_addr : verdict; elements = { 10.9.0.2 : drop } }
  map egress6 { type ipv6_addr : verdict; }
  map ingress4 { type ipv4_addr : verdict; elements = { 10.9.0.2 : drop } }
  map ingress6 { type ipv6_addr : verdict; }
  map egress_admin4 { type ipv4_addr : verdict; }
  map egress_admin6 { type ipv6_addr : verdict; }
  map ingress_admin4 { type ipv4_addr : verdict; }
  map ingress_admin6 { type ipv6_addr : verdict; }
}
"""


class Podnetd:
    """Answers each question by ``answer``; None: not at all."""

    def __init__(self, path, answer: dict | None) -> None:
        self.answer = answer
        self.asked: list[dict] = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(json.loads(connection.recv(65536)))
                if self.answer is not None and "enter" in self.asked[-1]:
                    connection.send(json.dumps(self.answer).encode())


@pytest.fixture
def podnetd(tmp_path):
    """A function (answer) that has it listen."""
    made = []

    def listen(answer: dict | None) -> Podnetd:
        made.append(Podnetd(tmp_path / "policy.sock", answer))
        return made[-1]

    yield listen
    for each in made:
        each.listener.shutdown(socket.SHUT_RDWR)
        each.listener.close()


@pytest.fixture
def conf(host, tmp_path):
    """The bridge's configuration, whose gate is closed for pods of the namespace "shop"."""
    place = tmp_path / "gate"
    told = {"socket": str(tmp_path / "policy.sock"), "records": str(tmp_path / "run/policy"), "namespaces": ["shop"]}
    place.write_text(json.dumps(told))
    return host.conf(policyGate=str(place))


def records(tmp_path) -> dict[str, dict]:
    directory = tmp_path / "run/policy"
    return {path.name: json.loads(path.read_text()) for path in directory.iterdir()} if directory.exists() else {}


def test_names_are_those_of_the_table():
    """The layer of the plugins is above that of policies: it repeats these."""
    names = (gate.KNOWN, gate.SELF, *gate.VERDICTS)
    assert {f"{name}{family}" for name in names for family in (4, 6)} <= set(program.FIXED)
    assert set(gate.VERDICTS) == set(program.VERDICTS)


def test_without_the_file_nothing_is_asked(host, way, podnetd):
    asked = podnetd({}).asked
    host.call("bridge", "ADD", host.conf(policyGate="/no/gate"), "c1", host.pod(), args=POD)
    assert asked == []
    assert delegate.GATE == "/var/lib/podnet/policy/gate"


def test_add_asks_and_leaves_a_record_and_del_removes_it(host, empty, way, conf, podnetd, tmp_path):
    served, pod = podnetd({}), host.pod()
    result = host.call("bridge", "ADD", conf, "c1", pod, args=POD)
    addresses = [each["address"].partition("/")[0] for each in result["ips"]]
    record = {"namespace": "shop", "name": "web-0", "uid": "u1", "addresses": addresses}
    assert addresses == ["10.9.0.2", "fd09::2"]
    assert served.asked == [{"enter": "c1:eth0", **record}]
    assert records(tmp_path) == {"c1:eth0": record}
    host.call("bridge", "DEL", {**conf, "prevResult": result}, "c1", pod, args=POD)
    host.call("bridge", "DEL", {**conf, "prevResult": result}, "c1", pod, args=POD)
    assert records(tmp_path) == {} and served.asked[1:] == [{"leave": "c1:eth0"}]
    assert host.state() == empty


def test_a_refusal_undoes_add(host, failure, empty, way, conf, podnetd, tmp_path):
    podnetd({"error": "the API server has not shown the pod"})
    with pytest.raises(failure, match="has not shown") as caught:
        host.call("bridge", "ADD", conf, "c1", host.pod(), args=POD)
    assert caught.value.code == TRY_AGAIN
    assert host.state() == empty and records(tmp_path) == {}


@pytest.mark.parametrize("answer", ["nobody", None, {"away": "not connected"}], ids=["none", "silent", "away"])
def test_without_podnetd_a_pod_that_a_policy_may_select_does_not_start(
    host, failure, empty, way, conf, podnetd, tmp_path, answer
):
    if answer != "nobody":
        podnetd(answer)
    with pytest.raises(failure, match="namespace shop") as caught:
        host.call("bridge", "ADD", conf, "c1", host.pod(), args=POD)
    assert caught.value.code == TRY_AGAIN
    assert host.state() == empty and records(tmp_path) == {}


@pytest.mark.parametrize("args", [POD.replace("shop", "free"), ""], ids=["another namespace", "not a pod"])
def test_without_podnetd_another_pod_starts_and_is_known(host, way, conf, tmp_path, args):
    host.netns.run("nft", "-f", "-", input=RULESET)
    host.call("bridge", "ADD", conf, "c1", host.pod(), args=args)
    found = {
        item[kind]["name"]: item[kind].get("elem", [])
        for item in host.netns.nft()
        for kind in ("set", "map")
        if kind in item and item[kind]["table"] == "podnet_policy"
    }
    assert found["known4"] == ["10.9.0.2"] and found["known6"] == ["fd09::2"]
    assert len(found["self4"]) == len(found["self6"]) == 1
    assert found["egress4"] == found["ingress4"] == []  # the address' former pod was isolated
    assert set(records(tmp_path)) == {"c1:eth0"}


def test_where_policies_may_select_any_pod_none_starts_without_podnetd(host, failure, empty, way, conf, tmp_path):
    told = json.loads((tmp_path / "gate").read_text())
    (tmp_path / "gate").write_text(json.dumps({**told, "namespaces": None}))
    with pytest.raises(failure, match="namespace free") as caught:
        host.call("bridge", "ADD", conf, "c1", host.pod(), args=POD.replace("shop", "free"))
    assert caught.value.code == TRY_AGAIN and host.state() == empty


def test_a_damaged_file_stops_add_and_not_del(host, failure, empty, way, conf, tmp_path):
    result = host.call("bridge", "ADD", host.conf(policyGate="/no/gate"), "c1", (pod := host.pod()))
    (tmp_path / "gate").write_text('{"socket": ')
    with pytest.raises(failure, match="gate") as caught:
        host.call("bridge", "ADD", conf, "c2", host.pod(), args=POD)
    assert caught.value.code == TRY_AGAIN
    host.call("bridge", "DEL", {**conf, "prevResult": result}, "c1", pod)
    assert host.state() == empty
