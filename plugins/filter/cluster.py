# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters: the cluster's nodes as the inventory has them, and what follows from a Kubernetes release."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils.provision import releases


def cluster_nodes(hosts: list[str], hostvars: Any, control_plane: list[str]) -> list[dict[str, Any]]:
    """The nodes ``hosts`` as preflight wants them: host, name, address (None where it is left to be found),
    control_plane."""
    return [
        {
            "host": host,
            "name": hostvars[host].get("node_name", host),
            "address": hostvars[host].get("node_address"),
            "control_plane": host in control_plane,
        }
        for host in hosts
    ]


def overlay_nodes(nodes: list[dict[str, Any]], hostvars: Any, key: str) -> list[dict[str, Any]]:
    """``nodes`` (cluster_nodes' result) as pod_cidrs wants them: name, address, and public_key where the host has
    wireguard_key's result registered under the name ``key``."""
    found = []
    for node in nodes:
        public = (hostvars[node["host"]].get(key) or {}).get("public_key")
        more = {"public_key": public} if public else {}
        found.append({"name": node["name"], "address": node["address"], **more})
    return found


def kubernetes_release(value: Any) -> dict[str, Any]:
    """What follows from the release ``value`` (see module_utils/provision/releases.py)."""
    try:
        return releases.parse(value).as_data()
    except releases.ReleaseError as error:
        raise AnsibleFilterError(f"kubernetes_release: {error}") from None


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """For Ansible's loader."""
        return {
            "cluster_nodes": cluster_nodes,
            "overlay_nodes": overlay_nodes,
            "kubernetes_release": kubernetes_release,
        }
