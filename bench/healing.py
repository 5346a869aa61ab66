# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon a node is right again: one comes, one goes, and what is undone by hand comes back and is counted.

Two nodes with podnetd at a stand-in API server, and a pod on each, in network namespaces. A node has come when the pod
of the other hears its pod, from its pod CIDR's appearing in the API; it has gone when neither route, neighbour nor
forwarding entry of it is left. ip, bridge and nft are the witnesses.

    python bench/healing.py [--nodes 100] [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from agent_api import Agent, apiserver, client, figure
from outage import SERVER, namespaces, pod_address, run, until, ways

#: Seconds that are aimed at.
AIM_COME, AIM_GONE, AIM_HEALED = 1, 5, 2
#: What is undone on node1, and what must be printed again as before. PEER is node2's network, ENV subnet.env.
DAMAGES = {
    "route": ("ip route delete PEER", "ip -j route show proto 112"),
    "neighbour": ("ip neigh delete FIRST dev flannel.1", "ip neigh show dev flannel.1 nud permanent"),
    "forwarding entry": ("bridge fdb delete MAC dev flannel.1", "bridge fdb show dev flannel.1"),
    "device": ("ip link delete flannel.1", "bridge fdb show dev flannel.1; ip route show dev flannel.1"),
    "bridge's address": ("ip address delete GATEWAY/24 dev cni0", "ip -brief address show dev cni0"),
    "nftables table": ("nft delete table inet podnet", "nft list table inet podnet"),
    "subnet.env": ("rm ENV", "cat ENV"),
}


def shown(netns: str, words: str) -> list[str]:
    """What the commands print, in no order."""
    ran = subprocess.run(
        ["nsenter", f"--net=/run/netns/{netns}", "--", "sh", "-c", words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
    )  # fmt: skip
    return sorted(ran.stdout.splitlines())


def since(act: Callable[[], object], what: str, true: Callable[[], object]) -> float:
    """Seconds from an act's beginning until something is true."""
    began = time.monotonic()
    act()
    until(what, true, 60)
    return time.monotonic() - began


def heal(agent: Agent, netns: str, rounds: int) -> dict[str, float]:
    """The median seconds in which each damage is put right. Raises SystemExit for one that is not, or not counted."""
    peer = apiserver.cidr(2)
    words = {"PEER": peer, "FIRST": peer.partition("/")[0], "ENV": str(agent.base / "run/subnet.env")}
    words["GATEWAY"] = apiserver.cidr(1).replace(".0/24", ".1")
    (entry,) = json.loads(run(netns, "ip", "-j", "neigh", "show", words["FIRST"], "dev", "flannel.1"))
    words["MAC"] = entry["lladdr"]
    found: dict[str, list[float]] = {name: [] for name in DAMAGES}
    for _round in range(rounds):
        for name, both in DAMAGES.items():
            damage, show = both
            for word, value in words.items():
                damage, show = damage.replace(word, value), show.replace(word, value)
            before, counted = shown(netns, show), sum(agent.status()["drift"].values())
            damaging = damage.split()
            found[name].append(
                since(lambda words=damaging: run(netns, *words), name, lambda s=show, b=before: shown(netns, s) == b)
            )
            until(f"{name} counted", lambda counted=counted: sum(agent.status()["drift"].values()) > counted, 10)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def rows(nodes: int, rounds: int) -> list[dict]:
    """The figures, as bench/run.py wants them."""
    found = []

    def report(what: str, value: float, aim: float) -> None:
        found.append(figure(f"{nodes} nodes: {what}", value, "s", aim))

    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = stack.enter_context(namespaces())
        apiserver.authority(base, SERVER)
        admin, _process = stack.enter_context(client.serving(base, SERVER, 6443, f"/run/netns/{names['net']}"))
        admin.standin("populate", count=nodes)
        late = apiserver.node(2)
        admin.do("DELETE", "/api/v1/nodes/node2")
        agents = [Agent(names[name], base / name, admin, name, bridge="cni0") for name in ("node1", "node2")]
        for number, agent in enumerate(agents, 1):
            agent.start()
            stack.callback(agent.stop)
            gateway = apiserver.cidr(number).replace(".0/24", ".1")
            # the pod's end goes to the bridge, which the agent makes
            node = names[f"node{number}"]
            run(node, "ip", "address", "delete", f"{gateway}/24", "dev", "pod0")
            run(node, "ip", "link", "add", "cni0", "type", "bridge")
            run(node, "ip", "link", "set", "pod0", "master", "cni0")
        node = names["node1"]
        until("all routes", lambda: len(ways(node)) == nodes - 2)
        without = {key: value for key, value in late.items() if key != "spec"}
        admin.do("POST", "/api/v1/nodes", {**without, "spec": {}})
        time.sleep(3)
        pod = ("ping", "-c", "1", "-W", "1", pod_address(2))
        come = since(
            lambda: admin.patch("node2", {"spec": late["spec"]}),
            "the new node's pod",
            lambda: b"1 received" in subprocess.run(
                ["nsenter", f"--net=/run/netns/{names['pod1']}", "--", *pod], capture_output=True, check=False
            ).stdout,
        )  # fmt: skip
        report("a pod of a new node answers, from its pod CIDR's appearing", come, AIM_COME)
        for name, seconds in heal(agents[0], node, rounds).items():
            report(f"{name} undone by hand is back and counted", seconds, AIM_HEALED)
        mine, address = apiserver.cidr(2).removesuffix(".0/24"), apiserver.address(2)
        everything = "ip route; ip neigh show nud permanent; bridge fdb show dev flannel.1; nft list table inet podnet"
        gone = since(
            lambda: admin.do("DELETE", "/api/v1/nodes/node2"),
            "nothing of the node that left",
            lambda: not [line for line in shown(node, everything) if f"{mine}." in line or f"{address} " in line],
        )
        report("nothing is left of a node that was removed", gone, AIM_GONE)
    return found


def main() -> int:
    """Prints the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.geteuid() or not all(map(shutil.which, ("ip", "bridge", "nft", "ping", "nsenter", "openssl"))):
        print("healing.py: needs root, iproute2, nftables, ping, nsenter and openssl", file=sys.stderr)
        return 1
    found = rows(options.nodes, options.rounds)
    if options.json:
        print(json.dumps(found))
    else:
        for row in found:
            print(f"{row['name']:<72} {row['value']:>9} {row['unit']:<4} {row['aim']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
