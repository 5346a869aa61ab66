# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as faults need it: what their symbols stand for on each node, and how something is run there."""

from __future__ import annotations

import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

from . import run

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
    """A lab of that name, whose workload runs (verify.yml leaves it)."""

    def __init__(self, lab, lab_name: str) -> None:
        self.lab, self.switch = lab, f"/run/netns/{lab_name}"
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
                subprocess.run(["nsenter", f"--net={self.switch}", "sh", "-ec", script], check=True)
                return
            node = known[f"node{place[-1]}"]
            if script == "apply":
                script = "podnetctl apply; systemctl start podnetd"
            elif place[0] in "ab":
                space = self.namespaces[node]["ab".index(place[0])]
                script = f"nsenter --net=/run/netns/{space} sh -ec {shlex.quote(script)}"
            self.lab.node(node, f"set -e\n{script}")

        run(fault, steps, known, at)

    def idle(self, chosen: list[tuple[dict, dict[str, str]]]) -> None:
        """Stop the agents that would put right what these faults make drift."""
        for name in {known[f"node{fault['at'][-1]}"] for fault, known in chosen if "apply" in fault["fix"]}:
            self.lab.node(name, "systemctl stop podnetd")

    def everywhere(self, jobs: list[tuple[dict, list[str], dict[str, str]]]) -> None:
        """Run several faults' commands at a time: all of them, even if one fails."""
        with ThreadPoolExecutor(len(jobs)) as threads:
            started = [threads.submit(self.run, *job) for job in jobs]
        for one in started:
            one.result()


def address_of(link: dict) -> str:
    return next(entry["local"] for entry in link["addr_info"] if entry["family"] == "inet")
