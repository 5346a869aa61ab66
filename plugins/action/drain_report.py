# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ..module_utils.provision import drain
from ..plugin_utils.arguments import arguments
from ..plugin_utils.judge import Judge


class ActionModule(Judge):
    """Report why a node was not drained; documented in plugins/modules/drain_report.py."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = arguments(self)
        findings = drain.blocked(given["items"], given["node"], given["timeout"])
        return self.verdict(findings, "the drain", outcome="the node is in the cluster as before")
