# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our CNI plugins against the newest Go ones (tests/standard_plugins/), taking turns in one run.

A pod costs what a runtime executes for it: loopback and the chain. Ours is the default configuration, one entry of
type flannel; Go's is the bridge with host-local and, after it, portmap, once with nftables and once with iptables:
what the flannel chain would cost with Go's flannel left out, so Go's figures are a lower bound. Ours works in two
ways, and both are measured: with the service, whose CPU time (its control group's) counts as the calls' own, and
alone, each call in an interpreter of its own. Wall and CPU time are those of the processes and their children
(wait4), medians; ratios are the median of the rounds'. Peak memory is the largest process's, by GNU time; the
service's is all that its processes have for themselves or share among them. Beside them, what bounds ours: the start
of a bare interpreter, that of a process which does nothing, and the same work in a process that runs already.

    python bench/cni.py [--rounds 25] [--reservations 60000] [--burst 100] [--go DIRECTORY] [--json]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import importlib
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
PYTHON = "/usr/bin/python3"
TIME = "/usr/bin/time"
PORT = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
PODS_AT_ONCE = 10
#: Seconds after which the service has kept one idle worker (cni/exec/service.py, QUIET).
AT_REST = 3.0
SUBNET_ENV = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"

#: The chain's work in a process that has everything loaded; run in the host's namespace, prints seconds of ADD and DEL.
INSIDE = """
import json, os, sys, time, types
package = types.ModuleType("podnet"); package.__path__ = [sys.argv[1]]; sys.modules["podnet"] = package
from podnet.cni.exec.main import respond
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
        self.service: Service | None = None

    def pod(self, number: int) -> str:
        """The path of the pod's namespace."""
        while len(self.pods) <= number:
            name = f"{self.netns}-{len(self.pods)}"
            subprocess.run(["ip", "netns", "add", name], check=True)
            self.pods.append(name)
        return f"/run/netns/{self.pods[number]}"

    @contextlib.contextmanager
    def counted(self, cost: Cost) -> Iterator[None]:
        """What the service does for the calls in the ``with``, and right after them, is added to `cost`."""
        before = self.service.cpu() if self.service else 0.0
        yield
        if self.service:
            time.sleep(0.03)
            cost.cpu += self.service.cpu() - before

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
            given = {**conf, "prevResult": previous, "runtimeConfig": runtime}
            cost += self.plugin("DEL", given, container, pod)[0]
        loopback = {"cniVersion": "0.3.1", "name": "lo", "type": "loopback"}
        return cost + self.plugin("DEL", loopback, container, pod, "lo")[0]


class Service:
    """The service of the executables in `bin_dir`, as a process in a control group of its own."""

    def __init__(self, bin_dir: str, socket: Path) -> None:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        self.group = Path(next(words[1] for words in mounts if words[2] == "cgroup2")) / f"podnet-bench-{os.getpid()}"
        self.group.mkdir()
        enter = f"echo $$ > {self.group}/cgroup.procs && exec {bin_dir}/podnet-cni serve --socket {socket}"
        self.process = subprocess.Popen(["sh", "-c", enter])
        while len(self.processes()) < 2:
            if self.process.poll() is not None:
                raise RuntimeError("the service doesn't start")
            time.sleep(0.02)

    def processes(self) -> list[str]:
        """Their IDs."""
        return (self.group / "cgroup.procs").read_text().split()

    def cpu(self) -> float:
        """Seconds that all its processes have used so far."""
        return int((self.group / "cpu.stat").read_text().split()[1]) / 1e6

    def memory(self) -> float:
        """MiB that its processes have, what they share counted once."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a worker that has just left
                lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()
        while self.processes():  # workers notice that it is gone
            time.sleep(0.02)
        self.group.rmdir()


def installed(place: Path, name: str) -> str:
    """The directory of executables that look for the service at ``<place>/<name>.sock``."""
    sys.path.insert(0, str(ROOT / "plugins/module_utils"))
    install = importlib.import_module("install")
    sys.path.pop(0)
    files = install.read_tree(str(ROOT / "plugins/module_utils"))
    install.install(files, str(place / name), socket=str(place / f"{name}.sock"))
    return str(place / name / "current/bin")


def newest() -> str:
    """The directory of the newest Go plugins, built unless they are there."""
    sys.path.insert(0, str(ROOT / "tests/standard_plugins"))
    return str(importlib.import_module("standard_plugins").build())


@contextlib.contextmanager
def sides(go: str) -> Iterator[list[Side]]:
    """Ours with the service, ours alone, and those in the directory `go` with nftables and with iptables.

    Namespaces, processes and files are gone afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="podnet-bench-") as temporary:
        place = Path(temporary)
        (place / "subnet.env").write_text(SUBNET_ENV)
        head = {"cniVersion": "1.0.0", "name": "bench"}
        port = {"isDefaultGateway": True, "hairpinMode": True}
        flannel = {**head, "type": "flannel", "subnetFile": str(place / "subnet.env"), "delegate": port}
        flannel["dataDir"] = str(place / "flannel")
        bridge = {**head, **port, "type": "bridge", "bridge": "cni0", "isGateway": True, "mtu": 1450}
        every = []
        for name in ("ours", "alone"):
            conf = {**flannel, "ipam": {"dataDir": str(place / f"{name}-data")}}
            every.append(Side(name, installed(place, name), place, [conf]))
        for backend in BACKENDS:
            ranges = {"type": "host-local", "dataDir": str(place / backend), "ranges": [[{"subnet": "10.244.1.0/24"}]]}
            ranges["routes"] = [{"dst": "10.244.0.0/16"}]
            portmap = {**head, "type": "portmap", "snat": True, "backend": backend}
            every.append(Side(backend, go, place, [{**bridge, "ipam": ranges}, portmap]))
        try:
            for side in every:
                subprocess.run(["ip", "netns", "add", side.netns], check=True)
            with inside(every[0].netns):
                every[0].service = Service(every[0].bin_dir, place / "ours.sock")
            yield every
        finally:
            if every[0].service:
                every[0].service.end()
            for side in every:
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


BACKENDS = ("nftables", "iptables")
NAMES = {"ours": "ours", "alone": "ours, alone", "nftables": "Go, nftables", "iptables": "Go, iptables"}


def pods(every: list[Side], rounds: int, runtime: dict, what: str, aims: dict[str, float]) -> list[dict]:
    """ADD and DEL of a pod on each side, by turns; `aims` are those of our sides for the time, where 1 is Go's."""
    costs: dict[tuple[str, str], list[Cost]] = {}
    starts = []
    for number in range(rounds + 2):
        for side in every:
            container, pod = f"c{number}", side.pod(0)
            added, deleted = Cost(), Cost()
            with inside(side.netns):
                with side.counted(added):
                    cost, result = side.add(container, pod, runtime)
                added += cost
                with side.counted(deleted):
                    cost = side.delete(container, pod, runtime, result)
                deleted += cost
            if number >= 2:  # what is made once, and caches, are not the pod's
                costs.setdefault((side.name, "ADD"), []).append(added)
                costs.setdefault((side.name, "DEL"), []).append(deleted)
        if number >= 2:
            starts.append(bare() + bare())
    rows = []
    for command in ("ADD", "DEL"):
        for side in every:
            cost = median(costs[side.name, command])
            rows.append(row(f"{command}, {what}: {NAMES[side.name]}", cost.wall * 1e3, "ms"))
            rows.append(row(f"{command}, {what}: {NAMES[side.name]}, CPU", cost.cpu * 1e3, "ms"))
        found = {NAMES[name]: (costs[name, command], aim) for name, aim in aims.items()}
        found["two bare interpreters"] = starts, None
        for name, (ones, aim) in found.items():
            for backend in BACKENDS:
                pairs = list(zip(ones, costs[backend, command]))
                for key, unit in (("wall", "wall"), ("cpu", "CPU")):
                    ratio = statistics.median(getattr(one, key) / getattr(other, key) for one, other in pairs)
                    label = f"{command}, {what}: {unit}, {name} / {NAMES[backend]}"
                    rows.append(row(label, ratio, "", aim if key == "wall" else None))
    return rows


def memory(every: list[Side]) -> list[dict]:
    """The peak memory of the largest process of a pod with a host port, and all of the service's."""
    rows = []
    if not os.path.exists(TIME):
        print(f"{TIME} is not there: install time to measure memory", file=sys.stderr)
        return []
    peaks = {}
    for side in every:
        log = side.directory / f"{side.name}-memory"
        side.before = [TIME, "--append", "--output", str(log), "--format", "%M"]
        with inside(side.netns):
            side.delete("m", side.pod(0), PORT, side.add("m", side.pod(0), PORT)[1])
        side.before = []
        peaks[side.name] = max(map(int, log.read_text().split())) / 1024
        rows.append(row(f"peak memory, one host port: {NAMES[side.name]}", peaks[side.name], "MiB"))
    rows.append(row("peak memory: ours / Go", peaks["ours"] / peaks["nftables"], ""))
    rows.append(row("peak memory: ours, alone / Go", peaks["alone"] / peaks["nftables"], ""))
    assert every[0].service
    time.sleep(AT_REST)
    rows.append(row("the service's memory at rest", every[0].service.memory(), "MiB", below=20.0))
    return rows


def bounds(ours: Side, alone: Side, rounds: int) -> list[dict]:
    """STATUS and VERSION, the bare interpreter, a process that does nothing, and the work in a warm process."""
    starts, nothing = [], []
    times: dict[tuple[str, str], list[float]] = {}
    version = {"cniVersion": "1.0.0", "type": "flannel"}
    for _round in range(rounds):
        starts.append(bare().wall)
        nothing.append(execute(["/bin/true"], {})[0].wall)
        for side in (ours, alone):
            with inside(side.netns):
                calls = {"VERSION": version, "STATUS": {**side.chain[0], "cniVersion": "1.1.0"}}
                for command, conf in calls.items():
                    cost, _printed = side.plugin(command, conf, "", "")
                    times.setdefault((side.name, command), []).append(cost.wall)
    rows = [row("bare interpreter start", statistics.median(starts) * 1e3, "ms")]
    rows.append(row("start of a process that does nothing", statistics.median(nothing) * 1e3, "ms"))
    for (name, command), found in times.items():
        rows.append(row(f"{command}: {NAMES[name]}", statistics.median(found) * 1e3, "ms"))
        ratio = statistics.median(one / other for one, other in zip(found, starts))
        aim = 1.3 if name == "ours" else None
        rows.append(row(f"{command} / bare interpreter start: {NAMES[name]}", ratio, "", aim))
    library = str(Path(ours.bin_dir).parent / "lib/podnet")
    arguments = [library, json.dumps(ours.chain[0]), ours.pod(0), str(rounds + 2)]
    with inside(ours.netns):
        told_by = execute([PYTHON, "-IS", "-c", INSIDE, *arguments], {"PATH": os.environ["PATH"]})[1].decode()
    work = [tuple(map(float, line.split())) for line in told_by.splitlines()][2:]
    for index, command in enumerate(("ADD", "DEL")):
        value = statistics.median(entry[index] for entry in work)
        rows.append(row(f"{command}, no host port: the work alone, warm", value * 1e3, "ms"))
    return rows


def reservations(ours: Side, go: Side, rounds: int, many: int) -> list[dict]:
    """host-local's ADD and DEL with few and with many reservations of a /16, by turns."""
    rows = []
    for side in (ours, go):
        name, pod = "ours" if side is ours else "Go", side.pod(0)
        costs: dict[int, list[float]] = {10: [], many: []}
        confs = {count: reserved(side.directory / f"{side.name}-{count}", count) for count in costs}
        for number in range(rounds + 1):
            for count, conf in confs.items():
                added, _printed = side.plugin("ADD", conf, f"r{number}", pod)
                deleted, _printed = side.plugin("DEL", conf, f"r{number}", pod)
                if number:  # the first reads the directory once and for all
                    costs[count].append((added.wall + deleted.wall) * 1e3)
        found = {count: statistics.median(each) for count, each in costs.items()}
        for count, conf in confs.items():
            shutil.rmtree(conf["ipam"]["dataDir"])
            rows.append(row(f"host-local ADD + DEL, {count:,} reservations: {name}", found[count], "ms"))
        ratio = found[many] / found[10]
        rows.append(row(f"host-local, {many:,} / 10 reservations: {name}", ratio, "", 1.15 if side is ours else None))
    return rows


def reserved(data: Path, count: int) -> dict:
    """host-local's configuration of a /16 of which so many addresses are reserved below ``data``."""
    (data / "many").mkdir(parents=True)
    for number in range(2, count + 2):
        (data / "many" / f"10.77.{number >> 8}.{number & 255}").write_text(f"x{number}\r\neth0", newline="")
    ipam = {"type": "host-local", "dataDir": str(data), "ranges": [[{"subnet": "10.77.0.0/16"}]]}
    return {"cniVersion": "1.0.0", "name": "many", "type": "host-local", "ipam": ipam}


def burst(every: list[Side], count: int) -> list[dict]:
    """Pods a second, so many at a time."""
    rates, rows, busy = {}, [], 0.0
    for side in every:
        paths = [side.pod(number) for number in range(count)]
        with inside(side.netns):  # threads begin where the one that makes them is
            started = time.perf_counter()
            with concurrent.futures.ThreadPoolExecutor(PODS_AT_ONCE) as pool:
                made = list(pool.map(lambda item, side=side: side.add(f"b{item[0]}", item[1], {}), enumerate(paths)))
            rates[side.name] = count / (time.perf_counter() - started)
            busy = side.service.memory() if side.service else busy
            with concurrent.futures.ThreadPoolExecutor(PODS_AT_ONCE) as pool:
                work = [(f"b{number}", path, made[number][1]) for number, path in enumerate(paths)]
                list(pool.map(lambda item, side=side: side.delete(item[0], item[1], {}, item[2]), work))
        rows.append(
            row(f"burst of {count} pods, {PODS_AT_ONCE} at a time: {NAMES[side.name]}", rates[side.name], "pods/s")
        )
    for name, aim in (("ours", 3.0), ("alone", None)):
        for backend in BACKENDS:
            ratio = rates[name] / rates[backend]
            rows.append(row(f"burst: {NAMES[name]} / {NAMES[backend]}", ratio, "", above=aim))
    return [*rows, row("the service's memory in that burst", busy, "MiB")]


def rows(rounds: int, many: int, count: int, directory: str) -> list[dict]:
    """All figures, beside the Go plugins in that directory."""
    with sides(directory) as every:
        ours, alone, go, _iptables = every
        found = pods(every, rounds, {}, "no host port", {"ours": 0.20, "alone": 1.0})
        found += pods(every, rounds, PORT, "one host port", {"ours": 0.20, "alone": 0.5})
        found += memory(every)
        found += bounds(ours, alone, rounds)
        found += reservations(ours, go, max(rounds // 2, 3), many)
        return found + burst(every, count)


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description="Our CNI plugins against Go's.")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--reservations", type=int, default=60_000)
    parser.add_argument("--burst", type=int, default=100)
    parser.add_argument("--go", metavar="DIRECTORY", help="with other Go plugins than the newest ones")
    parser.add_argument("--json", action="store_true", help="print the rows as one line of JSON")
    options = parser.parse_args()
    if os.geteuid():
        print("bench/cni.py: network namespaces need root", file=sys.stderr)
        return 1
    found = rows(options.rounds, options.reservations, options.burst, options.go or newest())
    if options.json:
        print(json.dumps(found))
        return 0
    for item in found:
        met = "" if item["met"] is None else "  met" if item["met"] else "  MISSED"
        aim = f"  aim {item['aim']}" if item["aim"] else ""
        print(f"{item['name']:<66} {item['value']:>10.2f} {item['unit']}{aim}{met}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
