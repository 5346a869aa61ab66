# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes with a firewall: firewalld on the control plane, ufw on the worker, each as its package brings it. With
them swap that /etc/fstab does not know, an audit log, and encryption at rest.

The tests are the steps of one life and run in this order.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator

import pytest
from userlab import ROOT, Lab

pytestmark = pytest.mark.timeout(1200)

INSTALL = "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qqy install --no-install-recommends"
KEY = base64.b64encode(bytes(range(32))).decode()
VARIABLES = {
    "node_firewalls": ["firewalld", "ufw"],
    "control_plane_audit_policy": {"rules": [{"level": "Metadata"}]},
    "control_plane_encryption": [
        {"resources": ["secrets"], "providers": [{"secretbox": {"keys": [{"name": "a", "secret": KEY}]}}]}
    ],
}
#: The lab keeps swap, which is the host's; only what is given on the command line counts more than its group_vars.
NO_SWAP = ("-e", "node_swap=off")
LISTEN = "systemd-run --quiet --unit=other python3 -m http.server 9999"
REACHED = "python3 -c 'import socket; socket.create_connection((\"{}\", 9999), 3)' 2>/dev/null && echo reached || true"
#: What swap.target wants is begun at boot as units of swap are, which systemd does not start in containers. The unit
#: of zram-tools calls swapon itself.
PROBE = "[Unit]\\nDefaultDependencies=no\\n[Service]\\nType=oneshot\\nExecStart=/usr/bin/touch /run/{}.begun\\n"
ADD_PROBES = f"""
printf '{PROBE.format("probe")}' > /usr/lib/systemd/system/probe.service
printf '{PROBE.format("zramswap")}' > /usr/lib/systemd/system/zramswap.service
systemctl add-wants swap.target probe.service && systemctl add-wants multi-user.target zramswap.service
"""
BEGUN = "cd /run; ls *.begun 2>/dev/null || true"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two nodes with firewalls, from nothing to nothing; tests/firewalls ends at the first test that fails (-x)."""
    if os.geteuid():
        pytest.skip("a lab is made as root")
    lab = Lab("fw", ROOT / "build/firewalls", nodes=2)
    variables = {"lab_network": "10.84.0.0/24", "lab_nodes": 2, "lab_suites": ["bookworm", "trixie"]}
    try:
        lab.lab("up", "-e", json.dumps({**variables, "lab_variables": VARIABLES}))
        lab.node("node1", f"{INSTALL} firewalld && systemctl enable --now firewalld")
        lab.node("node2", f"{INSTALL} ufw && ufw --force enable && systemctl enable --now ufw")
        for name in lab.names:
            lab.node(name, LISTEN)
        yield lab
    finally:
        lab.lab("down")


def rules(lab: Lab) -> dict[str, str]:
    """The firewalls' own files by node."""
    firewalld = lab.node("node1", "cd /etc/firewalld && find . -type f -exec sha256sum {} + | sort")
    return {"node1": firewalld, "node2": lab.node("node2", "cat /etc/ufw/before.rules /etc/ufw/before6.rules")}


@pytest.fixture(scope="module")
def before(lab) -> dict[str, str]:
    return rules(lab)


def dropping(lab: Lab, name: str) -> list[str]:
    """The chains of which podnetctl says that they drop what pods send each other."""
    return json.loads(lab.node(name, "podnetctl status --json || true"))["forward_policy_drop"]


def test_swap_is_begun_at_a_boot(lab):
    """Before the role masks what begins it."""
    lab.node("node2", ADD_PROBES)
    lab.lab("node", "-e", "node=node2", "-e", "state=restarted")
    assert lab.node("node2", BEGUN).split() == ["probe.begun", "zramswap.begun"]
    lab.node("node2", LISTEN)


def test_the_firewalls_reject(lab, before):
    """What none of their rules accepts, and so the nodes' other ports: before and after."""
    assert lab.node("node2", REACHED.format("10.84.0.11")) == lab.node("node1", REACHED.format("10.84.0.12")) == ""


def test_pods_nodes_and_services_pass(lab):
    lab.play("site", *NO_SWAP)
    assert lab.verify()["ok"]
    assert [dropping(lab, name) for name in lab.names] == [[], []]
    test_the_firewalls_reject(lab, None)


def test_audit_and_encryption(lab):
    """etcd's files have what a ConfigMap holds, and not what a Secret does."""
    lab.kubectl("create", "secret", "generic", "one", "--from-literal=key=within-a-secret")
    lab.kubectl("create", "configmap", "one", "--from-literal=key=within-a-configmap")
    within = "grep -rlaF within-a-{} /var/lib/etcd/member || true"
    assert lab.node("node1", within.format("configmap")) and not lab.node("node1", within.format("secret"))
    assert int(lab.node("node1", 'grep -c \'"resource":"secrets"\' /var/log/kubernetes/audit.log'))
    modes = lab.node("node1", "stat -c %a /etc/kubernetes/podnet/*.yaml").split()
    assert modes == ["600", "600"]


def test_an_image_that_cannot_be_had_is_told_before_anything_waits(lab):
    run = lab.play("verify", "-e", "verify_image=registry.invalid/none:1", expect=2)
    assert "can pull it" in run.output and "Apply the workload" not in run.output


def test_the_second_run_changes_nothing(lab):
    run = lab.play("site", *NO_SWAP)
    assert run.changed == {}, run.changed_tasks
    assert "firewall" not in run.output


def test_closed_firewalls_are_told_everywhere(lab):
    """In preflight, by the node, and by verify, which fails."""
    closed = lab.play("site", *NO_SWAP, "-e", json.dumps({"node_firewalls": []}), expect=None)  # node2 loses the API
    assert "firewalld is active" in closed.output and "ufw is active" in closed.output
    assert dropping(lab, "node1") == ["inet firewalld filter_FORWARD"]
    assert dropping(lab, "node2") == ["ip filter FORWARD"]
    lab.play("verify", "-e", "verify_keep=true", "-e", "verify_traces=0", expect=2)
    lab.play("site", *NO_SWAP)
    assert lab.verify()["ok"]


def test_a_new_node_reaches_the_api(lab):
    """The control plane's firewall does not know it before."""
    lab.play("remove_node", "-e", "node=node2")
    assert "10.84.0.12" not in lab.node("node1", "cat /etc/firewalld/ipsets/podnet-nodes4.xml")
    lab.play("add_node", *NO_SWAP, "-e", "new_nodes=node2")
    assert lab.verify()["ok"]


def test_a_boot(lab):
    """The firewall has its rules again. Swap is not begun: by swap.target, which brings units, zram and GPT, nor by a
    service."""
    lab.lab("node", "-e", "node=node2", "-e", "state=restarted")
    assert lab.node("node2", BEGUN) == ""
    assert lab.verify()["ok"]


def test_reset_leaves_the_firewalls_as_they_were(lab, before):
    lab.play("reset")
    assert rules(lab) == before
    assert lab.node("node1", "ls -d /etc/kubernetes /var/log/kubernetes 2>/dev/null || true") == ""
    assert lab.node("node1", "firewall-cmd --check-config").strip() == "success"
    assert lab.node("node2", "find /etc/systemd/system -maxdepth 1 -lname /dev/null -name '*swap*'") == ""
