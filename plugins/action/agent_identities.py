# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module agent_identities: it judges what nodes ask for, and what the cluster signed."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.findings import render
from ..module_utils.findings.codes import Code
from ..module_utils.findings.finding import Finding
from ..plugin_utils.identities import Refused, checked_certificate, checked_request

MODULE = "podnet.cluster.agent_identities"


class ActionModule(ActionBase):
    """Nothing reaches the control plane that was not checked here, and nothing comes back that was not."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        try:
            requests = _checked_requests(arguments)
            result = self._execute_module(
                module_name=MODULE, module_args={**arguments, "requests": requests}, task_vars=task_vars
            )
            if not result.get("failed"):
                result["certificates"] = {
                    node: checked_certificate(node, pem, requests[node])
                    for node, pem in result.get("certificates", {}).items()
                    if node in requests
                }
            return dict(result)
        except Refused as refused:
            finding = refused.finding
            raise AnsibleActionFail(
                f"agent_identities: {render.warning(finding)}",
                result={"finding": finding.as_json()},
            ) from None


def _checked_requests(arguments: dict[str, Any]) -> dict[str, str]:
    requests = arguments.get("requests") or {}
    for node in requests:
        if node not in arguments.get("nodes", []):
            raise Refused(Finding(Code.REQUEST_NOT_ASKED, node, node))
    return {node: checked_request(node, pem) for node, pem in requests.items()}
