# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API servers behind this node's load balancer, each asked by itself."""

from __future__ import annotations

import http.client
import re
import ssl

from ..converge import files
from ..findings.codes import Code
from ..findings.finding import Finding

BALANCER = "/etc/podnet/haproxy.cfg"
CA = "/etc/kubernetes/pki/ca.crt"
#: Seconds for an answer; the balancer's own check has less.
PATIENCE = 3.0
_SERVER = re.compile(r"^\s*server (\S+) \[?([^\s\]]+)\]?:(\d+)\b(?!.* backup)", re.MULTILINE)


def findings(node: str) -> list[Finding]:
    """Which of them are not ready (``/readyz``, as the balancer asks), or cannot be reached from here; nothing where
    the endpoint is not the node's own balancer. The subject is the server's node."""
    try:
        context = ssl.create_default_context(cafile=CA)
    except OSError:
        return []
    found = []
    for name, address, port in listed(files.read(BALANCER) or ""):
        error = _refusal(context, address, port)
        if error:
            found.append(Finding(Code.API_SERVER_NOT_READY, node, name, {"address": address, "error": error}))
    return found


def listed(text: str) -> list[tuple[str, str, int]]:
    """Node, address and port of the API servers in the balancer's configuration."""
    return [(name, address, int(port)) for name, address, port in _SERVER.findall(text)]


def _refusal(context: ssl.SSLContext, address: str, port: int) -> str:
    """Why it is not ready; "" where it is."""
    connection = http.client.HTTPSConnection(address, port, timeout=PATIENCE, context=context)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        text = " ".join(answer.read(4096).decode("utf-8", "replace").split())
        return "" if answer.status == 200 else f"status {answer.status}: {text[:200]}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
