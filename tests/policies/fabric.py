# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two nodes with the nine pods of ``policies.cluster``, and a host outside, as network namespaces; and what sends real
packets between all of them."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator

from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NETLINK_NETFILTER
from ansible_collections.podnet.cluster.plugins.module_utils.policy.table import Table

from policies.cluster import OUTSIDE, address, nine
from policies.events import compilers

#: Of TCP and UDP; SCTP's are not listened to, its packets are seen.
PORTS = (80, 81)
#: What each pair of ends tries: protocol, port.
TRIED = [("TCP", 80), ("TCP", 81), ("UDP", 80), ("UDP", 81), ("SCTP", 80), ("SCTP", 81)]
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Fabric:
    """``ends``: each pod's, and the host's, namespace by its name ("x/a", "outside"); ``nodes`` those of the nodes."""

    def __init__(self, make) -> None:
        self.cluster = nine()
        self.switch, self.nodes, self.ends = make(), {"node1": make(), "node2": make()}, {"outside": make()}
        self.switch.run("ip link add switch type bridge")
        self.switch.run("ip link set switch up")
        for number, node in enumerate(self.nodes.values(), 1):
            self._node(number, node)
        self._plug(self.ends["outside"], self.switch, "switch", "port9")
        self.ends["outside"].run("ip address add 192.0.2.7/24 dev eth0")
        self.ends["outside"].run("ip address add 2001:db8::7/64 dev eth0 nodad")
        for number in (1, 2):
            self.ends["outside"].run(f"ip route add 10.244.{number}.0/24 via 192.0.2.{10 + number}")
            self.ends["outside"].run(f"ip -6 route add fd00:244:0:{number}::/64 via 2001:db8::{10 + number}")
        for pod in self.cluster.pods:
            self.ends[f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"] = self._pod(make(), pod)
        self.listeners: dict[int, tuple[str, str, int]] = {}
        self._sockets: list[socket.socket] = []
        self._listen()

    def _plug(self, netns, other, bridge: str, name: str) -> None:
        netns.run(f"ip link add eth0 type veth peer name {name} netns {other.name}")
        other.run(f"ip link set {name} master {bridge} up")
        netns.run("ip link set eth0 up")

    def _node(self, number: int, node) -> None:
        self._plug(node, self.switch, "switch", f"port{number}")
        node.run(f"ip address add 192.0.2.{10 + number}/24 dev eth0")
        node.run(f"ip address add 2001:db8::{10 + number}/64 dev eth0 nodad")
        other = 3 - number
        subprocess.run(["modprobe", "--quiet", "br_netfilter"], check=False)  # where it is none of the kernel's own
        for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.bridge.bridge-nf-call-iptables"):
            node.sysctl(name, "1")
        node.sysctl("net.bridge.bridge-nf-call-ip6tables", "1")
        node.run("ip link add cni0 type bridge")
        node.run("ip link set cni0 up")
        node.run(f"ip address add 10.244.{number}.1/24 dev cni0")
        node.run(f"ip address add fd00:244:0:{number}::1/64 dev cni0 nodad")
        node.run(f"ip route add 10.244.{other}.0/24 via 192.0.2.{10 + other}")
        node.run(f"ip -6 route add fd00:244:0:{other}::/64 via 2001:db8::{10 + other}")

    def _pod(self, netns, pod: dict):
        node = pod["spec"]["nodeName"]
        number = node.removeprefix("node")
        port = f"{pod['metadata']['namespace']}{pod['metadata']['name']}"
        self._plug(netns, self.nodes[node], "cni0", port)
        self.nodes[node].run(f"bridge link set dev {port} hairpin on")
        netns.run(f"ip address add {address(pod, 4)}/24 dev eth0")
        netns.run(f"ip address add {address(pod, 6)}/64 dev eth0 nodad")
        netns.run(f"ip route add default via 10.244.{number}.1")
        netns.run(f"ip -6 route add default via fd00:244:0:{number}::1")
        return netns

    def addresses(self, family: int) -> dict[str, str]:
        """Of each end."""
        found = {f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod for pod in self.cluster.pods}
        return {**{name: address(pod, family) for name, pod in found.items()}, "outside": OUTSIDE[family]}

    def _listen(self) -> None:
        for name, netns in self.ends.items():
            with netns.entered():
                for family in FAMILIES.values():
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        for port in PORTS:
                            self._open(family, kind, 0, name, port)
                    self._open(family, socket.SOCK_RAW, socket.IPPROTO_SCTP, name, 0)

    def _open(self, family: int, kind: int, protocol: int, name: str, port: int) -> None:
        made = socket.socket(family, kind, protocol)
        if family == socket.AF_INET6 and port:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        if port:
            made.bind(("", port))
        if kind == socket.SOCK_STREAM:
            made.listen(64)
        self._sockets.append(made)
        word = {socket.SOCK_STREAM: "TCP", socket.SOCK_DGRAM: "UDP", socket.SOCK_RAW: "SCTP"}[kind]
        self.listeners[made.fileno()] = word, name, port

    def enforce(self, cluster) -> None:
        """Puts the policies of a cluster into force on both nodes."""
        for node, compiler in compilers(cluster).items():
            with self.nodes[node].entered():
                channel = Channel(NETLINK_NETFILTER)
            with channel:
                assert Table(channel).plan(compiler.program).apply() == []

    def passing(self, expected: set[tuple[str, str, int, str, int]]) -> set[tuple[str, str, int, str, int]]:
        """The connections that pass, as (source, target, family, protocol, port); waits for those that are expected."""
        opened: dict[int, tuple[socket.socket, tuple[str, str, int, str, int]]] = {}
        sent: list[tuple[str, str, int, str, int]] = []
        found: set[tuple[str, str, int, str, int]] = set()
        for source, netns in self.ends.items():
            with netns.entered(), contextlib.ExitStack() as used:
                for family, kind in FAMILIES.items():
                    datagram = used.enter_context(socket.socket(kind, socket.SOCK_DGRAM))
                    raw = used.enter_context(socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_SCTP))
                    for target, ip in self.addresses(family).items():
                        if target == source:
                            continue
                        for protocol, port in TRIED:
                            connection = (source, target, family, protocol, port)
                            mark = struct.pack("!I", len(sent))
                            sent.append(connection)
                            if protocol == "TCP":
                                made = socket.socket(kind, socket.SOCK_STREAM)
                                made.setblocking(False)
                                made.connect_ex((ip, port))
                                opened[made.fileno()] = made, connection
                            elif protocol == "UDP":
                                datagram.sendto(mark, (ip, port))
                            else:
                                raw.sendto(sctp_init(port, mark), (ip, 0))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            before = len(found)
            found |= {connection for made, connection in opened.values() if _connected(made)}
            found |= self._received(sent)
            if expected <= found and len(found) == before:
                break
            time.sleep(0.05)
        for made, _connection in opened.values():
            made.close()
        self._accept()
        return found

    def _received(self, sent: list) -> Iterator[tuple[str, str, int, str, int]]:
        found = set()
        for made in self._sockets:
            word, name, _port = self.listeners[made.fileno()]
            while word != "TCP":
                try:
                    data = made.recv(2048)
                except BlockingIOError:
                    break
                if word == "SCTP" and made.family == socket.AF_INET:
                    data = data[(data[0] & 15) * 4 :]
                number = struct.unpack_from("!I", data, 16 if word == "SCTP" else 0)[0]
                if number < len(sent):
                    connection = sent[number]
                    assert (connection[1], connection[3]) == (name, word)
                    found.add(connection)
        return found

    def _accept(self) -> None:
        for made in self._sockets:
            if self.listeners[made.fileno()][0] == "TCP":
                with contextlib.suppress(BlockingIOError):
                    while True:
                        made.accept()[0].close()

    def close(self) -> None:
        for made in self._sockets:
            made.close()


def _connected(made: socket.socket) -> bool:
    ready = select.select([], [made], [], 0)[1]
    return bool(ready) and made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def sctp_init(port: int, mark: bytes) -> bytes:
    """A packet with an INIT chunk (RFC 9260, section 3.3.2), whose initiate tag is ``mark``."""
    tag = struct.pack("!I", struct.unpack("!I", mark)[0])
    chunk = struct.pack("!BBH", 1, 0, 20) + tag + struct.pack("!IHHI", 65535, 1, 1, 1)
    header = struct.pack("!HHI", 40000 + struct.unpack("!I", mark)[0] % 20000, port, 0)
    return header + struct.pack("<I", _crc32c(header + bytes(4) + chunk)) + chunk


def _crc32c(data: bytes) -> int:
    """RFC 9260, appendix A."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _bit in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
