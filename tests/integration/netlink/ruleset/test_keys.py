# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of nftables' keys are those that nft gives the kernel for its words."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.keys import Ct, Meta, word
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.read import ChainKey, Ruleset

META = {
    Meta.LENGTH: "length 1", Meta.PROTOCOL: "protocol ip", Meta.PRIORITY: "priority 1:1", Meta.MARK: "mark 1",
    Meta.IIF: "iif lo", Meta.OIF: "oif lo", Meta.IIFNAME: "iifname x", Meta.OIFNAME: "oifname x",
    Meta.IIFTYPE: "iiftype loopback", Meta.OIFTYPE: "oiftype loopback", Meta.SKUID: "skuid 1", Meta.SKGID: "skgid 1",
    Meta.RTCLASSID: "rtclassid 1", Meta.NFPROTO: "nfproto ipv4", Meta.L4PROTO: "l4proto 6",
    Meta.PKTTYPE: "pkttype host", Meta.CPU: "cpu 0", Meta.CGROUP: "cgroup 1", Meta.RANDOM: "random 1",
    Meta.IIFKIND: "iifkind veth", Meta.OIFKIND: "oifkind veth",
}  # fmt: skip
CT = {
    Ct.STATE: "state new", Ct.DIRECTION: "direction original", Ct.STATUS: "status assured", Ct.MARK: "mark 1",
    Ct.HELPER: 'helper "ftp"', Ct.PROTOCOL: "original protocol 6", Ct.SADDR: "original saddr 192.0.2.1",
    Ct.DADDR: "original daddr 192.0.2.1", Ct.PROTO_SRC: "original proto-src 1",
    Ct.PROTO_DST: "original proto-dst 1", Ct.LABEL: "label 1", Ct.ZONE: "zone 1",
    Ct.IP_SADDR: "original ip saddr 192.0.2.1", Ct.IP_DADDR: "original ip daddr 192.0.2.1",
    Ct.IP6_SADDR: "original ip6 saddr 2001:db8::1", Ct.IP6_DADDR: "original ip6 daddr 2001:db8::1",
}  # fmt: skip


@pytest.mark.parametrize(("name", "keys", "words"), [("meta", Meta, META), ("ct", Ct, CT)])
def test_numbers(make_netns, name, keys, words):
    """Of those that this kernel and this nft take: all of these packets' are among them."""
    assert set(words) == set(keys)
    netns = make_netns()
    netns.run("nft", "add table inet t; add table ip t")
    taken = []
    for key, each in words.items():
        family = "ip" if key in (Ct.SADDR, Ct.DADDR) and keys is Ct else "inet"
        rule = f"add chain {family} t {key.name}; add rule {family} t {key.name} {name} {each}"
        made = netns.run("nft", rule, check=False)
        if made.returncode:
            continue
        with Netns(netns.path), Ruleset() as ruleset:
            (found,) = ruleset.rules(ChainKey(family, "t", key.name))
        (values,) = [values for kind, values in found.expressions if kind == name][-1:]
        assert int.from_bytes(values[2], "big") == key, (key, each)
        taken.append(key)
    assert len(taken) >= len(keys) - 5, set(keys) - set(taken)


def test_words():
    assert (word(Meta, Meta.SKUID), word(Ct, Ct.PROTO_DST), word(Meta, 99)) == ("skuid", "proto-dst", "99")
