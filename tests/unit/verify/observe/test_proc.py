# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes by proc(5), of this very process."""

from __future__ import annotations

import os
import socket

from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import proc


def test_who_holds_a_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert proc.holder(port).pid == os.getpid()
    assert proc.holder(port) is None


def test_this_process_is_among_the_names():
    with open("/proc/self/comm", encoding="utf-8") as file:
        assert file.read().strip() in proc.names()


def test_a_namespace_that_is_gone_has_no_name_servers():
    assert proc.nameservers("/run/netns/podnet-test-none") == []
