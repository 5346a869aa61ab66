# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes by proc(5): which run, and which has a UDP port."""

from __future__ import annotations

import glob
import os

from ..model.state import Process


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
    for path in glob.iglob("/proc/[0-9]*/fd/*") if inodes else ():
        try:
            if os.readlink(path) in inodes:
                process = path.split("/")[2]
                with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
                    return Process(file.read().strip(), int(process))
        except OSError:  # it has ended
            continue
    return None


def nameservers(netns: str) -> list[str]:
    """The name servers in the resolv.conf of the first process in that network namespace that has some."""
    try:
        wanted = os.stat(netns)
    except OSError:
        return []
    for path in glob.iglob("/proc/[0-9]*/ns/net"):
        try:
            own = os.stat(path)
            if (own.st_dev, own.st_ino) != (wanted.st_dev, wanted.st_ino):
                continue
            with open(f"/proc/{path.split('/')[2]}/root/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
                found = [words[1] for words in map(str.split, file) if words[:1] == ["nameserver"] and words[1:]]
        except OSError:  # it has ended, or has no such file: the sandbox's own process
            continue
        if found:
            return found
    return []


def names() -> set[str]:
    """The names of all processes, as far as the kernel keeps them: 15 bytes. Those of containers and machines on this
    host have a PID namespace of their own and do not count."""
    own, found = os.readlink("/proc/self/ns/pid"), set()
    for path in glob.iglob("/proc/[0-9]*/comm"):
        try:
            if os.readlink(os.path.join(os.path.dirname(path), "ns/pid")) == own:
                with open(path, encoding="utf-8", errors="replace") as file:
                    found.add(file.read().strip())
        except OSError:  # it has ended
            continue
    return found
