# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notifications to systemd, sd_notify(3): a datagram to the socket that the environment names."""

from __future__ import annotations

import os
import socket


class Notifier:
    """Notifies systemd, where ``NOTIFY_SOCKET`` is set."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        self._status = ""

    def watchdog(self) -> float | None:
        """Seconds between two signs of life: half of what the unit allows (``WatchdogSec=``), None for none."""
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()) or not microseconds.isdigit():
            return None
        return int(microseconds) / 2e6

    def tell(self, *lines: str) -> None:
        """Sends assignments: "READY=1", "WATCHDOG=1", "STOPPING=1", "RELOADING=1"."""
        if self._socket:
            try:
                self._socket.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                pass  # a systemd that does not listen is not a reason to stop

    def status(self, text: str) -> None:
        """The line that ``systemctl status`` shows."""
        if text != self._status:
            self._status = text
            self.tell(f"STATUS={text}")
