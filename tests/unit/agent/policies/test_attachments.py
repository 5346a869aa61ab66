# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses the pods of this node have, by the records of ADD."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies.attachments import Attachments, read
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import pack_ip

ONE, TWO = pack_ip("10.244.1.2"), pack_ip("10.244.1.3")


def record(name="web", *addresses, namespace="x", uid="u1"):
    return {"namespace": namespace, "name": name, "uid": uid, "addresses": list(addresses)}


def test_records_on_disk(tmp_path):
    (tmp_path / "c1:eth0").write_text(json.dumps(record("web", "10.244.1.2")))
    (tmp_path / ".c2:eth0").write_text(json.dumps(record("half written", "10.244.1.3")))
    (tmp_path / "c3:eth0").write_text("{")
    found = Attachments(str(tmp_path))
    found.load()
    assert list(found.pods()) == ["x/web"] and found.holders == {ONE: "x/web"}
    Attachments(str(tmp_path / "nowhere")).load()


def test_an_address_is_the_last_ones(tmp_path):
    found = Attachments(str(tmp_path))
    assert found.put("c1:eth0", read("c1:eth0", record("web", "10.244.1.2"))) == {"x/web"}
    assert found.put("c2:eth0", read("c2:eth0", record("db", "10.244.1.2"))) == {"x/web", "x/db"}
    assert found.drop("c1:eth0") == {"x/web"} and found.holders == {ONE: "x/db"}
    assert found.drop("c1:eth0") == set()
    assert found.drop("c2:eth0") == {"x/db"} and not found.holders and not found.pods()


def test_an_attachment_that_changes_and_one_of_two(tmp_path):
    found = Attachments(str(tmp_path))
    found.put("c1:eth0", read("c1:eth0", record("web", "10.244.1.2")))
    found.put("c1:net1", read("c1:net1", record("web", "10.244.1.3")))
    assert {address for each in found.of("x/web") for address in each.addresses} == {ONE, TWO}
    found.put("c1:eth0", read("c1:eth0", record("web")))
    assert found.holders == {TWO: "x/web"}


def test_a_pod_without_a_name_is_its_attachment():
    assert read("c1:eth0", record("", namespace="")).pod == "/c1:eth0"


WRONG = [None, [], {}, record("web", "x"), record("web", 1), record(None), {**record(), "uid": 1}]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_is_no_record(wrong):
    with pytest.raises(ValueError, match=r"c1|not an IP"):
        read("c1:eth0", wrong)
