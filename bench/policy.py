# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NetworkPolicies cost: an event in a small and in a large cluster, and packets with and without policies.

An event is a pod's: one elsewhere comes, changes its labels and goes, one of this node comes and goes. Measured is what
podnetd does with the record, and the transaction in a kernel of its own namespace; small and large take turns; the
figures are processor time. Packets are those between two network namespaces through a third one as the node, of which
there are two: one with the whole table of a thousand policies, one without any. They take turns, too: new TCP
connections a second, and bytes a second of one open connection; the ratios are the medians of the turns'. On a
machine that is busy with other things that of the best turns says more.

    python bench/policy.py [--rounds 200] [--seconds 0.2] [--turns 60] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "build/collections"), str(ROOT / "tests")]

from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NETLINK_NETFILTER  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.policy import read  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.policy.compile import Compiler  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import Pod  # noqa: E402
from ansible_collections.podnet.cluster.plugins.module_utils.policy.table import Table  # noqa: E402
from policies.cluster import namespace, pod, policy  # noqa: E402

#: Pods, policies, pods of this node, namespaces.
SMALL, LARGE = (100, 10, 10, 5), (10_000, 1_000, 110, 200)
AIM_EVENT, AIM_CONNECTIONS, AIM_THROUGHPUT, AIM_MEMORY = 2.0, 0.9, 0.98, 10
APPS = 10


def item(number: int, node: str, own: str, app: int) -> dict:
    found = pod(f"p{number}", own, node, 2, {"app": f"app{app}", "hash": f"h{number % 3}"})
    high, low = divmod(number, 250)
    found["status"]["podIPs"] = [{"ip": f"10.{245 + high // 250}.{high % 250}.{low + 2}"}, {"ip": f"fd01::{number:x}"}]
    if node == "here":
        found["status"]["podIPs"] = [{"ip": f"10.244.1.{number + 2}"}, {"ip": f"fd00:244:0:1::{number + 2:x}"}]
    return found


def cluster(pods: int, policies: int, here: int, namespaces: int) -> Compiler:
    """A cluster whose policies go round its namespaces and applications; those of this node's pods are of all."""
    compiler = Compiler("here", ["10.244.1.0/24", "fd00:244:0:1::/64"], ["cni0"])
    for number in range(namespaces):
        compiler.put(read.namespace(namespace(f"ns{number}", team=f"t{number % 7}")))
    for number in range(pods):
        node = "here" if number < here else f"node{number % 100}"
        compiler.put(read.pod(item(number, node, f"ns{number % namespaces}", number // namespaces % APPS)))
    for number in range(policies):
        app = number // namespaces % APPS
        rules = [
            {"from": [{"podSelector": {"matchLabels": {"app": f"app{(app + 1) % APPS}"}}}], "ports": [{"port": 80}]},
            {"from": [{"namespaceSelector": {"matchLabels": {"team": f"t{number % 7}"}}}], "ports": [{"port": "http"}]},
            {"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": [f"192.0.2.{number % 250}/32"]}}]},
        ]
        own = f"ns{number % namespaces}"
        compiler.put(read.policy(policy(f"policy{number}", own, podSelector=SELECTORS[number % 2], ingress=rules)))
    compiler.take()
    return compiler


SELECTORS = [{}, {"matchLabels": {"app": "app0"}}]


@contextlib.contextmanager
def fresh(name: str) -> Iterator[str]:
    name = f"podnet-bench-{os.getpid()}-{name}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def events(compiler: Compiler, table: Table, number: int) -> dict[str, tuple[float, float]]:
    """Seconds of the compiler and of the kernel for each kind of event; all is as before in the end."""
    namespaces = len(compiler._members.namespaces)
    own = f"ns{number % namespaces}"
    elsewhere, here = item(60_000 + number, "node5", own, 1), item(200 + number % 40, "here", own, 1)
    # of labels that no other pod has, as a StatefulSet's
    elsewhere["metadata"]["labels"]["unique"] = f"u{number}"
    changed = {**elsewhere, "metadata": {**elsewhere["metadata"], "labels": {"app": "app2", "unique": f"v{number}"}}}
    steps = [
        ("a pod elsewhere comes", read.pod(elsewhere)),
        ("a pod elsewhere changes", read.pod(changed)),
        ("a pod elsewhere goes", elsewhere),
        ("a pod here comes", read.pod(here)),
        ("a pod here goes", here),
    ]
    found = {}
    for name, record in steps:
        start = time.thread_time()
        if isinstance(record, Pod):
            compiler.put(record)
        else:
            compiler.drop(Pod, f"{own}/{record['metadata']['name']}")
        delta = compiler.take()
        middle = time.thread_time()
        if delta:
            table.follow(delta)
        found[name] = middle - start, time.thread_time() - middle
    return found


def measure_events(rounds: int) -> dict[str, dict[str, float]]:
    compilers = {"small": cluster(*SMALL), "large": cluster(*LARGE)}
    seconds: dict[str, dict[str, list[tuple[float, float]]]] = {"small": {}, "large": {}}
    with contextlib.ExitStack() as used:
        tables = {}
        for size, compiler in compilers.items():
            path = used.enter_context(fresh(size))
            with Netns(path):
                tables[size] = Table(used.enter_context(Channel(NETLINK_NETFILTER)))
            start = time.perf_counter()
            assert tables[size].plan(compiler.program).apply() == []
            print(f"{size}: table made in {time.perf_counter() - start:.2f} s", file=sys.stderr)
        for number in range(rounds):
            for size, compiler in compilers.items():
                for name, each in events(compiler, tables[size], number).items():
                    seconds[size].setdefault(name, []).append(each)
        for size, compiler in compilers.items():
            start = time.perf_counter()
            assert not tables[size].plan(compiler.program).changes
            print(f"{size}: compared in {time.perf_counter() - start:.2f} s", file=sys.stderr)
    found = {}
    for name in seconds["small"]:
        small, large = ([statistics.median(part) for part in zip(*seconds[size][name])] for size in ("small", "large"))
        found[name] = {
            "small_us": sum(small) * 1e6,
            "large_us": sum(large) * 1e6,
            "small_compiler_us": small[0] * 1e6,
            "large_compiler_us": large[0] * 1e6,
            "ratio": sum(large) / sum(small),
        }
    return found


def measure_memory(pods: int = 15_000) -> float:
    """MiB that so many pods elsewhere add to a process that knows a thousand policies; ten have the same labels."""
    compiler = cluster(100, 1_000, 10, 200)
    before = resident()
    for number in range(pods):
        record = item(10_000 + number, f"node{number % 100}", f"ns{number % 200}", number // 200 % APPS)
        compiler.put(read.pod(json.loads(json.dumps(record))))  # no string is another's, as from the API
        if not number % 100:
            compiler.take()
    compiler.take()
    return (resident() - before) / 2**20


def resident() -> int:
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Path3:
    """client -- node -- server: namespaces, the node with or without the table."""

    def __init__(self, used: contextlib.ExitStack, kind: str) -> None:
        self.client, self.node, self.server = (
            used.enter_context(fresh(f"{kind}-{name}")) for name in ("client", "node", "server")
        )
        commands = []
        for end, host, network in ((self.client, "veth1", "10.244.1"), (self.server, "veth2", "10.244.2")):
            own = "2" if network == "10.244.1" else "9"
            commands += [
                f"ip -n {name(self.node)} link add {host} type veth peer name eth0 netns {name(end)}",
                f"ip -n {name(self.node)} address add {network}.1/24 dev {host}",
                f"ip -n {name(self.node)} link set {host} up",
                f"ip -n {name(end)} link set eth0 up",
                f"ip -n {name(end)} address add {network}.{own}/24 dev eth0",
                f"ip -n {name(end)} route add default via {network}.1",
            ]
        commands.append(f"ip netns exec {name(self.node)} sysctl -qw net.ipv4.ip_forward=1")
        # connections are tracked without policies too, as kube-proxy has it
        commands.append(
            f"ip netns exec {name(self.node)} nft add table inet tracked; add chain inet tracked forward "
            "{ type filter hook forward priority 0; }; add rule inet tracked forward ct state invalid drop"
        )
        for command in commands:
            subprocess.run(command.split(" ", 5) if " nft " in command else command.split(), check=True)
        for end in (self.client, self.server):
            subprocess.run(
                ["ip", "netns", "exec", name(end), "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535"],
                check=True,
            )
        with Netns(self.node):
            self.table = Table(used.enter_context(Channel(NETLINK_NETFILTER)))


def name(path: str) -> str:
    return path.rpartition("/")[2]


def connections(ends: Path3, seconds: float) -> int:
    """How many new connections are made in that time, each reset at once."""
    with Netns(ends.server):
        listener = socket.create_server(("10.244.2.9", 80), backlog=4096)
    done = threading.Event()

    def serve() -> None:
        listener.settimeout(0.1)
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                listener.accept()[0].close()

    server = threading.Thread(target=serve)
    server.start()
    count = 0
    reset = b"\1\0\0\0\0\0\0\0"
    with listener, Netns(ends.client):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with socket.socket() as made:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                made.connect(("10.244.2.9", 80))
            count += 1
        done.set()
        server.join()
    return count


def throughput(ends: Path3, seconds: float) -> int:
    """The bytes of one connection in that time."""
    with Netns(ends.server):
        listener = socket.create_server(("10.244.2.9", 80))
    with Netns(ends.client):
        sender = socket.create_connection(("10.244.2.9", 80))
    receiver = listener.accept()[0]
    data, room = bytes(1 << 20), bytearray(1 << 20)
    total = 0
    with listener, sender, receiver:
        sender.setblocking(False)
        receiver.setblocking(False)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            readable, writable, _none = select.select([receiver], [sender], [], 1)
            if writable:
                with contextlib.suppress(BlockingIOError):
                    sender.send(data)
            if readable:
                total += receiver.recv_into(room)
    return total


def measure_packets(seconds: float, turns: int) -> dict[str, dict[str, float]]:
    compiler = cluster(*LARGE)
    # the client is a pod of this node, the server one elsewhere: what it may send to is looked up, too
    deny = policy("egress", "ns0", egress=[{"to": [{"ipBlock": {"cidr": "10.244.2.0/24"}}], "ports": [{"port": 80}]}])
    deny["spec"]["policyTypes"] = ["Egress"]
    compiler.put(read.policy(deny))
    compiler.take()
    kinds = {"connections": connections, "throughput": throughput}
    values: dict[str, dict[bool, list[tuple[float, float]]]] = {kind: {True: [], False: []} for kind in kinds}
    with contextlib.ExitStack() as used:
        paths = {False: Path3(used, "without"), True: Path3(used, "with")}
        assert paths[True].table.plan(compiler.program).apply() == []
        for turn in range(turns + 1):
            for kind, run in kinds.items():
                for enforced in (False, True) if turn % 2 else (True, False):
                    before = time.process_time()
                    count = run(paths[enforced], seconds)
                    if turn:  # the first warms
                        values[kind][enforced].append((count / seconds, count / (time.process_time() - before)))
    found = {}
    for kind, value in values.items():
        without, enforced = ([list(part) for part in zip(*value[each])] for each in (False, True))
        wall, processor = (
            statistics.median(one / other for one, other in zip(enforced[part], without[part])) for part in (0, 1)
        )
        found[kind] = {
            "without": statistics.median(without[0]),
            "with": statistics.median(enforced[0]),
            "ratio": wall,
            "ratio_best": max(enforced[0]) / max(without[0]),
            "ratio_processor": processor,
        }
    return found


def rows(found: dict) -> list[dict]:
    """The figures, as bench/run.py wants them."""
    figures = [("memory of 15,000 pods elsewhere", found["memory_mib"], "MiB", "<=", AIM_MEMORY)]
    figures += [
        (f"{kind}, large by small", each["ratio"], "", "<=", AIM_EVENT) for kind, each in found["events"].items()
    ]
    for kind, aim in (("connections", AIM_CONNECTIONS), ("throughput", AIM_THROUGHPUT)):
        figures.append((f"{kind} with 1,000 policies by without", found["packets"][kind]["ratio"], "", ">=", aim))
    return [
        {
            "name": name,
            "value": round(value, 3),
            "unit": unit,
            "aim": f"{sign} {aim}",
            "met": value <= aim if sign == "<=" else value >= aim,
        }
        for name, value, unit, sign, aim in figures
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found: dict = {"memory_mib": measure_memory()}
    found |= {"events": measure_events(arguments.rounds)}
    found |= {"packets": measure_packets(arguments.seconds, arguments.turns)}
    if arguments.json:
        print(json.dumps(rows(found)))
        return
    print(f"15,000 pods elsewhere    {found['memory_mib']:.1f} MiB (aim {AIM_MEMORY})")
    for kind, each in found["events"].items():
        print(
            f"{kind:24} {each['small_us']:7.0f} us small, {each['large_us']:7.0f} us large (compiler "
            f"{each['small_compiler_us']:.0f}, {each['large_compiler_us']:.0f}), ratio {each['ratio']:.2f} "
            f"(aim {AIM_EVENT})"
        )
    for kind, aim in (("connections", AIM_CONNECTIONS), ("throughput", AIM_THROUGHPUT)):
        each = found["packets"][kind]
        print(
            f"{kind:24} {each['without']:.3g}/s without, {each['with']:.3g}/s with: {each['ratio']:.3f}, by processor "
            f"time {each['ratio_processor']:.3f}, of the best turns {each['ratio_best']:.3f} (aim {aim})"
        )


if __name__ == "__main__":
    main()
