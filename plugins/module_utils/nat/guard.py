# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packets that this node drops because it cannot trust them: the chain ``guard``, whatever other tables accept.

Loopback. A host port that 127.0.0.1 should reach needs ``route_localnet`` on the pod's link. The kernel then accepts
packets to 127.0.0.0/8 from that link, where the node's own services expect none. They are dropped unless they belong to
a connection from inside, or were translated.

Tunnels without authentication (VXLAN). Any sender of UDP to the overlay's port would pass for a peer. So to

``overlay_ports``   UDP ports of such tunnels (none with another back end)

packets pass only from ``peers4|6`` (the other nodes' underlay addresses) to ``vteps4|6`` (this node's). Forwarded
packets to a peer's address pass only from another peer: what a pod sends may leave with this node's address.

A pod that spoofs a peer's address is detected by the reverse path: the route to that peer leads through another link.
This is checked only on links of a kind that pods can be behind (bridge, veth, VLAN, tap). A NIC has no kind; where
several lead to one network, packets may arrive on any of them, as on any link of a bond.

The chain comes after DNAT, which could lead a packet here that was sent elsewhere.
"""

from __future__ import annotations

from ..netlink import nft_expr as nft
from ..netlink.nftables import ADDRESS, Chain, Rule, Set
from ..netlink.wire import U32

#: NF_IP_PRI_NAT_DST is -100.
AFTER_DNAT = -90
UDP = b"\x11"
RTN_UNICAST = 1
#: The sets that are the overlay's.
SETS = ("overlay_ports", "peers4", "peers6", "vteps4", "vteps6")


def _to_loopback() -> bytes:
    """Go on only with packets to 127.0.0.0/8 that come from outside. (The kernel never takes those to ::1 from there:
    ip6_rcv_core() in net/ipv6/ip6_input.c.)"""
    return (
        nft.meta("iifname")
        + nft.compare(b"lo".ljust(16, b"\0"), nft.NOT_EQUAL)
        + nft.of_family(4)
        + nft.destination(4)
        + nft.mask(4, b"\xff\0\0\0")
        + nft.compare(b"\x7f\0\0\0")
    )


def _state(bits: int, operator: int) -> bytes:
    return nft.conntrack(nft.CT_STATE) + nft.mask(4, U32.pack(bits)) + nft.compare(bytes(4), operator)


def _loopback_rules() -> list[Rule]:
    drop = nft.verdict("drop")
    untranslated = nft.conntrack(nft.CT_STATUS) + nft.mask(4, U32.pack(nft.IPS_DNAT)) + nft.compare(bytes(4))
    return [
        Rule(
            "to loopback from outside, of no connection",
            _to_loopback(),
            _state(nft.NEW | nft.ESTABLISHED_OR_RELATED, nft.EQUAL),
            drop,
        ),
        Rule("to loopback from outside", _to_loopback(), _state(nft.NEW, nft.NOT_EQUAL), untranslated, drop),
    ]


def _overlay_rules(family: int) -> list[Rule]:
    from_peer = nft.of_family(family) + nft.source(family) + nft.in_set(f"peers{family}")
    to_peer = nft.destination(family) + nft.in_set(f"peers{family}")
    here = nft.destination(family) + nft.in_set(f"vteps{family}")
    other_path = nft.meta("iifkind") + nft.compare(b"bond".ljust(16, b"\0"), nft.NOT_EQUAL)
    other_path += nft.reverse_path() + nft.compare(bytes(4))
    return [
        Rule(f"peers' addresses from another path, IPv{family}", from_peer, other_path, nft.verdict("drop")),
        Rule(f"peers to this node, IPv{family}", from_peer, here, nft.verdict("accept")),
        Rule(f"peers to peers, IPv{family}", from_peer, to_peer, nft.verdict("accept")),
        Rule(f"others to peers, IPv{family}", nft.of_family(family), to_peer, nft.verdict("drop")),
    ]


def sets() -> list[Set]:
    """The sets of the rules."""
    addresses = [Set(f"{name}{family}", (ADDRESS[family],)) for name in ("peers", "vteps") for family in (4, 6)]
    return [Set("overlay_ports", ("inet_service",)), *addresses]


def chains() -> list[Chain]:
    """The chain at its hook, and the one for packets to the overlay's ports."""
    to_this_node = nft.destination_type() + nft.compare(U32.pack(RTN_UNICAST), nft.NOT_EQUAL)
    overlay = [
        *_overlay_rules(4),
        *_overlay_rules(6),
        Rule("others to this node", to_this_node, nft.verdict("drop")),
    ]
    to_overlay = nft.meta("l4proto") + nft.compare(UDP) + nft.destination_port() + nft.in_set("overlay_ports")
    guard = [*_loopback_rules(), Rule("to the overlay's ports", to_overlay, nft.verdict("jump", "overlay"))]
    return [Chain("overlay", overlay), Chain("guard", guard, "filter", "prerouting", AFTER_DNAT)]
