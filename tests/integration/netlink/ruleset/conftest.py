# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router between a client and a server: what its rules do to packets, by the evaluator and by the kernel."""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Sequence

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset import walk
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.host import KernelNode
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.packet import Packet
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.read import Ruleset

CLIENT = {4: "10.1.0.2", 6: "fd00:1::2"}
SERVERS = {4: ["10.2.0.2", "10.2.0.3", "10.2.0.4"], 6: ["fd00:2::2", "fd00:2::3", "fd00:2::4"]}
ROUTER = {4: "10.1.0.1", 6: "fd00:1::1"}
UDP = 17
#: Seconds within which a packet that passes is seen.
SOON = 0.25
#: Seconds within which one arrives that cannot be lost.
LATE = 20.0
LOST = ("lost", "", "", 0)


class Router:
    """The three namespaces; ``sent`` is what the kernel does with UDP packets, ``foreseen`` what the evaluator says."""

    def __init__(self, make_netns) -> None:
        self.client, self.netns, self.server = make_netns(), make_netns(), make_netns()
        for name in (self.client, self.netns, self.server):
            name.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
        self.client.run(f"ip link add c0 type veth peer name in0 netns {self.netns.name}")
        self.server.run(f"ip link add s0 type veth peer name out0 netns {self.netns.name}")
        links = ((self.client, "c0"), (self.netns, "in0"), (self.netns, "out0"), (self.server, "s0"))
        for netns, link in links:
            netns.run(f"ip link set {link} up")
        for address in CLIENT.values():
            self.client.run(f"ip address add {address}/{24 if '.' in address else 64} dev c0")
        for address in (*SERVERS[4], *SERVERS[6]):
            self.server.run(f"ip address add {address}/{24 if '.' in address else 64} dev s0")
        for address, link in (
            ("10.1.0.1/24", "in0"), ("fd00:1::1/64", "in0"), ("10.2.0.1/24", "out0"), ("fd00:2::1/64", "out0"),
        ):  # fmt: skip
            self.netns.run(f"ip address add {address} dev {link}")
        for version in (4, 6):
            far = "10.9.0.0/16" if version == 4 else "fd00:9::/32"
            self.client.run(f"ip -{version} route add default via {ROUTER[version]}")
            self.server.run(f"ip -{version} route add default via {'10.2.0.1' if version == 4 else 'fd00:2::1'}")
            self.netns.run(f"ip -{version} route add {far} via {SERVERS[version][0]}")
        self.netns.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.netns.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
        self.client.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit")
        self.netns.run(
            "sh", "-c", "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit"
        )
        for version in (4, 6):
            for address in SERVERS[version]:
                self.client.run(f"ping -c1 -W10 {address}")
        # Neighbors are known from now on, however long it takes: rules may drop the questions for them.
        for name in (self.client, self.netns, self.server):
            for line in name.run("ip neigh show").stdout.splitlines():
                address, _dev, link, *mac = line.split()
                if mac[:1] == ["lladdr"]:
                    name.run(f"ip neigh replace {address} dev {link} lladdr {mac[1]} nud permanent")

    def clear(self) -> None:
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            for table in ("raw", "mangle", "nat", "filter"):
                self.netns.run(f"{tool}-restore", input=f"*{table}\nCOMMIT\n")
        self.netns.run("nft flush ruleset")

    def nft(self, rules: str) -> None:
        self.netns.run("nft", "-f", "-", input=rules)

    def iptables(self, rules: str, tool: str = "iptables-restore") -> None:
        self.netns.run(tool, "-n", input=rules)

    def foreseen(self, packet: Packet) -> list[walk.Outcome]:
        with self.netns.entered(), Ruleset() as ruleset, Channel() as channel:
            return list(walk.outcomes(ruleset, KernelNode(channel), packet))

    def packet(self, destination: str, dport: int, sport: int) -> Packet:
        source = CLIENT[6 if ":" in destination else 4]
        return Packet(source, destination, UDP, sport, dport, iif="in0")

    def sent(self, *packets: tuple[str, int, int], foreseen: Sequence[Iterable]) -> list[tuple[str, str, str, int]]:
        """What becomes of each packet (destination, port, own port), all sent at once: "forwarded" with source,
        destination and port at the server, "delivered" to the router, or "lost". Of packets that by what is
        ``foreseen`` of them (as ``shown``) cannot be lost a busy machine may take its time."""
        version = 6 if ":" in packets[0][0] else 4
        family, kind = (socket.AF_INET, 0x0800) if version == 4 else (socket.AF_INET6, 0x86DD)
        with self.server.entered():
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(kind))
            wire.bind(("s0", kind))
        with self.netns.entered():
            raw = socket.socket(family, socket.SOCK_RAW, UDP)
            if version == 6:
                raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        marks = [os.urandom(8) for _packet in packets]
        awaited = {mark for mark, outcomes in zip(marks, foreseen) if LOST not in outcomes}
        found: dict[bytes, tuple[str, str, str, int]] = {}
        with wire, raw, self.client.entered():
            for mark, (destination, dport, sport) in zip(marks, packets):
                with socket.socket(family, socket.SOCK_DGRAM) as out:
                    out.bind((CLIENT[version], sport))
                    out.sendto(mark, (destination, dport))
            soon, late = time.monotonic() + SOON, time.monotonic() + LATE
            while len(found) < len(marks):
                left = (soon if awaited <= found.keys() else late) - time.monotonic()
                if left <= 0:
                    break
                for ready in select.select([wire, raw], [], [], left)[0]:
                    data, more, _flags, _peer = ready.recvmsg(2048, 256)
                    mark = next((mark for mark in marks if data.endswith(mark)), None)
                    if mark is None:
                        continue
                    if ready is wire:
                        found[mark] = ("forwarded", *_addresses(data, version))
                    elif version == 4:
                        found[mark] = ("delivered", *_addresses(data, 4))
                    else:
                        to = socket.inet_ntop(socket.AF_INET6, more[0][2][:16])
                        found[mark] = ("delivered", _peer[0], to, struct.unpack_from(">H", data, 2)[0])
        return [found.get(mark, LOST) for mark in marks]


def _addresses(data: bytes, version: int) -> tuple[str, str, int]:
    if version == 4:
        length = (data[0] & 15) * 4
        ends = socket.inet_ntop(socket.AF_INET, data[12:16]), socket.inet_ntop(socket.AF_INET, data[16:20])
    else:
        length = 40
        ends = socket.inet_ntop(socket.AF_INET6, data[8:24]), socket.inet_ntop(socket.AF_INET6, data[24:40])
    return (*ends, struct.unpack_from(">H", data, length + 2)[0])


def shown(outcome: walk.Outcome) -> tuple[str, str, str, int]:
    """An outcome in the words of ``Router.sent``."""
    packet = outcome.packet
    if outcome.verdict != "accept":
        return LOST
    ends = packet.source, packet.destination, packet.dport
    return ("forwarded" if packet.oif else "delivered", *ends)


@pytest.fixture(scope="module")
def one_router(netns_type):
    names: list[str] = []

    def make():
        names.append(f"podnet-rules-{os.getpid()}-{len(names)}")
        subprocess.run(["ip", "netns", "add", names[-1]], check=True)
        made = netns_type(names[-1])
        made.run("ip link set lo up")
        return made

    try:
        yield Router(make)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.fixture
def router(one_router) -> Router:
    """The same for all tests of a file, without rules."""
    one_router.clear()
    return one_router
