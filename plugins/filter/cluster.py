# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters: the cluster's nodes as the inventory has them, and what follows from a Kubernetes release."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils.provision import releases
from ..module_utils.verify.model.runtimes import DEFAULT, RUNTIMES


def cluster_nodes(hosts: list[str], hostvars: Any, control_plane: list[str]) -> list[dict[str, Any]]:
    """The nodes ``hosts`` as preflight wants them: host, name, address (None where it is left to be found),
    control_plane, runtime, cni_version (None: the role's). A node's name decides who its agent is to the Kubernetes
    API, and its address where the others send pods' packets, so they are the inventory's word: Ansible lets a fact of
    the same name, which the node itself reports, go before it."""
    for host in hosts:
        for name in ("node_name", "node_address", "node_addresses"):
            if name in (hostvars[host].get("ansible_facts") or {}):
                raise AnsibleFilterError(
                    f"cluster_nodes: host {host} reports a fact named {name}, which the inventory decides; "
                    f"find out what on {host} reports it, then clear the fact cache"
                )
    return [
        {
            "host": host,
            "name": hostvars[host].get("node_name", host),
            "address": hostvars[host].get("node_address"),
            "control_plane": host in control_plane,
            "runtime": hostvars[host].get("container_runtime", DEFAULT),
            "cni_version": hostvars[host].get("cni_version"),
        }
        for host in hosts
    ]


def control_plane(hosts: list[str], hostvars: Any) -> str:
    """The one of the control plane's ``hosts`` to ask about the cluster: the first that this run found to be one, else
    the first that it reached, else the first."""
    looked = [host for host in hosts if _looked_at(hostvars[host])]
    made = [host for host in looked if _is_control_plane(hostvars[host])]
    return (made or looked or hosts)[0]


def _looked_at(known: Any) -> bool:
    """Whether this run has reached the host. Facts alone may be a cache's."""
    return "ansible_facts" in (known.get("__node_look") or {})


def _is_control_plane(known: Any) -> bool:
    made = (known.get("__control_plane_node") or {}).get("rc") == 0
    return made or bool((known.get("ansible_facts") or {})["podnet_node"].get("control_plane"))


def node_addresses(nodes: list[dict[str, Any]], known: dict[str, str]) -> dict[str, str]:
    """The addresses of ``nodes`` (cluster_nodes' result) by name; where a node has none, that of ``known``."""
    found = {node["name"]: node["address"] or known.get(node["name"]) for node in nodes}
    return {name: address for name, address in found.items() if address}


def overlay_nodes(nodes: list[dict[str, Any]], hostvars: Any, key: str) -> list[dict[str, Any]]:
    """``nodes`` (cluster_nodes' result) as pod_cidrs wants them: name, address, addresses where the host has one of
    each IP version, and public_key where it has wireguard_key's result registered under the name ``key``."""
    found = []
    for node in nodes:
        public = (hostvars[node["host"]].get(key) or {}).get("public_key")
        more: dict[str, Any] = {"public_key": public} if public else {}
        addresses = hostvars[node["host"]].get("node_addresses") or []
        if len(addresses) > 1:
            more["addresses"] = list(addresses)
        found.append({"name": node["name"], "address": node["address"], **more})
    return found


def underlay_networks(nodes: list[dict[str, Any]], hostvars: Any, host: str) -> list[str]:
    """Where the node of ``host`` may find the others of ``nodes`` (cluster_nodes' result): the networks of its own
    addresses, as it reports them, and the others' addresses that are in none of these.

    What a node reports of its networks counts for itself alone: it could name one that holds any address.
    """
    own = _facts(hostvars, host)
    interfaces = [ip_interface(each) for one in own.get("interfaces", {}).values() for each in one["addresses"]]
    mine = set(own.get("addresses") or [])
    found = [each.network for each in interfaces if str(each.ip) in mine]
    for addresses in _all_addresses(nodes, hostvars, own.get("hosts") or {}):
        for address in map(ip_address, addresses):
            if not any(address in network for network in found):
                found.append(ip_network(address))
    return sorted(str(network) for network in found)


def _all_addresses(nodes: list[dict[str, Any]], hostvars: Any, known: dict[str, str]) -> list[list[str]]:
    """Each node's addresses; of those that were not looked at what is ``known`` from before."""
    primary = node_addresses(nodes, known)
    several = {node["name"]: hostvars[node["host"]].get("node_addresses") for node in nodes}
    return [list(several[name] or [address]) for name, address in primary.items()]


def _facts(hostvars: Any, host: str) -> dict[str, Any]:
    """What node_facts reported of the host; empty where it was not looked at."""
    return dict((hostvars[host].get("ansible_facts") or {}).get("podnet_node") or {})


def certificate_requests(nodes: list[dict[str, Any]], hostvars: Any, hosts: list[str], key: str) -> dict[str, str]:
    """The requests for certificates of those of ``nodes`` (cluster_nodes' result) whose host is one of ``hosts`` and
    has one, by the node's name: agent_credentials' results are registered under the name ``key``."""
    found = {}
    for node in nodes:
        answer = hostvars[node["host"]].get(key) if node["host"] in hosts else None
        if answer and answer.get("request"):
            found[node["name"]] = answer["request"]
    return found


def kubernetes_release(value: Any) -> dict[str, Any]:
    """What follows from the release ``value`` (see module_utils/provision/releases.py)."""
    try:
        return releases.parse(value).as_data()
    except releases.ReleaseError as error:
        raise AnsibleFilterError(f"kubernetes_release: {error}") from None


def container_runtime(name: Any) -> dict[str, Any]:
    """What follows from the container runtime ``name`` (see module_utils/verify/model/runtimes.py)."""
    if name not in RUNTIMES:
        raise AnsibleFilterError(f"container_runtime: {name!r} is none of {', '.join(RUNTIMES)}")
    runtime = RUNTIMES[name]
    return {"socket": runtime.socket, "unit": runtime.unit, "units": list(runtime.processes)}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "cluster_nodes": cluster_nodes,
            "control_plane": control_plane,
            "node_addresses": node_addresses,
            "overlay_nodes": overlay_nodes,
            "underlay_networks": underlay_networks,
            "certificate_requests": certificate_requests,
            "kubernetes_release": kubernetes_release,
            "container_runtime": container_runtime,
        }
