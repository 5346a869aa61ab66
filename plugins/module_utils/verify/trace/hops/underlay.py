# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The peer: what the node knows of it, and the underlay that leads there."""

from __future__ import annotations

from ....findings.codes import Code
from ....overlay.lease import Lease
from ...model.hop import NODE, CapturePoint, Hop, Step, Verdict
from ...model.kernel import LinkState
from .node_view import NodeView, show_lookup, show_route


def lease(view: NodeView, peer: Lease, there: NodeView | None) -> Hop | None:
    """What the node knows of the peer against what the peer says of itself; None where they agree or it cannot be
    reported."""
    own = there.overlay.lease if there else None
    if not own:
        return None
    for key in ("address", "vtep_mac", "pod_cidrs"):
        actual, expected = _shown(getattr(peer, key)), _shown(getattr(own, key))
        if actual != expected:
            hop = Hop(view.node, Step.LEASE, f"lease of {peer.name}", f"{key} {actual}", f"{key} {expected}")
            return hop.fail(Code.LEASE_STALE, peer.name, attribute=key, actual=actual, expected=expected)
    return None


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def underlay(view: NodeView, vtep: str, overhead: int, there: NodeView | None = None) -> Hop:
    """The underlay's route to the peer and whether a full tunnel packet fits: it adds ``overhead`` bytes. ``there``:
    the peer, where it was looked at."""
    dev = view.underlay
    hop = Hop(view.node, Step.UNDERLAY, f"underlay to {vtep}", desired=f"dev {dev}", device=dev, destination=vtep)
    hop.capture_points = [CapturePoint(NODE, dev, "out")]
    found = view.lookup(vtep)
    if found is None or not dev:
        hop.verdict = Verdict.UNKNOWN
        return hop
    link = view.links.get(dev) or LinkState(dev)
    hop.actual = f"{show_lookup(found)}, MTU {link.mtu}"
    taken = found.route
    if not link.up:
        return hop.fail(Code.UNDERLAY_DOWN, dev)
    if taken is None:
        return hop.fail(Code.UNDERLAY_ROUTE_MISSING, vtep, error=found.error)
    if taken.type == "local":
        has = next((each for each in view.state.addresses if each.ip == vtep), None)
        remove = f"ip address delete {has.address} dev {has.dev}" if has else f"ip route get {vtep}"
        return hop.fail(Code.UNDERLAY_PEER_ADDRESS_LOCAL, vtep, route=show_route(taken), remove=remove)
    if taken.dev in (view.device, view.state.cni.bridge):
        return hop.fail(Code.UNDERLAY_ROUTE_INTO_POD_NETWORK, vtep, route=show_route(taken))
    hop.next_hop = taken.gateway or ""
    if taken.dev != dev:
        hop.suspect(Code.UNDERLAY_OTHER_DEVICE, vtep, device=taken.dev, expected=dev)
    if link.operstate in ("DOWN", "LOWERLAYERDOWN"):
        hop.fail(Code.UNDERLAY_NO_CARRIER, dev)
    mtu = view.overlay.mtu
    if mtu and (link.mtu or 0) < mtu + overhead:
        more = {"mtu": link.mtu, "pod_mtu": mtu, "overhead": overhead, "expected": mtu + overhead}
        hop.fail(Code.UNDERLAY_MTU_TOO_SMALL, dev, **more)
    _neighbor(view, hop, there)
    return hop


def _neighbor(view: NodeView, hop: Hop, there: NodeView | None) -> None:
    """Where the node takes the peer, or the router to it, to be."""
    dev, address = hop.device, hop.next_hop or hop.destination
    entry = next((each for each in view.state.neighbors if (each.dst, each.dev) == (address, dev)), None)
    if entry is None:
        return
    more = {"device": dev, "place": view.node, "remove": f"ip neighbour delete {address} dev {dev}"}
    theirs = there.links.get(there.underlay) if there and not hop.next_hop else None
    if there and theirs and theirs.mac and (entry.mac or theirs.mac) != theirs.mac:
        report = hop.fail if entry.state in ("permanent", "noarp") else hop.suspect
        report(Code.NEIGHBOR_WRONG_MAC, address, mac=entry.mac, expected=theirs.mac, owner=there.node, **more)
    if entry.state in ("failed", "incomplete"):
        hop.suspect(Code.NEIGHBOR_FAILED, address, **more)
