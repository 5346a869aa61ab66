# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runtime does not do for pods: release leaked reservations, and restore host ports.

A runtime that died at the wrong moment leaves reservations whose containers are gone.
A container's interface lives as long as its network namespace, and its other end on the host bears the container's name
as alias. A reservation without such a link in two checks in a row, and older than any ADD can take, is leaked; then we
do what the runtime forgot: CNI's DEL, which may be called once too often without harm. GC would not do, since it
removes what an ADD that runs meanwhile has just reserved.

Host ports are elements of the table ``inet podnet``; when that is deleted, they go with it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from typing import Any

from ..findings.codes import Code
from ..findings.finding import Finding, Value
from ..ipam.ip import parse_address
from ..netlink import link as links
from ..netlink.channel import Channel
from ..overlay.config import ConfigError
from ..overlay.json_file import read_json
from .log import Log

#: What the alias of a pod's link begins with; network, container ID and interface follow (cni/plugins/bridge/).
ALIAS = "podnet"
#: The plugins of ours that connect pods by such a link.
VETH = ("bridge", "ptp")
#: Further main plugins whose pods may have something in the packet filter.
OTHERS = ("macvlan", "ipvlan", "vlan", "host-device", "tap", "dummy")
#: Seconds that an ADD may take at most: longer than any runtime waits for it.
GRACE = 300.0
#: DELs at a time; the rest waits for the next check.
MOST = 16

Owner = tuple[str, str, str]


class Sweeper:
    """Looks into ``directory``/networks, where each network has a directory. ``program`` is podnet-cni."""

    def __init__(self, directory: str, log: Log, program: str = "", grace: float = GRACE) -> None:
        self.directory = directory
        self.log = log
        home = os.path.abspath(__file__).rsplit("/lib/podnet/", 1)[0]
        self.program = program or os.path.join(home, "bin", "podnet-cni")
        self.grace = grace
        self._suspects: set[Owner] = set()
        self._running: dict[int, Owner] = {}
        self._restoring: dict[int, str] = {}

    def sweep(self, channel: Channel) -> list[Owner]:
        """One check. Starts a DEL for each owner that had no link in the check before either; returns those."""
        try:
            found = set(self.reservations())
            ends = links.dump(channel, "veth")
        except OSError as error:
            self.log.error(Finding(Code.AGENT_ACTION_FAILED, "", "podnetd", {"error": f"leaked reservations: {error}"}))
            return []
        living = {tuple(words[1:]) for words in map(_words, ends) if words}
        if any(link.master and _words(link) is None for link in ends):
            # pods that another bridge plugin connected have no such alias: which live is unknown
            self._suspects = set()
            return []
        without = {owner for owner in found if owner not in living}
        gone, self._suspects = without & self._suspects, without
        begun = sorted(gone - set(self._running.values()))[:MOST]
        for owner in begun:
            self._delete(owner)
        return begun

    def restore(self) -> None:
        """Adds again what the packet filter held of pods: host ports, masquerade, firewall. It went with the table."""
        for network in self.networks(VETH + OTHERS):
            process = self._spawn("restore", network)
            if process:
                self._restoring[process] = network

    def reservations(self) -> list[Owner]:
        """The owners (network, container ID, interface) of all reservations that are old enough."""
        found = []
        now = time.time()
        for network in self.networks():
            for name in _names(f"{self.directory}/networks/{network}"):
                path = f"{self.directory}/networks/{network}/{name}"
                try:
                    parse_address(name)
                    there = os.stat(path)
                    if not stat.S_ISREG(there.st_mode) or now - there.st_mtime < self.grace:
                        continue
                    with open(path, encoding="utf-8", errors="replace") as file:
                        lines = file.read(4096).splitlines()  # "containerID\r\nifname"
                    if lines and lines[0]:
                        found.append((network, lines[0], lines[1] if len(lines) > 1 else "eth0"))
                except (ValueError, FileNotFoundError):
                    continue
        return found

    def networks(self, kinds: tuple[str, ...] = VETH) -> list[str]:
        """The networks whose main plugin is one of these ``kinds``: those that make a veth pair, whose end shows the
        pod."""
        found = []
        directory = os.environ.get("NETCONFPATH", "/etc/cni/net.d")
        for name in _names(directory):
            if name.endswith((".conflist", ".conf", ".json")):
                try:
                    content: Any = read_json(f"{directory}/{name}")
                    main = (content.get("plugins") or [content])[0]
                    kind = main["type"]
                    if kind == "flannel":
                        kind = main.get("delegate", {}).get("type", "bridge")
                    if kind in kinds:
                        found.append(str(content["name"]))
                except (ConfigError, TypeError, AttributeError, LookupError):
                    continue  # not a configuration: not a network of ours
        return found

    def reap(self) -> int:
        """Takes the outcome of what ended (SIGCHLD); returns how many owners were released."""
        for network, failed in _ended(self._restoring):
            if failed:
                self.log.warning(Finding(Code.AGENT_RESTORE_FAILED, "", network))
            else:
                self.log.info(f"nftables elements of pods of network {network} restored")
        released = 0
        for (network, container, interface), failed in _ended(self._running):
            if failed:
                where: dict[str, Value] = {"network": network, "interface": interface}
                self.log.warning(Finding(Code.AGENT_RELEASE_FAILED, "", container, where))
            else:
                released += 1
                self.log.info(
                    f"released the addresses of {container} ({interface}, network {network}): container is gone"
                )
        return released

    def _delete(self, owner: Owner) -> None:
        network, container, interface = owner
        # the namespace is gone: any path that does not exist says so
        gone = f"/run/netns/gone-{container}"
        process = self._spawn("del", network, gone, CNI_CONTAINERID=container, CNI_IFNAME=interface)
        if process:
            self._running[process] = owner

    def _spawn(self, *words: str, **environment: str) -> int:
        """Starts podnet-cni; its process ID, 0 where that failed."""
        kept = {key: os.environ[key] for key in ("PATH", "NETCONFPATH", "CNI_PATH") if key in os.environ}
        nothing = (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)
        command = [self.program, "--cache", self.directory, *words]
        try:
            return os.posix_spawn(self.program, command, {**kept, **environment}, file_actions=[nothing])
        except OSError as error:
            failure = f"{self.program}: {error.strerror}"
            self.log.error(Finding(Code.AGENT_ACTION_FAILED, "", "podnetd", {"error": failure}))
            return 0


def _ended(running: dict[int, Any]) -> list[tuple[Any, bool]]:
    """Takes out what has ended, and whether it failed."""
    found = []
    for process in list(running):
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            found.append((running.pop(process), os.waitstatus_to_exitcode(status) != 0))
    return found


def _words(link: links.Link) -> list[str] | None:
    """A pod's link's alias: its words, None where it is no plugin's of ours."""
    words = (link.alias or "").split(" ")
    return words if len(words) == 4 and words[0] == ALIAS else None


def _names(directory: str) -> Iterable[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
