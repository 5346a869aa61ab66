# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where leases come from: what every source can do, and the one that reads the overlay role's files in /etc/podnet."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from ...overlay import config as configs
from ...overlay.admission import ListAdmission
from ...overlay.config import Config, ConfigError
from ...overlay.json_file import read_json
from ...overlay.lease import Leases
from ..inotify import Watch

DIRECTORY = "/etc/podnet"
CONFIG = "overlay.json"
LEASES = "leases.json"
#: The credentials for the API, where something needs them.
CREDENTIALS = "kube.json"


class SourceStatus(NamedTuple):
    """A source's own state: its ``type``, the server or directory that it reads (``place``), whether it follows changes
    (``connected``), ``reason`` why not, or what else is wrong, "" for nothing. ``synced``: all is known, None where it
    always is. The ``counters`` become metrics of these names."""

    type: str
    place: str
    connected: bool
    reason: str = ""
    synced: bool | None = None
    counters: Mapping[str, int] = {}

    def as_json(self) -> dict[str, Any]:
        """What ``podnetctl status`` shows (docs/agent.md)."""
        found: dict[str, Any] = {
            "type": self.type,
            "directory" if self.type == "file" else "server": self.place,
            "connected": self.connected,
            **self.counters,
        }
        if self.synced is not None:
            found["synced"] = self.synced
        return {**found, "reason": self.reason} if self.reason else found


class Source(Protocol):
    """Knows this node and its peers, and announces when that changes.

    The agent's loop owns it and calls it from one thread, and nothing it does may wait: a source that uses a network
    does so in threads of its own and wakes the loop.
    """

    def start(self) -> None:
        """Starts to follow changes. Called once, before all else."""

    def fileno(self) -> int:
        """A descriptor that is readable while there is something that ``read`` has not returned yet; the same one as
        long as the source lives."""

    def read(self) -> tuple[Config, Leases]:
        """What is known now. Makes ``fileno`` quiet until the next change. Raises ConfigError when nothing usable is
        known (yet): the agent then keeps what it has. A source that has lost its server goes on returning what it
        knew."""

    def reread(self) -> None:
        """Reads again all that it was started with (SIGHUP: credentials, files)."""

    def report(self, in_sync: bool, reason: str) -> None:
        """Called after each reconciliation: whether the node is in sync, or why not (the NetworkUnavailable
        condition)."""

    def status(self) -> SourceStatus:
        """The source's own state."""

    def close(self) -> None:
        """Ends; nothing on the node is changed."""


class FileSource:
    """Reads overlay.json (this node's configuration) and leases.json (``{"leases": [...]}``) in ``directory``."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self.directory = directory
        self.config_path = os.path.join(directory, CONFIG)
        self.leases_path = os.path.join(directory, LEASES)
        self.watch: Watch | None = None
        self.admission = ListAdmission()

    def start(self) -> None:
        """Begins to watch the directory."""
        self.watch = Watch(self.directory)

    def fileno(self) -> int:
        assert self.watch is not None
        return self.watch.fileno()

    def reread(self) -> None:
        """Every ``read`` does."""

    def report(self, in_sync: bool, reason: str) -> None:
        """Files have no reader of it."""

    def status(self) -> SourceStatus:
        """Whether the directory is watched."""
        watched = self.watch is not None and self.watch.active
        return SourceStatus("file", self.directory, watched, self.watch.reason if self.watch and not watched else "")

    def close(self) -> None:
        if self.watch:
            self.watch.close()
            self.watch = None

    def read(self) -> tuple[Config, Leases]:
        """Both files, checked. Raises ConfigError, which names the file, for one that is missing, is not JSON, or
        cannot be right for this node; a peer that is wrong is among the refused ones instead."""
        if self.watch:
            self.watch.clear()
        config = self.config()
        data = read_json(self.leases_path)
        try:
            if not isinstance(data, dict) or set(data) != {"leases"}:
                raise ConfigError('expected an object with one key: {"leases": [...]}')
            return config, self.admission.admit(config, data["leases"])
        except ConfigError as error:
            raise ConfigError(f"{self.leases_path}: {error}") from None

    def config(self) -> Config:
        """overlay.json alone. Raises ConfigError, which names the file."""
        data = read_json(self.config_path)
        try:
            return configs.parse(data)
        except ConfigError as error:
            raise ConfigError(f"{self.config_path}: {error}") from None


def texts(config: Config, entries: list[object]) -> tuple[str, str]:
    """The text of overlay.json and leases.json for ``config`` and the list of leases ``entries``, as ``FileSource``
    reads it."""
    return _dump(config.as_json()), _dump({"leases": entries})


def _dump(data: object) -> str:
    return json.dumps(data, indent=1, sort_keys=True) + "\n"
