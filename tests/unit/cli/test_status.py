# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetctl status for people, from what it has as JSON, too."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli import status
from ansible_collections.podnet.cluster.plugins.module_utils.cli.status import Status
from ansible_collections.podnet.cluster.plugins.module_utils.findings import render
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.admission import admit
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import parse
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.offload import Choice
from overlays import entry

REFUSED = Finding(Code.OVERLAY_RP_FILTER_STRICT, "node1", "eth1", {"key": "net.ipv4.conf.eth1.rp_filter"})
CONFIG = parse({"node_name": "node1", "networks": ["10.244.0.0/16"]})


@pytest.fixture
def found() -> Status:
    leases = admit(CONFIG, [entry(1), entry(2), entry(3)])
    drift = "add route 10.244.3.0/24"
    return Status(
        node="node1",
        address=leases.own.address,
        pod_cidrs=["10.244.1.0/24"],
        backend="vxlan",
        device="flannel.1",
        mtu=1450,
        checksum_offload=Choice(True, "no driver with a known defect"),
        vtep_mac=leases.own.vtep_mac,
        public_key=None,
        in_sync=False,
        drift=[drift],
        peers=[(leases.peers[0], []), (leases.peers[1], [drift])],
        refused={"node9": REFUSED},
        forward_policy_drop=[],
        warnings=[],
        agent=None,
    )


def test_each_peer_has_its_drift_and_each_finding_its_fix(found):
    lines = status.as_text(found).splitlines()
    assert lines[0] == "node1  10.77.0.11  10.244.1.0/24  vxlan (flannel.1, MTU 1450)"
    assert lines[1] == "2 peers, 1 refused, out of sync: 1 changes pending"
    assert lines[2].endswith("in sync") and lines[3].endswith("add route 10.244.3.0/24")
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert len(warnings) == 2 and all("; fix: " in line for line in warnings)
    assert lines[-1] == f"warning: {render.warning(Finding(Code.AGENT_SILENT, 'node1', 'node1'))}"


def test_json_has_what_the_text_shows(found):
    told = json.loads(json.dumps(status.as_json(found)))
    assert set(told) == {"schema", *Status._fields}
    assert told["checksum_offload"] == {"on": True, "why": "no driver with a known defect", "known": ""}
    assert [(peer["name"], peer["drift"]) for peer in told["peers"]] == [("node2", []), ("node3", found.drift)]
    assert told["refused"]["node9"]["code"] == REFUSED.code.value and told["refused"]["node9"]["fix"]
