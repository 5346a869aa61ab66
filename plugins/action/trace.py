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

from ..module_utils.cli import render_trace
from ..module_utils.records.codec import from_json
from ..module_utils.verify.model.request import TraceRequest
from ..module_utils.verify.model.state import state_from
from ..module_utils.verify.trace import verdict
from ..plugin_utils.arguments import arguments


class ActionModule(ActionBase):
    """Judge a path by the states of its nodes. Runs on the controller only; documented in plugins/modules/trace.py."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        wanted = arguments(self)
        try:
            request = from_json(TraceRequest, wanted["request"])
            states = [state_from(state) for state in wanted["states"]]
        except ValueError as error:
            raise AnsibleActionFail(str(error)) from error
        source, target = request.source, request.target
        if not any(state.node == source.node for state in states):
            raise AnsibleActionFail(f"{source.node}, the node of {source}, was not inspected: is it in the inventory?")
        trace = verdict.judge(source, target, states)
        found = render_trace.as_json(trace)
        if wanted["path"]:
            path = Path(wanted["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        Display().display(render_trace.render(trace))
        result.update(changed=False, trace=found, ok=trace.ok)
        if not trace.ok:
            result.update(failed=True, msg=" ".join(line.strip() for line in render_trace.verdict(trace)))
        return result
