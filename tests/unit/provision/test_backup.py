# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup made on a node and a control plane made from one, by commands that stand in for etcd's tools."""

from __future__ import annotations

import json
import stat

import pytest
from ansible_collections.podnet.cluster.plugins.action import preflight_restore
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan, StateError
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.kube import etcd
from ansible_collections.podnet.cluster.plugins.module_utils.provision import backup, backup_file, membership

UID = "6d2a0c0e-6a4e-4c1b-8ed0-0d5a3a1f2b3c"
STATUS = [{"Status": {"header": {"member_id": 7}, "version": "3.7.0", "dbSize": 100, "dbSizeInUse": 90}}]
TOLD = {"hash": 5, "revision": 42, "totalKey": 3, "totalSize": 100, "version": "3.7.0"}
CRICTL = f"""#!/bin/sh
case "$*" in
"ps "*) echo c1 ;;
*"endpoint status"*) echo '{json.dumps(STATUS)}' ;;
*"alarm list"*) echo '{{}}' ;;
*"snapshot save"*) echo data > DATA/.podnet-snapshot.db ;;
*"snapshot status"*) echo '{json.dumps(TOLD)}' ;;
esac
"""
CTR = """#!/bin/sh
echo "$*" >> DATA/../ctr.log
case "$*" in
*"etcdutl version"*) printf 'etcdutl version: 3.7.1\\nAPI version: 3.7\\n' ;;
*) mkdir -p DATA/.podnet-restored/member/snap; cp "$SNAPSHOT" DATA/.podnet-restored/member/snap/db ;;
esac
"""


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A control plane below a directory."""
    (tmp_path / "etcd").mkdir()
    for name, text in (("crictl", CRICTL), ("ctr", CTR)):
        (tmp_path / name).write_text(text.replace("DATA", str(tmp_path / "etcd")))
        (tmp_path / name).chmod(0o755)
    kubernetes = tmp_path / "etc/kubernetes"
    for inside, text in {
        "pki/ca.key": "ca", "pki/apiserver.key": "own", "pki/etcd/ca.crt": "etcd", "pki/sa.pub": "sa",
        "manifests/kube-apiserver.yaml": "    image: registry.k8s.io/kube-apiserver:v1.37.2\n",
        "manifests/etcd.yaml": "    - --listen-client-urls=https://127.0.0.1:2379\n",
    }.items():  # fmt: skip
        (kubernetes / inside).parent.mkdir(parents=True, exist_ok=True)
        (kubernetes / inside).write_text(text)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(etcd, "MANIFEST", str(kubernetes / "manifests/etcd.yaml"))
    monkeypatch.setattr(etcd, "DATA", str(tmp_path / "etcd"))
    monkeypatch.setattr(etcd, "_SNAPSHOT", str(tmp_path / "etcd/.podnet-snapshot.db"))
    monkeypatch.setattr(etcd, "_RESTORED", str(tmp_path / "etcd/.podnet-restored"))
    monkeypatch.setattr(backup, "_KUBERNETES", str(kubernetes))
    monkeypatch.setattr(backup, "_CONFIGURATION", str(tmp_path / "etc/podnet/kubeadm.yaml"))
    monkeypatch.setattr(backup, "_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(membership, "read", lambda: membership.Membership("node1", UID))
    return tmp_path


def made(node, keep=3) -> dict:
    result: dict = {}
    plan = Plan(then=backup.plan(str(node / "backups"), keep, "", result))
    assert plan.apply() == []
    return result


def test_a_backup_of_a_node(node):
    result = made(node)
    manifest = backup_file.read(result["path"], str(node / "out"))
    assert (manifest.cluster, manifest.node, manifest.kubernetes, manifest.etcd) == (UID, "node1", "1.37.2", "3.7.0")
    assert (manifest.revision, manifest.hash, manifest.keys) == (42, 5, 3)
    assert (node / "out" / backup_file.SNAPSHOT).read_text() == "data\n"
    assert "kubernetes/pki/ca.key" in manifest.files and not any("manifests" in inside for inside in manifest.files)
    assert stat.S_IMODE((node / "backups").stat().st_mode) == 0o700
    assert not list((node / "etcd").iterdir()), "the snapshot does not stay with the data"


def test_check_mode_only_says_so(node):
    plan = Plan(then=backup.plan(str(node / "backups"), 3, "", {}))
    assert [text.partition(f"{node}")[0] for text in plan.describe()] == ["write backup "]
    assert plan.diffs()[0].after == "etcd and keys\n"
    assert not (node / "backups").exists()


@pytest.mark.parametrize(
    ("size", "used", "alarms", "wanted"),
    [(300, 100, [], True), (300, 200, [], False), (100, 1, [], False), (100, 99, ["NOSPACE"], True)],
)
def test_when_defragmenting_pays(size, used, alarms, wanted):
    assert backup.worth_defragmenting(etcd.Status("3.7.0", size << 20, used << 20, 0, alarms)) == wanted


def test_a_fetched_backup_is_kept_whole_or_not_at_all(node):
    result = made(node)
    (node / "kept").mkdir()
    source = str(node / "incoming" / result["path"].rpartition("/")[2])
    (node / "incoming").mkdir()
    data = (node / "backups" / result["path"]).read_bytes()
    for content in (data, data[:-1]):
        with open(source, "wb") as file:
            file.write(content)
        plan = Plan(then=backup.keep_plan(source, result["sha256"], str(node / "kept"), UID, 1))
        assert [each.code for each in plan.apply()] == ([] if content == data else [Code.CHANGE_FAILED])
    (kept,) = (node / "kept").iterdir()
    assert kept.read_bytes() == data and stat.S_IMODE(kept.stat().st_mode) == 0o600


def restored(node, monkeypatch, **changed) -> list:
    manifest = backup_file.read(made(node)["path"], str(node / "out"))._replace(**changed)
    (node / "etc/kubernetes/manifests/etcd.yaml").unlink(missing_ok=True)
    monkeypatch.setenv("SNAPSHOT", str(node / "out" / backup_file.SNAPSHOT))
    monkeypatch.setattr(backup, "ETC", str(node / "new"))
    plan = backup.restore_plan(str(node / "out"), manifest, "etcd:3.7", "node1", "https://10.0.0.1:2380")
    return [each.code for each in Plan(then=plan).apply()]


def test_a_control_plane_is_made_of_the_cluster_s_keys_and_data(node, monkeypatch):
    """Not of the old node's own certificates, which kubeadm makes for the new one."""
    assert restored(node, monkeypatch) == []
    assert (node / "etcd/member/snap/db").read_text() == "data\n" and not (node / "etcd/.podnet-restored").exists()
    files = {path.relative_to(node / "new").as_posix() for path in (node / "new").rglob("*") if path.is_file()}
    assert files == {"kubernetes/pki/ca.key", "kubernetes/pki/etcd/ca.crt", "kubernetes/pki/sa.pub"}
    assert stat.S_IMODE((node / "new/kubernetes/pki/ca.key").stat().st_mode) == 0o600
    words = (node / "ctr.log").read_text()
    assert "--bump-revision=1000000000 --mark-compacted" in words and "--name=node1" in words


def test_an_older_etcd_does_not_get_the_data(node, monkeypatch):
    assert restored(node, monkeypatch, etcd="3.8.0") == [Code.CHANGE_FAILED]
    assert not (node / "etcd/member").exists()


def test_a_node_with_data_keeps_it(node, monkeypatch):
    (node / "etcd/member").mkdir()
    manifest = backup_file.read(made(node)["path"])
    with pytest.raises(StateError, match="has an etcd already"):
        list(backup.restore_plan(str(node), manifest, "etcd", "node1", "https://10.0.0.1:2380"))


def test_an_encrypted_one_wants_a_key(tmp_path):
    (tmp_path / "backup").write_bytes(b"0\x80")
    with pytest.raises(backup_file.BackupError) as caught:
        preflight_restore._plain(str(tmp_path / "backup"), "")
    assert caught.value.finding.code == Code.BACKUP_ENCRYPTED
