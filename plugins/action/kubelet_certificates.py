# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module kubelet_certificates: it judges what kubelets ask for."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.findings import render
from ..module_utils.findings.codes import Code
from ..module_utils.findings.finding import Finding
from ..plugin_utils.kubelet_requests import refusal

MODULE = "podnet.cluster.kubelet_certificates"


class ActionModule(ActionBase):
    """Nothing is approved that was not judged here. A request that is refused keeps no other from its certificate."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = {**self._task.args, "approve": []}
        result: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if result.get("failed"):
            return result
        approve, findings = _judge(arguments["nodes"], result["requests"])
        findings += [
            Finding(Code.KUBELET_REQUEST_MISSING, node, node, {"seconds": result["timeout"]})
            for node in result["missing"]
        ]
        if approve:
            arguments.update(approve=approve, awaited=[])
            result = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if findings and not result.get("failed"):
            texts = "; ".join(map(render.warning, findings))
            result.update(failed=True, msg=f"kubelet_certificates: {texts}")
            result["findings"] = [render.as_json(each) for each in findings]
        return result


def _judge(nodes: list[dict[str, Any]], requests: list[dict[str, Any]]) -> tuple[list[str], list[Finding]]:
    """The UIDs to approve, and what stands against the nodes of which no request is good: one from before the node's
    address changed is no fault."""
    known = {node["name"]: [node["name"], node["address"], *(node.get("addresses") or [])] for node in nodes}
    approve: dict[str, str] = {}
    refused: dict[str, Finding] = {}
    for request in requests:
        finding = refusal(request["node"], known[request["node"]], request)
        if finding:
            refused[request["node"]] = finding
        else:
            approve[request["uid"]] = request["node"]
    return list(approve), [each for node, each in refused.items() if node not in approve.values()]
