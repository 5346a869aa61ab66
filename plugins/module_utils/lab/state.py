# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as data, and the file that records it."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import re
import subprocess

RUN = "/run/podnet-lab"
# The host's end of the underlay is the link <lab>-host, and a link's name has at most 15 characters.
NAME = re.compile(r"[a-z][a-z0-9]{0,9}")


class LabError(Exception):
    """A lab cannot be made, found or changed: the message has the object, the place and a valid value."""


class Node:
    """One machine: name, address (text, on the underlay), layers (overlayfs lowerdir of its root), binds
    (systemd-nspawn bind arguments, read-only ones prefixed by `ro:`), address6 (empty where the lab has no IPv6)."""

    def __init__(self, name, address, layers, binds=(), address6=""):
        self.name, self.address, self.layers, self.binds = name, address, layers, list(binds)
        self.address6 = address6

    def as_dict(self):
        return dict(vars(self))


class Lab:
    """A lab: name, network (CIDR of the underlay), mtu, directory (where the nodes' files lie), packages (directory of
    Debian packages that nodes share, on the same file system; empty: none), variables (for the inventory), nodes (list
    of Node), network6 (IPv6 CIDR of the underlay; empty: none), unrouted (IPv4 CIDRs that only the nodes know a way
    to), boot_timeout (seconds that a node may take to boot)."""

    def __init__(
        self,
        name,
        network,
        mtu,
        directory,
        packages="",
        variables=None,
        nodes=(),
        network6="",
        unrouted=(),
        boot_timeout=90,
    ):
        self.name, self.network, self.mtu, self.directory = name, network, mtu, directory
        self.packages, self.variables, self.network6 = packages or "", variables or {}, network6 or ""
        self.unrouted, self.boot_timeout = sorted(unrouted), boot_timeout
        self.nodes = [node if isinstance(node, Node) else Node(**node) for node in nodes]

    def as_dict(self):
        return {**vars(self), "nodes": [node.as_dict() for node in self.nodes]}

    def validate(self):
        """Raises LabError for a name or a network that cannot be."""
        if not NAME.fullmatch(self.name):
            raise LabError(
                f"lab name {self.name!r} is not at most 10 lower-case letters and digits, beginning with a letter"
            )
        try:
            ipaddress.IPv4Network(self.network)
        except ValueError as error:
            raise LabError(
                f"lab network {self.network!r}: {error}: give an IPv4 network such as 10.77.0.0/24"
            ) from error
        try:
            for each in self.unrouted:
                ipaddress.IPv4Network(each)
        except ValueError as error:
            raise LabError(f"lab's unrouted network: {error}: give IPv4 networks such as 10.96.0.0/12") from error
        try:
            if self.network6 and ipaddress.IPv6Network(self.network6).prefixlen > 112:
                raise ValueError("it has too few addresses")
        except ValueError as error:
            raise LabError(
                f"lab IPv6 network {self.network6!r}: {error}; want one of /112 or wider such as fd00:77::/64"
            ) from error

    def populate(self, count, systems, binds):
        """Gives the lab `count` nodes with `systems` (lowerdirs) dealt out in turn: node1 at the network's 11th
        address, node2 at the 12th... Raises LabError when the network has not as many."""
        network = ipaddress.IPv4Network(self.network)
        room = (
            network.num_addresses - 12
        )  # the network's own address and its broadcast, the host's, and nine that are left free
        if not 1 <= count <= room:
            raise LabError(f"{count} nodes: lab network {network} has room for {max(room, 0)}; a lab has at least 1")
        if not systems:
            raise LabError("no root file systems are given for the nodes")
        self.nodes = [
            Node(f"node{n}", str(network[10 + n]), systems[(n - 1) % len(systems)], binds, self.address6(10 + n))
            for n in range(1, count + 1)
        ]

    def address6(self, number):
        """The IPv6 network's address of that number as text, empty without such a network."""
        return str(ipaddress.IPv6Network(self.network6)[number]) if self.network6 else ""

    @property
    def prefix_length(self):
        return int(self.network.split("/")[1])

    @property
    def prefix_length6(self):
        return int(self.network6.split("/")[1])

    @property
    def gateway(self):
        """The host's address on the underlay: the network's first."""
        return str(next(ipaddress.ip_network(self.network).hosts()))

    @property
    def host_link(self):
        return f"{self.name}-host"

    @property
    def table(self):
        """The host's nftables table (family ip) that is this lab's."""
        return f"podnet-lab-{self.name}"

    @property
    def state_file(self):
        return f"{RUN}/{self.name}.json"

    def namespace(self, node=None):
        """The name in /run/netns: of the underlay, or of a node."""
        return f"{self.name}-{node.name}" if node else self.name

    def node(self, name):
        """The node called `name`. Raises LabError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(
            f"lab {self.name} has no node {name!r}; it has {', '.join(n.name for n in self.nodes) or 'none'}"
        )

    def path(self, node, *parts):
        """A path in the node's directory on the host."""
        return os.path.join(self.directory, self.name, node.name, *parts)

    def save(self):
        """Records the lab, atomically."""
        write_json(self.state_file, self.as_dict())


def write_json(path, value):
    """Writes `value` to `path`, atomically; makes the directory."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w") as file:
        json.dump(value, file, indent=1)
    os.rename(path + ".new", path)


def load(name):
    """The recorded lab `name`, or None if there is none."""
    try:
        with open(f"{RUN}/{name}.json") as file:
            return Lab(**json.load(file))
    except FileNotFoundError:
        return None


def get(name):
    """The recorded lab `name`. Raises LabError if there is none."""
    lab = load(name)
    if lab is None:
        raise LabError(
            f"no lab {name!r} is up ({RUN}/{name}.json does not exist); labs: {', '.join(names()) or 'none'}"
        )
    return lab


def names():
    """The names of the labs that are up, sorted."""
    try:
        return sorted(entry[:-5] for entry in os.listdir(RUN) if NAME.fullmatch(entry[:-5]) and entry.endswith(".json"))
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def locked(name=""):
    """Holds the lock of what changes lab `name`; without a name, of what all labs share on the host. Whoever wants both
    takes the lab's first. The last one out, with no lab up, leaves no file behind. Raises LabError for a name that no
    lab can have."""
    if name and not NAME.fullmatch(name):
        raise LabError(f"lab name {name!r} is not at most 10 lower-case letters and digits, beginning with a letter")
    path = f"{RUN}/.lock-{name}"
    with _lock(path):
        try:
            yield
        finally:
            if not names():
                os.unlink(path)
                with contextlib.suppress(OSError):  # another's lock, or the host's record, is still there
                    os.rmdir(RUN)


@contextlib.contextmanager
def _lock(path):
    """Holds the lock on the file PATH, which its last holder may have removed meanwhile."""
    while True:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            file = open(path, "w")  # noqa: SIM115 - closed below
        except FileNotFoundError:  # the directory went between the two
            continue
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                yield
                return


def run(*command, stdin=None, check=True):
    """Runs a host command; returns its stdout. Raises LabError with its stderr when it fails."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed on this host") from None
    if check and done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
