# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is on a node, read in one go: nothing is changed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any

from ..converge import files
from ..converge.paths import block
from ..converge.plan import StateError
from ..converge.units import show
from ..netlink import address, link, route
from ..netlink.channel import Channel
from ..verify.model.runtimes import DEFAULT, RUNTIMES
from ..verify.observe import cri_image
from . import kernel, membership

_DEBIAN = ("debian", "ubuntu")
_REDHAT = ("rhel", "fedora", "centos")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}
FIREWALLS = ("firewalld.service", "ufw.service")
#: What configures links, and what adds policy routing rules for a cloud's addresses.
MANAGERS = ("systemd-networkd.service", "NetworkManager.service")
CLOUD_SETUP = "nm-cloud-setup.timer"
CGROUP_CONTROLLERS = "/sys/fs/cgroup/cgroup.controllers"
KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
ADMIN_CONF = "/etc/kubernetes/admin.conf"


def gather(packages: Sequence[str]) -> dict[str, Any]:
    """The node as a dictionary; ``packages`` are those whose versions are of interest. See node_facts' RETURN."""
    units = show([*FIREWALLS, *MANAGERS, CLOUD_SETUP, "containerd.service", "kubelet.service"])
    distribution = os_release()
    return {
        "hostname": socket.gethostname(),
        "distribution": distribution,
        "kernel": os.uname().release,
        "kernel_modules_installed": os.path.isdir(kernel.directory()) or not os.path.exists(kernel.MODULES),
        "architecture": _ARCHITECTURES.get(os.uname().machine, os.uname().machine),
        "memory_mib": _memory(),
        "cpus": len(os.sched_getaffinity(0)),
        "cgroup": 2 if os.path.exists(CGROUP_CONTROLLERS) else 1,
        "cgroup_memory": memory_controller(files.read(CGROUP_CONTROLLERS), files.read("/proc/cgroups")),
        "swap": [line.split()[0] for line in (files.read("/proc/swaps") or "").splitlines()[1:]],
        "firewalls": [name for name in _active(units, FIREWALLS) if name != "ufw" or _ufw_is_enabled()],
        "network_managers": _active(units, MANAGERS),
        "cloud_setup": bool(_active(units, [CLOUD_SETUP])),
        "packages": installed(distribution["family"], packages),
        "held": held(distribution["family"], packages),
        "containerd": _version("containerd", "--version"),
        "crio": _version("crio", "--version"),
        "docker": _version("dockerd", "--version"),
        "cri_dockerd": _version("cri-dockerd", "--version"),
        "containerd_active": units["containerd.service"].get("ActiveState") == "active",
        "kubelet": _version("kubelet", "--version"),
        "kubelet_active": units["kubelet.service"].get("ActiveState") == "active",
        "hosts": hosts(files.read("/etc/hosts") or ""),
        "joined": os.path.exists(KUBELET_CONF),
        "control_plane": os.path.exists(ADMIN_CONF) and os.path.exists("/etc/kubernetes/manifests/kube-apiserver.yaml"),
        **membership.gather(),
    }


def _active(units: dict[str, dict[str, str]], names: Sequence[str]) -> list[str]:
    """Those of the units that run, without their suffix."""
    return [name.partition(".")[0] for name in names if units[name].get("ActiveState") == "active"]


def _ufw_is_enabled() -> bool:
    """ufw's unit is active on every Ubuntu; its own switch decides whether it has rules."""
    return re.search(r"^\s*ENABLED=[\"']?yes", files.read("/etc/ufw/ufw.conf") or "", re.I | re.M) is not None


def memory_controller(controllers: str | None, cgroups: str | None) -> bool:
    """Whether cgroups account for memory, by the root's cgroup.controllers (None: cgroup v1) or /proc/cgroups."""
    if controllers is not None:
        return "memory" in controllers.split()
    rows = [line.split() for line in (cgroups or "").splitlines()]
    return any(row[0] == "memory" and row[-1] == "1" for row in rows if row)


def os_release(text: str | None = None) -> dict[str, str]:
    """os-release(5): id, version, codename, name, and the family (debian, redhat, other) whose packages it takes."""
    values = dict(
        re.findall(
            r"^([A-Z_]+)=\"?([^\"\n]*)\"?$",
            text if text is not None else files.read("/etc/os-release") or "",
            re.MULTILINE,
        )
    )
    kinds = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
    family = (
        "debian"
        if any(kind in _DEBIAN for kind in kinds)
        else "redhat"
        if any(kind in _REDHAT for kind in kinds)
        else "other"
    )
    return {
        "id": values.get("ID", ""),
        "version": values.get("VERSION_ID", ""),
        "codename": values.get("VERSION_CODENAME", ""),
        "name": values.get("PRETTY_NAME", ""),
        "family": family,
    }


def installed(family: str, names: Iterable[str]) -> dict[str, str]:
    """The versions of those of the packages ``names`` that are installed, by name."""
    names = list(names)
    if not names:
        return {}
    if family == "debian":
        lines = _output("dpkg-query", "--show", "--showformat=${Package}\t${db:Status-Abbrev}\t${Version}\n", *names)
        rows = [line.split("\t") for line in lines.splitlines()]
        return {name: version for name, status, version in rows if status[1:2] == "i"}
    lines = _output("rpm", "--query", "--queryformat=%{NAME}\t%{VERSION}-%{RELEASE}\n", *names)
    return dict(line.split("\t") for line in lines.splitlines() if "\t" in line)


def held(family: str, names: Iterable[str]) -> list[str]:
    """Those of the packages ``names`` that dpkg holds; RPM has no such thing (its repository excludes them)."""
    if family != "debian":
        return []
    names = list(names)
    lines = _output("dpkg-query", "--show", "--showformat=${Package}\t${db:Status-Abbrev}\n", *names) if names else ""
    return [name for name, status in (line.split("\t") for line in lines.splitlines()) if status.startswith("h")]


def underlay() -> dict[str, Any]:
    """The node's interfaces (addresses, mac, mtu, up, accept_ra) by name, and the one of the default route, None
    without one."""
    with Channel() as channel:
        links = link.dump(channel)
        names = {each.index: each.name for each in links}
        interfaces: dict[str, dict[str, Any]] = {
            each.name: {
                "addresses": [],
                "mac": each.mac,
                "mtu": each.mtu,
                "up": bool(each.up),
                "accept_ra": _accept_ra(each.name),
            }
            for each in links
        }
        for each in address.dump(channel, names):
            if each.dev in interfaces and each.scope in (None, "global"):
                interfaces[each.dev]["addresses"].append(each.address)
        defaults = [each for each in route.dump(channel, names) if each.dst in route.ANYWHERE.values() and each.dev]
    first = min(defaults, key=lambda each: (":" in each.dst, each.metric or 0), default=None)
    return {"interfaces": interfaces, "default_interface": first.dev if first else None}


def hosts(text: str) -> dict[str, str]:
    """The addresses by name in the block ``nodes`` of /etc/hosts, whose content is ``text``."""
    lines = block(text, "nodes").splitlines()
    return {name: words[0] for words in (line.split() for line in lines) for name in words[1:]}


def images(runtime: str = DEFAULT) -> list[str]:
    """Names of the images that the runtime has; none where it is not installed. Raises StateError where it does not
    answer."""
    if runtime != DEFAULT:
        socket_path, unit = RUNTIMES[runtime].socket, RUNTIMES[runtime].unit
        try:
            return cri_image.names(socket_path) if os.path.exists(socket_path) else []
        except OSError as error:
            raise StateError(f"{unit} does not list its images ({error}): systemctl restart {unit}") from None
    try:
        done = subprocess.run(
            ["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"], check=False, capture_output=True, text=True
        )
    except FileNotFoundError:
        return []
    if done.returncode:
        raise StateError(f"containerd does not list its images ({done.stderr.strip()}): systemctl restart containerd")
    return done.stdout.split()


def _accept_ra(interface: str) -> int | None:
    """The interface's sysctl: 0, 1 (router advertisements are accepted unless it forwards) or 2 (they always are)."""
    text = files.read(f"/proc/sys/net/ipv6/conf/{interface}/accept_ra")
    return int(text) if text and text.strip().isdecimal() else None


def _version(command: str, *arguments: str) -> str | None:
    match = re.search(r"\bv?(\d+\.\d+\.\d+)", _output(command, *arguments))
    return match[1] if match else None


def _memory() -> int:
    match = re.search(r"^MemTotal:\s+(\d+) kB$", files.read("/proc/meminfo") or "", re.MULTILINE)
    return int(match[1]) // 1024 if match else 0


def _output(*command: str) -> str:
    """What a command prints, "" where there is no such command; its exit status says nothing (a package not
    installed)."""
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True, errors="replace").stdout
    except (FileNotFoundError, PermissionError):
        return ""
