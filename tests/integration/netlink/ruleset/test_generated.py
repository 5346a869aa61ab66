# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated rulesets and packets: what the kernel does with a packet is what the evaluator says, and where that is
several things, one of them."""

from __future__ import annotations

import random

import pytest

from .conftest import CLIENT, ROUTER, SERVERS, shown

PORTS = (53, 80, 443, 8080, 30080)
PRIORITIES = {"prerouting": (-310, -150, -90, 10), "input": (-10, 5), "forward": (-20, 0, 20), "postrouting": (-30, 50)}
#: The rulesets of one run, and the packets that each is asked about.
RULESETS, PACKETS = 40, 8


def addresses(version: int) -> list[str]:
    return [*SERVERS[version], ROUTER[version], "10.9.0.1" if version == 4 else "fd00:9::1"]


class Generator:
    """Rules of nft by chance, for one IP version."""

    def __init__(self, seed: int, version: int) -> None:
        self.chance, self.version = random.Random(seed), version
        self.ip = "ip" if version == 4 else "ip6"

    def condition(self, hook: str) -> str:
        pick, ip = self.chance.choice, self.ip
        low, high = sorted(self.chance.sample(PORTS, 2))
        net = pick(["10.2.0.0/24", "10.0.0.0/8", "10.2.0.2/31"] if self.version == 4 else ["fd00:2::/64", "fd00::/16"])
        kinds = [
            f"{ip} daddr {pick(addresses(self.version))}", f"{ip} saddr {CLIENT[self.version]}", f"{ip} daddr {net}",
            f"{ip} daddr != {net}", f"udp dport {pick(PORTS)}", f"udp dport {low}-{high}", f"udp dport > {low}",
            f"udp dport {{ {low}, {high} }}", f"udp dport != {{ {low}, {high}-{high + 9} }}", f"th dport {low}",
            "meta l4proto != tcp",
            f"meta mark & 0x{pick('124')} != 0", "ct state new", "ct state invalid",
            "ct state established,related", "ct state untracked", "ct status dnat",
            f"meta l4proto udp ct original proto-dst {low}", "fib daddr type local",
            f"{ip} daddr . udp dport @pairs", f"{ip} daddr @nets", "udp dport @ports",
            f"meta nfproto ipv{self.version}", "ct mark 1",
            f"{ip} saddr . {ip} daddr . udp dport @spans", f"@th,16,16 & 0xff0 == 0x{low & 0xFF0:x}",
        ]  # fmt: skip
        if hook in ("prerouting", "input", "forward"):
            kinds += ['iifname "in0"', 'iifname "i*"', 'iif "out0"', 'iifname { "in0", "lo" }']
        if hook in ("forward", "postrouting"):
            kinds += ['oifname "out0"', 'oif "in0"']
        return pick([kind for kind in kinds if "nfproto" not in kind or self.family == "inet"])

    def verdict(self, hook: str, jumps: list[str]) -> str:
        kinds = [
            "accept",
            "drop",
            "return",
            "meta mark set mark or 0x2",
            "meta mark set 0x4",
            "counter",
            "ct mark set 0x1",
        ]
        if hook != "postrouting" and hook != "prerouting":
            kinds.append("reject")
        if hook == "prerouting":
            kinds.append("notrack")
        return self.chance.choice([*kinds, *jumps, *jumps])

    def rule(self, hook: str, jumps: list[str]) -> str:
        conditions = " ".join(self.condition(hook) for _number in range(self.chance.randint(1, 2)))
        return f"{conditions} {self.verdict(hook, jumps)}"

    def nat(self, hook: str) -> str:
        pick, ip = self.chance.choice, self.ip
        if hook == "postrouting":
            return f"{self.condition(hook)} " + pick(
                ["masquerade", f"snat {ip} to {'10.2.0.77' if self.version == 4 else 'fd00:2::77'}"]
            )
        server = pick(SERVERS[self.version])
        name = f"[{server}]" if self.version == 6 else server
        kinds = [
            f"dnat {ip} to {name}:{pick(PORTS)}", f"dnat {ip} to {server}", f"redirect to :{pick(PORTS)}", "accept",
            f"dnat {ip} to numgen random mod 2 map {{ 0 : {SERVERS[self.version][0]}, 1 : {server} }}",
        ]  # fmt: skip
        return f"meta l4proto udp {self.condition(hook)} {pick(kinds)}"

    def table(self, number: int) -> str:
        chance, ip = self.chance, self.ip
        self.family = chance.choice(["inet", ip])
        known = addresses(self.version)
        lines = [f"table {self.family} t{number} {{"]
        pairs = ", ".join(sorted({f"{chance.choice(known)} . {chance.choice(PORTS)}" for _number in range(3)}))
        net = "10.2.0.2-10.2.0.3, 10.9.0.0/16" if self.version == 4 else "fd00:2::2-fd00:2::3, fd00:9::/32"
        other = chance.choice((53, 80, 30080))
        whole = "10.0.0.0/8" if self.version == 4 else "fd00::/16"
        lines += [
            f"set pairs {{ type ipv{self.version}_addr . inet_service; elements = {{ {pairs} }}; }}",
            f"set nets {{ type ipv{self.version}_addr; flags interval; elements = {{ {net} }}; }}",
            f"set ports {{ type inet_service; flags interval; elements = {{ {other}, 8000-9000 }}; }}",
            f"set spans {{ type ipv{self.version}_addr . ipv{self.version}_addr . inet_service; flags interval;"
            f" elements = {{ {whole} . {whole} . 80-500 }}; }}",
        ]
        hooks = chance.sample(list(PRIORITIES), 2)
        for at, hook in enumerate(hooks):
            for depth in (2, 1):
                jumps = [f"jump sub{at}_{depth + 1}", f"goto sub{at}_{depth + 1}"] if depth == 1 else []
                rules = "\n".join(self.rule(hook, jumps) for _number in range(3))
                lines.append(f"chain sub{at}_{depth} {{\n{rules}\n}}")
            jumps = [f"jump sub{at}_1", f"goto sub{at}_1", f"{self.keyed()} {{ {self.verdicts(at)} }}"]
            rules = "\n".join(self.rule(hook, jumps) for _number in range(4))
            priority = chance.choice(PRIORITIES[hook]) + number
            policy = chance.choice(["accept", "accept", "drop"])
            lines.append(
                f"chain base{at} {{ type filter hook {hook} priority {priority}; policy {policy};\n{rules}\n}}"
            )
        for hook, priority in (("prerouting", -100 + number), ("postrouting", 100 + number)):
            if chance.random() < 0.6:
                rules = "\n".join(self.nat(hook) for _number in range(2))
                lines.append(f"chain nat_{hook} {{ type nat hook {hook} priority {priority};\n{rules}\n}}")
        return "\n".join([*lines, "}"])

    def keyed(self) -> str:
        return "udp dport vmap"

    def verdicts(self, at: int) -> str:
        return f"53 : jump sub{at}_2, 80 : drop, 400-500 : accept, 8080 : goto sub{at}_2"

    def packets(self) -> list[tuple[str, int]]:
        return [(self.chance.choice(addresses(self.version)), self.chance.choice(PORTS)) for _number in range(PACKETS)]


@pytest.mark.parametrize("version", [4, 6])
def test_the_kernel_does_what_the_evaluator_says(router, version):
    several = answers = 0
    kinds: dict[str, int] = {}
    for seed in range(RULESETS):
        generator = Generator(seed, version)
        rules = "\n".join(generator.table(number) for number in range(generator.chance.randint(1, 3)))
        router.netns.run("nft flush ruleset")
        router.nft(rules)
        asked = enumerate(generator.packets(), 5000 + seed * PACKETS)  # no two of one connection
        packets = [(address, port, number) for number, (address, port) in asked]
        foreseen = [router.foreseen(router.packet(*packet)) for packet in packets]
        wanted = [{shown(one) for one in outcomes} for outcomes in foreseen]
        for packet, outcomes, seen, right in zip(packets, foreseen, router.sent(*packets, foreseen=wanted), wanted):
            told = [(one.verdict, one.hook, one.rule, one.effects) for one in outcomes]
            assert seen in right, (seed, packet, seen, told, rules)
            assert not any(one.unknown for one in outcomes), (seed, packet, told)
            several += len(right) > 1
            answers += 1
            kinds[seen[0]] = kinds.get(seen[0], 0) + 1
    assert several < answers / 5  # what is said is definite
    assert min(kinds[kind] for kind in ("forwarded", "delivered", "lost")) > answers / 20
