# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programming an overlay's peers: ours against ``ip -batch`` and ``bridge -batch`` doing the same.

A peer is a neighbour, a forwarding entry and a route. Ours reads and checks the leases, reads the kernel's state,
compares, and makes masquerade and subnet.env besides; theirs has the finished commands in files. Ours is measured
twice: the whole command ``podnetctl apply``, with the interpreter's start, and the work alone in a process that runs
already, as an agent's does (which has the leases in memory when it looks again, and from the second time on what the
kernel said when all was in sync). Each run has a network namespace of
its own, and the sides take turns, so that what else the machine does falls on all alike; the figures are medians, the
ratios those of the rounds. On a machine that is busy with other things the ratio of processor time says more than that
of the clock. Much of both is the kernel's, which is shown as well; most of theirs, since it scans all next hops of
a device for each new route (fib_find_info). Ours spreads the routes of many peers over scopes, where it does not
have to; ip with options to do that too is the last of the sides.

    python bench/overlay.py [--peers 1000 5000] [--rounds 5] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import operator
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What is aimed at with that many peers; with few, ip's and bridge's short start counts for more.
AIMED_AT, AIM_FIRST, AIM_AGAIN = 5000, 1.0, 0.3

#: The work alone, run in the namespace with the library's path; prints seconds: first, with nothing to do for the first
#: time, and once more; then the processor's in the first, and how many of these in the kernel.
INSIDE = """
import gc, os, sys, time
gc.disable()  # as podnetctl does
sys.path.insert(0, sys.argv[1])
from podnet.agent.sources.source import FileSource
from podnet.netlink.channel import Channel
from podnet.overlay import reconcile
with Channel() as channel:
    started = time.perf_counter()
    before = os.times()
    known = FileSource(sys.argv[2]).read()
    former = None
    for run in range(3):
        former = reconcile.present(channel, *known, sys.argv[3], former=former)
        errors = former.plan.apply()
        print(time.perf_counter() - started)
        assert not errors, errors[0]
        after = after if run else os.times()
        started = time.perf_counter()
print(after.user - before.user + after.system - before.system, after.system - before.system)
"""


def address(number: int) -> str:
    """The underlay address of node NUMBER."""
    return f"10.{77 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def cidr(number: int, length: int = 24) -> str:
    """The pod CIDR of node NUMBER."""
    return f"{100 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.0/{length}"


def mac(number: int) -> str:
    """The MAC address of node NUMBER's VTEP."""
    return "02:00:00:" + number.to_bytes(3, "big").hex(":")


def write_inputs(directory: Path, peers: int) -> None:
    """The files of both sides for node 1 and PEERS others."""
    nodes = range(1, peers + 2)
    leases = [
        {"name": f"node{number}", "address": address(number), "pod_cidrs": [cidr(number)], "vtep_mac": mac(number)}
        for number in nodes
    ]
    config = {"node_name": "node1", "networks": ["100.0.0.0/8"]}
    (directory / "overlay.json").write_text(json.dumps(config))
    (directory / "leases.json").write_text(json.dumps({"leases": leases}))
    plain = [
        f"link add flannel.1 address {mac(1)} mtu 1450 type vxlan id 1 local {address(1)} dev eth0 dstport 8472 "
        "nolearning",
        "link set flannel.1 up",
        f"address add {cidr(1, 32)} dev flannel.1",
    ]
    spread, bridge = [*plain], []
    for number in nodes[1:]:
        gateway = cidr(number).partition("/")[0]
        neighbour = f"neigh replace {gateway} lladdr {mac(number)} dev flannel.1 nud permanent"
        route = f"route add {cidr(number)} via {gateway} dev flannel.1 onlink proto 112"
        plain += neighbour, route
        spread += neighbour, f"{route} scope {number % 199 + 1}"
        bridge.append(f"fdb replace {mac(number)} dev flannel.1 dst {address(number)} self permanent")
    (directory / "ip").write_text("\n".join(plain) + "\n")
    (directory / "ip-spread").write_text("\n".join(spread) + "\n")
    (directory / "bridge").write_text("\n".join(bridge) + "\n")


@contextlib.contextmanager
def namespace() -> Iterator[str]:
    """A fresh network namespace's name; it has the underlay's address of node 1."""
    name = f"podnet-bench-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for words in (
            "link add eth0 type veth peer name other",
            "link set other up",
            "link set eth0 up",
            f"address add {address(1)}/8 dev eth0",
        ):
            subprocess.run(["ip", "-n", name, *words.split()], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def measure(name: str, *words: str) -> float:
    """Seconds that a command takes in the namespace NAME. Raises CalledProcessError."""
    started = time.perf_counter()
    subprocess.run(["nsenter", f"--net=/run/netns/{name}", "--", *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def count(name: str) -> tuple[int, int, int]:
    """Neighbours, routes and forwarding entries on the device, as ip and bridge count them."""
    found = []
    for words in (
        ["ip", "-n", name, "neigh", "show", "dev", "flannel.1", "nud", "permanent"],
        ["ip", "-n", name, "route", "show", "proto", "112", "type", "unicast"],
        ["bridge", "-n", name, "fdb", "show", "dev", "flannel.1"],
    ):
        lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
        found.append(len([line for line in lines if "ff02" not in line]))
    return found[0], found[1], found[2]


def measure_inside(name: str, *words: str) -> list[float]:
    """What INSIDE prints."""
    command = ["nsenter", f"--net=/run/netns/{name}", "--", "/usr/bin/python3", "-I", "-c", INSIDE, *words]
    return [float(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]


def rows(peers: int, rounds: int) -> list[dict]:
    """Runs all sides in turns; the figures as bench/run.py wants them."""
    kinds = (
        "ip -batch and bridge -batch",
        "podnetctl apply",
        "podnetctl apply, nothing to do",
        "work alone",
        "work alone, nothing to do for the first time",
        "work alone, nothing to do",
        "ip -batch and bridge -batch, routes over scopes",
        "ip -batch and bridge -batch, processor",
        "work alone, processor",
        "work alone, processor, in the kernel",
    )
    figures = [[] for _kind in kinds]
    theirs, first, again, alone, second, idle, spread, their_cpu, cpu, kernel = figures
    with tempfile.TemporaryDirectory() as base:
        installed, directory, env = Path(base) / "installed", Path(base) / "etc", f"{base}/subnet.env"
        directory.mkdir()
        write_inputs(directory, peers)
        install = [sys.executable, ROOT / "plugins/module_utils/install.py", installed]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        podnetctl = next(installed.rglob("bin/podnetctl"))
        batch = f"ip -batch {directory}/{{}} && bridge -batch {directory}/bridge"
        apply = [str(podnetctl), "--config", str(directory), "--subnet-env", env, "apply"]
        for _round in range(rounds):
            with namespace() as name:
                before = os.times()
                theirs.append(measure(name, "sh", "-c", batch.format("ip")))
                after = os.times()
                spent = (getattr(after, each) - getattr(before, each) for each in ("children_user", "children_system"))
                their_cpu.append(sum(spent))
                wanted = count(name)
            with namespace() as name:
                spread.append(measure(name, "sh", "-c", batch.format("ip-spread")))
            with namespace() as name:
                first.append(measure(name, *apply))
                again.append(measure(name, *apply))
                made = count(name)
            with namespace() as name:
                runs = measure_inside(name, str(podnetctl.parents[1] / "lib"), str(directory), env)
                alone.append(runs[0])
                second.append(runs[1])
                idle.append(runs[2])
                cpu.append(runs[3])
                kernel.append(runs[4])
                if not made == count(name) == wanted:
                    raise SystemExit(f"overlay.py: ours made {made} and {count(name)} entries, theirs {wanted}")
    found = [row(peers, kind, statistics.median(runs), "s") for kind, runs in zip(kinds, figures)]
    for what, ours, others, aim in (
        ("podnetctl apply / ip and bridge", first, theirs, None),
        ("work alone / ip and bridge", alone, theirs, AIM_FIRST if peers >= AIMED_AT else None),
        ("work alone / ip and bridge, routes over scopes", alone, spread, None),
        ("work alone / ip and bridge, processor", cpu, their_cpu, None),
        ("work alone, nothing to do for the first time / ip and bridge", second, theirs, None),
        ("work alone, nothing to do / ip and bridge", idle, theirs, AIM_AGAIN if peers >= AIMED_AT else None),
    ):
        found.append(row(peers, what, statistics.median(map(operator.truediv, ours, others)), "ratio", aim))
    return found


def row(peers: int, what: str, value: float, unit: str, aim: float | None = None) -> dict:
    """A row as bench/run.py wants it."""
    found = {"name": f"{peers} peers: {what}", "value": round(value, 3), "unit": unit}
    return found if aim is None else {**found, "aim": f"<= {aim}", "met": value <= aim}


def main() -> int:
    """Prints the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.geteuid() or not all(map(shutil.which, ("ip", "bridge", "nsenter"))):
        print("overlay.py: needs root, iproute2 and nsenter", file=sys.stderr)
        return 1
    found = [each for peers in options.peers for each in rows(peers, options.rounds)]
    if options.json:
        print(json.dumps(found))
    else:
        for row in found:
            print(f"{row['name']:<60} {row['value']:>9} {row['unit']:<6} {row.get('aim', '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
