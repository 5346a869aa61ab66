# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``podnetctl status`` prints: node, peers, refused peers, drift. docs/agent.md has the schema."""

from __future__ import annotations

from typing import Any

from ..converge.kernel_objects import ObjectChange
from ..findings import render
from ..overlay.config import Config
from ..overlay.forward import dropping_chains
from ..overlay.lease import Leases
from ..overlay.reconcile import Overlay
from ..overlay.surroundings import judge

#: The version of what ``collect`` returns.
SCHEMA = 3


def collect(config: Config, leases: Leases, overlay: Overlay) -> dict[str, Any]:
    """The status as JSON-ready data; ``overlay`` is a look at the node (``reconcile.present``)."""
    desired = overlay.desired
    assert desired is not None
    drift = _drift_by_object(overlay)
    refused = {**leases.refused, **desired.refused}
    peers = []
    for peer in leases.peers:
        if peer.name not in refused:
            drifted = [drift[thing.key()] for thing in desired.peers[peer.name] if thing.key() in drift]
            peers.append({**peer.as_json(), "drift": drifted})
    return {
        "schema": SCHEMA,
        "node": config.node_name,
        "address": leases.own.address,
        "pod_cidrs": [str(cidr) for cidr in leases.own.pod_cidrs],
        "backend": config.backend.type,
        "device": desired.device,
        "mtu": desired.mtu,
        "checksum_offload": overlay.offload._asdict() if overlay.offload else None,
        "vtep_mac": leases.own.vtep_mac if config.backend.type == "vxlan" else None,
        "public_key": leases.own.public_key if config.backend.type == "wireguard" else None,
        "in_sync": not overlay.plan,
        "drift": overlay.plan.describe(),
        "peers": peers,
        "refused": {name: render.as_json(each) for name, each in refused.items()},
        "forward_policy_drop": dropping_chains(config, desired.device),
        "warnings": [render.as_json(each) for each in judge(config, overlay)],
    }


def as_text(status: dict[str, Any]) -> str:
    """``status`` for people."""
    where = f"{status['device']}, " if status["device"] else ""
    lines = [
        f"{status['node']}  {status['address']}  {' '.join(status['pod_cidrs'])}  "
        f"{status['backend']} ({where}MTU {status['mtu']})",
        f"{len(status['peers'])} peers, {len(status['refused'])} refused, "
        + ("in sync" if status["in_sync"] else f"out of sync: {len(status['drift'])} changes pending"),
    ]
    mark = "public_key" if status["backend"] == "wireguard" else "vtep_mac"
    for peer in status["peers"]:
        state = "; ".join(peer["drift"]) or "in sync"
        lines.append(f"  {peer['name']}  {peer['address']}  {' '.join(peer['pod_cidrs'])}  {peer.get(mark)}  {state}")
    offload = status["checksum_offload"]
    if offload:
        lines.append(f"checksum offload: {'on' if offload['on'] else 'off'}: {offload['why']}")
    lines += map(_warning, status["refused"].values())
    lines += [f"pending: {line}" for line in status["drift"]]
    lines += map(_warning, status["warnings"])
    agent = status.get("agent")
    if agent is None:
        lines.append("podnetd is not running: drift will not be repaired; fix: systemctl start podnetd")
    else:
        repaired = ", ".join(f"{count} {kind}" for kind, count in agent["drift"].items()) or "nothing"
        lines.append(
            f"podnetd: {agent['summary']}; last reconciliation took {agent['duration'] * 1000:.0f} ms; "
            f"repaired: {repaired}"
        )
        lines += [
            f"addresses of {each['pod_cidr']}: {each['reserved']} of {each['room']} reserved"
            for each in agent["addresses"]
        ]
        if agent["policy"]:
            lines.append(_policies(agent["policy"]))
        lines += [f"not ready: {finding['text']}" for finding in agent["not_ready"]]
        lines += map(_warning, agent["warnings"])
    return "\n".join(lines) + "\n"


def _policies(policy: dict[str, Any]) -> str:
    state = "in force" if policy["in_force"] else "not in force"
    objects = policy["objects"].get("networkpolicies", 0) + policy["objects"].get("clusternetworkpolicies", 0)
    isolated = ", ".join(f"{count} for {direction}" for direction, count in policy["isolated"].items())
    cut = f"{policy['connections_cut']} connections cut" if policy["connections"] == "cut" else "connections kept"
    return f"policies: {state}; {objects} in the cluster; {policy['pods']} pods here, isolated: {isolated}; {cut}"


def _warning(finding: dict[str, Any]) -> str:
    return f"warning: {finding['text']}; fix: {finding['fix']}"


def _drift_by_object(overlay: Overlay) -> dict[tuple[Any, ...], str]:
    return {change.subject.key(): str(change) for change in overlay.plan.changes if isinstance(change, ObjectChange)}
