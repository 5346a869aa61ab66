# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's end of the gate: questions of ADD and DEL calls, and answers to them."""

from __future__ import annotations

import json
import socket

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.agent.policies.gate import Gate
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import pack_ip

ENTER = {"enter": "c1:eth0", "namespace": "x", "name": "web", "uid": "u", "addresses": ["10.244.1.2"]}


@pytest.fixture
def gate(tmp_path):
    opened = Gate(str(tmp_path / "run" / "policy.sock"))
    opened.open()
    yield opened
    opened.close()


def asked(gate: Gate, message: bytes) -> socket.socket:
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    caller.settimeout(10)
    caller.connect(gate.path)
    if message:
        caller.send(message)
    return caller


def test_an_add_and_a_del(gate):
    callers = [asked(gate, json.dumps(each).encode()) for each in (ENTER, {"leave": "c2:eth0"})]
    enter, leave = sorted(gate.read(), key=lambda request: request.name)
    assert (enter.name, enter.attachment.pod, enter.attachment.addresses) == (
        "c1:eth0", "x/web", (pack_ip("10.244.1.2"),),
    )  # fmt: skip
    assert leave.name == "c2:eth0" and leave.attachment is None
    enter.refuse("policies are not in force")
    leave.allow()
    assert [json.loads(caller.recv(4096)) for caller in callers] == [{"error": "policies are not in force"}, {}]
    assert [caller.recv(4096) for caller in callers] == [b"", b""]


def test_a_caller_that_is_gone_before_its_answer(gate):
    asked(gate, json.dumps(ENTER).encode()).close()
    (request,) = gate.read()
    request.leave_to_caller("nothing is known yet")


@pytest.mark.parametrize("message", [b"{", b"[]", b"{}", b"1", json.dumps({**ENTER, "addresses": ["x"]}).encode()])
def test_what_is_no_question_is_hung_up_on(gate, message):
    caller = asked(gate, message)
    assert gate.read() == [] and caller.recv(4096) == b""


def test_who_says_nothing_keeps_nobody_waiting(gate):
    silent = asked(gate, b"")
    asked(gate, json.dumps(ENTER).encode())
    assert [request.name for request in gate.read()] == ["c1:eth0"]
    silent.send(json.dumps({**ENTER, "enter": "c3:eth0"}).encode())
    assert [request.name for request in gate.read()] == ["c3:eth0"]


def test_the_socket_is_for_root_alone_and_replaces_an_older_one(gate, tmp_path):
    assert (tmp_path / "run" / "policy.sock").stat().st_mode & 0o777 == 0o600
    successor = Gate(gate.path)
    successor.open()
    asked(successor, json.dumps(ENTER).encode())
    assert gate.read() == [] and len(successor.read()) == 1
    successor.close()
