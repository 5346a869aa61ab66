# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput from pod to pod: our overlay and our CNI plugins against a VXLAN and veths made by hand with ``ip``.

Pairs of nodes on one machine, each node and each pod a network namespace: in one pair our library makes the overlay and
our plugins the pods' interfaces, in another ``ip``, ``bridge`` and ``nft`` make what does the same. iperf3 measures one
after the other in turns, its two ends on a processor each, so that what else the machine does falls on all alike; the
figure is the median of the rounds' ratios.

A third pair, by hand as well, has no masquerade. Its pods reach each other and nothing outside: the difference between
the two made by hand is what the kernel's connection tracking costs, which any masquerade (and kube-proxy) switches on.

    python bench/throughput.py [--rounds 11] [--seconds 1] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MTU = 1450  # the underlay's 1500 less VXLAN's 50
AIM = 0.98
MASQUERADE = """
table ip byhand {
    chain postrouting {
        type nat hook postrouting priority srcnat
        ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 masquerade
    }
}
"""


class Pair:
    """Two nodes, joined by a veth pair as their underlay, and a pod on each. ``nodes`` and ``pods`` are namespaces'
    names.
    """

    def __init__(self, name: str) -> None:
        self.nodes = [f"{name}-node1", f"{name}-node2"]
        self.pods = [f"{name}-pod1", f"{name}-pod2"]

    def make_nodes(self) -> None:
        for netns in self.nodes + self.pods:
            sh(f"ip netns add {netns}")
            sh(f"ip -n {netns} link set lo up")
        sh(f"ip -n {self.nodes[0]} link add eth0 type veth peer name eth0 netns {self.nodes[1]}")
        for number, node in enumerate(self.nodes, 1):
            sh(f"ip -n {node} address add 198.18.0.{number}/24 dev eth0")
            sh(f"ip -n {node} link set eth0 up")

    def remove(self) -> None:
        for netns in self.pods + self.nodes:
            subprocess.run(["ip", "netns", "delete", netns], check=False, stderr=subprocess.DEVNULL)

    def address(self, number: int) -> str:
        """The address of pod ``number``, 1 or 2."""
        (link,) = json.loads(sh(f"ip -j -n {self.pods[number - 1]} -4 address show dev eth0"))
        return link["addr_info"][0]["local"]


def make_by_hand(pair: Pair, *, masquerade: bool) -> None:
    """What a patient person types: VXLAN device, neighbour, FDB entry, route; bridge, veth, address, default route; and
    the masquerade that lets pods reach what is outside the cluster.
    """
    pair.make_nodes()
    for number, (node, pod) in enumerate(zip(pair.nodes, pair.pods), 1):
        other = 3 - number
        for command in (
            f"ip -n {node} link add flannel.1 address 02:00:00:00:00:0{number} mtu {MTU} type vxlan id 1 dstport 8472"
            f" local 198.18.0.{number} dev eth0 nolearning",
            f"ip -n {node} address add 10.244.{number}.0/32 dev flannel.1",
            f"ip -n {node} link set flannel.1 up",
            f"ip -n {node} neighbour add 10.244.{other}.0 lladdr 02:00:00:00:00:0{other} dev flannel.1 nud permanent",
            f"bridge -n {node} fdb add 02:00:00:00:00:0{other} dev flannel.1 dst 198.18.0.{other} self permanent",
            f"ip -n {node} route add 10.244.{other}.0/24 via 10.244.{other}.0 dev flannel.1 onlink",
            f"ip -n {node} link add cni0 mtu {MTU} type bridge",
            f"ip -n {node} address add 10.244.{number}.1/24 dev cni0",
            f"ip -n {node} link set cni0 up",
            f"ip -n {node} link add veth0 mtu {MTU} type veth peer name eth0 mtu {MTU} netns {pod}",
            f"ip -n {node} link set veth0 master cni0 up",
            f"ip -n {pod} address add 10.244.{number}.2/24 dev eth0",
            f"ip -n {pod} link set eth0 up",
            f"ip -n {pod} route add default via 10.244.{number}.1",
            f"ip netns exec {node} sysctl -qw net.ipv4.ip_forward=1",
        ):
            sh(command)
        if masquerade:
            subprocess.run(["ip", "netns", "exec", node, "nft", "--file", "-"], input=MASQUERADE, text=True, check=True)


def make_ours(pair: Pair, directory: Path) -> None:
    """The same through podnetctl and the CNI executables, installed below ``directory`` as on a node."""
    pair.make_nodes()
    subprocess.run(
        [sys.executable, ROOT / "plugins/module_utils/install.py", directory / "installed"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    leases = [
        {"name": f"node{number}", "address": f"198.18.0.{number}", "pod_cidrs": [f"10.244.{number}.0/24"]}
        for number in (1, 2)
    ]
    for number, (node, pod) in enumerate(zip(pair.nodes, pair.pods), 1):
        etc = directory / node
        etc.mkdir()
        (etc / "overlay.json").write_text(json.dumps({"node_name": f"node{number}", "networks": ["10.244.0.0/16"]}))
        (etc / "leases.json").write_text(json.dumps({"leases": leases}))
        subnet_env = etc / "subnet.env"
        inside = ["ip", "netns", "exec", node, sys.executable]
        subprocess.run([*inside, __file__, "--apply", etc, subnet_env], check=True)
        plugin = next((directory / "installed").rglob("bin/flannel"))
        configuration = {
            "cniVersion": "1.0.0",
            "name": "podnet",
            "type": "flannel",
            "subnetFile": str(subnet_env),
            "dataDir": str(etc / "flannel"),
            "delegate": {"hairpinMode": True, "isDefaultGateway": True},
            "ipam": {"dataDir": str(etc / "networks")},
        }
        environment = {
            **os.environ,
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": pod,
            "CNI_NETNS": f"/run/netns/{pod}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(plugin.parent),
        }
        added = subprocess.run(
            ["ip", "netns", "exec", node, plugin],
            input=json.dumps(configuration),
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if added.returncode:
            raise SystemExit(f"throughput.py: ADD on {node} failed: {added.stdout}{added.stderr}")


def apply(etc: str, subnet_env: str) -> None:
    """The overlay's movement, once, in this process's namespace."""
    sys.path.insert(0, str(ROOT / "build/collections"))
    from ansible_collections.podnet.cluster.plugins.module_utils.agent.sources.source import FileSource
    from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
    from ansible_collections.podnet.cluster.plugins.module_utils.overlay import reconcile

    with Channel() as channel:
        refused = reconcile.present(channel, *FileSource(etc).read(), env_path=subnet_env).plan.apply()
    if refused:
        raise SystemExit(f"throughput.py: {refused}")


@contextlib.contextmanager
def servers(pairs: list[Pair]) -> Iterator[None]:
    """iperf3 serves in the second pod of each pair."""
    started = []
    try:
        for pair in pairs:
            command = ["ip", "netns", "exec", pair.pods[1], "iperf3", "--server", "--forceflush"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            started.append(process)
            assert process.stdout
            while "listening" not in process.stdout.readline():
                if process.poll() is not None:
                    raise SystemExit("throughput.py: iperf3 does not serve")
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def measure(pair: Pair, seconds: float) -> float:
    """Gbit/s from the first pod to the second."""
    ends = "--affinity 0,1" if os.cpu_count() != 1 else ""
    answer = sh(
        f"ip netns exec {pair.pods[0]} iperf3 --client {pair.address(2)} --time {seconds} --omit 0.5 {ends} --json"
    )
    return json.loads(answer)["end"]["sum_received"]["bits_per_second"] / 1e9


def rows(rounds: int = 11, seconds: float = 1) -> list[dict]:
    """The figures, as bench/run.py collects them."""
    ours, hand, bare = pairs = [Pair(f"podnet-bench-{letter}") for letter in "abc"]
    figures: dict[Pair, list[float]] = {pair: [] for pair in pairs}
    with tempfile.TemporaryDirectory(prefix="podnet-bench-") as directory, contextlib.ExitStack() as stack:
        for pair in pairs:
            stack.callback(pair.remove)
        make_ours(ours, Path(directory))
        make_by_hand(hand, masquerade=True)
        make_by_hand(bare, masquerade=False)
        with servers(pairs):
            for number in range(rounds):
                for pair in pairs if number % 2 else reversed(pairs):
                    figures[pair].append(measure(pair, seconds))

    def speed(name: str, pair: Pair) -> dict:
        return {"name": name, "value": round(statistics.median(figures[pair]), 2), "unit": "Gbit/s"}

    def ratio(name: str, one: Pair, other: Pair) -> dict:
        value = statistics.median(a / b for a, b in zip(figures[one], figures[other]))
        return {"name": name, "value": round(value, 3), "unit": "ratio"}

    compared = ratio("our vxlan / by hand", ours, hand)
    return [
        speed("pod to pod over our vxlan", ours),
        speed("pod to pod over a vxlan by hand", hand),
        compared | {"aim": f">= {AIM}", "met": compared["value"] >= AIM},
        ratio("connection tracking: by hand with / without", hand, bare),
        ratio("our vxlan / by hand, without masquerade", ours, bare),
    ]


def sh(command: str) -> str:
    done = subprocess.run(shlex.split(command), check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"throughput.py: {command}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--apply", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.apply:
        apply(*arguments.apply)
    else:
        found = rows(arguments.rounds, arguments.seconds)
        print(
            json.dumps(found)
            if arguments.json
            else "\n".join(f"{row['name']:<46}{row['value']:>8} {row['unit']}" for row in found)
        )
