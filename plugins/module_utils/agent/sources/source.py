# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where leases come from: what every source can do, and the one that reads the overlay role's files in /etc/podnet."""

from __future__ import annotations

import json
import os
from typing import Any, Protocol

from ...overlay import config as configs
from ...overlay.config import Config, ConfigError
from ...overlay.lease import Leases
from ..inotify import Watch
from .incremental import Register

DIRECTORY = "/etc/podnet"
CONFIG = "overlay.json"
LEASES = "leases.json"


class Source(Protocol):
    """Tells the agent what the node and its peers are, and when that changes.

    The agent's loop owns it and calls it from one thread, and nothing it does may wait: a source that talks to a
    network does so in a thread of its own and wakes the loop.
    """

    def start(self) -> None:
        """Begins to follow changes. Called once, before all else."""

    def fileno(self) -> int:
        """A descriptor that is readable while there is something that ``read`` has not told yet; the same one as long
        as the source lives."""

    def read(self) -> tuple[Config, Leases]:
        """What is known now. Makes ``fileno`` quiet until the next change. Raises ConfigError when nothing usable is
        known (yet): the agent then leaves everything as it is. A source that has lost its server goes on telling what
        it knew."""

    def reread(self) -> None:
        """Looks anew at all that it was started with (SIGHUP: credentials, files)."""

    def report(self, level: bool, reason: str) -> None:
        """Hears how the node is after each look: ``level``, or why not in words (the NetworkUnavailable condition)."""

    def status(self) -> dict[str, Any]:
        """How the source itself is, JSON-ready: "type", "connected" (it follows changes), "reason" in words where
        it does not, and what else helps; numbers become metrics of that name."""

    def close(self) -> None:
        """Ends; nothing on the node is changed."""


class FileSource:
    """Reads overlay.json (this node's configuration) and leases.json (``{"leases": [...]}``) in ``directory``."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self.directory = directory
        self.config_path = os.path.join(directory, CONFIG)
        self.leases_path = os.path.join(directory, LEASES)
        self.watch: Watch | None = None
        self.register = Register()

    def start(self) -> None:
        """Begins to watch the directory."""
        self.watch = Watch(self.directory)

    def fileno(self) -> int:
        """The watch's descriptor."""
        assert self.watch is not None
        return self.watch.fileno()

    def reread(self) -> None:
        """Every ``read`` does."""

    def report(self, level: bool, reason: str) -> None:
        """Nobody to tell."""

    def status(self) -> dict[str, Any]:
        """Whether the directory is watched."""
        watched = self.watch is not None and self.watch.active
        told = {"type": "file", "directory": self.directory, "connected": watched}
        return told if self.watch is None or watched else {**told, "reason": self.watch.reason}

    def close(self) -> None:
        """Ends the watch."""
        if self.watch:
            self.watch.close()
            self.watch = None

    def read(self) -> tuple[Config, Leases]:
        """Both files, checked. Raises ConfigError, which names the file, for one that is missing, is no JSON, or whose
        content cannot be right for this node; a peer that is wrong is among the refused ones instead."""
        if self.watch:
            self.watch.clear()
        config = self.config()
        data = _load(self.leases_path)
        try:
            if not isinstance(data, dict) or set(data) != {"leases"}:
                raise ConfigError('there must be an object with one key: {"leases": [...]}')
            return config, self.register.admit(config, data["leases"])
        except ConfigError as error:
            raise ConfigError(f"{self.leases_path}: {error}") from None

    def config(self) -> Config:
        """overlay.json alone. Raises ConfigError, which names the file."""
        data = _load(self.config_path)
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


def _load(path: str) -> object:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; the overlay role writes it") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # a number of too many digits is a plain ValueError
        raise ConfigError(f"{path}: is not JSON: {error}") from None
