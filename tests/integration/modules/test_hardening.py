# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real API server and kubeadm with what the role control_plane makes of an audit policy and an encryption."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from standin import cluster as real

ROOT = Path(__file__).resolve().parents[3]
KEY = base64.b64encode(bytes(range(32))).decode()
VARIABLES = {
    "control_plane_audit_policy": {"rules": [{"level": "Metadata"}]},
    "control_plane_encryption": [
        {"resources": ["secrets"], "providers": [{"secretbox": {"keys": [{"name": "12e34", "secret": KEY}]}}]}
    ],
}
EXPRESSIONS = {
    "files": "{{ _control_plane_settings_files }}",
    "flags": "{{ _control_plane_apiserver_args }}",
    "direct": "{{ _cluster_direct }}",
    "kubeadm": "{{ lookup('ansible.builtin.template', 'kubeadm.yaml.j2') }}",
}


def main(directory: str) -> None:
    """Prints EXPRESSIONS, evaluated with the settings' directory and the log below ``directory``."""
    from ansible.plugins.loader import init_plugin_loader

    path = ROOT / "tests/unit/provision/test_templates.py"
    specification = importlib.util.spec_from_file_location("templates", path)
    templates = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(templates)
    init_plugin_loader([str(ROOT / "build/collections")])
    paths = {"audit-log-path": f"{directory}/audit.log", "kubelet-certificate-authority": f"{directory}/server/ca.crt"}
    given = {**VARIABLES, "control_plane_apiserver_args": paths, "kubernetes_release": "1.37.2"}
    given["_control_plane_settings"] = f"{directory}/podnet"
    print(json.dumps({k: templates.evaluate("control_plane", v, **given) for k, v in EXPRESSIONS.items()}))


@pytest.fixture
def rendered(tmp_path):
    """What the role has for the API server; the files are there."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(
        [sys.executable, __file__, tmp_path], env=environment, cwd=ROOT, check=True, capture_output=True
    )
    found = json.loads(done.stdout)
    for each in found["files"]:
        path = Path(each["path"])
        path.parent.mkdir(exist_ok=True)
        path.write_text(each.get("content") or each["secret_content"])
    return found


@pytest.fixture
def archive():
    found = real.archive()
    if found is None:
        pytest.skip("needs the lab's archive of Kubernetes: `make lab` builds it")
    return found


def test_secrets_are_encrypted_and_requests_are_logged(rendered, archive, tmp_path):
    directory = tmp_path / "server"
    directory.mkdir()
    real.unpack(archive, directory)
    server = real.Cluster(directory)
    server.gates = {name: str(value).lower() if value is False else value for name, value in rendered["flags"].items()}
    try:
        server.start()
        assert not server.kubectl("create", "namespace", "here").returncode
        for kind, within in (("secret", "generic"), ("configmap", "")):
            words = ["create", kind, *([within] if within else []), "one", f"--from-literal=key=within-a-{kind}"]
            done = server.kubectl(*words, "--namespace", "here")
            assert not done.returncode, done.stderr
        read = server.kubectl("get", "secret", "one", "--namespace", "here", "--output", "jsonpath={.data.key}")
        assert base64.b64decode(read.stdout) == b"within-a-secret"
    finally:
        server.stop()
    stored = b"".join(path.read_bytes() for path in (directory / "etcd.data").rglob("*") if path.is_file())
    assert b"within-a-configmap" in stored and b"within-a-secret" not in stored
    assert b"k8s:enc:secretbox:v1:12e34:" in stored, "the key's name is a string, not a number"
    logged = [json.loads(line).get("objectRef", {}) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert {"secrets", "configmaps"} <= {each.get("resource") for each in logged}


def test_kubeadm_takes_the_configuration(rendered, archive, tmp_path):
    """Its manifest has the flags, and mounts what they name; it does not have the password of the login's proxy."""
    path = tmp_path / "kubeadm.yaml"
    path.write_text(rendered["kubeadm"])
    kubeadm = f"{archive}/bin/kubeadm"
    script = f"""mount -t tmpfs tmpfs /etc && {kubeadm} init phase certs all --config {path} >&2 &&
        {kubeadm} init phase control-plane apiserver --config {path} >&2 && cat /etc/kubernetes/manifests/*"""
    login = {name: f"http://ops:word@192.0.2.1/?{name}" for name in ("https_proxy", "HTTP_PROXY", "all_proxy")}
    environment = {**os.environ, **login, **rendered["direct"]}
    unshare = ["unshare", "--mount", "sh", "-c", script]
    done = subprocess.run(unshare, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert "192.0.2.1" not in done.stdout
    (container,) = yaml.safe_load(done.stdout)["spec"]["containers"]
    flags = {f"--audit-policy-file={tmp_path}/podnet/audit-policy.yaml", "--profiling=false"}
    flags.add(f"--kubelet-certificate-authority={tmp_path}/server/ca.crt")
    assert flags <= set(container["command"])
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert {f"{tmp_path}/podnet", "/var/log/kubernetes"} <= mounted


if __name__ == "__main__":
    main(sys.argv[1])
