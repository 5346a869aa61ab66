# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ..module_utils.findings.codes import Code
from ..module_utils.findings.finding import Finding
from ..module_utils.provision import between, membership
from ..module_utils.provision.inventory import Node
from ..plugin_utils.arguments import arguments
from ..plugin_utils.judge import Judge


class ActionModule(Judge):
    """Judge what node_facts found on the nodes; documented in plugins/modules/preflight_nodes.py."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        given = arguments(self)
        found = {each["node"]: each for each in given["found"]}
        findings = [Finding.from_json(finding) for each in found.values() for finding in each["findings"]]
        warnings = [Finding.from_json(finding) for each in found.values() for finding in each["warned"]]
        nodes = {node: each["ansible_facts"]["podnet_node"] for node, each in found.items()}
        wanted = [Node(**each) for each in given["nodes"]]
        absent = between.unreachable(wanted, found)
        findings = between.without_silence_of(absent, findings) + between.check(nodes, given["mtu"] is not None)
        findings += membership.check_clusters(nodes, [node.host for node in wanted if node.control_plane])
        # Without a control plane of the cluster a node that is away may be the one which has it.
        is_known = any(facts.get("control_plane") for facts in nodes.values())
        for node in absent:
            is_needed = node.control_plane and not is_known
            (findings if is_needed else warnings).append(Finding(Code.HOST_UNREACHABLE, "", node.host))
        return self.verdict(findings, "the nodes", warnings)
