# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent at an API server: podnetd on one node of a large cluster.

A stand-in API server (tests/standin: real HTTPS, list, watch, patch; nodes as large as real ones) and the node have a
network namespace each. Reported: from the agent's start to the last peer's route, and how long ``ip -batch`` and
``bridge -batch`` take for the same peers; from a new node's POST to its route in the kernel, and from a changed one's
PATCH to its forwarding entry; memory; CPU with nothing to do, and while the server is gone; what a node and an event
cost on the wire. The kernel's own notifications are the witness: a netlink socket that is not ours.

    python bench/agent_api.py [--nodes 1000 5000] [--samples 15] [--rest 20] [--gone 20] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import http.client
import json
import os
import select
import shutil
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests")]
import overlay as batch  # noqa: E402
from agent import processor  # noqa: E402
from standin import apiserver, client  # noqa: E402

SERVER, NODE = "192.0.2.1", "192.0.2.2"
#: What is aimed at: milliseconds for a change; MiB with that many nodes; percent of one CPU at rest; the ratio of the
#: agent's first look at the node, once it has the list, to what ip and bridge take.
AIM_CHANGE, AIM_MEMORY, AIMED_AT, AIM_REST, AIM_SYNC = 50, 25, 1000, 0.5, 1.0
RTM_NEWROUTE, RTM_NEWNEIGH = 24, 28  # linux/rtnetlink.h
GROUPS = 0x4 | 0x40  # RTMGRP_NEIGH (which has forwarding entries too), RTMGRP_IPV4_ROUTE
LONG = 300


class Witness:
    """Counts the kernel's messages about routes and neighbours in a namespace, from the outside."""

    def __init__(self, netns: str) -> None:
        with inside(netns):
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.socket.bind((0, GROUPS))
        self.messages = {RTM_NEWROUTE: 0, RTM_NEWNEIGH: 0}

    def until(self, kind: int, count: int) -> float:
        """The time when the kernel had sent COUNT more messages of that kind than before."""
        wanted = self.messages[kind] + count
        end = time.perf_counter() + LONG
        while self.messages[kind] < wanted:
            if not select.select([self.socket], [], [], max(0, end - time.perf_counter()))[0]:
                raise SystemExit(f"agent_api.py: after {LONG} s {wanted - self.messages[kind]} of {count} are missing")
            self.take()
        return time.perf_counter()

    def take(self) -> None:
        """Counts what is there."""
        data = self.socket.recv(1 << 20)
        at = 0
        while at + 16 <= len(data):
            size, kind = struct.unpack_from("IH", data, at)
            # the kernel's own routes and ARP entries are not counted
            ours = (kind == RTM_NEWROUTE and data[at + 21] == 112) or (kind == RTM_NEWNEIGH and data[at + 16] == 7)
            if ours:
                self.messages[kind] += 1
            at += size + 3 & ~3

    def settle(self) -> None:
        """Waits until no message comes for a while."""
        while select.select([self.socket], [], [], 0.5)[0]:
            self.take()


@contextlib.contextmanager
def inside(netns: str) -> Iterator[None]:
    """This thread is in the namespace meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{netns}") as there:
        if libc.setns(there.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(home.fileno(), 0x40000000)


@contextlib.contextmanager
def namespaces() -> Iterator[tuple[str, str]]:
    """The server's and the node's; neither leads anywhere else."""
    names = f"podnet-api-{os.getpid()}", f"podnet-node-{os.getpid()}"
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        for words in (
            f"-n {names[0]} link add to-node type veth peer name to-api netns {names[1]}",
            f"-n {names[0]} link set to-node up",
            f"-n {names[0]} address add {SERVER}/24 dev to-node",
            f"-n {names[0]} link set lo up",
            f"-n {names[1]} link set lo up",
            f"-n {names[1]} link set to-api up",
            f"-n {names[1]} address add {NODE}/24 dev to-api",
            f"-n {names[1]} link add eth0 type veth peer name other",
            f"-n {names[1]} link set other up",
            f"-n {names[1]} link set eth0 up",
            f"-n {names[1]} address add {apiserver.address(1)}/16 dev eth0",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


class Agent:
    """podnetd as the node NAME in a namespace, with its files in BASE, which is made."""

    def __init__(self, netns: str, base: Path, admin: client.Admin, name: str = "node1", **config: object) -> None:
        self.base = base
        etc = base / "etc"
        etc.mkdir(parents=True)
        apiserver.identity(admin.directory, name, f"/O=podnet:nodes/CN=podnet:node:{name}")
        (etc / "kube.json").write_text(json.dumps(apiserver.kubeconfig(admin.directory, name, admin.server)))
        (etc / "overlay.json").write_text(json.dumps({"node_name": name, "networks": ["100.0.0.0/8"], **config}))
        settings = {"source": "kubernetes", "kubernetes": {"cache": str(base / "nodes.json")}}
        (etc / "podnetd.json").write_text(json.dumps(settings))
        install = [sys.executable, ROOT / "plugins/module_utils/install.py", base / "installed"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        program = next((base / "installed").rglob("bin/podnetd"))
        words = [program, "--config", etc, "--subnet-env", base / "run/subnet.env", "--run", base / "run"]
        self.command = ["nsenter", f"--net=/run/netns/{netns}", "--", *map(str, words)]

    def start(self) -> float:
        """The time when it was started."""
        began = time.perf_counter()
        with open(self.base / "podnetd.log", "w") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        return began

    def memory(self) -> float:
        """Resident MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def longest(self) -> float:
        """The seconds that its longest look at the node took, which was its first."""
        return float(self.status()["longest_duration"])

    def status(self) -> dict:
        """What it says of itself."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.connect(str(self.base / "run/podnetd.sock"))
            line.sendall(b"GET /status HTTP/1.1\r\n\r\n")
            return json.loads(line.makefile("rb").read().partition(b"\r\n\r\n")[2])

    def descriptors(self) -> int:
        """How many files, sockets and pipes it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu(self, seconds: float) -> float:
        """Percent of one CPU in the next seconds."""
        before = self.used()
        time.sleep(seconds)
        return (self.used() - before) / seconds * 100

    def used(self) -> float:
        """Seconds of CPU until now."""
        return processor(self.process.pid)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Line:
    """The administrator's connection, open already when the time is taken."""

    def __init__(self, admin: client.Admin) -> None:
        context = ssl.create_default_context(cafile=str(admin.directory / "ca.crt"))
        context.load_cert_chain(admin.directory / "admin.crt", admin.directory / "admin.key")
        with inside(Path(str(admin.netns)).name):
            self.connection = http.client.HTTPSConnection(admin.address, admin.port, context=context, timeout=60)
            self.connection.connect()

    def send(self, method: str, path: str, body: object, kind: str = "application/json") -> float:
        """The time just before the request went out."""
        data = json.dumps(body)
        began = time.perf_counter()
        self.connection.request(method, path, data, {"Content-Type": kind})
        return began

    def answer(self) -> None:
        answer = self.connection.getresponse()
        if answer.status >= 300:
            raise SystemExit(f"agent_api.py: {answer.status} {answer.read()!r}")
        answer.read()


def compare(nodes: int) -> float:
    """Seconds that ip and bridge take for the same peers."""
    with tempfile.TemporaryDirectory() as base, batch.namespace() as name:
        directory = Path(base)
        batch.write_inputs(directory, nodes - 1)
        return batch.measure(name, "sh", "-c", f"ip -batch {base}/ip && bridge -batch {base}/bridge")


def figure(name: str, value: float, unit: str, aim: float | None = None) -> dict:
    """One figure, as bench/run.py wants it; ``aim`` is what it may be at most."""
    row = {"name": name, "value": round(value, 3), "unit": unit}
    return row if aim is None else {**row, "aim": f"<= {aim}", "met": value <= aim}


def rows(nodes: int, samples: int, rest: float, gone: float) -> list[dict]:
    """The figures with that many nodes, as bench/run.py wants them."""
    found = []

    def report(what: str, value: float, unit: str, aim: float | None = None) -> None:
        found.append(figure(f"{nodes} nodes: {what}", value, unit, aim))

    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api, node = stack.enter_context(namespaces())
        apiserver.authority(base, SERVER)
        path = f"/run/netns/{api}"
        serving = contextlib.ExitStack()
        stack.push(serving)
        admin, _process = serving.enter_context(client.serving(base, SERVER, 6443, path, bookmarks=10))
        admin.standin("populate", count=nodes)
        witness = Witness(node)
        agent = Agent(node, base, admin)
        began = agent.start()
        stack.callback(agent.stop)
        first = witness.until(RTM_NEWROUTE, nodes - 1) - began
        spent = agent.used()
        took = agent.longest()
        theirs = compare(nodes)
        witness.settle()
        stats = admin.standin("stats")
        report("from podnetd's start to the last peer's route", first, "s")
        report("the same / ip and bridge", first / theirs, "ratio")
        aim = AIM_SYNC if nodes >= 5000 else None
        report("the reconciliation that programs them / ip and bridge", took / theirs, "ratio", aim)
        report("CPU until then", spent, "s")
        report("a node in the list, as JSON", len(json.dumps(admin.node("node7"), separators=(",", ":"))), "bytes")
        report("a node in the list, as it is sent (gzip)", stats["bytes"] / nodes, "bytes")
        created, changed = [], []
        line = Line(admin)
        for number in range(samples):
            new = apiserver.node(nodes + 1 + number)
            witness.settle()
            sent = line.send("POST", "/api/v1/nodes", new)
            created.append((witness.until(RTM_NEWROUTE, 1) - sent) * 1000)
            line.answer()
            data = json.dumps({"VNI": 1, "VtepMAC": f"02:00:01:00:00:{number:02x}"})
            body = {"metadata": {"annotations": {"flannel.alpha.coreos.com/backend-data": data}}}
            witness.settle()
            sent = line.send("PATCH", f"/api/v1/nodes/node{number + 2}", body, "application/merge-patch+json")
            changed.append((witness.until(RTM_NEWNEIGH, 1) - sent) * 1000)
            line.answer()
        report("a new node, from its POST to its route, median", statistics.median(created), "ms", AIM_CHANGE)
        report("a new node, worst", max(created), "ms")
        report(
            "a changed MAC, from its PATCH to its forwarding entry, median",
            statistics.median(changed),
            "ms",
            AIM_CHANGE,
        )
        report("a changed MAC, worst", max(changed), "ms")
        report("resident memory", agent.memory(), "MiB", AIM_MEMORY if nodes <= AIMED_AT else None)
        report("CPU with nothing to do", agent.cpu(rest), "%", AIM_REST)
        serving.close()
        report(f"CPU while the server is gone, {gone:.0f} s", agent.cpu(gone), "%", AIM_REST)
        report("resident memory after that", agent.memory(), "MiB", AIM_MEMORY if nodes <= AIMED_AT else None)
        kept = batch_count(node)
        if kept != nodes - 1 + samples:
            raise SystemExit(f"agent_api.py: {kept} routes are left of {nodes - 1 + samples} without the server")
        if agent.process.poll() is not None:
            raise SystemExit(f"agent_api.py: podnetd ended: {(base / 'podnetd.log').read_text()[-2000:]}")
    return found


def batch_count(netns: str) -> int:
    """Our routes, as ip counts them."""
    words = ["ip", "-n", netns, "route", "show", "proto", "112", "type", "unicast"]
    return len(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines())


def main() -> int:
    """Prints the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--rest", type=float, default=20)
    parser.add_argument("--gone", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.geteuid() or not all(map(shutil.which, ("ip", "bridge", "nsenter", "openssl"))):
        print("agent_api.py: needs root, iproute2, nsenter and openssl", file=sys.stderr)
        return 1
    found = [row for nodes in options.nodes for row in rows(nodes, options.samples, options.rest, options.gone)]
    if options.json:
        print(json.dumps(found))
    else:
        for row in found:
            print(f"{row['name']:<72} {row['value']:>9} {row['unit']:<6} {row.get('aim', '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
