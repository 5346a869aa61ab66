# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's variables: the variable, its value, and what would be right; all of it at once."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.provision import checks
from ansible_collections.podnet.cluster.plugins.module_utils.provision.archive import architecture
from provisioning import PUBLIC_KEY


@pytest.fixture
def found(variables, three):
    """Code and subject of each finding with some variables changed."""

    def check(changed=None, nodes=three):
        return [(each.code, each.subject) for each in checks.check({**variables, **(changed or {})}, nodes).findings]

    return check


def test_a_right_cluster(variables, three):
    outcome = checks.check(variables, three)
    assert outcome.findings == []
    assert outcome.release.name == "1.34"


@pytest.mark.parametrize(
    ("changed", "code", "subject"),
    [
        ({"overlay_backend": {"type": "ipip"}}, Code.VARIABLE_INVALID, "overlay_backend.type"),
        ({"overlay_backend": "vxlan"}, Code.VARIABLE_INVALID, "overlay_backend"),
        ({"overlay_backend": {"vlan": 3}}, Code.VARIABLE_INVALID, "overlay_backend"),
        ({"overlay_backend": {"vni": 1 << 24}}, Code.VARIABLE_INVALID, "overlay_backend.vni"),
        ({"overlay_backend": {"checksum_offload": "on"}}, Code.VARIABLE_INVALID, "overlay_backend.checksum_offload"),
        ({"control_plane_endpoint": "api"}, Code.VARIABLE_INVALID, "control_plane_endpoint"),
        ({"containerd_registry_mirrors": []}, Code.VARIABLE_INVALID, "containerd_registry_mirrors"),
        ({"kubernetes_release": "1.99"}, Code.VARIABLE_INVALID, "kubernetes_release"),
        ({"kubernetes_release": "latest"}, Code.VARIABLE_INVALID, "kubernetes_release"),
        ({"kubernetes_release": None}, Code.VARIABLE_INVALID, "kubernetes_release"),
        ({"kubernetes_release": 1.3}, Code.VARIABLE_UNQUOTED, "kubernetes_release"),
        (
            {"kubernetes_source": "modules", "kubernetes_release": "1.35"},
            Code.RELEASE_UNAVAILABLE,
            "kubernetes_release",
        ),
        (
            {"kubernetes_source": "modules", "kubernetes_release": "1.37.1"},
            Code.RELEASE_UNAVAILABLE,
            "kubernetes_release",
        ),
        ({"kubernetes_source": "snap"}, Code.VARIABLE_INVALID, "kubernetes_source"),
    ],
)
def test_a_wrong_variable(found, changed, code, subject):
    assert found(changed) == [(code, subject)]


PROXY = {"http_proxy": "http://ops:w0rd@proxy.example:3128", "https_proxy": "", "no_proxy": "a.example,.b.example"}


@pytest.mark.parametrize(
    ("changed", "subjects"),
    [
        ({"cluster_proxy": PROXY, "containerd_proxy": PROXY}, []),
        ({"cluster_proxy": {}, "containerd_proxy": {"https_proxy": "socks5://[2001:db8::1]:1080"}}, []),
        ({"cluster_proxy": "http://ops:w0rd@proxy.example:3128"}, ["cluster_proxy"]),
        ({"cluster_proxy": [PROXY]}, ["cluster_proxy"]),
        ({"cluster_proxy": {"htp_proxy": "http://ops:w0rd@a"}}, ["cluster_proxy.htp_proxy"]),
        ({"containerd_proxy": {**PROXY, "http_proxy": "ops:w0rd@proxy:3128"}}, ["containerd_proxy.http_proxy"]),
        ({"containerd_proxy": {**PROXY, "http_proxy": "http://ops:w0rd@proxy:x"}}, ["containerd_proxy.http_proxy"]),
        ({"containerd_proxy": {**PROXY, "http_proxy": ["http://a"]}}, ["containerd_proxy.http_proxy"]),
        ({"cluster_proxy": {**PROXY, "no_proxy": ["a.example"]}}, ["cluster_proxy.no_proxy"]),
        (
            {"cluster_proxy": {"http_proxy": "http:w0rd"}, "containerd_proxy": {"http_proxy": "http:w0rd"}},
            ["cluster_proxy.http_proxy"],
        ),
    ],
)
def test_a_proxy(variables, three, changed, subjects):
    """What is wrong with one is told once, without its password."""
    told = checks.check({**variables, **changed}, three).findings
    assert [(each.code, each.subject) for each in told] == [(Code.VARIABLE_INVALID, each) for each in subjects]
    assert "w0rd" not in repr(told)


def test_a_back_end_s_value_is_told_with_what_would_be_right(variables, three):
    (finding,) = checks.check({**variables, "overlay_backend": {"vni": 1 << 24}}, three).findings
    assert finding.parameters == {"value": "16777216", "wanted": "an integer from 1 to 16777215"}


def test_everything_wrong_is_told_at_once(found, nodes):
    wrong = {
        "overlay_network": "10.77.0.0/16",
        "overlay_backend": {"type": "udp"},
        "kubernetes_release": "2.0",
        "kubernetes_source": "floppy",
    }
    subjects = {subject for _code, subject in found(wrong, nodes("10.77.0.11", "10.77.0.11"))}
    assert subjects == {
        "overlay_network", "overlay_backend.type", "kubernetes_release", "kubernetes_source", "node_address",
    }  # fmt: skip


@pytest.fixture
def archive(tmp_path, variables):
    """An archive that is right; the directory."""
    for name in ("kubelet", "kubeadm", "kubectl"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(name)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/pause.tar").write_text("layers")
    manifest = {"release": "1.34.4", "images": [{"name": "registry.k8s.io/pause:3.10", "file": "images/pause.tar"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(tmp_path)}\n" for path in files]
    (tmp_path / "SHA256SUMS").write_text("".join(sums))
    variables.update(kubernetes_source="archive", kubernetes_archive=str(tmp_path), kubernetes_release="1.34.4")
    return tmp_path


def test_a_right_archive(archive, variables, three):
    outcome = checks.check(variables, three)
    assert outcome.findings == []
    assert outcome.archive.images == {"registry.k8s.io/pause:3.10": "images/pause.tar"}


@pytest.mark.parametrize("file", ["bin/kubelet", "images/pause.tar"])
def test_a_file_with_a_wrong_checksum(archive, found, file):
    (archive / file).write_text("{}")
    assert found() == [(Code.ARCHIVE_FILE_CORRUPT, str(archive / file))]


def test_a_manifest_with_a_wrong_checksum(archive, found):
    (archive / "manifest.json").write_text("{}")
    assert found() == [(Code.ARCHIVE_INVALID, str(archive))]


@pytest.fixture
def gpg(tmp_path_factory):
    """Runs gpg with a home of its own, which has a key."""
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)

    def run(*arguments):
        command = ["gpg", "--homedir", home, "--batch", "--yes", "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout

    run("--passphrase", "", "--quick-generate-key", "site@example.org", "ed25519", "sign", "30d")
    yield run
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)


@pytest.mark.skipif(not shutil.which("gpg") or not shutil.which("gpgv"), reason="gpg and gpgv are not installed")
def test_a_signature_that_is_demanded(archive, found, gpg, tmp_path_factory):
    keyring = tmp_path_factory.mktemp("keys") / "site.asc"
    keyring.write_bytes(gpg("--armor", "--export"))
    demanded = {"kubernetes_archive_keyring": str(keyring)}
    invalid = [(Code.ARCHIVE_INVALID, str(archive))]
    assert found(demanded) == invalid  # there is none
    gpg("--armor", "--output", archive / "SHA256SUMS.asc", "--detach-sign", archive / "SHA256SUMS")
    assert found(demanded) == []
    keyring.write_bytes(gpg("--export"))
    assert found(demanded) == []
    sums = (archive / "SHA256SUMS").read_text()
    (archive / "SHA256SUMS").write_text(sums + "\n".join(sums.splitlines()[:1]) + "\n")
    assert found(demanded) == invalid  # of other checksums
    (archive / "SHA256SUMS").write_text(sums)
    keyring.write_text(PUBLIC_KEY)
    assert found(demanded) == invalid  # by another key
    keyring.write_text("no key")
    assert found(demanded) == invalid


def test_a_file_that_is_missing(archive, found):
    (archive / "bin/kubeadm").unlink()
    assert found() == [(Code.ARCHIVE_FILE_UNREADABLE, f"{archive}/bin/kubeadm")]


def test_an_archive_that_is_missing(found, tmp_path):
    directory = str(tmp_path / "none")
    changed = {"kubernetes_source": "archive", "kubernetes_archive": directory, "kubernetes_release": "1.34.4"}
    assert found(changed) == [(Code.ARCHIVE_INVALID, directory)]


@pytest.mark.parametrize("directory", ["", "relative/path", 7])
def test_a_directory_that_cannot_be_one(found, directory):
    changed = {"kubernetes_source": "archive", "kubernetes_archive": directory, "kubernetes_release": "1.34.4"}
    assert found(changed) == [(Code.VARIABLE_INVALID, "kubernetes_archive")]


def test_an_archive_of_another_release(archive, variables, three):
    (finding,) = checks.check({**variables, "kubernetes_release": "1.34.5"}, three).findings
    assert (finding.code, finding.subject) == (Code.ARCHIVE_RELEASE_DIFFERS, "kubernetes_release")
    assert (finding.parameters["release"], finding.parameters["found"]) == ("1.34.5", "1.34.4")


def test_an_archive_needs_a_patch_release(archive, found):
    assert found({"kubernetes_release": "1.34"}) == [(Code.RELEASE_UNAVAILABLE, "kubernetes_release")]


def test_an_archive_that_leads_outside(archive, found):
    with (archive / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  ../../etc/passwd\n")
    assert found() == [(Code.ARCHIVE_INVALID, str(archive))]


def test_an_archive_on_the_nodes_is_theirs_to_check(found):
    changed = {
        "kubernetes_source": "archive", "kubernetes_archive": "/srv/k", "kubernetes_archive_remote": True,
        "kubernetes_release": "1.34.4",
    }  # fmt: skip
    assert found(changed) == []


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x7fELF\x02\x01" + bytes(12) + b"\x3e\x00", "amd64"),
        (b"\x7fELF\x02\x01" + bytes(12) + b"\xb7\x00", "arm64"),
        (b"\x7fELF\x02\x02" + bytes(12) + b"\x00\x16", "s390x"),
        (b"#!/bin/sh\necho kubelet and more", ""),
        (b"", ""),
    ],
)
def test_what_an_archive_is_for(archive, variables, three, head, name):
    content = checks.check(variables, three).archive
    (archive / "bin/kubelet").write_bytes(head)
    assert architecture(content) == name
