# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module node_state: a node that is in a state by its facts is not asked for it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils import install

MODULE = "podnet.cluster.node_state"


class ActionModule(ActionBase):
    """Asks the node, unless its facts say that it is in the state of this name and digest."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        facts = arguments.pop("facts", None) or {}
        if arguments.get("name"):
            arguments["digest"] = _digest(arguments)
            if facts.get("in_sync", {}).get(arguments["name"]) == arguments["digest"]:
                return {"changed": False, "changes": []}
        return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)


def _digest(arguments: dict[str, Any]) -> str:
    """Of what is asked for, and of the library that does it: another one may do more."""
    library = install.digest(install.own_tree(), "")
    return hashlib.sha256(json.dumps([library, arguments], sort_keys=True).encode()).hexdigest()
