# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The underlay: a bridge in a network namespace of the lab's own, one veth to the host, and the host's masquerade."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os

from .state import run


def namespaces():
    """The names of the network namespaces in /run/netns."""
    return {entry["name"] for entry in json.loads(run("ip", "-j", "netns", "list") or "[]")}


def mac(*names):
    """A locally administered unicast MAC address, always the same for the same names."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return ":".join(f"{byte:02x}" for byte in bytes([digest[0] & 0xFC | 0x02]) + digest[1:6])


def missing(lab):
    """The missing parts of the underlay: "bridge" (the namespace, or its link to the host), "table"."""
    lacks = set()
    if lab.namespace() not in namespaces() or not run("ip", "-j", "link", "show", lab.host_link, check=False):
        lacks.add("bridge")
    if not run("nft", "list", "table", "ip", lab.table, check=False):
        lacks.add("table")
    return lacks


def make_bridge(lab):
    """Makes the lab's namespace with the bridge, and the link to the host."""
    space = lab.namespace()
    run("ip", "netns", "add", space)
    run("ip", "-n", space, "-batch", "-", stdin=f"""
        link set lo up
        link add underlay address {mac(lab.name)} mtu {lab.mtu} type bridge
        link set underlay up
        link add host mtu {lab.mtu} type veth peer name {lab.host_link} netns {os.getpid()} mtu {lab.mtu}
        link set host master underlay up
    """)  # fmt: skip
    run("ip", "-batch", "-", stdin=f"""
        link set {lab.host_link} up
        address add {lab.gateway}/{lab.prefix_length} broadcast + dev {lab.host_link}
    """)  # fmt: skip
    if lab.network6:
        run("ip", "address", "add", f"{lab.address6(1)}/{lab.prefix_length6}", "dev", lab.host_link, "nodad")


def make_table(lab):
    """Makes the nftables table that masquerades what nodes send elsewhere, anew if there is one. As a site's router, it
    knows no way to the cluster's own networks: beyond this host somebody may answer for every address."""
    unrouted = map(str, ipaddress.collapse_addresses(map(ipaddress.IPv4Network, lab.unrouted)))
    drop = f'iifname "{lab.host_link}" ip daddr {{ {", ".join(unrouted)} }} drop' if lab.unrouted else ""
    # A smaller MTU on the host's way out reaches TCP at once: ICMP "too big" is not always let through.
    run("nft", "-f", "-", stdin=f"""
        table ip {lab.table}
        delete table ip {lab.table}
        table ip {lab.table} {{
            chain postrouting {{
                type nat hook postrouting priority srcnat;
                ip saddr {lab.network} oifname != "{lab.host_link}" masquerade
            }}
            chain forward {{
                type filter hook forward priority mangle;
                iifname "{lab.host_link}" tcp flags syn tcp option maxseg size set rt mtu
                {drop}
            }}
        }}
    """)  # fmt: skip


def remove_underlay(lab):
    """Removes bridge and table, whatever is left of them."""
    remove_bridge(lab)
    run("nft", "delete", "table", "ip", lab.table, check=False)


def remove_bridge(lab):
    """Removes what make_bridge made, whatever is left of it."""
    run("ip", "link", "delete", lab.host_link, check=False)
    run("ip", "netns", "delete", lab.namespace(), check=False)


def attach(lab, node):
    """Makes the node's namespace with eth0 on the underlay, up, with its address and default route."""
    space, address = lab.namespace(node), mac(lab.name, node.name)
    run("ip", "netns", "add", space)
    run("ip", "-n", lab.namespace(), "-batch", "-", stdin=f"""
        link add {node.name} mtu {lab.mtu} type veth peer name eth0 netns {space} mtu {lab.mtu} address {address}
        link set {node.name} master underlay up
    """)  # fmt: skip
    run("ip", "-n", space, "-batch", "-", stdin=f"""
        link set lo up
        link set eth0 up
        address add {node.address}/{lab.prefix_length} broadcast + dev eth0
        route add default via {lab.gateway}
    """)  # fmt: skip
    if node.address6:  # no way out, but a default route, as a node has one
        run("ip", "-n", space, "-batch", "-", stdin=f"""
            address add {node.address6}/{lab.prefix_length6} dev eth0 nodad
            route add ::/0 via {lab.address6(1)}
        """)  # fmt: skip


def detach(lab, node):
    """Removes the node's namespace and its port on the underlay: after a boot nothing of the old network is left."""
    run("ip", "-n", lab.namespace(), "link", "delete", node.name, check=False)
    run("ip", "netns", "delete", lab.namespace(node), check=False)
