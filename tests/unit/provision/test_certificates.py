# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates are renewed, and that each component is restarted once, also by a later run."""

from __future__ import annotations

import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.kube import expiry
from ansible_collections.podnet.cluster.plugins.module_utils.provision import certificates

DAY = 86400
CRICTL = """#!/bin/sh
echo "crictl $1" >> {log}
case "$1" in
ps) cat {running} ;;
stop) test ! -e {broken} && echo $$ > {running} || true ;;
esac
"""
KUBECTL = """#!/bin/sh
printf '{{"status": {{"containerStatuses": [{{"containerID": "x://%s", "ready": true}}]}}}}' $(cat {running})
"""


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A control plane of etcd and scheduler, by commands that log themselves."""
    places = {name: tmp_path / name for name in ("log", "running", "broken")}
    for name, text in {
        "crictl": CRICTL,
        "kubectl": KUBECTL,
        "kubeadm": "#!/bin/sh\necho kubeadm $* >> {log}\n",
    }.items():
        (tmp_path / name).write_text(text.format(**places))
        (tmp_path / name).chmod(0o755)
    for name in ("etcd", "kube-scheduler"):
        (tmp_path / f"{name}.yaml").touch()
    (tmp_path / "running").write_text("old\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(certificates, "MANIFESTS", str(tmp_path))
    monkeypatch.setattr(certificates, "PENDING", str(tmp_path / "pending"))
    ends = {}
    monkeypatch.setattr(expiry, "ends", lambda patterns: ends if patterns == expiry.KUBEADM else {})
    return tmp_path, ends


def plan(days=90, force=False) -> Plan:
    return Plan(then=certificates.plan("n", days, force, 1))


def left(days) -> int:
    return int(time.time()) + days * DAY


def test_what_has_long_to_live_is_left_alone(node):
    _directory, ends = node
    ends.update({"/etc/kubernetes/pki/apiserver.crt": left(91), "/etc/kubernetes/pki/ca.crt": left(5)})
    assert plan().describe() == [], "kubeadm does not renew its authorities"
    assert plan(days=92).describe() == ["renew kubeadm's certificates", "restart etcd", "restart kube-scheduler"]
    assert plan(force=True).describe() == plan(days=92).describe()


def test_all_are_renewed_and_each_component_is_restarted(node):
    directory, ends = node
    ends["/etc/kubernetes/admin.conf"] = left(1)
    assert plan().apply() == []
    lines = (directory / "log").read_text().splitlines()
    assert lines[0] == "kubeadm certs renew all" and lines.count("crictl stop") == 2
    ends.clear()
    assert plan().describe() == []


def test_a_restart_that_failed_is_due_in_the_next_run(node):
    directory, ends = node
    ends["/etc/kubernetes/admin.conf"] = left(1)
    (directory / "broken").touch()
    failures = plan().apply()
    assert [each.code for each in failures] == [Code.CHANGE_FAILED] and failures[0].subject == "restart etcd"
    ends.clear()
    (directory / "broken").unlink()
    assert plan().describe() == ["restart etcd", "restart kube-scheduler"]
    assert plan().apply() == []
    assert plan().describe() == []
