# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role's report says was seen."""

from __future__ import annotations

import json


def test_report(root):
    report = json.loads((root / "build/molecule-verify.json").read_text())
    assert report["ok"] is True
    assert {node["name"] for node in report["nodes"]} == {"node1", "node2"}
    assert report["summary"]
    assert all(way["ok"] == way["total"] > 0 for way in report["summary"].values())


def test_workload_runs_on_every_node(host, kubectl):
    command = "--namespace podnet-verify get pods --output json"
    pods = json.loads(kubectl(f"{command} --field-selector spec.nodeName={host.backend.node}"))["items"]
    assert [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] != "Running"] == []
    assert pods
