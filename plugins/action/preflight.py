# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ..module_utils.provision import archive, inventory
from ..module_utils.provision.checks import check
from ..plugin_utils import role_variables
from ..plugin_utils.arguments import arguments
from ..plugin_utils.judge import Judge


class ActionModule(Judge):
    """Check a cluster's variables; documented in plugins/modules/preflight.py."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = arguments(self)
        nodes = [inventory.Node(**each) for each in given["nodes"]]
        outcome = check(given, nodes)
        hostvars = (task_vars or {}).get("hostvars", {})
        names = {name for node in nodes if node.host in hostvars for name in hostvars.raw_get(node.host)}
        misspelt = inventory.check_names(names, role_variables.known(), given["own_variables"])
        result = self.verdict([*outcome.findings, *misspelt], "the cluster's variables")
        if outcome.release:
            result["release"] = outcome.release.as_data()
        if outcome.archive:
            result["images"] = sorted(outcome.archive.images)
        result["architecture"] = archive.architecture(outcome.archive) if outcome.archive else ""
        return result
