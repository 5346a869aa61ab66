# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API's endpoint as the variables have it: whether it can be that of the inventory's control planes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..findings.codes import Code
from ..findings.finding import Finding, Value
from ..ipam.ip import parse_address, to_text
from .inventory import Node
from .variable import invalid

ENDPOINT = "control_plane_endpoint"
_WANTED = "a name or an address and a port, such as api.example.org:6443"
_BALANCED = f"{_WANTED}: the nodes' load balancers give a name the address 127.0.0.1"


def check(variables: Mapping[str, Any], nodes: Sequence[Node]) -> Iterator[Finding]:
    """What stands against the endpoint, given ``control_plane_balancer`` and ``control_plane_api_port`` as well."""
    value, is_balanced = variables.get(ENDPOINT), bool(variables.get("control_plane_balancer"))
    host, port = split(value)
    if not host:
        yield invalid(ENDPOINT, value, _WANTED)
        return
    if is_balanced and _address(host):
        yield invalid(ENDPOINT, value, _BALANCED)
    elif is_balanced and port == int(variables.get("control_plane_api_port") or 0):
        yield Finding(Code.ENDPOINT_PORT_TAKEN, "", ENDPOINT, {"port": port})
    control_planes = [node for node in nodes if node.control_plane]
    for node in control_planes if len(control_planes) > 1 and not is_balanced else ():
        if host in (node.host, node.name) or (node.address and _address(host) == _address(str(node.address))):
            values: dict[str, Value] = {"endpoint": str(value), "host": node.host, "count": len(control_planes)}
            yield Finding(Code.ENDPOINT_OF_ONE_NODE, "", ENDPOINT, values)


def split(value: object) -> tuple[str, int]:
    """Host, without an IPv6 address's brackets, and port; ("", 0) for what is no endpoint."""
    host, _colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if host.startswith("[") and host.endswith("]") and ":" in _address(host[1:-1]):
        host = host[1:-1]
    elif ":" in host or "/" in host:
        host = ""
    return (host, int(port)) if host and port.isdecimal() and 0 < int(port) < 65536 else ("", 0)


def _address(text: str) -> str:
    """An IP address in its canonical form, "" for what is none."""
    try:
        return to_text(*parse_address(text))
    except ValueError:
        return ""
