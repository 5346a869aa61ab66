# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of two bare nodes, Debian 12 and 13, at a site with a package repository and an image registry of its own.

To the nodes they are pkgs.k8s.io, whose address only the site's proxy knows, and a mirror of registry.k8s.io, which is
reached without it: https, with the site's authority. build/repository/ has the output of every playbook.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from standin.upstream import authority, packages, servers
from standin.upstream.archive import Archive
from userlab import ROOT, Lab

sys.path.insert(0, str(ROOT / "roles/kubernetes/files"))
import build_modules

NAME, NETWORK, HOST = "depot", "10.78.0.0/24", "10.78.0.1"
PLACE = ROOT / "build/repository"
#: The registry's other name, which only the proxy knows, too.
DEPOT = "depot.example"
AUTHORITY = "/usr/local/share/ca-certificates/site.crt"
#: The image that verify runs where Kubernetes comes from the repository (roles/verify/defaults).
TOOLBOX, VERIFY_IMAGE = "podnet.local/toolbox:1", "registry.k8s.io/e2e-test-images/busybox:1.36.1-1"
#: One cluster proves IPv4 and IPv6 side by side and kube-proxy's nftables mode as well.
VARIABLES = {
    "kubernetes_source": "repository",
    "containerd_registry_mirrors": {"registry.k8s.io": [{"url": f"https://{HOST}:5000", "ca": AUTHORITY}]},
    "control_plane_kube_proxy_mode": "nftables",
}


class Site(NamedTuple):
    """The lab, and what serves it; ``asked`` are the paths that were asked of the package repository."""

    lab: Lab
    repository: packages.Repository
    registry: servers.Registry
    asked: list[str]
    proxy: servers.Proxy

    def publish(self, archive: Archive) -> None:
        """A release comes out."""
        self.repository.publish(archive)
        self.registry.push(archive, {TOOLBOX: VERIFY_IMAGE})


def archive(release: str, renumbered: str = "") -> Archive:
    """What the release was built into; built if need be."""
    return Archive(Path(build_modules.main([release])), renumbered)


@pytest.fixture(scope="session")
def _site() -> Iterator[Site]:
    if os.geteuid():
        pytest.skip("a lab is made as root")
    shutil.rmtree(PLACE, ignore_errors=True)
    lab = Lab(NAME, PLACE, nodes=2)
    variables = {"lab_network": NETWORK, "lab_nodes": 2, "lab_variant": "bare", "lab_suites": ["trixie", "bookworm"]}
    repository = packages.Repository(PLACE / "www")
    trusted = {"kubernetes_repository_fingerprints": [repository.fingerprint]}
    trusted |= {"cluster_proxy": {"http_proxy": servers.proxy_url(HOST)}}
    variables |= {"lab_family": "dual", "lab_variables": VARIABLES | trusted}
    names = ["pkgs.k8s.io", DEPOT]
    try:
        lab.lab("up", "-e", json.dumps(variables))
        authority.make(PLACE / "tls", names, HOST)
        for name in lab.names:
            lab.node(
                name, f"cat > {AUTHORITY} <<'END'\n{(PLACE / 'tls/ca.crt').read_text()}END\nupdate-ca-certificates"
            )
        with (
            servers.files(PLACE / "www", HOST, PLACE / "tls") as asked,
            servers.registry(PLACE / "registry", HOST, PLACE / "tls") as registry,
            servers.proxy(PLACE / "proxy", HOST, dict.fromkeys(names, HOST)) as proxy,
        ):
            yield Site(lab, repository, registry, asked, proxy)
    finally:
        repository.close()
        lab.lab("down")
        shutil.rmtree(PLACE / "registry", ignore_errors=True)
        shutil.rmtree(PLACE / "www", ignore_errors=True)


@pytest.fixture
def site(_site: Site) -> Site:
    """The site; the test is skipped if what it builds on has failed."""
    if _site.lab.broken:
        pytest.skip(_site.lab.broken)
    return _site


@pytest.fixture
def milestone(site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The site, for a test that others build on: they are skipped if it fails."""
    site.lab.broken = f"{request.node.name} failed"
    yield site
    if not getattr(site.lab, "failed", False):
        site.lab.broken = ""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and "milestone" in item.fixturenames:
        item.funcargs["milestone"].lab.failed = report.failed
