# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our CNI plugins against the Go ones of Debian's package containernetworking-plugins, taking turns in one run.

A pod costs what a runtime executes for it: loopback and the chain. Ours is the default configuration, one entry of
type flannel; Go's is the bridge with host-local and, after it, portmap: what the flannel chain would cost with Go's
flannel left out, so Go's figures are a lower bound. Wall and CPU time are those of the processes and their children
(wait4), medians; ratios are the median of the rounds'. Peak memory is the largest process's, by GNU time. Beside them,
what bounds ours: the start of a bare interpreter, and the same work in a process that runs already.

    python bench/cni.py [--rounds 25] [--reservations 60000] [--burst 100] [--json]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
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
GO = "/usr/lib/cni"
PYTHON = "/usr/bin/python3"
TIME = "/usr/bin/time"
PORT = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
PODS_AT_ONCE = 10
SUBNET_ENV = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"

#: The chain's work in a process that has everything loaded; run in the host's namespace, prints seconds of ADD and DEL.
INSIDE = """
import json, os, sys, time, types
package = types.ModuleType("podnet"); package.__path__ = [sys.argv[1]]; sys.modules["podnet"] = package
from podnet.cni.main import respond
conf, pod, rounds = json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4])
for number in range(rounds):
    times = []
    for command in ("ADD", "DEL"):
        env = {"CNI_COMMAND": command, "CNI_CONTAINERID": "warm%d" % number, "CNI_NETNS": pod, "CNI_IFNAME": "eth0"}
        env["CNI_PATH"] = "/"
        stdin = os.memfd_create("conf"); os.write(stdin, json.dumps(conf).encode()); os.lseek(stdin, 0, 0)
        started = time.perf_counter()
        answer, status = respond("flannel", env, stdin)
        times.append(time.perf_counter() - started)
        os.close(stdin)
        assert not status, answer
    print(*times)
"""


class Cost:
    """Seconds of wall and CPU time."""

    def __init__(self, wall: float = 0.0, cpu: float = 0.0) -> None:
        self.wall = wall
        self.cpu = cpu

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


def execute(command: list[str], env: dict[str, str], data: bytes = b"") -> tuple[Cost, bytes]:
    """The cost and output of a process and its children. Raises RuntimeError with what a failed one printed."""
    stdin, stdout = os.memfd_create("stdin"), os.memfd_create("stdout")
    try:
        os.write(stdin, data)
        os.lseek(stdin, 0, os.SEEK_SET)
        actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)]
        started = time.perf_counter()
        child = os.posix_spawn(command[0], command, env, file_actions=actions)
        _pid, status, used = os.wait4(child, 0)
        wall = time.perf_counter() - started
        os.lseek(stdout, 0, os.SEEK_SET)
        printed = os.read(stdout, 1 << 20)
    finally:
        os.close(stdin)
        os.close(stdout)
    if status:
        raise RuntimeError(f"{' '.join(command)} {env.get('CNI_COMMAND', '')}: {printed.decode(errors='replace')}")
    return Cost(wall, used.ru_utime + used.ru_stime), printed


class Side:
    """Whose plugins, in a host of their own: ``chain`` is what a pod's interface passes through."""

    def __init__(self, name: str, bin_dir: str, directory: Path, chain: list[dict]) -> None:
        self.name = name
        self.bin_dir = bin_dir
        self.directory = directory
        self.chain = chain
        self.netns = f"podnet-bench-{name}"
        self.pods: list[str] = []
        self.before: list[str] = []

    def pod(self, number: int) -> str:
        """The path of the pod's namespace."""
        while len(self.pods) <= number:
            name = f"{self.netns}-{len(self.pods)}"
            subprocess.run(["ip", "netns", "add", name], check=True)
            self.pods.append(name)
        return f"/run/netns/{self.pods[number]}"

    def plugin(self, command: str, conf: dict, container: str, pod: str, ifname: str = "eth0") -> tuple[Cost, bytes]:
        """One call."""
        env = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": pod,
            "CNI_IFNAME": ifname,
            "CNI_PATH": self.bin_dir,
        }
        return execute([*self.before, f"{self.bin_dir}/{conf['type']}"], env, json.dumps(conf).encode())

    def add(self, container: str, pod: str, runtime: dict) -> tuple[Cost, dict]:
        """What a runtime executes to start a pod: the cost, and the chain's result."""
        loopback = {"cniVersion": "0.3.1", "name": "lo", "type": "loopback"}
        cost, _printed = self.plugin("ADD", loopback, container, pod, "lo")
        previous: dict = {}
        for conf in self.chain:
            more = {"prevResult": previous} if previous else {}
            step, printed = self.plugin("ADD", {**conf, **more, "runtimeConfig": runtime}, container, pod)
            cost, previous = cost + step, json.loads(printed)
        return cost, previous

    def delete(self, container: str, pod: str, runtime: dict, previous: dict) -> Cost:
        """What a runtime executes to stop it."""
        cost = Cost()
        for conf in reversed(self.chain):
            told = {**conf, "prevResult": previous, "runtimeConfig": runtime}
            cost += self.plugin("DEL", told, container, pod)[0]
        loopback = {"cniVersion": "0.3.1", "name": "lo", "type": "loopback"}
        return cost + self.plugin("DEL", loopback, container, pod, "lo")[0]


@contextlib.contextmanager
def sides() -> Iterator[tuple[Side, Side | None]]:
    """Ours and Go's (None where the package isn't installed); namespaces and files are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="podnet-bench-") as temporary:
        place = Path(temporary)
        installed = subprocess.run(
            [PYTHON, ROOT / "plugins/module_utils/install.py", place], stdout=subprocess.PIPE, text=True, check=True
        )
        (place / "subnet.env").write_text(SUBNET_ENV)
        head = {"cniVersion": "1.0.0", "name": "bench"}
        port = {"isDefaultGateway": True, "hairpinMode": True}
        flannel = {**head, "type": "flannel", "subnetFile": str(place / "subnet.env"), "delegate": port}
        flannel.update(dataDir=str(place / "flannel"), ipam={"dataDir": str(place / "ours")})
        ranges = {"type": "host-local", "dataDir": str(place / "go"), "ranges": [[{"subnet": "10.244.1.0/24"}]]}
        ranges["routes"] = [{"dst": "10.244.0.0/16"}]
        bridge = {**head, **port, "type": "bridge", "bridge": "cni0", "isGateway": True, "mtu": 1450, "ipam": ranges}
        both = [Side("ours", installed.stdout.strip(), place, [flannel])]
        if os.path.exists(f"{GO}/bridge"):
            both.append(Side("go", GO, place, [bridge, {**head, "type": "portmap", "snat": True}]))
        try:
            for side in both:
                subprocess.run(["ip", "netns", "add", side.netns], check=True)
            yield both[0], both[1] if len(both) > 1 else None
        finally:
            for side in both:
                for name in [*side.pods, side.netns]:
                    subprocess.run(["ip", "netns", "delete", name], check=False)


@contextlib.contextmanager
def inside(netns: str) -> Iterator[None]:
    """This process is in the namespace; what it executes is, too."""
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{netns}") as there:
        setns(there.fileno())
        try:
            yield
        finally:
            setns(home.fileno())


def setns(descriptor: int) -> None:
    """setns(2), which Python's os has since 3.12."""
    if hasattr(os, "setns"):
        os.setns(descriptor)
        return
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):
        raise OSError(ctypes.get_errno(), "setns")


def row(name: str, value: float, unit: str, below: float | None = None, above: float | None = None) -> dict:
    """A figure, and whether it is at most ``below`` or at least ``above``."""
    aim = "" if below is None and above is None else f"<= {below:g}" if below is not None else f">= {above:g}"
    met = None if not aim else value <= below if below is not None else value >= above
    return {"name": name, "value": round(value, 2), "unit": unit, "aim": aim, "met": met}


def bare() -> Cost:
    """The start of an interpreter that does nothing and leaves at once."""
    return execute([PYTHON, "-IS", "-c", "import posix; posix._exit(0)"], {})[0]


def median(costs: list[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(*[statistics.median(getattr(cost, key) for cost in costs) for key in ("wall", "cpu")])


def pods(ours: Side, go: Side | None, rounds: int, runtime: dict, what: str, aims: dict[str, float]) -> list[dict]:
    """ADD and DEL of a pod on either side, by turns."""
    costs: dict[tuple[str, str], list[Cost]] = {}
    for number in range(rounds + 2):
        for side in (ours, go) if go else (ours,):
            container, pod = f"c{number}", side.pod(0)
            with inside(side.netns):
                added, result = side.add(container, pod, runtime)
                deleted = side.delete(container, pod, runtime, result)
            if number >= 2:  # what is made once, and caches, are not the pod's
                costs.setdefault((side.name, "ADD"), []).append(added)
                costs.setdefault((side.name, "DEL"), []).append(deleted)
    rows = []
    for command in ("ADD", "DEL"):
        mine = median(costs["ours", command])
        rows.append(row(f"{command}, {what}: ours", mine.wall * 1e3, "ms"))
        rows.append(row(f"{command}, {what}: ours, CPU", mine.cpu * 1e3, "ms"))
        if go:
            theirs = median(costs["go", command])
            rows.append(row(f"{command}, {what}: Go", theirs.wall * 1e3, "ms"))
            rows.append(row(f"{command}, {what}: Go, CPU", theirs.cpu * 1e3, "ms"))
            pairs = list(zip(costs["ours", command], costs["go", command]))
            for key, unit in (("wall", "wall"), ("cpu", "CPU")):
                ratio = statistics.median(getattr(one, key) / getattr(other, key) for one, other in pairs)
                rows.append(row(f"{command}, {what}: {unit}, ours / Go", ratio, "", aims.get(key)))
    return rows


def memory(ours: Side, go: Side | None) -> list[dict]:
    """The peak memory of the largest process of a pod with a host port."""
    if not os.path.exists(TIME):
        print(f"{TIME} is not there: install time to measure memory", file=sys.stderr)
        return []
    peaks = {}
    for side in (ours, go) if go else (ours,):
        told = side.directory / f"{side.name}-memory"
        side.before = [TIME, "--append", "--output", str(told), "--format", "%M"]
        with inside(side.netns):
            side.delete("m", side.pod(0), PORT, side.add("m", side.pod(0), PORT)[1])
        side.before = []
        peaks[side.name] = max(map(int, told.read_text().split())) / 1024
    rows = [row("peak memory, one host port: ours", peaks["ours"], "MiB")]
    if go:
        rows.append(row("peak memory, one host port: Go", peaks["go"], "MiB"))
        rows.append(row("peak memory: ours / Go", peaks["ours"] / peaks["go"], ""))
    return rows


def bounds(ours: Side, rounds: int) -> list[dict]:
    """STATUS and VERSION, the bare interpreter, and the work in a warm process."""
    starts, versions, states = [], [], []
    status = {**ours.chain[0], "cniVersion": "1.1.0"}
    for _round in range(rounds):
        starts.append(bare().wall)
        versions.append(ours.plugin("VERSION", {"cniVersion": "1.0.0", "type": "flannel"}, "", "")[0].wall)
        states.append(ours.plugin("STATUS", status, "", "")[0].wall)
    start = statistics.median(starts)
    rows = [row("bare interpreter start", start * 1e3, "ms")]
    for name, times in (("VERSION", versions), ("STATUS", states)):
        rows.append(row(f"{name}: ours", statistics.median(times) * 1e3, "ms"))
        ratio = statistics.median(one / other for one, other in zip(times, starts))
        rows.append(row(f"{name} / bare interpreter start", ratio, "", 1.3))
    library = str(Path(ours.bin_dir).parent / "lib/podnet")
    arguments = [library, json.dumps(ours.chain[0]), ours.pod(0), str(rounds + 2)]
    with inside(ours.netns):
        told = execute([PYTHON, "-IS", "-c", INSIDE, *arguments], {"PATH": os.environ["PATH"]})[1].decode()
    times = [tuple(map(float, line.split())) for line in told.splitlines()][2:]
    for index, command in enumerate(("ADD", "DEL")):
        value = statistics.median(entry[index] for entry in times)
        rows.append(row(f"{command}, no host port: the work alone, warm", value * 1e3, "ms"))
    return rows


def reservations(ours: Side, go: Side | None, rounds: int, many: int) -> list[dict]:
    """host-local's ADD and DEL with few and with many reservations of a /16."""
    rows = []
    for side in (ours, go) if go else (ours,):
        found = {}
        for count in (10, many):
            data = side.directory / f"{side.name}-{count}"
            ipam = {"type": "host-local", "dataDir": str(data), "ranges": [[{"subnet": "10.77.0.0/16"}]]}
            conf = {"cniVersion": "1.0.0", "name": "many", "type": "host-local", "ipam": ipam}
            (data / "many").mkdir(parents=True)
            for number in range(2, count + 2):
                (data / "many" / f"10.77.{number >> 8}.{number & 255}").write_text(f"x{number}\r\neth0", newline="")
            pod = side.pod(0)
            costs = []
            for number in range(rounds + 1):
                added, _printed = side.plugin("ADD", conf, f"r{number}", pod)
                deleted, _printed = side.plugin("DEL", conf, f"r{number}", pod)
                if number:  # the first reads the directory once and for all
                    costs.append((added.wall + deleted.wall) * 1e3)
            found[count] = statistics.median(costs)
            shutil.rmtree(data)
            name = "ours" if side is ours else "Go"
            rows.append(row(f"host-local ADD + DEL, {count:,} reservations: {name}", found[count], "ms"))
        ratio = found[many] / found[10]
        aim = 1.15 if side is ours else None
        name = "ours" if side is ours else "Go"
        rows.append(row(f"host-local, {many:,} / 10 reservations: {name}", ratio, "", aim))
    return rows


def burst(ours: Side, go: Side | None, count: int) -> list[dict]:
    """Pods a second, so many at a time."""
    rates = {}
    for side in (ours, go) if go else (ours,):
        paths = [side.pod(number) for number in range(count)]
        with inside(side.netns):  # threads begin where the one that makes them is
            started = time.perf_counter()
            with concurrent.futures.ThreadPoolExecutor(PODS_AT_ONCE) as pool:
                made = list(pool.map(lambda item, side=side: side.add(f"b{item[0]}", item[1], {}), enumerate(paths)))
            rates[side.name] = count / (time.perf_counter() - started)
            with concurrent.futures.ThreadPoolExecutor(PODS_AT_ONCE) as pool:
                work = [(f"b{number}", path, made[number][1]) for number, path in enumerate(paths)]
                list(pool.map(lambda item, side=side: side.delete(item[0], item[1], {}, item[2]), work))
    rows = [row(f"burst of {count} pods, {PODS_AT_ONCE} at a time: ours", rates["ours"], "pods/s")]
    if go:
        rows.append(row(f"burst of {count} pods, {PODS_AT_ONCE} at a time: Go", rates["go"], "pods/s"))
        rows.append(row("burst: ours / Go", rates["ours"] / rates["go"], "", above=1.0))
    return rows


def rows(rounds: int, many: int, count: int) -> list[dict]:
    """All figures."""
    with sides() as (ours, go):
        if go is None:
            print(f"{GO}/bridge is not there: install containernetworking-plugins to compare", file=sys.stderr)
        found = pods(ours, go, rounds, {}, "no host port", {"wall": 0.40, "cpu": 0.6})
        found += pods(ours, go, rounds, PORT, "one host port", {"wall": 0.25})
        found += memory(ours, go)
        found += bounds(ours, rounds)
        found += reservations(ours, go, max(rounds // 2, 3), many)
        return found + burst(ours, go, count)


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description="Our CNI plugins against Go's.")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--reservations", type=int, default=60_000)
    parser.add_argument("--burst", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print the rows as one line of JSON")
    options = parser.parse_args()
    if os.geteuid():
        print("bench/cni.py: network namespaces need root", file=sys.stderr)
        return 1
    found = rows(options.rounds, options.reservations, options.burst)
    if options.json:
        print(json.dumps(found))
        return 0
    for item in found:
        met = "" if item["met"] is None else "  met" if item["met"] else "  MISSED"
        aim = f"  aim {item['aim']}" if item["aim"] else ""
        print(f"{item['name']:<60} {item['value']:>10.2f} {item['unit']}{aim}{met}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
