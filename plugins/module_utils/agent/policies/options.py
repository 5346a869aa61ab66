# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's settings for NetworkPolicies: the object ``policy`` of podnetd.json, strictly read.

{"connections": "cut", "directory": "/var/lib/podnet/policy"}
"""

from __future__ import annotations

from typing import NamedTuple

from ...overlay.config import ConfigError

DIRECTORY = "/var/lib/podnet/policy"
CUT, KEEP = "cut", "keep"


class Options(NamedTuple):
    """``connections``: what becomes of open connections that a changed policy forbids; ``directory``: where lies what
    outlives a boot."""

    connections: str = CUT
    directory: str = DIRECTORY


def parse(data: object) -> Options:
    """``data`` (decoded JSON) as Options. Raises ConfigError."""
    if not isinstance(data, dict):
        raise ConfigError(f"policy: {data!r:.80} is not an object with the keys {', '.join(Options._fields)}")
    for key in data:
        if key not in Options._fields:
            raise ConfigError(f"policy.{key}: is not a setting: it knows {', '.join(Options._fields)}")
    options = Options(**data)
    if options.connections not in (CUT, KEEP):
        raise ConfigError(f"policy.connections: {options.connections!r} is not {CUT} or {KEEP}")
    if not isinstance(options.directory, str) or not options.directory.startswith("/"):
        raise ConfigError(f"policy.directory: {options.directory!r} is not an absolute path")
    return options
