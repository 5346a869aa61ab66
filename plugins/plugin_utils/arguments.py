# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task's arguments by the documentation of its module, for actions that are all the code that their module has."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from ..doc_fragments import nodes

#: The fragment that has options, as modules name it.
NODES = "podnet.cluster.nodes"


def arguments(action: ActionBase) -> dict[str, Any]:
    """The arguments of the action's task, with defaults. Raises AnsibleActionFail for what is not documented so."""
    return dict(action.validate_argument_spec(specification(type(action).__module__.rpartition(".")[2]))[1])


def specification(module: str) -> dict[str, Any]:
    """The argument specification of the collection's ``module`` by its documentation."""
    documentation = yaml.safe_load(import_module(f"..modules.{module}", __package__).DOCUMENTATION)
    options = dict(documentation["options"])
    if NODES in documentation["extends_documentation_fragment"]:
        options.update(yaml.safe_load(nodes.ModuleDocFragment.DOCUMENTATION)["options"])
    return _specification(options)


def _specification(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {**option, "options": _specification(option["suboptions"])} if "suboptions" in option else option
        for name, option in options.items()
    }
