# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real etcd backed up and restored by its own tools, under a real API server that the agent follows all the while."""

from __future__ import annotations

import json
import shutil

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan
from ansible_collections.podnet.cluster.plugins.module_utils.kube import etcd
from ansible_collections.podnet.cluster.plugins.module_utils.provision import backup, backup_file, membership
from standin import apiserver
from standin import cluster as real

from .conftest import Follower

NODES = "/api/v1/nodes"
UID = "6d2a0c0e-6a4e-4c1b-8ed0-0d5a3a1f2b3c"
#: The tools run without a container; the stand-in's etcd has neither certificates nor https.
CRICTL = """#!/bin/sh
if [ "$1" = ps ]; then echo c1; exit; fi
shift 4
tool=$1
shift
for word; do
    shift
    case "$word" in --cacert=*|--cert=*|--key=*|--endpoints=*) ;; *) set -- "$@" "$word" ;; esac
done
[ "$tool" = etcdctl ] && set -- "$@" --endpoints=URL
exec TOOLS/$tool "$@"
"""
CTR = """#!/bin/sh
while [ "$1" != etcdutl ]; do shift; done
shift
exec TOOLS/etcdutl "$@"
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster of three nodes, and a control plane's files of it."""
    archive = real.archive()
    if archive is None:
        pytest.skip("needs the lab's archive of Kubernetes: `make lab` builds it")
    real.unpack(archive, tmp_path)
    with real.running(tmp_path) as running:
        for name, text in (("crictl", CRICTL), ("ctr", CTR)):
            url = f"http://127.0.0.1:{running.etcd}"
            (tmp_path / name).write_text(text.replace("TOOLS", str(tmp_path)).replace("URL", url))
            (tmp_path / name).chmod(0o755)
        manifests = tmp_path / "etc/kubernetes/manifests"
        manifests.mkdir(parents=True)
        (manifests / "etcd.yaml").write_text("    - --listen-client-urls=https://127.0.0.1:2379\n")
        release = ".".join(map(str, running.release))
        (manifests / "kube-apiserver.yaml").write_text(f"    image: registry.k8s.io/kube-apiserver:v{release}.0\n")
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(etcd, "MANIFEST", str(manifests / "etcd.yaml"))
        monkeypatch.setattr(etcd, "DATA", str(tmp_path / "etcd.data"))
        monkeypatch.setattr(etcd, "_SNAPSHOT", str(tmp_path / "etcd.data/.podnet-snapshot.db"))
        monkeypatch.setattr(etcd, "_RESTORED", str(tmp_path / "etcd.data/.podnet-restored"))
        monkeypatch.setattr(backup, "_KUBERNETES", str(tmp_path / "etc/kubernetes"))
        monkeypatch.setattr(backup, "ETC", str(tmp_path / "etc"))
        monkeypatch.setattr(membership, "read", lambda: membership.Membership("node1", UID))
        for number in (1, 2, 3):
            make(running, number)
        yield running


def make(cluster, number: int) -> None:
    cidr = f"10.244.{number}.0/24"
    name = f"node{number}"
    cluster.admin.do("POST", NODES, {"metadata": {"name": name}, "spec": {"podCIDRs": [cidr], "podCIDR": cidr}})
    status = {"status": {"addresses": [{"type": "InternalIP", "address": f"10.77.0.{number}"}]}}
    cluster.admin.do("PATCH", f"{NODES}/{name}/status", status, "application/merge-patch+json")


@pytest.fixture
def follower(cluster, tmp_path):
    path = tmp_path / "podnet"
    path.mkdir()
    config = apiserver.kubeconfig(cluster.directory, "admin", cluster.admin.server)
    (path / "kube.json").write_text(json.dumps(config))
    (path / "overlay.json").write_text(json.dumps({"node_name": "node1", "networks": ["10.244.0.0/16"]}))
    follower = Follower(path, tmp_path / "cache.json", annotate=False)
    yield follower
    follower.source.close()


def nodes(cluster) -> tuple[int, dict[str, str]]:
    """The place in history, and the nodes' UIDs by name."""
    listed = cluster.admin.do("GET", NODES)
    return int(listed["metadata"]["resourceVersion"]), {
        each["metadata"]["name"]: each["metadata"]["uid"] for each in listed["items"]
    }


def test_what_came_after_the_backup_is_gone_for_everybody(cluster, follower, tmp_path):
    follower.names("node2", "node3")
    made: dict = {}
    assert Plan(then=backup.plan(str(tmp_path / "backups"), 3, "", made)).apply() == []
    _place, then = nodes(cluster)
    make(cluster, 9)
    cluster.admin.do("DELETE", f"{NODES}/node3")
    follower.names("node2", "node9")
    seen, _names = nodes(cluster)

    cluster.stop()
    shutil.rmtree(tmp_path / "etcd.data")
    (tmp_path / "etc/kubernetes/manifests/etcd.yaml").unlink()
    manifest = backup_file.read(made["path"], str(tmp_path / "out"))
    todo = backup.restore_plan(str(tmp_path / "out"), manifest, "etcd", "default", "http://127.0.0.1:2380")
    assert Plan(then=todo).apply() == []
    cluster.start()

    place, names = nodes(cluster)
    assert names == then and place > seen + etcd.BUMP // 2
    _status, gone = cluster.admin.call("GET", f"{NODES}?watch=1&timeoutSeconds=5&resourceVersion={seen}")
    assert gone["type"] == "ERROR" and gone["object"]["code"] == 410, "nobody goes on from what it had seen"
    follower.names("node2", "node3")
