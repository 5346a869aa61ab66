# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NAT for pods: our one nftables table, ``inet podnet``, and the elements of its sets.

The table's chains and rules are fixed; they are made once (``ensure``) and repaired where they differ. Everything that
is added and removed is an element:

``pod_networks4|6``        prefixes: sources that are masqueraded, unless their destination is in
``not_masqueraded4|6``     these prefixes (the pod network itself, and other networks that see pod addresses)
``seen_by_nodes4|6``       prefixes: sources that the other nodes (``peers4|6``) see as they are, too
``masquerade_from4|6``     single pod addresses (the bridge plugin's ipMasq) → the chain that masquerades what leaves
                           the pod's own subnet
``hostports4|6``           protocol, port → pod address, port: on every local address
``hostports_at4|6``        address, protocol, port → pod address, port: on one address (hostIP)
``hostport_hairpin4|6``    protocol, host port, pod address → the chain that masquerades connections from loopback and
                           from the pod's own subnet, whose answers would not come back through this host otherwise
``hostport_masq_all4|6``   the same, from everywhere (portmap's masqAll)
``hostport_conditions4|6`` protocol, port → a chain that lets packets go untranslated unless they meet a network's
                           conditions; ``hostport_conditions_at4|6`` the same for a port at one address
``hostport_links4``        link, pod address: links out of which packets from 127.0.0.1 may go to pods with host ports
``peers4|6``               the other nodes' addresses
``overlay_ports``, ``vteps4|6``
                           where only they may send to: the tunnels' ports at this node's addresses (guard.py)

Chains to which elements lead come and go with these. An element of a single pod carries its owner as comment
("container ID, interface, network"), so that it is removed with its owner and never with another owner's. The packet's
original port is asked of conntrack; no packet mark is needed.
"""

from __future__ import annotations

from sys import byteorder

from ..netlink import nft_expr as nft
from ..netlink import nftables
from ..netlink.nftables import ADDRESS, Chain, Rule, Set, Table
from . import guard

TYPE_CHECKING = False  # a type checker takes it for true; importing typing costs time
if TYPE_CHECKING:
    from ..netlink.channel import Channel
    from ..netlink.nftables import Difference
    from ..netlink.wire import Request

#: The nat chains' priorities. Of several chains the first that translates decides. kube-proxy, Docker and iptables are
#: at dstnat (-100) and srcnat (100): a Service's port comes before a host port, whichever was started last. Those of
#: firewalld (-90, 110) come after ours.
DSTNAT, SRCNAT = -95, 105
#: linux/in.h IPPROTO_*
PROTOCOLS = (b"\x06", b"\x11", b"\x84")
LENGTH = {4: 4, 6: 16}
#: How often a transaction is tried where another process changes the rules meanwhile.
TRIES = 10


def not_multicast(family: int) -> bytes:
    """Go on only with packets to single hosts."""
    if family == 4:
        return nft.destination(4) + nft.mask(4, b"\xf0\0\0\0") + nft.compare(b"\xe0\0\0\0", nft.NOT_EQUAL)
    return nft.destination(6) + nft.mask(16, b"\xff" + bytes(15)) + nft.compare(b"\xff" + bytes(15), nft.NOT_EQUAL)


def _port_key(family: int, at_address: bool) -> tuple[bytes, int]:
    """Loads (address,) protocol and port; the first register after them."""
    register = nft.REG32
    expressions = b""
    if at_address:
        expressions += nft.destination(family, register)
        register += LENGTH[family] // 4
    return expressions + nft.meta("l4proto", register) + nft.destination_port(register + 1), register + 2


def _mapped(name: str, family: int, at_address: bool) -> bytes:
    """Translate the destination by the map's entry for (address,) protocol and port."""
    expressions, result = _port_key(family, at_address)
    expressions += nft.map_to(name, nft.REG32, result)
    return expressions + nft.nat(nft.DNAT, family, result, result + LENGTH[family] // 4)


def _conditions(name: str, family: int, at_address: bool) -> bytes:
    """Jump to the chain with the conditions for (address,) protocol and port, if there is one."""
    return _port_key(family, at_address)[0] + nft.map_to(name, nft.REG32, nft.VERDICT_REG)


def _host_port_key(family: int, protocol: bytes) -> bytes:
    """Go on only with translated connections of that protocol, and load protocol, original port and pod address.

    nft 1.0.6 reads its own listing of an original port only behind a match of one protocol.
    """
    return (
        nft.conntrack(nft.CT_STATUS)
        + nft.mask(4, nft.IPS_DNAT.to_bytes(4, byteorder))
        + nft.compare(bytes(4), nft.NOT_EQUAL)
        + nft.meta("l4proto")
        + nft.compare(protocol)
        + nft.meta("l4proto", nft.REG32)
        + nft.original_port(nft.REG32 + 1)
        + nft.destination(family, nft.REG32 + 2)
    )


def _destination_rules(family: int) -> list[Rule]:
    # Packets from ::1 never leave the host, so a pod cannot serve its ports.
    only = nft.of_family(family)
    if family == 6:
        only += nft.destination(6) + nft.compare(bytes(15) + b"\x01", nft.NOT_EQUAL)
    found = []
    for at, words in ((True, f"host ports at one IPv{family} address"), (False, f"host ports, IPv{family}")):
        end = f"_at{family}" if at else f"{family}"
        found.append(Rule(f"conditions of {words}", only, _conditions(f"hostport_conditions{end}", family, at)))
        found.append(Rule(words, only, _mapped(f"hostports{end}", family, at)))
    return found


def _host_port_source_rules(family: int, protocol: bytes) -> list[Rule]:
    only = nft.of_family(family) + _host_port_key(family, protocol)
    hairpin = nft.map_to(f"hostport_hairpin{family}", nft.REG32, nft.VERDICT_REG)
    everywhere = nft.in_set(f"hostport_masq_all{family}", nft.REG32)
    return [
        Rule(f"host ports from loopback and the pods' own IPv{family} subnets", only, hairpin),
        Rule(f"host ports from everywhere, IPv{family}", only, everywhere, nft.masquerade()),
    ]


def _source_rules(family: int) -> list[Rule]:
    only = nft.of_family(family)
    return [
        *(rule for protocol in PROTOCOLS for rule in _host_port_source_rules(family, protocol)),
        Rule(
            f"IPv{family} pods to elsewhere",
            only,
            nft.source(family),
            nft.map_to(f"masquerade_from{family}", nft.REG, nft.VERDICT_REG),
        ),
        Rule(
            f"IPv{family} pods to the other nodes",
            only,
            nft.source(family),
            nft.in_set(f"seen_by_nodes{family}"),
            nft.destination(family),
            nft.in_set(f"peers{family}"),
            nft.verdict("return"),
        ),
        Rule(
            f"IPv{family} pods out of the cluster",
            only,
            nft.source(family),
            nft.in_set(f"pod_networks{family}"),
            nft.destination(family),
            nft.in_set(f"not_masqueraded{family}", inverted=True),
            not_multicast(family),
            nft.masquerade(),
        ),
    ]


def _sets(family: int) -> list[Set]:
    address = ADDRESS[family]
    target = (address, "inet_service")
    port = ("inet_proto", "inet_service")
    return [
        Set(f"pod_networks{family}", (address,), interval=True),
        Set(f"not_masqueraded{family}", (address,), interval=True),
        Set(f"seen_by_nodes{family}", (address,), interval=True),
        Set(f"masquerade_from{family}", (address,), ("verdict",)),
        Set(f"hostports{family}", port, target),
        Set(f"hostports_at{family}", (address, *port), target),
        Set(f"hostport_conditions{family}", port, ("verdict",)),
        Set(f"hostport_conditions_at{family}", (address, *port), ("verdict",)),
        Set(f"hostport_hairpin{family}", (*port, address), ("verdict",)),
        Set(f"hostport_masq_all{family}", (*port, address)),
    ]


_LOCAL = nft.destination_type() + nft.compare(nft.RTN_LOCAL.to_bytes(4, byteorder))
_TO_HOST_PORTS = Rule("to this host", _LOCAL, nft.verdict("jump", "hostports"))

TABLE = Table(
    "inet",
    "podnet",
    [*_sets(4), *_sets(6), Set("hostport_links4", ("ifname", ADDRESS[4])), *guard.sets()],
    [
        Chain("hostports", [*_destination_rules(4), *_destination_rules(6)]),
        Chain("prerouting", [_TO_HOST_PORTS], "nat", "prerouting", DSTNAT),
        Chain("output", [_TO_HOST_PORTS], "nat", "output", DSTNAT),
        Chain("postrouting", [*_source_rules(4), *_source_rules(6)], "nat", "postrouting", SRCNAT),
        *guard.chains(),
    ],
    former=("nodes4", "nodes6"),
)


def differences(channel: Channel) -> tuple[list[Request], list[Difference]]:
    """The requests that would repair the table, and what they do; both empty if it is in sync."""
    return nftables.differences(channel, TABLE)
