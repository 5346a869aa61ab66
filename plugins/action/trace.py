# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.podnet.cluster.plugins.module_utils.cli import render_trace
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.endpoint import as_end
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace import verdict


class ActionModule(ActionBase):
    """Judge a way by what the nodes told of it. Runs on the controller only; documented in plugins/modules/trace.py."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, wanted = self.validate_argument_spec(
            argument_spec={
                "way": {"type": "dict", "required": True},
                "states": {"type": "list", "elements": "dict", "required": True},
                "path": {"type": "path"},
            }
        )
        source, target = (as_end(wanted["way"][key]) for key in ("from", "to"))
        if not any(state["node"] == source.node for state in wanted["states"]):
            raise AnsibleActionFail(f"{source.node}, where {source} is, was not looked at: is it in the inventory?")
        traced = verdict.judge(source, target, wanted["states"])
        if wanted["path"]:
            path = Path(wanted["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(traced, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        Display().display(render_trace.render(traced))
        result.update(changed=False, trace=traced, ok=traced["ok"])
        if not traced["ok"]:
            result.update(failed=True, msg=" ".join(line.strip() for line in render_trace.verdict(traced)))
        return result
