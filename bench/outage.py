# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server is gone for a while: traffic goes on, podnetd neither spins nor grows, and all is in sync afterwards.

Two nodes run podnetd with the Kubernetes source at a stand-in API server with many nodes more; a pod of one pings a
pod of the other all the time. Then the server is killed. Meanwhile a route is deleted by hand. When the server comes
back, one node has left and one has come. Reported: packets lost; processor time, memory and open descriptors of an
agent before, during and after; how often it tried to connect, as the packet filter counts; when it was in sync.

    python bench/outage.py [--minutes 1] [--nodes 1000] [--json]        `make outage` takes ten minutes
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from agent_api import AIM_MEMORY, AIM_REST, Agent, apiserver, client, figure

SERVER = "10.77.255.1"
#: What is aimed at: MiB and descriptors that an agent may have more afterwards, connections that it may try in the
#: last minute (each 15 to 30 s), and seconds from the server's return until all is in sync, of which the pause between
#: two attempts (30 s at most) is the greater part.
AIM_GROWTH, AIM_DESCRIPTORS, AIM_TRIES, AIM_RETURN = 1, 0, 4, 40


def run(netns: str, *words: str) -> str:
    """What a command prints in a namespace. Raises CalledProcessError."""
    command = ["nsenter", f"--net=/run/netns/{netns}", "--", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def namespaces() -> Iterator[dict[str, str]]:
    """The network's, with the server's end on its bridge, two nodes' on it, and a pod's behind each node."""
    names = {name: f"podnet-{name}-{os.getpid()}" for name in ("net", "node1", "node2", "pod1", "pod2")}
    try:
        for name in names.values():
            subprocess.run(["ip", "netns", "add", name], check=True)
            run(name, "ip", "link", "set", "lo", "up")
        wires = ["net link add br0 type bridge", "net link set br0 up", f"net address add {SERVER}/16 dev br0"]
        for number in (1, 2):
            node, pod = f"node{number}", f"pod{number}"
            gateway = apiserver.cidr(number).replace(".0/24", ".1")
            wires += [
                f"{node} link add eth0 type veth peer name {node} netns {names['net']}",
                f"net link set {node} master br0 up",
                f"{node} link set eth0 up",
                f"{node} address add {apiserver.address(number)}/16 dev eth0",
                f"{node} link add pod0 type veth peer name eth0 netns {names[pod]}",
                f"{node} link set pod0 up",
                f"{node} address add {gateway}/24 dev pod0",
                f"{pod} link set eth0 up mtu 1450",
                f"{pod} address add {pod_address(number)}/24 dev eth0",
                f"{pod} route add default via {gateway}",
            ]
        for wire in wires:
            where, *words = wire.split()
            run(names[where], "ip", *words)
        yield names
    finally:
        for name in names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False)


def pod_address(number: int) -> str:
    """The address of the pod on node NUMBER."""
    return apiserver.cidr(number).replace(".0/24", ".2")


def count_tries(netns: str) -> Callable[[], int]:
    """A function that returns how many connections to the API server were begun in the namespace since now."""
    run(netns, "nft", "add table inet outage")
    run(netns, "nft", "add chain inet outage out { type filter hook output priority 0; }")
    run(netns, "nft", "add rule inet outage out tcp dport 6443 tcp flags syn / syn,ack counter")

    def tries() -> int:
        found = re.search(r"counter packets (\d+)", run(netns, "nft", "list table inet outage"))
        assert found
        return int(found[1])

    return tries


def until(what: str, true: Callable[[], object], seconds: float = 120) -> float:
    """The seconds until something was true. Raises SystemExit when it never is."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"never: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def ways(netns: str) -> set[str]:
    """The pod CIDRs to which there is a route of ours."""
    routes = json.loads(run(netns, "ip", "-j", "route", "show", "proto", "112", "type", "unicast"))
    return {route["dst"] for route in routes}


def rows(minutes: float, nodes: int) -> list[dict]:
    """The figures, as bench/run.py wants them."""
    found = []

    def report(what: str, value: float, unit: str, aim: float | None = None) -> None:
        found.append(figure(f"{minutes:g} min without an API server: {what}", value, unit, aim))

    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = stack.enter_context(namespaces())
        apiserver.authority(base, SERVER)
        network = f"/run/netns/{names['net']}"
        serving = contextlib.ExitStack()
        stack.push(serving)
        admin, _process = serving.enter_context(client.serving(base, SERVER, 6443, network))
        admin.standin("populate", count=nodes)
        agents = [Agent(names[name], base / name, admin, name) for name in ("node1", "node2")]
        for agent in agents:
            agent.start()
            stack.callback(agent.stop)
        agent, node = agents[0], names["node1"]
        for name in ("node1", "node2"):
            until("all routes", lambda name=name: len(ways(names[name])) == nodes - 1)
        ping = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{names['pod1']}", "--", "ping", "-q", "-i", "0.1", pod_address(2)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        stack.callback(ping.kill)
        time.sleep(10)
        tries, before = count_tries(node), (agent.memory(), agent.descriptors())
        serving.close()
        used, began = agent.used(), time.monotonic()
        run(node, "ip", "route", "delete", apiserver.cidr(5))
        healed = until("the deleted route", lambda: apiserver.cidr(5) in ways(node), 10)
        last = 0
        while (left := began + 60 * minutes - time.monotonic()) > 0:
            if left > 60:
                last = tries()
            time.sleep(min(left, 1))
        used = agent.used() - used
        during = agent.memory(), agent.descriptors()
        kept, tried = len(ways(node)), tries()
        serving.enter_context(client.serving(base, SERVER, 6443, network))
        admin.standin("populate", count=nodes + 1)
        admin.do("DELETE", f"/api/v1/nodes/node{nodes}")
        wanted = {apiserver.cidr(number) for number in range(2, nodes + 2)} - {apiserver.cidr(nodes)}
        synced = until("the new truth", lambda: ways(node) == wanted)
        time.sleep(5)
        ping.send_signal(signal.SIGINT)
        sent, received = map(int, re.findall(r"(\d+) (?:packets transmitted|received)", ping.communicate()[0]))
        control = [str(next((agent.base / "installed").rglob("bin/podnetctl"))), "--config", str(agent.base / "etc")]
        control += ["--subnet-env", str(agent.base / "run/subnet.env"), "--run", str(agent.base / "run")]
        differing = subprocess.run(["nsenter", f"--net=/run/netns/{node}", "--", *control, "plan"], check=False)
        after = agent.memory(), agent.descriptors()
    report(f"packets lost of {sent} between two pods", sent - received, "", 0)
    report("routes lost", nodes - 1 - kept, "", 0)
    report("a route deleted by hand is back", healed, "s")
    report("processor time", used / minutes / 60 * 100, "%", AIM_REST)
    report("connections tried", tried, "")
    if minutes >= 2:
        report("connections tried in the last minute", tried - last, "", AIM_TRIES)
    report("memory before", before[0], "MiB", AIM_MEMORY if nodes <= 1000 else None)
    report("memory more at its end", during[0] - before[0], "MiB", AIM_GROWTH)
    report("descriptors more at its end", during[1] - before[1], "", AIM_DESCRIPTORS)
    report("from the server's return until all routes are right", synced, "s", AIM_RETURN)
    report("memory more after its return", after[0] - before[0], "MiB")
    report("descriptors more after its return", after[1] - before[1], "", AIM_DESCRIPTORS)
    report("podnetctl plan after its return", differing.returncode, "", 0)
    return found


def main() -> int:
    """Prints the figures; returns the exit status: 1 too where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.geteuid() or not all(map(shutil.which, ("ip", "nft", "ping", "nsenter", "openssl"))):
        print("outage.py: needs root, iproute2, nftables, ping, nsenter and openssl", file=sys.stderr)
        return 1
    found = rows(options.minutes, options.nodes)
    if options.json:
        print(json.dumps(found))
        return 0
    for row in found:
        print(f"{row['name']:<82} {row['value']:>9} {row['unit']:<4} {row.get('aim', '')}")
    return int(not all(row.get("met", True) for row in found))


if __name__ == "__main__":
    sys.exit(main())
