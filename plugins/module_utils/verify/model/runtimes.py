# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The container runtimes a node may have, as data: what each is called, where it listens, what it is told about CNI."""

from __future__ import annotations

import re
from typing import NamedTuple

#: Which runtime the node's tools ask; the role kubernetes writes it (cri-tools, docs/crictl.md).
CRICTL = "/etc/crictl.yaml"
_ENDPOINT = re.compile(r"""^runtime-endpoint:\s*["']?(?:unix://)?(/[^\s"']+)""", re.MULTILINE)


class Runtime(NamedTuple):
    """A container runtime. ``name`` is the one that it gives the CRI; ``unit`` is the systemd unit that answers the CRI
    at the Unix socket ``socket``; ``processes`` are those of all its units, by unit; ``conf_dir`` and ``bin_dir`` are
    its settings in ``file``."""

    name: str
    unit: str
    socket: str
    processes: dict[str, str]
    conf_dir: str
    bin_dir: str
    file: str


#: By the value of the variable ``container_runtime``.
RUNTIMES = {
    "containerd": Runtime(
        "containerd",
        "containerd",
        "/run/containerd/containerd.sock",
        {"containerd": "containerd"},
        'conf_dir = "{}"',
        'bin_dir = "{}"',
        "/etc/containerd/config.toml",
    ),
    "crio": Runtime(
        "cri-o",
        "crio",
        "/run/crio/crio.sock",
        {"crio": "crio"},
        'network_dir = "{}"',
        'plugin_dirs = ["{}"]',
        "/etc/crio/crio.conf.d/10-podnet.conf",
    ),
    "docker": Runtime(
        "docker",
        "cri-docker",
        "/run/cri-dockerd.sock",
        {"docker": "dockerd", "cri-docker": "cri-dockerd"},
        "--cni-conf-dir={}",
        "--cni-bin-dir={}",
        "/etc/systemd/system/cri-docker.service",
    ),
}
DEFAULT = "containerd"


def of_crictl(text: str) -> Runtime:
    """The runtime that crictl's configuration names; containerd where it names none of them."""
    match = _ENDPOINT.search(text)
    socket = match[1].replace("/var/run/", "/run/", 1) if match else ""
    return next((each for each in RUNTIMES.values() if each.socket == socket), RUNTIMES[DEFAULT])


def units(reported: str) -> list[str]:
    """The systemd units of the runtime that a Node reports, as containerd://2.3.1; none of one that is not known."""
    name = reported.partition("://")[0]
    return [unit for each in RUNTIMES.values() if each.name == name for unit in each.processes]
