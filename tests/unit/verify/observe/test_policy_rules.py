# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy rules as the kernel sends them (linux/fib_rules.h), as ip-rule(8) writes them, as a packet's attributes."""

from __future__ import annotations

import socket
import struct

from ansible_collections.podnet.cluster.plugins.module_utils.netlink import rule as rules
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import attr, attr_u32, parse
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import policy_rules


class Kernel:
    """A channel whose kernel has these rules of IPv4, and no IPv6 ones."""

    def __init__(self, *payloads):
        self.payloads = payloads

    def dump(self, request):
        return list(self.payloads) if request[2][0] == socket.AF_INET else []


def payload(priority, table, *attributes, action=1, source=0, destination=0):
    head = rules.INFO.pack(socket.AF_INET, destination, source, 0, 0, 0, 0, action, 0)
    return head + attr_u32(rules.FRA_PRIORITY, priority) + attr_u32(rules.FRA_TABLE, table) + b"".join(attributes)


OWN = (payload(0, 255), payload(32766, 254), payload(32767, 253))


def of_ipv4(*payloads):
    return [rule for rule in policy_rules.policy(Kernel(*payloads)) if rule.version == 4]


def test_the_kernels_own_are_not_listed():
    assert of_ipv4(*OWN) == []


def test_one_of_the_kernels_own_is_missing():
    (rule,) = of_ipv4(OWN[0], OWN[2])
    assert rule.missing
    assert rule.fix == "ip rule add pref 32766 table main"


def test_the_main_rule_with_a_selector_is_not_the_kernels():
    narrowed = payload(32766, 254, attr_u32(rules.FRA_FWMARK, 7), attr_u32(rules.FRA_FWMASK, 0xFFFFFFFF))
    assert [(rule.missing, str(rule)) for rule in of_ipv4(OWN[0], narrowed, OWN[2])] == [
        (False, "pref 32766 fwmark 0x7 table main"),
        (True, "pref 32766 table main"),
    ]


def test_all_that_a_rule_asks_for():
    full = payload(
        100, 77,
        attr(rules.FRA_SRC, socket.inet_aton("10.244.0.0")), attr(rules.FRA_DST, socket.inet_aton("10.0.0.0")),
        attr(rules.FRA_IIFNAME, b"cni0\0"), attr(rules.FRA_OIFNAME, b"eth0\0"),
        attr_u32(rules.FRA_FWMARK, 0x10), attr_u32(rules.FRA_FWMASK, 0xF0), attr(rules.FRA_IP_PROTO, b"\x11"),
        attr(rules.FRA_SPORT_RANGE, struct.pack("=HH", 53, 53)),
        attr(rules.FRA_DPORT_RANGE, struct.pack("=HH", 80, 90)),
        source=16, destination=8,
    )  # fmt: skip
    (rule,) = of_ipv4(*OWN, full)
    assert str(rule) == (
        "pref 100 from 10.244.0.0/16 to 10.0.0.0/8 iif cni0 oif eth0 fwmark 0x10/0xf0 "
        "ipproto udp sport 53 dport 80-90 table 77"
    )
    assert parse(policy_rules.attributes(rule)) == {
        policy_rules.RTA_MARK: struct.pack("=I", 0x10),
        policy_rules.RTA_IP_PROTO: b"\x11",
        policy_rules.RTA_SPORT: b"\0\x35",
        policy_rules.RTA_DPORT: b"\0\x50",
    }


def test_a_rule_that_forbids():
    (rule,) = of_ipv4(*OWN, payload(50, 0, action=6))
    assert (rule.action, rule.fix) == ("blackhole", "ip rule delete pref 50 blackhole")
    assert rule.selector == ""
