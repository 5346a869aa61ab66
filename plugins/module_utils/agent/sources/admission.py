# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of a cluster, kept up to date Node by Node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...kube.annotations import check
from ...overlay.admission import Admission
from ...overlay.config import Config, ConfigError
from ...overlay.lease import Lease, Leases


class NodeAdmission:
    """Takes entries of Nodes and returns which of them are admitted.

    An entry is a text ``"SINCE {JSON}"``: when the Node was created, and what ``annotations.read`` made of it; kept as
    text since a cluster has thousands. Of two in conflict this node's own wins, then the older one.
    """

    def __init__(self, config: Config) -> None:
        self.entries: dict[str, str] = {}
        self._admission = Admission(config, self._lease)
        self._current = False

    @property
    def config(self) -> Config:
        """This node's configuration."""
        return self._admission.config

    def change(self, entries: Mapping[str, str | None]) -> None:
        """Takes new entries by node name; None for a node that is gone."""
        for name, text in entries.items():
            if text is None:
                self.entries.pop(name, None)
                self._current = self._current and self._admission.remove(name)
            else:
                self.entries[name] = text
                self._current = self._current and self._admission.put(name, text)

    def configure(self, config: Config) -> None:
        """Takes another configuration of this node."""
        if config != self.config:
            self._admission, self._current = Admission(config, self._lease), False

    def leases(self) -> Leases:
        """What is known. Raises ConfigError when this node's own entry is missing or invalid."""
        if not self._current:
            if self.config.node_name not in self.entries:
                raise ConfigError(
                    f"{self.config.node_name}, this node, has no pod CIDR: is it a node of the cluster under this name?"
                )
            oldest = sorted(self.entries, key=lambda name: (self.entries[name], name))
            self._admission.rebuild((name, self.entries[name]) for name in oldest)
            self._current = True
        return self._admission.leases()

    def _lease(self, text: str) -> Lease:
        return check(self.config, entry(text))


def entry(text: str) -> dict[str, Any]:
    """The JSON of an entry's text."""
    found: dict[str, Any] = json.loads(text.partition(" ")[2])
    return found
