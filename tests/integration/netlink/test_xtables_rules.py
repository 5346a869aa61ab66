# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of iptables-legacy are removed, the rest of the table stays as it was; witnessed by iptables-legacy-save."""

from __future__ import annotations

import fcntl
import os
import shutil

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import xtables_rules

#: With counters; a rule without a target leads to the next one.
TABLE = """*nat
:PREROUTING ACCEPT [1:40]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [2:80]
:POSTROUTING ACCEPT [0:0]
:CNI-A - [0:0]
:CNI-B - [0:0]
:KEPT - [0:0]
[3:120] -A PREROUTING -s {address} -m comment --comment "before all"
[4:160] -A PREROUTING -j CNI-A
[5:200] -A PREROUTING -m comment --comment "name: \\"net\\" id: \\"b\\"" -j CNI-B
[6:240] -A PREROUTING -p tcp -m tcp --dport 80 -j KEPT
[7:280] -A OUTPUT -j CNI-A
[8:320] -A CNI-A -d {address} -j ACCEPT
[9:360] -A CNI-A -o eth9 -j KEPT
[10:400] -A CNI-A -m comment --comment "of another" -j CNI-B
[11:440] -A CNI-B -p udp -m multiport --dports 53,5353 -j REDIRECT --to-ports 53
[12:480] -A KEPT -p tcp
[13:520] -A KEPT -j RETURN
COMMIT
"""


@pytest.fixture(params=["", "6"], ids=["IPv4", "IPv6"])
def table(request, make_netns):
    """A namespace whose nat table has TABLE's rules, and a function that lists them with their counters."""
    tool = f"ip{request.param}tables-legacy"
    if not shutil.which(f"{tool}-restore"):
        pytest.skip(f"not installed: {tool}")
    netns = make_netns()
    address = "fd00::1/128" if request.param else "192.0.2.1/32"
    netns.run(f"{tool}-restore", "-c", input=TABLE.replace("{address}", address))

    def rules():
        return [line for line in netns.run(f"{tool}-save -c -t nat").stdout.splitlines() if line[0] != "#"]

    assert len(rules()) == len(TABLE.splitlines())
    return netns, rules


def remove(netns, unwanted):
    with netns.entered():
        xtables_rules.remove("nat", unwanted)


@pytest.mark.parametrize("chains", [{"CNI-A"}, {"CNI-B"}, {"CNI-A", "CNI-B"}, {"KEPT"}, set()])
def test_chains_and_what_leads_there(table, chains):
    netns, rules = table
    before = rules()
    remove(netns, lambda rule: rule.chain in chains or rule.target in chains)
    gone = tuple(f"{start}{chain}" for chain in chains for start in (":", "-A ", "-j "))
    assert rules() == [line for line in before if not any(word in line.split() or word in line for word in gone)]


def test_the_first_rule_of_a_chain(table):
    """The kernel's own chain begins with the next one then."""
    netns, rules = table
    before = rules()
    remove(netns, lambda rule: rule.comment in ("before all", "of another"))
    assert rules() == [line for line in before if "before all" not in line and "of another" not in line]


def test_rules_by_their_addresses(table):
    netns, rules = table
    before = rules()
    packed = {b"\xc0\x00\x02\x01", b"\xfd" + bytes(14) + b"\x01"}
    remove(netns, lambda rule: bool(packed & set(rule.addresses)))
    assert rules() == [line for line in before if "192.0.2.1" not in line and "fd00::1" not in line]


def test_the_lock_of_iptables_is_respected(table, tmp_path, monkeypatch):
    netns, rules = table
    before = rules()
    monkeypatch.setattr(xtables_rules, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(xtables_rules, "PATIENCE", 0.1)
    held = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(TimeoutError, match="held by another process"):
        remove(netns, lambda rule: rule.chain == "KEPT")
    os.close(held)
    assert rules() == before
    remove(netns, lambda rule: rule.chain == "CNI-B" or rule.target == "CNI-B")
    assert len(rules()) == len(before) - 4
