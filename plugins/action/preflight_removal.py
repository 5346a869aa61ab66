# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ..module_utils.provision import membership
from ..plugin_utils.arguments import arguments
from ..plugin_utils.judge import Judge


class ActionModule(Judge):
    """Check that nodes may be taken out of their cluster; documented in plugins/modules/preflight_removal.py."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = arguments(self)
        hostvars = (task_vars or {})["hostvars"]
        found = {host: hostvars[host]["ansible_facts"]["podnet_node"] for host in given["hosts"]}
        findings = membership.check_removal(found, given["control_plane"], given["stay"], given["confirm"])
        return self.verdict(list(findings), "the nodes")
