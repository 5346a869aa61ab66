# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""flannel itself, from Go modules: flanneld in an image, its own manifest, and CNI plugins in Go."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import contents
import image
import standard_plugins
from host import run

HERE = Path(__file__).resolve().parent
FLANNEL = "github.com/flannel-io/flannel"


def manifest() -> str:
    """flannel's kube-flannel.yml. The CNI plugin is that of containernetworking/plugins 0.9.1, the last release before
    it moved to a module that is not to be had everywhere; it does not speak CNI 1.0."""
    go = standard_plugins.toolchain()
    found = json.loads(run(*go.command, "mod", "download", "-json", FLANNEL, cwd=HERE / "flanneld", env=go.environment))
    text = (Path(found["Dir"]) / "Documentation/kube-flannel.yml").read_text()
    assert text.count('"cniVersion": "1.0.0"') == 1
    return text.replace('"cniVersion": "1.0.0"', '"cniVersion": "0.3.1"')


def fill(directory: Path) -> None:
    """Makes ``directory``: flannel.tar (one image by the names in the manifest), plugins/, kube-flannel.yml."""
    flanneld = standard_plugins.build(HERE / "flanneld", FLANNEL, cgo=True)
    plugin = standard_plugins.build(HERE / "cni_plugin", standard_plugins.MODULE) / "flannel"
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "plugins").mkdir(parents=True)
    for name in ("bridge", "host-local", "loopback", "portmap"):
        shutil.copy2(standard_plugins.build() / name, directory / "plugins")
    text = manifest()
    (directory / "kube-flannel.yml").write_text(text)
    tree = directory / "tree"
    tree.mkdir()
    binaries = {"flanneld": flanneld / "flannel", "install-conf": flanneld / "install_conf"}
    kube_proxy = contents.IMAGES["kube-proxy"]
    contents.fill("flannel", contents.Content((), kube_proxy.packages, kube_proxy.links), tree, {})
    (tree / "opt/bin").mkdir(parents=True, exist_ok=True)
    for name, path in binaries.items():
        shutil.copy2(path, tree / "opt/bin" / name)
    shutil.copy2(plugin, tree / "flannel")
    shutil.copy2("/bin/busybox", tree / "usr/local/bin/cp")  # it is what it is called; the manifest copies the plugin
    architecture = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
    names = sorted(set(re.findall(r"image: (\S+)", text)))
    image.write(directory / "flannel.tar", names, tree, architecture, ["/opt/bin/flanneld"])
    shutil.rmtree(tree)
