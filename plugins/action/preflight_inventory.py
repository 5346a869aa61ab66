# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ..module_utils.provision import inventory
from ..plugin_utils.arguments import arguments
from ..plugin_utils.judge import Judge

#: Characters that make a host a pattern of hosts, which is Ansible's to resolve.
PATTERN = set("*?[]:!&~")


class ActionModule(Judge):
    """Check the inventory's groups; documented in plugins/modules/preflight_inventory.py."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = arguments(self)
        asked = {name: [each.strip() for each in value.split(",")] for name, value in given["hosts"].items() if value}
        asked = {name: [each for each in hosts if not PATTERN & set(each)] for name, hosts in asked.items()}
        findings, warnings = inventory.check_groups(given["groups"], asked), inventory.doubts(given["groups"])
        return self.verdict(list(findings), "the inventory", list(warnings))
