# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attachments on this node, as the container runtime has noted them in libcni's result cache."""

from __future__ import annotations

import json
import os

from ...netlink.netns import is_netns
from ..model.state import Attachment, HostPort

RESULTS = "/var/lib/cni/results"


def attachments(results: str = RESULTS, interface: str = "eth0") -> list[Attachment]:
    """The attachments named ``interface`` whose network namespace exists, sorted by pod.

    libcni keeps one file for each ADD that succeeded (libcni/api.go, cachedInfo) and removes it with DEL. What a node
    that crashed left behind has no namespace any more, since those go with the boot. An unreadable or foreign file is
    skipped.
    """
    found = []
    try:
        names = os.listdir(results)
    except FileNotFoundError:
        return []
    for name in names:
        try:
            with open(os.path.join(results, name), encoding="utf-8") as file:
                noted = json.load(file)
            attachment = _attachment(noted)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if attachment.interface == interface and is_netns(attachment.netns):
            found.append(attachment)
    return sorted(found, key=lambda attachment: attachment.name)


def _attachment(noted: dict) -> Attachment:
    arguments = dict(noted.get("cniArgs") or [])
    result = noted["result"]
    interfaces = result.get("interfaces", [])
    inside = [entry for entry in interfaces if entry.get("sandbox") and entry.get("name") == noted["ifName"]]
    # the bridge plugin lists the bridge, the host's end, the pod's interface
    outside = [entry["name"] for entry in interfaces if not entry.get("sandbox")]
    ips = result.get("ips", [])
    return Attachment(
        name=f"{arguments.get('K8S_POD_NAMESPACE', '')}/{arguments.get('K8S_POD_NAME', '')}",
        container_id=noted["containerId"],
        network=noted["networkName"],
        interface=noted["ifName"],
        netns=noted.get("netns") or next((entry["sandbox"] for entry in inside), ""),
        addresses=[entry["address"].partition("/")[0] for entry in ips],
        host=outside[-1] if outside else "",
        bridge=outside[0] if len(outside) > 1 else "",
        mac=next((entry.get("mac", "") for entry in inside), "").lower(),
        prefixes=[entry["address"] for entry in ips],
        gateways=[entry["gateway"] for entry in ips if entry.get("gateway")],
        ports=_ports(noted),
    )


def _ports(noted: dict) -> list[HostPort]:
    """The ports that the runtime had mapped. containerd spells their keys HostPort, others hostPort: Go reads both."""
    found = []
    for each in (noted.get("capabilityArgs") or {}).get("portMappings") or []:
        port = {key.lower(): value for key, value in each.items()}
        if port.get("hostport") and port.get("containerport"):
            protocol = str(port.get("protocol") or "tcp").lower()
            found.append(HostPort(protocol, port["hostport"], port.get("hostip") or "", port["containerport"]))
    return found
