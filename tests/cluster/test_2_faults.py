# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is broken in a cluster is named by verify.yml, with node, hop, cause and cure, and nobody else is accused; and
after the cure all is clean again.

The faults are data, tests/faults; rounds.yml tells which ones are there at a time. Many more are injected between
network namespaces: tests/integration/verify.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

import faults
import pytest

from .conftest import NAME

ENTRIES = {fault["name"]: fault for fault in faults.load(faults.WAYS, faults.OTHERS, faults.LAB)}
ROUNDS = faults.load(faults.ROUNDS)
#: The addresses of the node's links and of each pod's, by ip: a line each, the pods' after their namespace's name.
ADDRESSES = """ip -j address show | tr -d '\\n'; echo
for name in $(ip netns list | cut -d' ' -f1); do
    echo $name; ip -j -n $name address show dev eth0 | tr -d '\\n'; echo
done"""


def pods(lab) -> dict[str, list[dict]]:
    """The workload's pods by node; the DaemonSet's, which publishes a port, comes first."""
    found: dict[str, list[dict]] = {name: [] for name in lab.names}
    for pod in lab.objects("pods", "--namespace", "podnet-verify", "--sort-by", "{.metadata.name}"):
        found[pod["spec"]["nodeName"]].append(pod)
    return found


class World:
    """The cluster as faults need it: what their symbols stand for on each node, and how something is run there."""

    def __init__(self, lab) -> None:
        self.lab = lab
        cidrs = {node["metadata"]["name"]: node["spec"]["podCIDR"] for node in lab.objects("nodes")}
        self.own: dict[str, dict[str, str]] = {}
        self.namespaces: dict[str, list[str]] = {}
        for name, (one, other, *_more) in pods(lab).items():
            addresses = [pod["status"]["podIP"] for pod in (one, other)]
            links, inside = self._look(name)
            hosts = [
                next(link["ifname"] for link in links.values() if link["ifindex"] == inside[address][1]["link_index"])
                for address in addresses
            ]
            block = cidrs[name].rpartition(".")[0]
            self.namespaces[name] = [inside[address][0] for address in addresses]
            self.own[name] = {
                "N": address_of(links["eth0"]), "U": links["eth0"]["address"], "S": name, "C": cidrs[name],
                "M": links["flannel.1"]["address"], "V": f"{block}.0", "G": f"{block}.1",
                "A": addresses[0], "B": addresses[1], "H": hosts[0], "HB": hosts[1],
                "P": inside[addresses[0]][1]["address"],
            }  # fmt: skip

    def _look(self, name: str) -> tuple[dict[str, dict], dict[str, tuple[str, dict]]]:
        """A node's links by name, and those of its pods, each with its namespace, by address."""
        first, *lines = self.lab.node(name, ADDRESSES).splitlines()
        namespaces = [(space, json.loads(text)[0]) for space, text in zip(lines[::2], lines[1::2])]
        return (
            {link["ifname"]: link for link in json.loads(first)},
            {address_of(link): (space, link) for space, link in namespaces},
        )

    def known(self, nodes: list[str]) -> dict[str, str]:
        """What the symbols stand for where these two nodes are an entry's node1 and node2."""
        third = next(name for name in self.lab.names if name not in nodes)
        found = {}
        for number, name in enumerate([*nodes, third], 1):
            found[f"node{number}"] = name
            for letter, value in self.own[name].items():
                found[f"{letter[0]}{number}{letter[1:]}"] = value
        return found

    def run(self, fault: dict, steps: list[str], known: dict[str, str]) -> None:
        """Run a fault's commands where they belong; "apply" is an agent that comes back."""

        def at(place: str, script: str) -> None:
            if place == "switch":
                subprocess.run(["nsenter", f"--net=/run/netns/{NAME}", "sh", "-ec", script], check=True)
                return
            node = known[f"node{place[-1]}"]
            if script == "apply":
                script = "podnetctl apply; systemctl start podnetd"
            elif place[0] in "ab":
                space = self.namespaces[node]["ab".index(place[0])]
                script = f"nsenter --net=/run/netns/{space} sh -ec {shlex.quote(script)}"
            self.lab.node(node, f"set -e\n{script}")

        faults.run(fault, steps, known, at)

    def everywhere(self, jobs: list[tuple[dict, list[str], dict[str, str]]]) -> None:
        """Run several faults' commands at a time: all of them, even if one fails."""
        with ThreadPoolExecutor(len(jobs)) as threads:
            started = [threads.submit(self.run, *job) for job in jobs]
        for one in started:
            one.result()


def address_of(link: dict) -> str:
    return next(entry["local"] for entry in link["addr_info"] if entry["family"] == "inet")


@pytest.fixture(scope="module")
def world(_lab) -> World:
    if _lab.broken:
        pytest.skip(f"the lab is not fit for this: {_lab.broken}")
    return World(_lab)


def test_a_healthy_way_is_whole(lab):
    one, other = (pods(lab)[name][0]["metadata"]["name"] for name in ("node1", "node2"))
    ran = lab.play("trace", "-e", f"from={one}", "-e", f"to={other}")
    assert "The way is whole." in ran.output
    lab.play("trace", "-e", f"from={one}", "-e", "to=podnet-verify/any")
    lab.play("trace", "-e", f"from={other}", "-e", "to=node3")


@pytest.mark.parametrize("names", ROUNDS, ids=", ".join)
def test_faults_are_named_and_nobody_else_is_accused(lab, world, names):
    chosen = [(ENTRIES[name], world.known(nodes)) for name, nodes in names.items()]
    # an agent that runs would put right what drifts
    idle = {known[f"node{fault['at'][-1]}"] for fault, known in chosen if "apply" in fault["cure"]}
    try:
        for name in idle:
            lab.node(name, "systemctl stop podnetd")
        world.everywhere([(fault, fault["inject"], known) for fault, known in chosen])
        found = failures(lab)
    finally:
        world.everywhere([(fault, fault["cure"], known) for fault, known in chosen])
    shown = "\n".join(f"{entry['node']}, {entry['step']}: {entry['text']}" for entry in found)
    named, effects = set(), set()
    for fault, known in chosen:
        for wanted in [fault["verdict"], *fault.get("also", [])]:
            node, step, cause = (faults.filled(wanted[key], known) for key in ("node", "step", "cause"))
            told = [entry["text"] for entry in found if (entry["node"], entry["step"]) == (node, step)]
            assert any(cause in text for text in told), f"{fault['name']}: {node}, {step}: {cause}: not in\n{shown}"
            named.add((node, step))
            # what follows from it on the same node; that an agent was stopped, or a pod does not answer
            effects |= {(node, effect) for effect in ["", *fault.get("effects", [])]}
    assert {(entry["node"], entry["step"]) for entry in found} <= named | effects, shown
    assert all(entry["cure"] for entry in found)
    assert lab.verify()["failures"] == []


def failures(lab) -> list[dict]:
    """What a run tells that must find something, but for probes, which accuse nobody, and for what concerns no node."""
    result = lab.root / "build/cluster/faults.json"
    # a pod that is not Ready is no reason to wait
    options = ("verify_keep=true", f"verify_result={result}", "verify_traces=6", "verify_timeout=1")
    lab.play("verify", *(word for option in options for word in ("-e", option)), expect=2)
    found = json.loads(result.read_text())["failures"]
    return [entry for entry in found if entry["kind"] != "probe" and entry["node"]]
