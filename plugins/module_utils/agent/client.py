# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the running agent reports to podnetctl, over its socket."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from ..findings.finding import Finding
from ..overlay import admission
from ..overlay import config as configs
from ..overlay.config import Config
from ..overlay.lease import Leases

RUN = "/run/podnet"
SOCKET = "podnetd.sock"
#: Seconds until an agent that says nothing counts as none.
PATIENCE = 10.0


def known(run: str) -> tuple[Config, Leases] | None:
    """The configuration and the leases that the agent goes by; None where none runs. Raises ConfigError."""
    reported = ask(run, "/known")
    if reported is None or reported["config"] is None:
        return None
    config = configs.parse(reported["config"])
    leases = admission.admit(config, reported["leases"])
    refused = {name: Finding.from_json(each) for name, each in reported["refused"].items()}
    return config, leases._replace(refused={**refused, **leases.refused})


def ask(run: str, path: str) -> dict[str, Any] | None:
    """The agent's answer (JSON) for ``path``; None where no agent answers on the socket in the directory ``run``."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(os.path.join(run, SOCKET))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: podnetd\r\n\r\n".encode())
            answer = bytearray()
            while part := connection.recv(1 << 16):
                answer += part
        head, _empty, body = bytes(answer).partition(b"\r\n\r\n")
        found = json.loads(body) if head.startswith(b"HTTP/1.1 200 ") else None
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
