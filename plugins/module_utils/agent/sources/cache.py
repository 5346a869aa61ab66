# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of all nodes on disk: a node that boots while no API server answers has its overlay all the same."""

from __future__ import annotations

import json
import time
from typing import Any

from ...converge import files
from ...overlay.config import ConfigError
from ...overlay.json_file import read_json

#: Seconds between two writes.
PAUSE = 30.0


class Cache:
    """The entries, by node, that are kept in the file ``path``; ``reason`` says why they could not be, "" if they
    could."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.reason = ""
        self._written = -PAUSE

    def load(self) -> dict[str, str]:
        """The entries that were kept, none where there are none of use."""
        try:
            content: Any = read_json(self.path)
            entries = content["nodes"]
            for name, text in entries.items():
                if json.loads(text.partition(" ")[2])["name"] != name:
                    raise ValueError(name)
            return dict(entries)
        except (ConfigError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def due(self) -> float:
        """When it is time to write again, by ``time.monotonic``."""
        return self._written + PAUSE

    def save(self, entries: dict[str, str]) -> bool:
        """Keep these; whether it could be done."""
        self._written = time.monotonic()
        try:
            files.write(self.path, json.dumps({"nodes": entries}, indent=0) + "\n")
            self.reason = ""
        except OSError as error:
            self.reason = f"{self.path}: {error.strerror}"
        return not self.reason
