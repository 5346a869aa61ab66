# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules in the shapes of kube-proxy's: mode iptables, and mode nftables as to 1.35 and as from 1.36 on."""

from __future__ import annotations

#: kube-proxy in mode iptables: a Service of two endpoints, one without any, a node port.
IPTABLES = """*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-W - [0:0]
:KUBE-EXT-W - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-NODEPORTS -p udp -m comment --comment "default/web" -m udp --dport 30080 -j KUBE-EXT-W
-A KUBE-EXT-W -m comment --comment "masquerade traffic for default/web external destinations" -j KUBE-MARK-MASQ
-A KUBE-EXT-W -j KUBE-SVC-W
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SEP-A -s {0}/{bits} -m comment --comment "default/web" -j KUBE-MARK-MASQ
-A KUBE-SEP-A -p udp -m comment --comment "default/web" -m udp -j DNAT --to-destination {o}{0}{c}:8080
-A KUBE-SEP-B -s {1}/{bits} -m comment --comment "default/web" -j KUBE-MARK-MASQ
-A KUBE-SEP-B -p udp -m comment --comment "default/web" -m udp -j DNAT --to-destination {o}{1}{c}:8080
-A KUBE-SERVICES -d {service}/{bits} -p udp -m comment --comment "default/web IP" -m udp --dport 80 -j KUBE-SVC-W
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-W -m comment --comment "default/web -> a" -m statistic --mode random --probability 0.5 -j KUBE-SEP-A
-A KUBE-SVC-W -m comment --comment "default/web -> b" -j KUBE-SEP-B
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-SERVICES -d {empty}/{bits} -p udp -m comment --comment "default/no" -m udp --dport 80 -j REJECT
COMMIT
"""
#: The same in mode nftables: with chains of endpoints as to 1.35, with maps of endpoints as from 1.36 on.
NFTABLES = """table {ip} kube-proxy {{
    set cluster-ips {{ type {addr}; elements = {{ {service}, {empty} }}; }}
    set nodeport-ips {{ type {addr}; elements = {{ {router} }}; }}
    map service-ips {{
        type {addr} . inet_proto . inet_service : verdict
        elements = {{ {service} . udp . 80 : goto service-W }}
    }}
    map no-endpoint-services {{
        type {addr} . inet_proto . inet_service : verdict
        elements = {{ {empty} . udp . 80 : goto reject-chain }}
    }}
    map service-nodeports {{
        type inet_proto . inet_service : verdict
        elements = {{ udp . 30080 : goto external-W }}
    }}
    chain filter-forward {{
        type filter hook forward priority filter; policy accept;
        ct state new {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services
        ct state new {ip} daddr @cluster-ips reject comment "reject traffic to invalid ports of ClusterIPs"
    }}
    chain nat-prerouting {{ type nat hook prerouting priority dstnat; policy accept; jump services; }}
    chain nat-output {{ type nat hook output priority -100; policy accept; jump services; }}
    chain nat-postrouting {{ type nat hook postrouting priority srcnat; policy accept; jump masquerading; }}
    chain services {{
        {ip} daddr . meta l4proto . th dport vmap @service-ips
        {ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
    }}
    chain mark-for-masquerade {{ meta mark set meta mark | 0x4000; }}
    chain masquerading {{
        meta mark & 0x4000 == 0 return
        meta mark set meta mark ^ 0x4000
        masquerade fully-random
    }}
    chain reject-chain {{ reject; }}
    chain external-W {{ jump mark-for-masquerade; goto service-W; }}
    {shape}
}}
"""
SHAPES = {
    "1.35": """chain service-W {{ numgen random mod 2 vmap {{ 0 : goto endpoint-A, 1 : goto endpoint-B }}; }}
    chain endpoint-A {{ {ip} saddr {0} jump mark-for-masquerade; meta l4proto udp dnat to {o}{0}{c}:8080; }}
    chain endpoint-B {{ {ip} saddr {1} jump mark-for-masquerade; meta l4proto udp dnat to {o}{1}{c}:8080; }}""",
    "1.36": """chain service-W {{
        meta l4proto udp dnat {ip} addr . port to numgen random mod 2 map {{ 0 : {0} . 8080, 1 : {1} . 8080 }}
    }}""",
}


MODES = ("iptables", *SHAPES)


def rules(mode: str, version: int, endpoints: list[str], node: str) -> str:
    """For a Service at ``service(version)``, UDP port 80 and node port 30080 of the ``node``'s address, with two
    endpoints; and one at ``empty(version)`` without any."""
    known = {
        "service": service(version), "empty": empty(version), "router": node, "bits": "32" if version == 4 else "128",
        "ip": "ip" if version == 4 else "ip6", "addr": f"ipv{version}_addr", "o": "" if version == 4 else "[",
        "c": "" if version == 4 else "]",
    }  # fmt: skip
    if mode == "iptables":
        return IPTABLES.format(*endpoints, **known)
    return NFTABLES.format(*endpoints, **known, shape=SHAPES[mode].format(*endpoints, **known))


def service(version: int) -> str:
    return "10.9.0.1" if version == 4 else "fd00:9::1"


def empty(version: int) -> str:
    return "10.9.0.2" if version == 4 else "fd00:9::2"
