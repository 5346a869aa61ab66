# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One call of a plugin by the runtime or a delegating plugin: command, attachment, configuration."""

from __future__ import annotations

from . import config
from .environment import Environment

#: Where GC finds the attachments that exist: the specification's name, and libcni's from before it.
VALID_ATTACHMENTS = ("cni.dev/valid-attachments", "cni.dev/attachments")


class Call:
    """``env`` has command and attachment, ``conf`` the configuration, ``previous`` the previous plugin's result.

    ``previous`` is a result in its inner form (see result.py) or None.
    """

    def __init__(self, env: Environment, conf: dict, previous: dict | None) -> None:
        self.env = env
        self.conf = conf
        self.previous = previous

    @property
    def version(self) -> str:
        """The specification version of the configuration."""
        return self.conf["cniVersion"]

    @property
    def network(self) -> str:
        return self.conf["name"]

    @property
    def owner(self) -> tuple[str, str]:
        """The attachment on this network: container ID and interface name."""
        return self.env.container_id, self.env.ifname

    def with_conf(self, conf: dict) -> Call:
        """The same call with another configuration, for a delegate: it keeps name, version and previous result."""
        conf = {**conf, "cniVersion": self.version, "name": self.network}
        if "prevResult" in self.conf:
            conf["prevResult"] = self.conf["prevResult"]
        return Call(self.env, conf, self.previous)

    def with_previous(self, previous: dict | None) -> Call:
        """The same call, further down the chain."""
        return Call(self.env, self.conf, previous)

    def runtime(self) -> dict:
        """``runtimeConfig``: what the runtime supplies for the capabilities."""
        return config.mapping(self.conf, "runtimeConfig")

    def args(self) -> dict:
        """``args.cni``."""
        return config.mapping(config.mapping(self.conf, "args"), "cni")

    def valid_attachments(self) -> set[tuple[str, str]]:
        """For GC: the attachments that exist, (container ID, interface name) each.

        CniError 7 without such a list, and for a malformed entry: to treat it as an empty list would remove everything.
        An empty one may be null, as libcni writes it.
        """
        keys = [key for key in VALID_ATTACHMENTS if key in self.conf]
        if not keys:
            raise config.config_error(f"GC needs {VALID_ATTACHMENTS[0]}, a list of {{containerID, ifname}}")
        valid = set()
        for item in config.objects(self.conf, keys[0]):
            owner = config.string(item, "containerID"), config.string(item, "ifname")
            if not all(owner):
                raise config.config_error(f"{keys[0]}: must be {{containerID, ifname}}, not {item!r}")
            valid.add(owner)
        return valid
