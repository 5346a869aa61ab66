# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``podnetctl status`` prints: node, peers, refused peers, drift. docs/agent.md has the schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..converge.kernel_objects import ObjectChange
from ..findings import render
from ..findings.codes import Code
from ..findings.finding import Finding
from ..overlay.config import Config
from ..overlay.lease import Lease, Leases
from ..overlay.offload import Choice
from ..overlay.reconcile import Overlay
from ..overlay.surroundings import judge

#: The version of what ``as_json`` returns.
SCHEMA = 3


class Status(NamedTuple):
    """The node's overlay; ``drift`` are the pending changes, ``peers`` the served leases with their own drift,
    ``agent`` is podnetd's answer to ``GET /status``, None where none runs."""

    node: str
    address: str
    pod_cidrs: list[str]
    backend: str
    device: str | None
    mtu: int
    checksum_offload: Choice | None
    vtep_mac: str | None
    public_key: str | None
    in_sync: bool
    drift: list[str]
    peers: list[tuple[Lease, list[str]]]
    refused: dict[str, Finding]
    forward_policy_drop: list[str]
    warnings: list[Finding]
    agent: dict[str, Any] | None


def collect(
    config: Config, leases: Leases, overlay: Overlay, more: Iterable[Finding], agent: dict[str, Any] | None
) -> Status:
    """The status by a look at the node (``reconcile.present``); ``more`` are warnings besides the overlay's."""
    desired = overlay.desired
    assert desired is not None
    drift = {change.subject.key(): str(change) for change in overlay.plan.changes if isinstance(change, ObjectChange)}
    refused = {**leases.refused, **desired.refused}
    warnings = judge(config, overlay)
    return Status(
        node=config.node_name,
        address=leases.own.address,
        pod_cidrs=[str(cidr) for cidr in leases.own.pod_cidrs],
        backend=config.backend.type,
        device=desired.device,
        mtu=desired.mtu,
        checksum_offload=overlay.offload,
        vtep_mac=leases.own.vtep_mac if config.backend.type == "vxlan" else None,
        public_key=leases.own.public_key if config.backend.type == "wireguard" else None,
        in_sync=not overlay.plan,
        drift=overlay.plan.describe(),
        peers=[
            (peer, [drift[thing.key()] for thing in desired.peers[peer.name] if thing.key() in drift])
            for peer in leases.peers
            if peer.name not in refused
        ],
        refused=refused,
        forward_policy_drop=[each.subject for each in warnings if each.code == Code.OVERLAY_FORWARD_DROPPED],
        warnings=[*warnings, *more],
        agent=agent,
    )


def as_json(status: Status) -> dict[str, Any]:
    """``status`` as podnetctl prints it."""
    offload = status.checksum_offload
    return {
        "schema": SCHEMA,
        **status._asdict(),
        "checksum_offload": offload._asdict() if offload else None,
        "peers": [{**peer.as_json(), "drift": drift} for peer, drift in status.peers],
        "refused": {name: render.as_json(each) for name, each in status.refused.items()},
        "warnings": [render.as_json(each) for each in status.warnings],
    }


def as_text(status: Status) -> str:
    """``status`` for people."""
    where = f"{status.device}, " if status.device else ""
    lines = [
        f"{status.node}  {status.address}  {' '.join(status.pod_cidrs)}  {status.backend} ({where}MTU {status.mtu})",
        f"{len(status.peers)} peers, {len(status.refused)} refused, "
        + ("in sync" if status.in_sync else f"out of sync: {len(status.drift)} changes pending"),
    ]
    for peer, drift in status.peers:
        mark = peer.public_key if status.backend == "wireguard" else peer.vtep_mac
        state = "; ".join(drift) or "in sync"
        lines.append(f"  {peer.name}  {peer.address}  {' '.join(map(str, peer.pod_cidrs))}  {mark}  {state}")
    offload = status.checksum_offload
    if offload:
        lines.append(f"checksum offload: {'on' if offload.on else 'off'}: {offload.why}")
    lines += [f"warning: {render.warning(each)}" for each in status.refused.values()]
    lines += [f"pending: {line}" for line in status.drift]
    lines += [f"warning: {render.warning(each)}" for each in status.warnings]
    agent = status.agent
    if agent is None:
        lines.append(f"warning: {render.warning(Finding(Code.AGENT_SILENT, status.node, status.node))}")
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
    return "\n".join(lines)


def _policies(policy: dict[str, Any]) -> str:
    state = "in force" if policy["in_force"] else "not in force"
    objects = policy["objects"].get("networkpolicies", 0) + policy["objects"].get("clusternetworkpolicies", 0)
    isolated = ", ".join(f"{count} for {direction}" for direction, count in policy["isolated"].items())
    cut = f"{policy['connections_cut']} connections cut" if policy["connections"] == "cut" else "connections kept"
    return f"policies: {state}; {objects} in the cluster; {policy['pods']} pods here, isolated: {isolated}; {cut}"


def _warning(finding: dict[str, Any]) -> str:
    """A finding of podnetd's, which may be of another version, in its own words."""
    return f"warning: {finding['text']}; fix: {finding['fix']}"
