# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets as the kernel listed them, and a node to ask about packets.

To record them again, as root: PYTHONPATH=tests:build/collections python tests/unit/netlink/ruleset/conftest.py
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset import legacy
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.packet import Packet
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.read import Ruleset
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.walk import Route
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import (
    NETLINK_NETFILTER,
    NetlinkError,
    pack_ip,
)
from standin import kube_proxy

RECORDED = Path(__file__).with_name("recorded.json")
ENDPOINTS = {4: ["10.2.0.2", "10.2.0.3"], 6: ["fd00:2::2", "fd00:2::3"]}
NODE = {4: "10.1.0.1", 6: "fd00:1::1"}
RTN_UNICAST, RTN_LOCAL = 1, 2


class Replay:
    """A channel that answers what the kernel answered when the ruleset was recorded."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self._answers = answers

    def dump(self, request) -> list[bytes]:
        return [bytes.fromhex(payload) for payload in self._answers.get(f"{request[0]} {request[2].hex()}", [])]

    def close(self) -> None:
        pass


class Recording(Replay):
    """A channel to the kernel that keeps its answers."""

    def __init__(self) -> None:
        super().__init__({})
        self._channel = Channel(NETLINK_NETFILTER)

    def dump(self, request) -> list[bytes]:
        payloads = self._channel.dump(request)
        self._answers[f"{request[0]} {request[2].hex()}"] = [payload.hex() for payload in payloads]
        return payloads


class FakeNode:
    """A node with one address for each IP version: everything else is reached by out0."""

    def route(self, packet: Packet) -> Route:
        return Route(True, "lo") if self.kind_of(packet.daddr) == RTN_LOCAL else Route(False, "out0")

    def kind_of(self, address: bytes) -> int:
        return RTN_LOCAL if address in map(pack_ip, NODE.values()) else RTN_UNICAST

    def interface_to(self, address: bytes) -> str:
        return "lo" if self.kind_of(address) == RTN_LOCAL else "out0"

    def index_of(self, link: str) -> int:
        return {"lo": 1, "in0": 2, "out0": 3}.get(link, 0)

    def link_kind(self, link: str) -> str:
        return "veth" if link.endswith("0") else ""

    def address_on(self, link: str, destination: bytes) -> bytes:
        return pack_ip(NODE[4 if len(destination) == 4 else 6])


@pytest.fixture(scope="session")
def recorded() -> dict:
    return json.loads(RECORDED.read_text())


@pytest.fixture
def ruleset(recorded):
    """A function: the ruleset that was recorded by that name, with the tables of iptables-legacy."""

    def load(name: str) -> Ruleset:
        entry = recorded[name]
        tables = [legacy.Table(*described, bytes.fromhex(entries)) for *described, entries in entry["legacy"]]
        return Ruleset(Replay(entry["nftables"]), tables)

    return load


def record(name: str, commands: list[tuple[list[str], str]]) -> dict:
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for words, given in commands:
            subprocess.run(["ip", "netns", "exec", name, *words], input=given, text=True, check=True)
        with Netns(f"/run/netns/{name}"):
            channel, blocks = Recording(), []
            made = legacy.Table

            class Kept(made):
                def __init__(self, *described):
                    blocks.append((*described[:-1], described[-1].hex()))
                    super().__init__(*described)

            legacy.Table = Kept
            whole = Ruleset(channel)
            legacy.Table = made
            ahead = [base.key for base in whole.bases()]
            names = {key for key in ahead if key.family in ("ip", "ip6", "inet")}
            for family, table in {key[:2] for key in names}:
                listed = subprocess.run(
                    ["ip", "netns", "exec", name, "nft", "-j", "list", "table", family, table],
                    capture_output=True, check=True,
                )  # fmt: skip
                for each in json.loads(listed.stdout)["nftables"]:
                    for kind in ("chain", "set", "map"):
                        if kind in each:
                            key = next(key for key in names if key[:2] == (family, table))
                            ask = whole.rules if kind == "chain" else lambda key: whole.elements(*key)
                            ask(key._replace(name=each[kind]["name"]))
                for number in range(64):  # anonymous sets are not listed
                    try:
                        whole.elements(family, table, f"__set{number}")
                        whole.elements(family, table, f"__map{number}")
                    except NetlinkError:
                        break
            return {"nftables": {key: value for key, value in channel._answers.items() if value}, "legacy": blocks}
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def main() -> None:
    found = {}
    for version in (4, 6):
        for mode in (*kube_proxy.MODES, "legacy"):
            shape = "iptables" if mode == "legacy" else mode
            rules = kube_proxy.rules(shape, version, ENDPOINTS[version], NODE[version])
            tool = ["nft", "-f", "-"]
            if shape == "iptables":
                six = "" if version == 4 else "6"
                tool = [f"ip{six}tables-{'legacy' if mode == 'legacy' else 'nft'}-restore"]
            found[f"{mode} {version}"] = record("podnet-record", [(tool, rules)])
    RECORDED.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
