# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease and a server's answers that are invalid; what valid ones do stands in the integration tests."""

from __future__ import annotations

import argparse
import types

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.plugins.dhcp import lease as leases
from ansible_collections.podnet.cluster.plugins.module_utils.cni.plugins.dhcp import message, options

WANTED = {"network": "net", "container": "c1", "ifname": "eth0", "netns": "/none", "request": [], "provide": {}}
#: A route to a /24 that ends before its router; a mask with a hole.
INVALID = [(options.CLASSLESS_ROUTES, b"\x18\x0a\x06\x00"), (options.SUBNET_MASK, b"\xff\x00\xff\x00")]


@pytest.fixture
def lease(tmp_path, monkeypatch):
    arguments = argparse.Namespace(
        hostprefix="", socketpath=str(tmp_path / "sock"), broadcast=False, timeout=1, resendmax=1, resendtimeout=1
    )
    made = leases.Lease(leases.Settings(arguments), WANTED, lambda _lease: None)
    exchange = types.SimpleNamespace(mac=bytes(6), close=lambda: None)
    monkeypatch.setattr(made, "_exchange", lambda: exchange)
    made.address, made.server = "10.6.0.100/24", "10.6.0.1"
    made.ended.set()  # no pause is waited for
    return made


def answers(lease, monkeypatch, kind, option):
    found = message.Message(
        2, 1, bytes(6), {options.MESSAGE_TYPE: bytes([kind]), options.SERVER_ID: b"\x0a\x06\x00\x01"}
    )
    found.yours = "10.6.0.100"
    found.options.update([option])
    monkeypatch.setattr(lease, "_converse", lambda *_arguments: found)


@pytest.mark.parametrize("option", INVALID)
def test_an_invalid_answer_to_a_renewal_is_none(lease, monkeypatch, option):
    """The address stays until its time is over, and is asked for again."""
    until = lease.expires_at = lease.rebind_at = leases.now() + 100
    answers(lease, monkeypatch, message.ACK, option)
    lease._step()
    assert (lease.expires_at, lease.withdrawn) == (until, None)


@pytest.mark.parametrize("option", INVALID)
def test_an_invalid_answer_brings_a_lost_address_not_back(lease, monkeypatch, option):
    withdrawn = []
    monkeypatch.setattr(lease, "_withdraw", lambda: withdrawn.append(lease.address))
    answers(lease, monkeypatch, message.ACK, option)
    lease._step()
    assert withdrawn == [lease.address]
