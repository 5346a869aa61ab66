# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes by proc(5): which run, and which has a UDP port."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..model.state import Process


def _processes() -> Iterator[str]:
    """The directories of all processes below /proc."""
    return (f"/proc/{name}" for name in os.listdir("/proc") if name.isdecimal())


def holder(port: int) -> Process | None:
    """The process whose socket is bound to UDP ``port`` in this network namespace, None where none is. The kernel's own
    sockets, as those of tunnels, belong to no process."""
    inodes = set()
    for path in ("/proc/self/net/udp", "/proc/self/net/udp6"):
        try:
            with open(path, encoding="ascii") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        rows = (line.split() for line in lines)
        inodes |= {f"socket:[{row[9]}]" for row in rows if int(row[1].rpartition(":")[2], 16) == port}
    for process in _processes() if inodes else ():
        try:
            if any(_link(f"{process}/fd/{number}") in inodes for number in os.listdir(f"{process}/fd")):
                with open(f"{process}/comm", encoding="utf-8", errors="replace") as file:
                    return Process(file.read().strip(), int(process.rpartition("/")[2]))
        except OSError:  # it has ended
            continue
    return None


def _link(path: str) -> str:
    """Where a link leads, "" for one that is gone: files are closed at any time."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def nameservers(netns: str) -> list[str]:
    """The name servers in the resolv.conf of the first process in that network namespace that has some."""
    try:
        wanted = os.stat(netns)
    except OSError:
        return []
    for process in _processes():
        try:
            own = os.stat(f"{process}/ns/net")
            if (own.st_dev, own.st_ino) != (wanted.st_dev, wanted.st_ino):
                continue
            with open(f"{process}/root/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
                found = [words[1] for words in map(str.split, file) if words[:1] == ["nameserver"] and words[1:]]
        except OSError:  # it has ended, or has no such file: the sandbox's own process
            continue
        if found:
            return found
    return []


def names() -> dict[str, str]:
    """All processes by their names, as far as the kernel keeps them: 15 bytes. Those of containers and machines on this
    host have a PID namespace of their own and do not count."""
    own, found = os.readlink("/proc/self/ns/pid"), {}
    for process in _processes():
        try:
            if os.readlink(f"{process}/ns/pid") == own:
                with open(f"{process}/comm", encoding="utf-8", errors="replace") as file:
                    found[file.read().strip()] = process
        except OSError:  # it has ended
            continue
    return found


def command_line(name: str) -> list[str]:
    """The words with which a process of that name was started; [] where none runs."""
    try:
        with open(f"{names()[name]}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\0").split("\0")
    except (OSError, KeyError):
        return []
