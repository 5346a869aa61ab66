# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same for generated rules of iptables, in its own kernel tables and as iptables-nft writes them."""

from __future__ import annotations

import random

import pytest

from .conftest import CLIENT, SERVERS, shown
from .test_generated import PACKETS, PORTS, addresses

RULESETS = 15
CHAINS = {"raw": ["PREROUTING"], "mangle": ["PREROUTING", "FORWARD"], "filter": ["INPUT", "FORWARD"]}


class Generator:
    """Rules by chance, as iptables-restore reads them, for one IP version."""

    def __init__(self, seed: int, version: int) -> None:
        self.chance, self.version = random.Random(seed), version

    def condition(self, hook: str) -> str:
        pick, not_ = self.chance.choice, self.chance.choice(["", "", "! "])
        low, high = sorted(self.chance.sample(PORTS, 2))
        nets = ["10.2.0.0/24", "10.2.0.2/31", "10.0.0.0/8"] if self.version == 4 else ["fd00:2::/64", "fd00::/16"]
        first, last = SERVERS[self.version][0], SERVERS[self.version][1]
        kinds = [
            f"-p udp -m udp {not_}--dport {low}", f"-p udp -m udp {not_}--dport {low}:{high}", f"{not_}-d {pick(nets)}",
            f"{not_}-s {CLIENT[self.version]}", f"-p udp -m multiport {not_}--dports {low},{high}",
            f"-p udp -m multiport --ports {low}:{high}", f"-m conntrack {not_}--ctstate NEW",
            "-m conntrack --ctstate INVALID,UNTRACKED", f"-m conntrack {not_}--ctstate DNAT",
            f"-m mark {not_}--mark 0x{pick('124')}/0x{pick('1247')}", f"-m addrtype {not_}--dst-type LOCAL",
            f"-m iprange {not_}--dst-range {first}-{last}", '-m comment --comment "some words"', f"{not_}-p tcp",
            f"-p udp -m conntrack --ctorigdstport {low}", "-m state --state NEW",
        ]  # fmt: skip
        if hook in ("PREROUTING", "INPUT", "FORWARD"):
            kinds += [f"{not_}-i in0", "-i in+"]
        if hook in ("FORWARD", "POSTROUTING"):
            kinds += [f"{not_}-o out0", "-o out+"]
        return pick(kinds)

    def target(self, table: str, jump: str) -> str:
        kinds = ["-j ACCEPT", "-j DROP", "-j RETURN", *([f"-j {jump}", f"-g {jump}"] if jump else []), ""]
        if table == "mangle":
            kinds += ["-j MARK --set-xmark 0x1/0x3", "-j MARK --or-mark 0x4", "-j CONNMARK --set-xmark 0x2/0xff"]
        if table == "raw":
            kinds.append("-j CT --notrack")
        if table == "filter":
            kinds.append("-j REJECT")
        return self.chance.choice(kinds)

    def nat(self, hook: str) -> str:
        server = self.chance.choice(SERVERS[self.version])
        to = f"[{server}]" if self.version == 6 else server
        port = self.chance.choice(PORTS)
        if hook == "POSTROUTING":
            source = "10.2.0.77" if self.version == 4 else "fd00:2::77"
            return self.chance.choice(["-j MASQUERADE", f"-j SNAT --to-source {source}"])
        ends = [
            f"-j DNAT --to-destination {server}",
            f"-j DNAT --to-destination {to}:{port}",
            f"-j REDIRECT --to-ports {port}",
        ]
        return f"-p udp {self.chance.choice([*ends, '-j ACCEPT'])}"

    def rules(self) -> str:
        chance, lines = self.chance, []
        for table, hooks in CHAINS.items():
            lines += [f"*{table}", *(f":{hook} {chance.choice(['ACCEPT', 'ACCEPT', 'DROP'])} [0:0]" for hook in hooks)]
            lines += [":SUB - [0:0]", ":DEEP - [0:0]"]
            for chain, jump, many in (("DEEP", "", 2), ("SUB", "DEEP", 2), *((hook, "SUB", 3) for hook in hooks)):
                for _number in range(many):
                    hook = chain if chain in hooks else ""
                    lines.append(f"-A {chain} {self.condition(hook)} {self.target(table, jump)}")
            lines.append("COMMIT")
        lines += ["*nat", ":PREROUTING ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]"]
        for hook in ("PREROUTING", "POSTROUTING"):
            conditions = (f"-{chance.choice('sd')} {CLIENT[self.version]}" for _number in range(1))
            lines.append(f"-A {hook} {next(conditions)} {self.nat(hook)}")
            lines.append(f"-A {hook} -m mark --mark 0x4/0x4 {self.nat(hook)}")
        return "\n".join([*lines, "COMMIT", ""])

    def packets(self) -> list[tuple[str, int]]:
        return [(self.chance.choice(addresses(self.version)), self.chance.choice(PORTS)) for _number in range(PACKETS)]


@pytest.mark.parametrize("tool", ["nft", "legacy"])
@pytest.mark.parametrize("version", [4, 6])
def test_the_kernel_does_what_the_evaluator_says(router, version, tool):
    six = "6" if version == 6 else ""
    several = 0
    for seed in range(RULESETS):
        generator = Generator(seed, version)
        rules = generator.rules()
        router.netns.run(f"ip{six}tables-{tool}-restore", input=rules)
        first = 20000 + seed * PACKETS + 5000 * ("nft", "legacy").index(tool)  # no two of one connection
        packets = [(address, port, number) for number, (address, port) in enumerate(generator.packets(), first)]
        foreseen = [router.foreseen(router.packet(*packet)) for packet in packets]
        wanted = [{shown(one) for one in outcomes} for outcomes in foreseen]
        for packet, outcomes, seen, right in zip(packets, foreseen, router.sent(*packets, foreseen=wanted), wanted):
            told = [(one.verdict, one.hook, one.rule, one.effects) for one in outcomes]
            assert seen in right, (seed, packet, seen, told, rules)
            assert not any(one.unknown for one in outcomes), (seed, packet, told)
            several += len(outcomes) > 1
    assert not several
