# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's own decisions about packets: by which route."""

from __future__ import annotations

from collections.abc import Iterable

from ...ipam.prefix import parse_prefix
from ...netlink import route as routes
from ...netlink.channel import Channel
from ...netlink.wire import NetlinkError
from ...overlay.backend import ROUTE_PROTOCOL
from ..model.kernel import AddressState, LinkState, Lookup, PolicyRule, RouteState
from ..model.state import Attachment, CniState, NodeState, OverlayState
from . import policy_rules
from .kernel import as_state

Flow = tuple[str, str]  # source, destination
KERNEL = 2  # linux/rtnetlink.h, RTPROT_KERNEL
LOCAL_TYPES = ("local", "broadcast", "multicast", "anycast")


def entrances(
    links: dict[str, LinkState], overlay: OverlayState, cni: CniState, attached: Iterable[Attachment]
) -> list[str]:
    """The links by which a flow's packets may come into the node."""
    candidates = [overlay.device, overlay.underlay, cni.bridge]
    for one in attached:
        host = links.get(one.host)
        candidates.append((host.master if host else "") or one.host)
    return [name for name in dict.fromkeys(candidates) if name and name in links and links[name].up]


def lookups(
    channel: Channel,
    names: dict[int, str],
    entrances: list[str],
    flows: list[Flow],
    overlay: OverlayState,
    policy: list[PolicyRule],
) -> list[Lookup]:
    """The kernel's decisions: to a flow's target from the node itself, and for packets that come in; and the same for
    packets that others' policy rules single out."""
    index_of = {name: index for index, name in names.items()}
    nodes = [address for peer in overlay.peers if peer.concerned for address in peer.lease.addresses]
    targets = [*(target for _source, target in flows), *nodes]
    found = [lookup(channel, names, target) for target in dict.fromkeys(targets)]
    rules = [None, *(rule for rule in policy if rule.selector)]
    for source, target in flows:
        for entrance in entrances:
            for rule in rules:
                found.append(lookup(channel, names, target, source, entrance, index_of[entrance], rule))
    return found


def lookup(
    channel: Channel,
    names: dict[int, str],
    target: str,
    source: str | None = None,
    iif: str = "",
    index: int = 0,
    rule: PolicyRule | None = None,
) -> Lookup:
    """The route that a packet takes, or why there is none; with ``rule`` that of packets which the rule is for."""
    decided = Lookup(target, source, iif, rule=rule)
    more = policy_rules.attributes(rule) if rule else b""
    try:
        route = routes.lookup(channel, target, names, source=source if iif else None, iif=index, match=True, more=more)
        decided.route = as_state(RouteState, route)
    except NetlinkError as error:
        decided.error = error.reason
    return decided


def foreign(channel: Channel, names: dict[int, str], state: NodeState) -> list[RouteState]:
    """Routes into the pod network that are not ours: whatever they are for, they take packets from it."""
    config, lease = state.overlay.config, state.overlay.lease
    if not config or not lease:
        return []
    # the kernel makes routes to what its addresses cover; with IPv6 to an address that stands alone, too
    own = (thing.address for thing in state.desired if isinstance(thing, AddressState))
    expected = {*map(str, lease.pod_cidrs), *map(str, config.networks), *own}
    kept = []
    for route in routes.dump(channel, names, table=0):
        local = route.table == routes.RT_TABLE_LOCAL or route.type in LOCAL_TYPES
        if local or route.protocol == ROUTE_PROTOCOL or (route.protocol == KERNEL and route.dst in expected):
            continue
        if any(network.covers(parse_prefix(route.dst)) for network in config.networks):
            kept.append(as_state(RouteState, route))
    return kept
