# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes from its package repository: from bare nodes, again, to a newer patch and to the next minor release."""

from __future__ import annotations

import re
import subprocess

import pytest

from .conftest import DEPOT, HOST, NAME, VERIFY_IMAGE, Site, archive

MINOR, PATCH, NEXT_PATCH, NEXT = "1.36", "1.36.3", "1.36.4", "1.37"
COMPONENTS = ("kubelet", "kubeadm", "kubectl")
pytestmark = pytest.mark.timeout(1800)


def installed(site: Site, node: str) -> dict[str, str]:
    """The versions of the node's packages of Kubernetes."""
    lines = site.lab.node(node, f"dpkg-query --show --showformat '${{Package}} ${{Version}}\n' {' '.join(COMPONENTS)}")
    return dict(line.split() for line in lines.splitlines())


def held(site: Site, node: str) -> set[str]:
    return set(site.lab.node(node, "apt-mark showhold").split())


def kubelets(site: Site) -> set[str]:
    """The versions that the nodes' kubelets tell, and "not Ready" where a node is not."""
    return {
        node["status"]["nodeInfo"]["kubeletVersion"]
        if {"type": "Ready", "status": "True"}.items() <= condition.items()
        else "not Ready"
        for node in site.lab.objects("nodes")
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    }


def server(site: Site) -> str:
    return re.findall(r'"gitVersion": "(.*?)"', site.lab.kubectl("get", "--raw", "/version"))[0]


def test_a_minor_release_brings_its_newest_patch(milestone):
    """Nothing is named but the minor release; kubeadm's configuration and the packages agree on the patch."""
    milestone.publish(archive(MINOR))
    milestone.lab.play("site", "-e", f"kubernetes_release={MINOR}")
    for node in milestone.lab.names:
        assert installed(milestone, node) == dict.fromkeys(COMPONENTS, f"{PATCH}-1.1")
        assert held(milestone, node) == {*COMPONENTS, "cri-tools"}
    assert server(milestone) == f"v{PATCH}"
    assert kubelets(milestone) == {f"v{PATCH}"}


def test_keys_packages_and_images_came_from_the_site(site):
    assert {"/core:/stable:/v1.36/deb/Release.key", "/core:/stable:/v1.36/deb/InRelease"} <= set(site.asked)
    assert {"kube-apiserver", "kube-proxy", "coredns/coredns", "etcd", "pause"} <= site.registry.pulled()


def test_the_proxy_is_used_and_mirrors_are_reached_without(site):
    """apt, the key and containerd's pulls; the password has a percent-encoded character."""
    (pause,) = (name.partition("/")[2] for name in archive(MINOR).images() if "/pause:" in name)
    assert not site.lab.node("node2", f"getent hosts {DEPOT}", check=False)  # it is the proxy that finds it
    site.lab.kubectl("run", "pulled", "--restart=Never", f"--image={DEPOT}:5000/{pause}")
    site.lab.kubectl("wait", "--for=condition=Ready", "pod/pulled", "--timeout=180s")
    site.lab.kubectl("delete", "pod", "pulled", "--now")
    asked = site.proxy.asked()
    assert {"pkgs.k8s.io:443", f"{DEPOT}:5000"} <= asked
    assert not [each for each in asked if HOST in each]


def test_the_second_run_changes_nothing(site):
    run = site.lab.play("site", "-e", f"kubernetes_release={MINOR}")
    assert run.changed == {}, run.changed_tasks


def test_verify_s_own_image_can_be_pulled(site):
    """Both IP versions, kube-proxy in nftables mode, and the image that verify runs by default."""
    assert site.lab.verify()["ok"]
    pods = site.lab.objects("pods", "-n", "podnet-verify")
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert images == {VERIFY_IMAGE}
    # the node has no nft, and needs none: it is kube-proxy's image that has it
    for family, service in (("ip", "podnet-verify/any"), ("ip6", "")):  # verify's Service is of the first IP version
        command = ["ip", "netns", "exec", f"{NAME}-node2", "nft", "list", "map", family, "kube-proxy", "service-ips"]
        assert service in subprocess.run(command, text=True, capture_output=True, check=True).stdout
    assert {len(pod["status"]["podIPs"]) for pod in pods} == {2}


def test_a_newer_patch_does_not_come_by_itself(site):
    site.publish(archive(MINOR, NEXT_PATCH))
    run = site.lab.play("site", "-e", f"kubernetes_release={MINOR}")
    assert run.changed == {}, run.changed_tasks
    assert installed(site, "node2") == dict.fromkeys(COMPONENTS, f"{PATCH}-1.1")


@pytest.mark.parametrize(("release", "version"), [(NEXT_PATCH, f"v{NEXT_PATCH}"), (NEXT, "v1.37.2")])
def test_upgrade(milestone, release, version):
    """To a newer patch release by its number, and to the next minor release."""
    milestone.publish(archive(NEXT) if release == NEXT else archive(MINOR, NEXT_PATCH))
    milestone.lab.play("upgrade", "-e", f"kubernetes_release={release}")
    assert server(milestone) == version
    assert kubelets(milestone) == {version}
    for node in milestone.lab.names:
        assert installed(milestone, node) == dict.fromkeys(COMPONENTS, f"{version[1:]}-1.1")
        assert held(milestone, node) == {*COMPONENTS, "cri-tools"}
    run = milestone.lab.play("site", "-e", f"kubernetes_release={release}")
    assert run.changed == {}, run.changed_tasks
    assert milestone.lab.verify()["ok"]


def test_reset_takes_the_packages_and_the_repository_away(site):
    site.lab.play("reset", "-e", f"kubernetes_release={NEXT}")
    for node in site.lab.names:
        left = site.lab.node(node, "ls /etc/apt/keyrings /etc/apt/sources.list.d; dpkg -l kubelet cri-tools 2>&1; true")
        assert "podnet" not in left
        assert not re.search("^.i  (kubelet|cri-tools)", left, re.MULTILINE)
