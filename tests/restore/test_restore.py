# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that is lost with all its machines comes back from its backup onto new ones.

The tests are the steps of one life and run in this order.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from userlab import ROOT, Lab

pytestmark = pytest.mark.timeout(1800)

KEY = base64.b64encode(bytes(range(32))).decode()
NODES = {"lab_network": "10.88.0.0/24", "lab_nodes": 2, "lab_suites": ["bookworm", "trixie"]}
SETTINGS = {
    "control_plane_encryption": [
        {"resources": ["secrets"], "providers": [{"secretbox": {"keys": [{"name": "a", "secret": KEY}]}}]}
    ]
}
OBJECTS = """
apiVersion: v1
kind: Secret
metadata: {name: told}
stringData: {word: swordfish}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: web, image: podnet.local/toolbox:1, command: [httpd, -f, -p, "8080"]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
#: What people made: each must be the same object afterwards.
KEPT = "namespaces,configmaps,secrets,services,serviceaccounts,deployments,replicasets,daemonsets,roles,clusterroles"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two nodes, from nothing to nothing; `make restore` ends at the first test that fails (-x)."""
    if os.geteuid():
        pytest.skip("a lab is made as root")
    lab = Lab("restore", ROOT / "build/restore", nodes=2)
    try:
        lab.lab("up", "-e", json.dumps({**NODES, "lab_variables": SETTINGS}))
        lab.play("site")
        yield lab
    finally:
        lab.lab("down")


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> tuple[Path, Path]:
    """A private key, and the certificate that backups are encrypted for."""
    directory = tmp_path_factory.mktemp("keys")
    made = directory / "backup.key", directory / "backup.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=backup"]
    subprocess.run([*command, "-keyout", made[0], "-out", made[1]], check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    """The controller's directory for backups, with a file of somebody else's."""
    directory = tmp_path_factory.mktemp("backups")
    (directory / "podnet-notes.tar.gz").write_text("mine")
    return directory


BEFORE: dict = {}


def kept(lab: Lab) -> dict[str, dict]:
    """The objects by kind and name, without what controllers go on writing."""
    found = {}
    for each in lab.objects(KEPT, "--all-namespaces"):
        own = each["metadata"]
        name = f"{each['kind']} {own.get('namespace', '')}/{own['name']}"
        found[name] = {"uid": own["uid"], "spec": each.get("spec"), "data": each.get("data")}
    return found


def made_by_people(objects: dict[str, dict]) -> dict[str, dict]:
    """Without what kubeadm writes anew with this cluster's endpoint, and its tokens, which end."""
    places = ("kube-system", "kube-public")
    return {
        name: each
        for name, each in objects.items()
        if not name.partition("/")[0].endswith(places) and "kubeadm:" not in name
    }


def revision(lab: Lab) -> int:
    return int(json.loads(lab.kubectl("get", "--raw=/api/v1/namespaces"))["metadata"]["resourceVersion"])


def archives(directory: Path) -> list[Path]:
    return sorted(directory.glob("podnet-*-*.tar.gz*"))


def test_check_mode_tells_of_a_backup_and_makes_none(lab, directory):
    run = lab.play("backup", "--check", "-e", f"backup_directory={directory}")
    assert run.changed_tasks == {"podnet.cluster.backup : Write the backup"}
    assert archives(directory) == [] and lab.node("node1", "ls /var/backups/podnet 2>/dev/null || true") == ""


def test_a_backup_is_fetched_and_old_ones_go(lab, keys, directory):
    lab.node("node1", f"kubectl apply -f - <<'END'\n{OBJECTS}\nEND")
    lab.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    lab.play("backup", "-e", f"backup_directory={directory}")
    (plain,) = archives(directory)
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600
    members = subprocess.run(["tar", "tzf", plain], text=True, capture_output=True, check=True).stdout.split()
    assert {"manifest.json", "etcd/snapshot.db", "kubernetes/pki/ca.key", "kubernetes/podnet/encryption.yaml"} <= set(
        members
    )
    BEFORE.update(objects=kept(lab), revision=revision(lab))
    lab.play(
        "backup", "-e", f"backup_directory={directory}", "-e", "backup_keep=1", "-e", f"backup_recipient={keys[1]}"
    )
    (encrypted,) = archives(directory)
    assert encrypted.suffix == ".cms" and (directory / "podnet-notes.tar.gz").exists()
    assert len(lab.node("node1", "ls -A /var/backups/podnet").split()) == 1
    assert lab.node("node1", "ls -A /var/lib/etcd").split() == ["member"]


def test_the_timer_makes_them_too(lab, directory):
    lab.play("backup", "-e", f"backup_directory={directory}", "-e", "backup_timer=daily", "-e", "backup_keep=9")
    lab.node("node1", "systemctl is-active podnet-backup.timer && systemctl start podnet-backup.service")
    assert len(lab.node("node1", "ls -A /var/backups/podnet").split()) == 3
    lab.play("backup", "-e", f"backup_directory={directory}", "-e", "backup_keep=9")
    assert "podnet-backup" not in lab.node("node1", "ls /etc/systemd/system")


def test_what_cannot_be_restored_is_told_before_a_node_is_touched(lab, keys, directory, tmp_path):
    """All of it at once: nodes with a cluster, a key of somebody else's, a file that is cut off, another cluster."""
    encrypted = next(each for each in archives(directory) if each.suffix == ".cms")
    other = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
    (tmp_path / "other.key").write_bytes(other)
    (tmp_path / "cut.tar.gz").write_bytes(
        next(each for each in archives(directory) if each.suffix == ".gz").read_bytes()[:90000]
    )
    cases = (
        ("backup.encrypted", encrypted, ()),
        ("backup.not-decrypted", encrypted, ("-e", f"backup_key={tmp_path}/other.key")),
        ("backup.damaged", tmp_path / "cut.tar.gz", ()),
        ("backup.of-other-cluster", encrypted, ("-e", f"backup_key={keys[0]}", "-e", "restore_cluster=u1")),
    )
    for code, path, more in cases:
        refused = lab.play("restore", "-e", f"backup={path}", *more, expect=2)
        assert code in refused.output and "node.in-cluster" in refused.output and not refused.changed


def test_all_machines_are_lost_and_the_cluster_comes_back(lab, keys, directory):
    lab.kubectl("create", "configmap", "later")
    seen = revision(lab)
    encrypted = next(each for each in archives(directory) if each.suffix == ".cms")
    lab.lab("down")
    lab.lab("up", "-e", json.dumps({**NODES, "lab_variables": SETTINGS}))
    lab.play("restore", "-e", f"backup={encrypted}", "-e", f"backup_key={keys[0]}")
    now = kept(lab)
    assert made_by_people(BEFORE["objects"]) == made_by_people(now)
    assert revision(lab) > seen + 900_000_000, "no client takes what it had seen for newer"
    assert base64.b64decode(now["Secret default/told"]["data"]["word"]) == b"swordfish"
    assert lab.node("node1", "ls /var/lib/podnet/restore* 2>/dev/null || true") == ""


def test_pods_and_agents_come_back(lab):
    lab.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=120s")
    lab.kubectl("rollout", "status", "deployment/web", "--timeout=180s")
    lab.until(
        "all pods run",
        lambda: all(pod["status"].get("phase") == "Running" for pod in lab.objects("pods", "--all-namespaces")),
        120,
    )
    addresses = [pod["status"]["podIP"] for pod in lab.objects("pods")]
    assert len(addresses) == len(set(addresses)) == 3
    report = lab.verify()
    assert report["ok"]
    checked = {(check["name"], check["node"]) for check in report["checks"]}
    assert {("etcd healthy", "node1"), ("backups made", "node1"), ("certificates valid", "node2")} <= checked
    for name in lab.names:
        lab.node(name, "podnetctl status")


def test_site_changes_nothing_then(lab):
    run = lab.play("site")
    assert run.changed == {}, run.changed_tasks


SHORT_LIVED = """
kubectl -n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' > /root/short.yaml
echo 'certificateValidityPeriod: 23h0m0s' >> /root/short.yaml
kubeadm certs renew all --config /root/short.yaml && rm /root/short.yaml
"""
SHOWN = "openssl s_client -connect 127.0.0.1:{} </dev/null 2>/dev/null | openssl x509 -noout -checkend {}"


def test_certificates_that_end_tomorrow_are_told_and_renewed(lab):
    """By the certificates' clock: kubeadm makes them so short-lived. What runs shows the new ones afterwards."""
    lab.node("node1", SHORT_LIVED)
    told = {each["code"] for each in json.loads(lab.node("node1", "podnetctl status --json"))["warnings"]}
    assert "certificate.expires" in told
    would = lab.play("renew_certificates", "--check")
    assert "podnet.cluster.certificates : Renew the certificates" in would.changed_tasks and set(would.changed) == {
        "node1"
    }
    before = lab.node(
        "node1", "crictl ps --quiet --name '^(etcd|kube-apiserver|kube-controller-manager|kube-scheduler)$'"
    )
    began = time.monotonic()
    lab.play("renew_certificates", "-e", "certificates_timer=weekly")
    print(f"renewed in {time.monotonic() - began:.0f} s")
    after = lab.node(
        "node1", "crictl ps --quiet --name '^(etcd|kube-apiserver|kube-controller-manager|kube-scheduler)$'"
    )
    assert len(after.split()) == 4 and not set(before.split()) & set(after.split())
    for port in (6443, 2379):
        lab.node("node1", SHOWN.format(port, 300 * 86400))
    assert json.loads(lab.node("node1", "podnetctl status --json"))["warnings"] == []
    lab.node("node1", "systemctl is-active podnet-certificates.timer && systemctl start podnet-certificates.service")
    assert lab.play("renew_certificates", "-e", "certificates_timer=weekly").changed == {}
    assert lab.node("node1", "crictl ps --quiet --name kube-scheduler").split()[0] in after.split()


def test_reset_takes_the_timers_and_leaves_the_backups(lab):
    uid = json.loads(lab.kubectl("get", "namespace", "kube-system", "--output=json"))["metadata"]["uid"]
    lab.play("backup", "-e", "backup_directory=", "-e", "backup_timer=daily")
    lab.play("reset", "-e", f"reset_confirm={uid}")
    # the lab's own unit stays
    assert lab.node("node1", "ls -d /etc/systemd/system/podnet-[!l]* 2>/dev/null || true") == ""
    assert f"podnet-{uid}" in lab.node("node1", "ls /var/backups/podnet")
