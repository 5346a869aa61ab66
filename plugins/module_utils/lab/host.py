# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's state that labs change: the first lab up records it, the last one down restores it."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shutil

from . import network
from .state import RUN, LabError, run, write_json

RECORD = f"{RUN}/.host.json"

# Not tied to a network namespace: kubelet (--protect-kernel-defaults=false), containerd and the node role write these
# from inside a node.
SYSCTLS = (
    "vm/overcommit_memory", "vm/panic_on_oom", "vm/max_map_count", "vm/swappiness",
    "kernel/panic", "kernel/panic_on_oops", "kernel/pid_max", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
    "fs/file-max", "fs/nr_open", "fs/inotify/max_user_instances", "fs/inotify/max_user_watches", "fs/may_detach_mounts",
    "net/netfilter/nf_conntrack_max", "net/ipv4/ip_forward",
)  # fmt: skip

# What the systemds, containerds and kubelets of several nodes take, all of one user; Debian's 128 instances are not
# enough for five of them, and a systemd that gets none does not boot.
LEAST = {"fs/inotify/max_user_instances": 1024, "fs/inotify/max_user_watches": 524288}

PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "nft": "nftables",
}


def preflight(lab, free_needed, programs=True):
    """Whether this host can carry `lab`. Raises LabError for the first obstacle; `free_needed` is in
    bytes. With `programs` false the programs need not be there yet. Changes nothing."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: its nodes use namespaces, mounts and cgroups")
    for program, package in PROGRAMS.items():
        if programs and not shutil.which(program):
            raise LabError(f"{program} is not installed on this host (Debian: apt-get install {package})")
    with open("/proc/filesystems") as file:
        if "\toverlay\n" not in file.read():
            run("modprobe", "overlay", check=False)
    if not hierarchies():
        raise LabError("no cgroup hierarchy is mounted under /sys/fs/cgroup")
    ours = ipaddress.ip_network(lab.network)
    for route in json.loads(run("ip", "-j", "-4", "route", "show", "table", "main")):
        destination, device = route["dst"].replace("default", "0.0.0.0/0"), route.get("dev", "this host")
        if destination != "0.0.0.0/0" and device != lab.host_link and ours.overlaps(ipaddress.ip_network(destination)):
            raise LabError(
                f"lab network {ours} overlaps {destination} on {device}: set lab_network to one such as 10.78.0.0/24"
            )
    existing = lab.directory
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    free = shutil.disk_usage(existing).free
    if free < free_needed:
        gib = 2**30
        raise LabError(
            f"{existing} has {free / gib:.1f} GiB free, and this lab needs {free_needed / gib:.1f}: "
            "set lab_directory to another place"
        )


# What lets a link's traffic pass, by what the owner of the firewall is known by: the name of a table or a chain. Docker
# keeps DOCKER-USER for its users; the other two forget nothing at a reload.
_OPENERS = {
    "firewalld": "firewall-cmd --permanent --zone=trusted --add-interface={link} && firewall-cmd --reload",
    "ufw-before-forward": "ufw route allow in on {link} && ufw route allow out on {link}",
    "DOCKER-USER": "iptables -I DOCKER-USER -i {link} -j ACCEPT && iptables -I DOCKER-USER -o {link} -j ACCEPT",
}
_OPENER = (
    "nft insert rule {family} {table} {chain} iifname {link} accept && "
    "nft insert rule {family} {table} {chain} oifname {link} accept"
)


def refusals(lab):
    """Foreign chains on this host that drop forwarded packets, as a sentence each with the commands that open them: no
    table of ours can override a drop. firewalld accepts by policy, and rejects by its last rule."""
    if not shutil.which("nft"):
        return []
    chains = [
        entry["chain"] for entry in json.loads(run("nft", "-j", "list", "chains"))["nftables"] if "chain" in entry
    ]
    names = {name for chain in chains for name in (chain["table"], chain["name"])}
    opener = next((command for name, command in _OPENERS.items() if name in names), _OPENER)
    return [
        f"chain {chain['name']} of table {chain['family']} {chain['table']} drops what is forwarded: nodes do not get "
        "beyond this host, as for packages: "
        + opener.format(family=chain["family"], table=chain["table"], chain=chain["name"], link=lab.host_link)
        for chain in chains
        if chain.get("hook") == "forward"
        and chain["family"] in ("ip", "inet")
        and (chain.get("policy") == "drop" or (chain["table"] == "firewalld" and chain["type"] == "filter"))
    ]


def hierarchies():
    """The mount points of this host's cgroup hierarchies, as {mount point: file system type}."""
    with open("/proc/mounts") as file:
        mounts = [line.split() for line in file]
    return {
        fields[1]: fields[2]
        for fields in mounts
        if fields[2] in ("cgroup", "cgroup2") and fields[1].startswith("/sys/fs/cgroup")
    }


def make_cgroups(*parts):
    """Makes the cgroup podnet-lab/<parts> in every hierarchy, fit to hold processes; returns the paths of its
    cgroup.procs files."""
    files = []
    for mount, kind in hierarchies().items():
        parent = mount
        for part in ("podnet-lab", *parts):
            if kind == "cgroup2":  # an empty list where the controllers are on version 1
                controllers = read(f"{parent}/cgroup.controllers").split()
                write(f"{parent}/cgroup.subtree_control", " ".join("+" + name for name in controllers))
            path = f"{parent}/{part}"
            os.makedirs(path, exist_ok=True)
            for name in (
                "cpuset.cpus",
                "cpuset.mems",
            ):  # version 1: empty in a new cgroup, and then no process may enter it
                if kind == "cgroup" and os.path.exists(f"{path}/{name}") and not read(f"{path}/{name}"):
                    write(f"{path}/{name}", read(f"{parent}/{name}"))
            parent = path
        files.append(f"{parent}/cgroup.procs")
    return files


def cgroup_directories(*parts):
    """Every cgroup below and including podnet-lab/<parts>, deepest first."""
    for mount in hierarchies():
        for path, _directories, _files in os.walk(os.path.join(mount, "podnet-lab", *parts), topdown=False):
            yield path


def cgroup_processes(*parts):
    """The host's numbers of the processes in podnet-lab/<parts> and below, in any hierarchy."""
    found: set[int] = set()
    for path in cgroup_directories(*parts):
        with contextlib.suppress(OSError):
            found.update(int(pid) for pid in read(f"{path}/cgroup.procs").split())
    return found - {0}


def remove_cgroups(*parts):
    """Removes podnet-lab/<parts> in every hierarchy. Raises OSError (EBUSY) while a process is left in it."""
    for path in cgroup_directories(*parts):
        os.rmdir(path)


def record():
    """Records what labs change, unless an earlier lab did; then the host forwards, and many nodes have inotify."""
    if not os.path.exists(RECORD):
        with open("/proc/mounts") as file:
            mounted = any(line.split()[1] == "/run/netns" for line in file)
        sysctls = {name: read(f"/proc/sys/{name}") for name in SYSCTLS if os.path.exists(f"/proc/sys/{name}")}
        write_json(RECORD, {"sysctls": sysctls, "netns_mounted": mounted, "netns_existed": os.path.isdir("/run/netns")})
    write("/proc/sys/net/ipv4/ip_forward", "1")
    for name, least in LEAST.items():
        if int(read(f"/proc/sys/{name}")) < least:
            write(f"/proc/sys/{name}", str(least))


def restore():
    """Restores the host's recorded state, once no lab is left."""
    if not os.path.exists(RECORD):
        return
    with open(RECORD) as file:
        found = json.load(file)
    for name, value in found["sysctls"].items():
        if read(f"/proc/sys/{name}") != value:
            write(f"/proc/sys/{name}", value)
    with contextlib.suppress(OSError):
        remove_cgroups()
    # `ip netns add` makes /run/netns a mount point the first time; it may hold another namespace by now.
    if not found["netns_mounted"] and not network.namespaces():
        run("umount", "/run/netns", check=False)
        if not found["netns_existed"]:
            with contextlib.suppress(OSError):
                os.rmdir("/run/netns")
    os.unlink(RECORD)


def read(path):
    """The text of a kernel file, stripped."""
    with open(path) as file:
        return file.read().strip()


def write(path, value):
    """Writes a kernel file."""
    with open(path, "w") as file:
        file.write(value)
