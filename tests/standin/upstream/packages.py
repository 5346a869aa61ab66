# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package repository of pkgs.k8s.io's layout: /core:/stable:/v1.37/deb/ with Release.key, InRelease, Packages and the
.debs in amd64/. Names, versions and dependencies are those of kubernetes/release, cmd/krel/templates/latest."""

from __future__ import annotations

import gzip
import hashlib
import os
import pathlib
import shutil
import subprocess
from typing import NamedTuple

from .archive import Archive

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles/kubernetes/templates"
# The role's own are like those of the packages.
KUBELET_UNIT = (ROLE / "kubelet.service.j2").read_text()
KUBEADM_DROP_IN = (
    (ROLE / "10-kubeadm.conf.j2").read_text().replace("{{ _kubernetes_defaults_file }}", "/etc/default/kubelet")
)


class Package(NamedTuple):
    """A package: its programs, its other files by path, and what it depends on. ``version`` is empty for that of the
    release."""

    programs: tuple[str, ...] = ()
    files: dict[str, str] = {}
    depends: str = ""
    version: str = ""


PACKAGES = {
    "kubelet": Package(
        ("kubelet",),
        {"usr/lib/systemd/system/kubelet.service": KUBELET_UNIT, "etc/default/kubelet": "KUBELET_EXTRA_ARGS=\n"},
        "iptables (>= 1.4.21), kubernetes-cni (>= 1.2.0), mount, util-linux",
    ),
    "kubeadm": Package(("kubeadm",), {"usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": KUBEADM_DROP_IN}),
    "kubectl": Package(("kubectl",)),
    "cri-tools": Package(("crictl",), version="1.37.0-1.1"),
    # the plugins themselves are not of use here, but that the package claims their directory is
    "kubernetes-cni": Package((), {"opt/cni/bin/README.md": "CNI plugins\n"}, version="1.9.1-1.1"),
}


class Repository:
    """The repository below ``directory``, which is the server's root."""

    def __init__(self, directory: pathlib.Path) -> None:
        """Makes its signing key."""
        self.directory = directory
        self.home = directory.with_name("gnupg")
        self.home.mkdir(mode=0o700, parents=True)
        self._gpg("--passphrase", "", "--quick-generate-key", "stand-in@example.org", "rsa2048", "sign", "30d")

    @property
    def fingerprint(self) -> str:
        """The signing key's, as gpg prints it."""
        listed = self._gpg("--list-keys", "--with-colons").decode()
        return next(line for line in listed.splitlines() if line.startswith("fpr:")).split(":")[9]

    def close(self) -> None:
        """Ends the agent that gpg started."""
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False, capture_output=True)

    def publish(self, archive: Archive, revision: str = "1.1") -> None:
        """Adds the packages of ``archive`` to the repository of its minor release."""
        place = self.directory / f"core:/stable:/{archive.branch}/deb"
        (place / "amd64").mkdir(parents=True, exist_ok=True)
        for name, package in PACKAGES.items():
            self._build(place, archive, name, package, package.version or f"{archive.release}-{revision}")
        (place / "Release.key").write_bytes(self._gpg("--armor", "--export"))
        self._index(place, archive.branch)

    def _build(self, place: pathlib.Path, archive: Archive, name: str, package: Package, version: str) -> None:
        tree = place / "tree"
        files = {f"usr/bin/{program}": archive.program(program) for program in package.programs}
        files |= {path: text.encode() for path, text in package.files.items()}
        control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: nobody <nobody@example.org>\n"
        control += f"Depends: {package.depends}\n" if package.depends else ""
        files["DEBIAN/control"] = (control + f"Description: {name}\n").encode()
        if conffiles := [f"/{path}\n" for path in package.files if path.startswith("etc/")]:
            files["DEBIAN/conffiles"] = "".join(conffiles).encode()
        for path, data in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(data)
            (tree / path).chmod(0o755 if path.startswith("usr/bin/") else 0o644)
        target = place / f"amd64/{name}_{version}_amd64.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, target]
        subprocess.run(command, check=True, capture_output=True)
        shutil.rmtree(tree)

    def _index(self, place: pathlib.Path, branch: str) -> None:
        scan = ["dpkg-scanpackages", "--multiversion", "."]
        listed = subprocess.run(scan, cwd=place, check=True, capture_output=True).stdout
        indices = {"Packages": listed.replace(b"Filename: ./", b"Filename: "), "Packages.gz": b""}
        indices["Packages.gz"] = gzip.compress(indices["Packages"])
        lines = [f"Description: Kubernetes {branch} (Stable) (deb)", "Architectures: amd64", "SHA256:"]
        for name, data in indices.items():
            (place / name).write_bytes(data)
            lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}")
        (place / "Release").write_text("\n".join(lines) + "\n")
        for name, how in (("InRelease", ["--clearsign"]), ("Release.gpg", ["--armor", "--detach-sign"])):
            self._gpg("--yes", "--output", place / name, *how, place / "Release")

    def _gpg(self, *arguments: str | os.PathLike[str]) -> bytes:
        command = ["gpg", "--homedir", self.home, "--batch", "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout
