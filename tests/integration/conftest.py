# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces as nodes: joined by a bridge, each with a pod, programmed by podnetctl as on a real node."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LIBRARY = "ansible_collections.podnet.cluster.plugins.module_utils"
COMMAND, AGENT = f"{LIBRARY}.cli.podnetctl", f"{LIBRARY}.agent.daemon"


class Agent:
    """A podnetd that runs on a node."""

    def __init__(self, node: Node, process: subprocess.Popen, notify: socket.socket) -> None:
        self.node = node
        self.process = process
        self.notify = notify

    def wait_ready(self) -> None:
        """Returns when it has told systemd that it is ready."""
        told = ""
        try:
            while "READY=1" not in told:
                told = self.notify.recv(4096).decode()
        except TimeoutError:
            pytest.fail(f"podnetd is not ready:\n{self.log()}", pytrace=False)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of the answer on its socket, as curl has it."""
        words = ["curl", "-s", "-w", "\n%{http_code}", "--unix-socket", self.node.directory / "run" / "podnetd.sock"]
        result = subprocess.run([*words, f"http://podnetd{path}"], text=True, capture_output=True, check=False)
        body, _newline, status = result.stdout.rpartition("\n")
        return int(status), body

    def status(self) -> dict:
        """What it says of itself."""
        return json.loads(self.get("/status")[1])

    def log(self) -> str:
        """All that the node's agents have written."""
        return (self.node.directory / "podnetd.log").read_text()

    def logged(self, code: str) -> list[str]:
        """The findings of that code in the log."""
        return [line for line in self.log().splitlines() if line.startswith(f"{code}: ")]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


def until(what: str, true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something that will be true; a test fails when it never is, and for no other reason of time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"never: {what}", pytrace=False)
        time.sleep(0.02)


@pytest.fixture
def eventually() -> Callable[..., None]:
    """``until``, for tests."""
    return until


class Node:
    """A namespace as node NUMBER: eth0 on the common network, cni0 with a pod behind it."""

    def __init__(self, number: int, netns, pod, root: Path, directory: Path) -> None:
        self.number = number
        self.name = f"node{number}"
        self.netns = netns
        self.pod = pod
        self.root = root
        self.directory = directory
        self.subnet_env = directory / "env" / "subnet.env"
        self.agents: list[Agent] = []
        directory.mkdir()

    def lease(self, **other) -> dict:
        """This node's lease."""
        mine = {
            "name": self.name,
            "address": f"10.77.0.{10 + self.number}",
            "addresses": [f"10.77.0.{10 + self.number}", f"fd77::{10 + self.number}"],
            "pod_cidrs": [f"10.244.{self.number}.0/24", f"fd00:244:0:{self.number}::/64"],
        }
        return {**mine, **other}

    def write(self, leases: list, **config) -> None:
        """Write the files that the agent reads."""
        wanted = {"node_name": self.name, "networks": ["10.244.0.0/16", "fd00:244::/48"], **config}
        (self.directory / "overlay.json").write_text(json.dumps(wanted))
        (self.directory / "leases.json").write_text(json.dumps({"leases": leases}))

    def command(self, *arguments: str) -> list[str]:
        """The words that run podnetctl with this node's files."""
        return [sys.executable, "-m", COMMAND, *self.paths(), *arguments]

    def paths(self) -> list[str]:
        """The arguments by which podnetctl and podnetd find this node's files."""
        return [
            *("--config", str(self.directory)),
            *("--subnet-env", str(self.subnet_env)),
            *("--run", str(self.directory / "run")),
        ]

    def start(self, *program: str, **environment: str) -> Agent:
        """Run podnetd on the node, the checkout's or PROGRAM; returns when it says that it is ready."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = self.directory / f"notify{len(self.agents)}"
        notify.bind(str(address))
        notify.settimeout(30)
        log = open(self.directory / "podnetd.log", "a+")  # noqa: SIM115
        agent = Agent(
            self,
            subprocess.Popen(
                [
                    "nsenter",
                    f"--net={self.netns.path}",
                    "--",
                    *(program or (sys.executable, "-m", AGENT)),
                    *self.paths(),
                ],
                env={**self.environment(), "NOTIFY_SOCKET": str(address), **environment},
                stdout=log,
                stderr=log,
            ),
            notify,
        )
        self.agents.append(agent)
        agent.wait_ready()
        return agent

    def environment(self) -> dict[str, str]:
        """What it needs to find the library in the checkout."""
        return {**os.environ, "PYTHONPATH": str(self.root / "build" / "collections")}

    def ctl(self, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess:
        """Run podnetctl on the node; it must end with exit STATUS (None: any)."""
        result = self.netns.run(*self.command(*arguments), check=False, env=self.environment())
        if status is not None and result.returncode != status:
            pytest.fail(
                f"podnetctl {arguments}: exit {result.returncode}\n{result.stdout}{result.stderr}", pytrace=False
            )
        return result

    def plan(self) -> list[str]:
        """What podnetctl plan would do, a line each; its exit status must agree."""
        result = self.ctl("plan", status=None)
        assert result.returncode == bool(result.stdout), result.stderr
        return result.stdout.splitlines()

    def state(self) -> dict[str, list]:
        """What the kernel has, as the usual tools tell it, without what comes by itself: link-local and multicast
        entries, carrier states, counters."""
        links = [
            {
                **{key: link.get(key) for key in ("ifname", "ifindex", "address", "mtu", "ifalias")},
                "up": "UP" in link["flags"],
                "vxlan": link.get("linkinfo", {}).get("info_kind") == "vxlan" and link["linkinfo"]["info_data"],
            }
            for link in self.netns.ip("link")
        ]
        addresses = [
            (link["ifname"], address["local"], address["prefixlen"])
            for link in self.netns.ip("address")
            for address in link["addr_info"]
        ]
        routes = self.netns.ip("route show table all") + self.netns.ip("-6 route show table all")
        for route in routes:
            route["flags"] = sorted(set(route["flags"]) - {"linkdown"})
        found = {
            "links": links,
            "addresses": addresses,
            "routes": routes,
            "neighbours": [entry for entry in self.netns.ip("neigh") if "PERMANENT" in entry["state"]],
            "fdb": [entry for entry in self.netns.bridge("fdb") if "dst" in entry],
            "nft": [_without_handles(entry) for entry in self.netns.nft()],
        }
        return {
            kind: sorted((entry for entry in entries if kind in ("links", "nft") or _lasts(entry)), key=str)
            for kind, entries in found.items()
        }


def _lasts(entry: object) -> bool:
    told = str(entry)
    return not any(part in told for part in ("fe80:", "ff00:", "ff02:", "anycast"))


def _without_handles(thing):
    """An object of nft's without handles, which those of a new table are others."""
    if isinstance(thing, dict):
        return {key: _without_handles(value) for key, value in thing.items() if key != "handle"}
    return [_without_handles(value) for value in thing] if isinstance(thing, list) else thing


def _wire(make_netns, node: Node, switch) -> None:
    """Plug the node into the switch, and its pod into the node."""
    run = node.netns.run
    run(f"ip link add eth0 type veth peer name port{node.number} netns {switch.name}")
    switch.run(f"ip link set port{node.number} master switch up")
    run("ip link set eth0 up")
    run(f"ip address add 10.77.0.{10 + node.number}/24 dev eth0")
    run(f"ip address add fd77::{10 + node.number}/64 dev eth0 nodad")
    run("ip link add cni0 type bridge")
    run(f"ip link add pod0 type veth peer name eth0 netns {node.pod.name}")
    run("ip link set pod0 master cni0 up")
    run("ip link set cni0 up")
    run(f"ip address add 10.244.{node.number}.1/24 dev cni0")
    run(f"ip address add fd00:244:0:{node.number}::1/64 dev cni0 nodad")
    node.pod.run("ip link set eth0 up mtu 1450")
    node.pod.run(f"ip address add 10.244.{node.number}.2/24 dev eth0")
    node.pod.run(f"ip address add fd00:244:0:{node.number}::2/64 dev eth0 nodad")
    node.pod.run(f"ip route add default via 10.244.{node.number}.1")
    node.pod.run(f"ip -6 route add default via fd00:244:0:{node.number}::1")


@pytest.fixture
def make_nodes(make_netns, root, tmp_path):
    """A function that makes COUNT nodes on one switch and writes their files, and tells (nodes, switch)."""

    made: list[Node] = []

    def make(count: int, **config):
        switch = make_netns()
        switch.run("ip link add switch type bridge")
        switch.run("ip link set switch up")
        nodes = []
        for number in range(1, count + 1):
            nodes.append(Node(number, make_netns(), make_netns(), root, tmp_path / f"node{number}"))
            _wire(make_netns, nodes[-1], switch)
            made.append(nodes[-1])
        for node in nodes:
            node.write([other.lease() for other in nodes], **config)
        return nodes, switch

    yield make
    for agent in [agent for node in made for agent in node.agents]:
        print(agent.node.name, agent.log(), sep="\n")  # shown where the test fails
        agent.process.kill()
        agent.process.wait()
        agent.notify.close()
