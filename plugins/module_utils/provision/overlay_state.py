# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's overlay as the modules overlay and node_state are given it: its options, and their way to a plan."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

from ..agent.sources.source import CONFIG, LEASES, texts
from ..converge import files
from ..converge.plan import StateError, Step
from ..findings.finding import Finding
from ..netlink.channel import Channel
from ..overlay import admission, reconcile
from ..overlay import config as configs
from ..overlay.config import BACKENDS, MODES, Config, ConfigError
from ..overlay.lease import Leases
from ..overlay.lock import locked
from ..overlay.wireguard_key import PATH

BACKEND = {
    "type": {"type": "str", "choices": list(BACKENDS), "default": "vxlan"},
    "vni": {"type": "int", "default": 1},
    "port": {"type": "int"},
    "direct_routing": {"type": "bool", "default": False},
    "mtu": {"type": "int"},
    "mode": {"type": "str", "choices": list(MODES), "default": "separate"},
    "persistent_keepalive": {"type": "int", "default": 0},
    "private_key_file": {"type": "path", "default": PATH},
    "checksum_offload": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"},
}
CONFIGURATION = {
    "node_name": {"type": "str", "required": True},
    "networks": {"type": "list", "elements": "str", "required": True},
    "backend": {"type": "dict", "default": {}, "options": BACKEND},
    "masquerade": {"type": "bool", "default": True},
    "not_masqueraded": {"type": "list", "elements": "str", "default": []},
    "masquerade_nodes": {"type": "bool", "default": False},
    "bridge": {"type": "str"},
    "service_networks": {"type": "list", "elements": "str", "default": []},
    "underlay_networks": {"type": "list", "elements": "str", "default": []},
    "vtep_mac": {"type": "str"},
}
#: The options of an overlay that is there, as Ansible's argument specification.
OPTIONS: dict[str, Any] = {
    "config": {"type": "dict", "options": CONFIGURATION},
    "leases": {"type": "list", "elements": "raw"},
    "peers": {"type": "str", "choices": ["leases", "agent"], "default": "leases"},
    "directory": {"type": "path", "default": "/etc/podnet"},
    "subnet_env": {"type": "path", "default": "/run/flannel/subnet.env"},
}


class Wanted(NamedTuple):
    """What is asked of a node's overlay; ``kept``: the texts of the files that keep it, by path."""

    config: Config
    leases: Leases
    kept: dict[str, str]


def wanted(options: dict[str, Any]) -> Wanted:
    """What the options (with a ``config``) ask. Raises ConfigError."""
    given = options["config"]
    offload = given["backend"].get("checksum_offload")
    if offload in ("true", "false"):
        given["backend"]["checksum_offload"] = offload == "true"
    config = configs.parse(given)
    kept = zip(files_in(options["directory"]), texts(config, options["leases"]))
    return Wanted(config, admission.admit(config, options["leases"]), dict(kept))


def files_in(directory: str) -> list[str]:
    """The files that keep configuration and leases."""
    return [os.path.join(directory, name) for name in (CONFIG, LEASES)]


def present(channel: Channel, asked: Wanted, options: dict[str, Any]) -> tuple[reconcile.Overlay, dict[str, Finding]]:
    """A look at the node, and why peers are refused, by name. Raises ConfigError, NetlinkError and OSError."""
    own_only = options["peers"] == "agent"
    steps = files.plan(asked.kept)
    overlay = reconcile.present(channel, *asked[:2], options["subnet_env"], steps, own_only=own_only)
    return overlay, {**asked.leases.refused, **(overlay.desired.refused if overlay.desired else {})}


def steps(options: dict[str, Any], check_mode: bool, warn: Callable[[Finding], object]) -> Iterator[Step]:
    """The same as a step of a larger plan. The agent, where one runs, waits until it is done. ``warn`` is called for
    each peer that is refused. Raises StateError, NetlinkError and OSError."""
    try:
        with Channel() as channel, locked(make=not check_mode):
            overlay, refused = present(channel, wanted(options), options)
            for each in refused.values():
                warn(each)
            yield overlay.plan
    except ConfigError as error:
        raise StateError(str(error)) from None
