# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster leaves on a node, found and removed: containers, mounts, namespaces, links, routes, filter rules,
paths.

Each finder yields what is there as a Change that takes it away; nothing that the caller did not name is touched.
"""

from __future__ import annotations

import ctypes
import glob
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from ..converge import files
from ..converge.paths import remove
from ..converge.plan import Change, StateError
from ..ipam.prefix import parse_prefix
from ..netlink import link, nftables, route
from ..netlink.channel import Channel
from ..netlink.nftables import Table
from ..netlink.wire import NETLINK_NETFILTER
from . import pods

NETNS = "/run/netns"
MNT_DETACH = 2
#: Each of iptables' variants keeps rules of its own.
IPTABLES = ("iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy")


def find(given: dict[str, Any]) -> Iterator[Change]:
    """All that is left of ``given`` (node_cleanup's options), in the order in which it can go. Lazy: what follows is
    looked for once the change before it is applied."""
    for socket in given["pods"]:
        yield from pods.pods(socket)
    for socket in given["images"]:
        yield from pods.images(socket)
    for namespace in given["container_namespaces"]:
        yield from containers(namespace)
    for namespace in given["image_namespaces"]:
        yield from images(namespace)
    yield from mounts(given["mounts"])
    yield from namespaces(given["namespaces"])
    yield from links(given["links"])
    yield from routes(given["route_networks"])
    yield from tables(given["nft_tables"])
    for prefix in given["chain_prefixes"]:
        yield from chains(prefix)
    yield from cgroups(given["cgroups"])
    for path in given["paths"]:
        yield from paths(path)
    for path in given["empty_directories"]:
        # ip-netns(8) makes /run/netns a mount point, which cannot go
        if os.path.isdir(path) and path not in _mount_points() and not os.listdir(path):
            yield _gone(f"empty directory {path}", partial(os.rmdir, path))


def containers(namespace: str) -> Iterator[Change]:
    """containerd's running tasks and its containers, with their snapshots, of a namespace."""
    for identifier in _ctr(namespace, "tasks", "list", "--quiet").split():
        yield _gone(f"task {identifier}", partial(_end_task, namespace, identifier))
    for identifier in _ctr(namespace, "containers", "list", "--quiet").split():
        yield _gone(f"container {identifier}", partial(_ctr, namespace, "containers", "delete", identifier))


def _end_task(namespace: str, identifier: str) -> None:
    """Kills and deletes a task. The tasks of a pod share one shim, which may leave while the last of them is being
    deleted ("ttrpc: closed"); containerd notices after a moment, so what is then gone is as wanted."""
    for tries_left in (4, 3, 2, 1, 0):
        try:
            _ctr(namespace, "tasks", "delete", "--force", identifier)
            return
        except StateError:
            if identifier not in _ctr(namespace, "tasks", "list", "--quiet").split():
                return
            if not tries_left:
                raise
            time.sleep(0.5)


def images(namespace: str) -> Iterator[Change]:
    """containerd's images of a namespace, and the namespace, which is nothing else once its containers are gone."""
    names = _ctr(namespace, "images", "list", "--quiet").split()
    for name in names:
        # the last one waits for the content to be collected
        sync = ["--sync"] if name == names[-1] else []
        yield _gone(f"image {name}", partial(_ctr, namespace, "images", "remove", *sync, name))
    if namespace in _ctr(namespace, "namespaces", "list", "--quiet").split():
        yield _gone(f"containerd namespace {namespace}", partial(_ctr, namespace, "namespaces", "remove", namespace))


def mounts(prefixes: Iterable[str]) -> Iterator[Change]:
    """Mounts below the directories ``prefixes``, innermost first; not a mount on such a directory itself."""
    points = _mount_points()
    for prefix in prefixes:
        for point in sorted(
            (each for each in points if each.startswith(prefix.rstrip("/") + "/")), key=len, reverse=True
        ):
            yield _gone(f"mount {point}", partial(_unmount, point))


def _mount_points() -> list[str]:
    """Where something is mounted (proc(5), mountinfo, field 5). os.path.ismount does not know a bind mount within one
    file system, and takes a file of an overlayfs for one."""
    lines = (files.read("/proc/self/mountinfo") or "").splitlines()
    return [line.split()[4].encode().decode("unicode_escape") for line in lines]


def namespaces(patterns: Iterable[str]) -> Iterator[Change]:
    """Named network namespaces whose names match, unless a process is in one: several runtimes use the same names, and
    the containers of ours are gone by now. The links in them go with them."""
    found = sorted(os.listdir(NETNS)) if os.path.isdir(NETNS) else []
    matching = [name for name in found if any(re.fullmatch(pattern, name) for pattern in patterns)]
    used = _used_namespaces() if matching else set()
    for name in matching:
        if os.stat(f"{NETNS}/{name}").st_ino not in used:
            yield _gone(f"network namespace {name}", partial(_drop_namespace, f"{NETNS}/{name}"))


def links(patterns: Iterable[str]) -> Iterator[Change]:
    """Links whose names match."""
    with Channel() as channel:
        for name in [each.name for each in link.dump(channel)]:
            if any(re.fullmatch(pattern, name) for pattern in patterns) and link.get(channel, name):
                yield _gone(f"link {name}", partial(channel.request, link.delete(name=name)))


def routes(networks: Iterable[str]) -> Iterator[Change]:
    """Routes of the main table to destinations inside ``networks``."""
    try:
        blocks = [parse_prefix(text) for text in networks]
    except ValueError as error:
        raise StateError(f"route_networks: {error}") from None
    if not blocks:
        return
    with Channel() as channel:
        for each in route.dump(channel):
            if any(block.covers(parse_prefix(each.dst)) for block in blocks):
                request = route.delete(each.dst, each.index, metric=each.metric)
                yield _gone(f"route {each.dst}", partial(channel.request, request))


def tables(names: Iterable[str]) -> Iterator[Change]:
    """nftables tables, named by family and name: ``inet podnet``."""
    for text in names:
        family, _space, name = text.partition(" ")
        table = Table(family, name, [], [])
        with Channel(NETLINK_NETFILTER) as channel:
            if nftables.exists(channel, table):
                yield _gone(
                    f"nftables table {text}", partial(nftables.transaction, channel, [nftables.delete_table(table)])
                )


def chains(prefix: str) -> Iterator[Change]:
    """Chains of iptables whose names start with ``prefix``, and the rules of others that lead into them: kube-proxy
    and the kubelet make both through iptables, and so they are taken away, every other rule staying where it is."""
    for command in IPTABLES:
        saved = _iptables([f"{command}-save"])
        undo = without_chains(saved, prefix)
        if undo:
            shown = "".join(line + "\n" for line in saved.splitlines() if prefix in line)
            restore = [f"{command}-restore", "--noflush"]
            text = f"remove {command}'s chains {prefix}*"
            yield Change("leftover", command, text, shown, "", partial(_iptables, restore, undo))


def without_chains(saved: str, prefix: str) -> str:
    """What iptables-restore --noflush must read to take the chains with ``prefix`` out of ``saved`` (iptables-save's
    text); "" where there are none."""
    undo = []
    for table in re.split(r"^COMMIT$", saved, flags=re.MULTILINE):
        header = re.search(r"^\*(\S+)$", table, re.MULTILINE)
        ours = re.findall(rf"^:({re.escape(prefix)}\S*) ", table, re.MULTILINE)
        if not header or not ours:
            continue
        rules = re.findall(r"^-A (\S+) (.*)$", table, re.MULTILINE)
        # rules differ by their text; a chain must be empty, and nothing lead to it, before it can go
        leading = [f"-D {chain} {rule}" for chain, rule in rules if chain not in ours and _target(rule) in ours]
        undo += [
            f"*{header[1]}",
            *[f":{name} - [0:0]" for name in ours],
            *leading,
            *[f"-X {name}" for name in ours],
            "COMMIT",
        ]
    return "".join(f"{line}\n" for line in undo)


def _target(rule: str) -> str:
    """The chain that a rule leads into, "" for none; a comment may hold any words, but is quoted."""
    words = shlex.split(rule)
    return next((value for word, value in zip(words, words[1:]) if word in ("-j", "-g")), "")


def cgroups(names: Iterable[str]) -> Iterator[Change]:
    """Control groups at the top of any hierarchy, with those below; only what has no process left can go."""
    for root in (
        "/sys/fs/cgroup",
        *[entry.path for entry in os.scandir("/sys/fs/cgroup") if entry.is_dir() and not entry.is_symlink()],
    ):
        for name in names:
            if os.path.isdir(f"{root}/{name}"):
                yield _gone(f"control group {root}/{name}", partial(_drop_cgroup, f"{root}/{name}"))


def paths(pattern: str) -> Iterator[Change]:
    """The paths that match the shell pattern, with all below them; of a mount point what is in it."""
    for path in sorted(glob.glob(pattern)) or [pattern]:
        if path in _mount_points():
            for name in sorted(os.listdir(path)):
                yield _gone(f"{path}/{name}", partial(remove, f"{path}/{name}"))
        elif os.path.lexists(path):
            yield _gone(path, partial(remove, path))


def _gone(what: str, apply: Any) -> Change:
    return Change("leftover", "leftovers", f"remove {what}", f"{what}\n", "", apply)


def _unmount(point: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(point), MNT_DETACH):
        raise OSError(ctypes.get_errno(), f"{point} cannot be unmounted: {os.strerror(ctypes.get_errno())}")


def _used_namespaces() -> set[int]:
    """The inodes of the network namespaces that processes are in."""
    used = set()
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            used.add(os.stat(f"/proc/{pid}/ns/net").st_ino)
        except OSError:
            pass  # it has ended
    return used


def _drop_namespace(path: str) -> None:
    try:
        _unmount(path)
    except OSError:
        pass  # a file that is no mount (any more): it goes below
    os.unlink(path)


def _drop_cgroup(path: str) -> None:
    for directory, _below, _files in os.walk(path, topdown=False):
        os.rmdir(directory)


def _ctr(namespace: str, *arguments: str) -> str:
    """Runs ctr; "" where containerd is not installed or does not run. Raises StateError for a removal that fails."""
    try:
        command = ["ctr", "--namespace", namespace, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    if done.returncode and arguments[1] != "list" and "not found" not in done.stderr:
        raise StateError(f"ctr --namespace {namespace} {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout if not done.returncode else ""


def _iptables(command: list[str], text: str = "") -> str:
    try:
        done = subprocess.run(command, check=False, input=text, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    if done.returncode and text:
        raise StateError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
