# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is told."""

from __future__ import annotations

import os
import socket

from ansible_collections.podnet.cluster.plugins.module_utils.agent.sd_notify import Notifier


def test_systemd_is_told_on_its_socket(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        notifier = Notifier()
        notifier.tell("READY=1")
        notifier.status("level")
        notifier.status("level")
        notifier.tell("WATCHDOG=1")
        assert [systemd.recv(100).decode() for _message in range(3)] == ["READY=1", "STATUS=level", "WATCHDOG=1"]
        assert notifier.watchdog() == 15
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notifier.watchdog() is None
