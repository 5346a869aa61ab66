# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which base chains drop pods' packets, as the kernel lists them after nft and iptables."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config, forward

CONFIG = config.parse({"node_name": "node1", "networks": ["10.244.0.0/16", "fd00:244::/48"], "bridge": "cni0"})

FORWARD = "chain forwarded { type filter hook forward priority 10; policy %s; %s }"
#: firewalld's shape (its table inet firewalld, chain filter_FORWARD).
FIREWALLD = 'ct state established,related accept; iifname "lo" accept; jump zones; ct state invalid drop;'
ZONES = 'chain zones { iifname "eth9" goto public; } chain public { accept; }'


@pytest.fixture
def dropping(netns):
    """The chains that drop, with a ruleset in a network namespace."""

    def load(rules: str) -> list[str]:
        netns.run("nft -f -", input="flush ruleset\n" + rules.replace("} ", "}\n"))
        with Netns(netns.path):
            return forward.dropping_chains(CONFIG)

    return load


@pytest.mark.parametrize(
    ("policy", "rules"),
    [
        ("drop", ""),
        ("accept", "drop;"),
        ("accept", f"{FIREWALLD} reject with icmpx admin-prohibited;"),
        ("accept", f"{FIREWALLD} counter log drop;"),
        ("accept", "goto last;"),
        ("accept", "jump last;"),
        ("drop", "jump empty;"),
        ("drop", "tcp dport 22 accept; return;"),
        ("accept", "ct state new ip daddr 10.244.0.0/24 counter jump last;"),
    ],
)
def test_a_chain_that_drops(dropping, policy, rules):
    more = f"{ZONES} chain last {{ counter; drop; }} chain empty {{ }}"
    assert dropping(f"table inet fw {{ {more} {FORWARD % (policy, rules)} }}") == ["inet fw forwarded"]


@pytest.mark.parametrize(
    ("policy", "rules"),
    [
        ("accept", ""),
        ("accept", 'iifname "eth0" drop; ct state invalid drop; ip saddr 192.0.2.0/24 reject;'),
        ("accept", "tcp dport 22 jump last;"),
        ("accept", "jump empty; goto empty; drop;"),
        ("drop", "accept;"),
        ("accept", "return; drop;"),
        ("drop", "ip saddr 10.244.0.0/16 accept;"),
        ("accept", "ip daddr 10.244.0.0/16 udp dport 1-65535 drop; limit rate 1/second drop;"),
    ],
)
def test_a_chain_that_does_not(dropping, policy, rules):
    more = "chain last { drop; } chain empty { }"
    assert dropping(f"table ip fw {{ {more} {FORWARD % (policy, rules)} }}") == []


def test_other_hooks_families_and_our_own_tables(dropping):
    bridge = "table bridge b { chain c { type filter hook forward priority 0; policy drop; } }"
    hook = "table ip i { chain c { type filter hook input priority 0; policy drop; } }"
    ours = f"table inet podnet_policy {{ {FORWARD % ('accept', 'drop;')} }}"
    assert dropping(f"{bridge} {hook} {ours}") == []


@pytest.mark.parametrize(
    ("tool", "name", "source"),
    [
        ("iptables-nft", "ip filter FORWARD", "192.0.2.1"),
        ("iptables-legacy", "iptables-legacy filter FORWARD", "192.0.2.1"),
        ("ip6tables-legacy", "ip6tables-legacy filter FORWARD", "2001:db8::1"),
    ],
)
def test_iptables(netns, tool, name, source):
    netns.run(f"{tool} -A FORWARD -s {source} -j REJECT")
    netns.run(f"{tool} -A FORWARD -m comment --comment x -i eth9 -j DROP")
    with Netns(netns.path):
        assert forward.dropping_chains(CONFIG) == []
    netns.run(f"{tool} -A FORWARD -j REJECT")
    with Netns(netns.path):
        assert forward.dropping_chains(CONFIG) == [name]
    netns.run(f"{tool} -I FORWARD -j ACCEPT")
    with Netns(netns.path):
        assert forward.dropping_chains(CONFIG) == []
