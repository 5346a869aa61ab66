# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What addresses tell of a way whose hops are all as they must be: two claim one, or somebody has translated them."""

from __future__ import annotations

from typing import Any

from ..model.hop import Hop
from ..model.path import Leg


def by_owners(legs: list[Leg], found: dict[str, dict[str, Any]]) -> tuple[Leg, Hop] | None:
    """An address that more than one machine claims."""
    for leg in legs:
        for hop in leg.hops:
            owners = found.get(hop.node, {}).get("arp", {})
            address = leg.target.address
            claimed = owners.get(address, [])
            if hop.step == "underlay":
                twice = next((each for each in [hop.name.rpartition(" ")[2]] if len(owners.get(each, [])) > 1), "")
                if twice:
                    told = f"{twice} is claimed by {' and '.join(owners[twice])}: two machines have the node's address"
                    return leg, hop.blame(told, f"find the other by its MAC address, and take {twice} from it")
            if hop.step in ("deliver", "pod-neighbour") and hop.node == leg.target.node and len(claimed) > 1:
                told = f"{address} is claimed by {' and '.join(claimed)}: two pods have one address"
                cure = "find the other: bridge fdb show br cni0; delete the pod that does not own the reservation"
                return leg, hop.blame(told, cure)
    return None


def by_outer(legs: list[Leg], found: dict[str, dict[str, Any]], probes: list[dict[str, Any]]) -> tuple[Leg, Hop] | None:
    """The tunnel's packets leave for another address or port than the tunnel's: somebody translates them."""
    if all(probe["ok"] for probe in probes if probe["scope"] == "way"):
        return None
    for leg in legs:
        wire = next((hop for hop in leg.hops if hop.step == "wire" and hop.wanted), None)
        node = wire.node.partition(" ")[0] if wire else ""
        here = [hop for hop in leg.hops if hop.node == node]
        underlay = next((hop for hop in here if hop.step == "underlay"), None)
        for record in found.get(node, {}).get("seen", []) if wire and underlay else []:
            place = (record["place"], record["device"], record["direction"])
            outer = f"to {record['outer'][1]}, UDP port {record['outer'][2]}" if record["outer"] else ""
            if (
                wire
                and underlay
                and outer
                and place in underlay.sights
                and record["way"] == leg.way
                and not record["strange"]
                and outer != wire.wanted
            ):
                told = (
                    f"the tunnel's packets leave by {record['device']} {outer}, not {wire.wanted}: they are translated"
                )
                hop = next((hop for hop in reversed(here) if hop.step == "filter"), underlay)
                return leg, hop.blame(told, "nft list ruleset (chains of type nat at output): except the tunnel there")
    return None


def by_translation(
    legs: list[Leg], found: list[dict[str, Any]], probes: list[dict[str, Any]]
) -> tuple[Leg, Hop] | None:
    """A translation that hides a pod's address from another pod, or leads to another pod; or one that hides an address
    behind one that is not the node's, where no answer comes."""
    lost = any(not probe["ok"] for probe in probes if probe["scope"] == "way")
    for one in found:
        for leg in legs:
            between_pods = leg.source.kind == leg.target.kind == "pod" and leg.source != leg.target
            if leg.way != "there" or not (between_pods or (lost and one["hidden"] not in ["", *one["own"]])):
                continue
            here = [hop for hop in leg.hops if hop.node == one["node"]]
            nat = next((hop for step in ("nat", "filter") for hop in here if hop.step == step), leg.hops[-1])
            if one["hidden"]:
                what = ": what pods send to pods is masqueraded" if between_pods else ", which is not the node's"
                told = f"{leg.source.address} is hidden behind {one['hidden']}{what}"
                cure = "nft list ruleset (chains of type nat at postrouting): except the pod network there"
                return leg, nat.blame(told, cure)
            if one["diverted"]:
                told = f"what is sent to {leg.target.address} is diverted to {one['diverted']}"
                cure = "nft list ruleset (chains of type nat at prerouting and output): remove that translation"
                return leg, nat.blame(told, cure)
    return None
