# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``podnetctl status`` tells: the node, its peers, the refused ones, what differs from what must be."""

from __future__ import annotations

from typing import Any

from ..converge.kernel_objects import ObjectChange
from ..overlay.config import Config
from ..overlay.forward import dropping_chains
from ..overlay.lease import Leases
from ..overlay.reconcile import Overlay
from ..overlay.surroundings import judge


def collect(config: Config, leases: Leases, overlay: Overlay) -> dict[str, Any]:
    """The status as JSON-ready data; ``overlay`` is a look at the node (``reconcile.present``)."""
    desired = overlay.desired
    assert desired is not None
    drift = _drift_by_object(overlay)
    refused = {**leases.refused, **desired.refused}
    peers = []
    for peer in leases.peers:
        if peer.name not in refused:
            told = [drift[thing.key()] for thing in desired.peers[peer.name] if thing.key() in drift]
            peers.append({**peer.as_json(), "drift": told})
    return {
        "node": config.node_name,
        "address": leases.own.address,
        "pod_cidrs": [str(cidr) for cidr in leases.own.pod_cidrs],
        "backend": config.backend.type,
        "device": desired.device,
        "mtu": desired.mtu,
        "checksum_offload": overlay.offload._asdict() if overlay.offload else None,
        "vtep_mac": leases.own.vtep_mac if config.backend.type == "vxlan" else None,
        "public_key": leases.own.public_key if config.backend.type == "wireguard" else None,
        "level": not overlay.plan,
        "drift": overlay.plan.describe(),
        "peers": peers,
        "refused": refused,
        "forward_policy_drop": dropping_chains(),
        "warnings": judge(config, overlay),
    }


def render(status: dict[str, Any]) -> str:
    """``status`` for people."""
    where = f"{status['device']}, " if status["device"] else ""
    lines = [
        f"{status['node']}  {status['address']}  {' '.join(status['pod_cidrs'])}  "
        f"{status['backend']} ({where}MTU {status['mtu']})",
        f"{len(status['peers'])} peers, {len(status['refused'])} refused, "
        + ("level" if status["level"] else f"{len(status['drift'])} differences"),
    ]
    mark = "public_key" if status["backend"] == "wireguard" else "vtep_mac"
    for peer in status["peers"]:
        state = "; ".join(peer["drift"]) or "level"
        lines.append(f"  {peer['name']}  {peer['address']}  {' '.join(peer['pod_cidrs'])}  {peer.get(mark)}  {state}")
    offload = status["checksum_offload"]
    if offload:
        lines.append(f"checksums are {'left to the card' if offload['on'] else 'made by the kernel'}: {offload['why']}")
    lines += [f"refused: {name}: {reason}" for name, reason in status["refused"].items()]
    lines += [f"differs: {line}" for line in status["drift"]]
    lines += [f"warning: {line}" for line in status["warnings"]]
    agent = status.get("agent")
    if agent is None:
        lines.append("podnetd does not run: what is undone stays undone")
    else:
        drift = ", ".join(f"{count} {kind}" for kind, count in agent["drift"].items()) or "nothing"
        lines.append(
            f"podnetd: {agent['summary']}; last look took {agent['last_took'] * 1000:.0f} ms; put right: {drift}"
        )
        lines += [f"not ready: {line}" for line in agent["ready"]]
        lines += [f"warning: {line}" for line in agent["warnings"]]
    return "\n".join(lines) + "\n"


def _drift_by_object(overlay: Overlay) -> dict[tuple[Any, ...], str]:
    return {change.subject.key(): str(change) for change in overlay.plan.changes if isinstance(change, ObjectChange)}
