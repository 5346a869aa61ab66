# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses a pod of this node has, and when it can be told what policies select it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies.attachments import Attachments, read
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies.local_pods import LocalPods
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import Pod

A, B, C = (bytes([10, 244, 1, last]) for last in (2, 3, 4))
WEB = Pod("shop", "web", (("app", "web"),), (), (), "node1")


def attachment(name: str, *addresses: bytes, pod: str = "web", namespace: str = "shop", uid: str = "u1"):
    texts = [".".join(map(str, address)) for address in addresses]
    return read(name, {"namespace": namespace, "name": pod, "uid": uid, "addresses": texts})


@pytest.fixture
def attachments(tmp_path):
    return Attachments(str(tmp_path))


@pytest.fixture
def pods(attachments):
    """The pods of node1, where a policy may select those of namespace "shop"."""
    found = LocalPods("node1", attachments, {}, lambda namespace: namespace == "shop")
    found.uids = {"shop/web": "u1"}
    return found


def test_the_address_is_that_of_add_and_the_rest_the_apis(pods, attachments):
    pods.records["shop/web"] = WEB._replace(addresses=(A,))
    attachments.put("c1:eth0", attachment("c1:eth0", B))
    assert pods.pod("shop/web") == WEB._replace(addresses=(B,))


def test_without_a_record_the_api_is_right(pods):
    pods.records["shop/web"] = WEB._replace(addresses=(A,))
    assert pods.pod("shop/web") == WEB._replace(addresses=(A,))


def test_an_address_that_another_pod_got_is_not_the_former_pods(pods, attachments):
    pods.records["shop/web"] = WEB._replace(addresses=(A,))
    changed = attachments.put("c2:eth0", attachment("c2:eth0", A, pod="new"))
    assert changed == {"shop/new"} and pods.pod("shop/web") == WEB


def test_a_pod_that_the_api_has_not_shown_is_known_only_where_no_policy_may_select_it(pods, attachments):
    mine = attachment("c1:eth0", A)
    attachments.put("c1:eth0", mine)
    assert pods.pod("shop/web") is None and not pods.admits(mine)
    free = attachment("c2:eth0", B, namespace="free")
    attachments.put("c2:eth0", free)
    assert pods.pod("free/web") == Pod("free", "web", (), (B,), (), "node1") and pods.admits(free)


def test_what_is_not_a_pods_is_known(pods, attachments):
    other = attachment("c1:eth0", A, pod="", namespace="", uid="")
    attachments.put("c1:eth0", other)
    assert pods.admits(other) and pods.pod(other.pod) == Pod("", "c1:eth0", (), (A,), (), "node1")


def test_another_pod_of_the_same_name_waits_for_its_own_labels(pods, attachments):
    """A StatefulSet's pod is made again: what the API still shows are the labels of the former one."""
    pods.records["shop/web"] = WEB._replace(addresses=(A,))
    attachments.put("c1:eth0", attachment("c1:eth0", A))
    again = attachment("c2:eth0", B, uid="u2")
    attachments.put("c2:eth0", again)
    assert pods.pod("shop/web") == WEB._replace(addresses=(A,)) and not pods.admits(again)
    pods.uids["shop/web"] = "u2"
    assert pods.pod("shop/web") == WEB._replace(addresses=(B,)) and pods.admits(again)


def test_a_pod_with_several_interfaces_has_all_addresses(pods, attachments):
    pods.records["shop/web"] = WEB
    attachments.put("c1:eth0", attachment("c1:eth0", A))
    attachments.put("c1:net1", attachment("c1:net1", C))
    found = pods.pod("shop/web")
    assert found and set(found.addresses) == {A, C}
    attachments.drop("c1:net1")
    assert pods.pod("shop/web") == WEB._replace(addresses=(A,))


def test_an_address_that_went_to_another_pod_stays_its_when_the_former_leaves(attachments):
    attachments.put("c1:eth0", attachment("c1:eth0", A))
    assert attachments.put("c2:eth0", attachment("c2:eth0", A, pod="new")) == {"shop/web", "shop/new"}
    attachments.drop("c1:eth0")
    assert attachments.holders == {A: "shop/new"}


def test_records_are_read_and_damaged_ones_left_out(tmp_path):
    record = {"namespace": "shop", "name": "web", "uid": "u1", "addresses": ["10.244.1.2", "fd00::2"]}
    (tmp_path / "c1:eth0").write_text(json.dumps(record))
    (tmp_path / ".c2:eth0").write_text(json.dumps(record))
    for number, text in enumerate(("", "[]", '{"namespace": 1}', json.dumps({**record, "addresses": ["10.244.1"]}))):
        (tmp_path / f"bad{number}:eth0").write_text(text)
    found = Attachments(str(tmp_path))
    found.load()
    assert list(found.by_name) == ["c1:eth0"] and len(found.by_name["c1:eth0"].addresses) == 2


def test_no_directory_is_no_records(tmp_path):
    found = Attachments(str(tmp_path / "none"))
    found.load()
    assert found.by_name == {}
