# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control plane that answers, with its secrets kept."""

from __future__ import annotations

import json
import time

KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"


def test_api_is_ready(host):
    assert host.check_output(f"{KUBECTL} get --raw /readyz") == "ok"


def test_components_run(host):
    wanted = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    for _second in range(60):  # the kubelet reports its static pods to the API some time after they run
        pods = json.loads(host.check_output(f"{KUBECTL} --namespace kube-system get pods --output json"))["items"]
        running = {pod["metadata"]["labels"].get("component") for pod in pods if pod["status"]["phase"] == "Running"}
        if wanted <= running:
            break
        time.sleep(1)
    assert wanted <= running


def test_networks_are_the_variables(host):
    arguments = host.check_output("ps -eo args")
    assert "--service-cluster-ip-range=10.96.0.0/12" in arguments
    assert "--cluster-cidr=10.244.0.0/16" in arguments


def test_credentials_are_roots_alone(host):
    for path in ("/etc/kubernetes/admin.conf", "/etc/kubernetes/pki/ca.key"):
        assert (host.file(path).user, host.file(path).mode & 0o077) == ("root", 0), path


def test_root_has_kubectl(host):
    assert host.run("HOME=/root kubectl get nodes").rc == 0
