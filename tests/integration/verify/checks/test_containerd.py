# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real containerd tells what it has loaded: by drop-ins and imports, and after changes that it does not notice."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code
from ansible_collections.podnet.cluster.plugins.module_utils.findings.finding import Finding
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import cri_image, cri_status
from containerd import program, running

OURS = {
    "cniVersion": "1.0.0",
    "name": "podnet",
    "plugins": [{"type": "bridge", "bridge": "cni0", "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"}}],
}


@pytest.fixture
def containerd(netns, tmp_path):
    """One that runs, its directory: c.sock, net.d with our configuration list."""
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d/10-podnet.conflist").write_text(json.dumps(OURS, indent=2))
    with running(netns, tmp_path, tmp_path / "bin"):
        wait(tmp_path, lambda found: found is not None)
        yield tmp_path


def wait(directory, wanted):
    """What it says, once that is as wanted."""
    until = time.monotonic() + 60
    while True:
        found = cri_status.ask(str(directory / "c.sock"), OURS)
        if wanted(found):
            return found
        assert time.monotonic() < until, (found, (directory / "log").read_text()[-2000:])
        time.sleep(0.2)


def test_what_it_says(containerd):
    found = wait(containerd, lambda found: found.loaded_ours)
    assert (found.conf_dir, found.bin_dirs) == (f"{containerd}/net.d", [f"{containerd}/none", f"{containerd}/bin"])
    assert found.loaded == ["cni-loopback", "podnet"] and not found.error

    # moved in from elsewhere: never noticed
    other = containerd / "05-other.conflist"
    other.write_text(json.dumps({**OURS, "name": "other"}))
    other.rename(containerd / "net.d/05-other.conflist")
    time.sleep(1)
    assert wait(containerd, lambda found: True).loaded == ["cni-loopback", "podnet"]
    # written within: loaded, and so is what was not noticed
    (containerd / "net.d/20-third.conflist").write_text(json.dumps(OURS))
    found = wait(containerd, lambda found: not found.loaded_ours)
    assert found.loaded == ["cni-loopback", "other"] and not found.error
    # one that is invalid, first by name, keeps it from loading any
    (containerd / "net.d/01-bad.conflist").write_text("{")
    found = wait(containerd, lambda found: found.error)
    assert "cni plugin not initialized" in found.error and found.loaded == ["cni-loopback"]


def test_an_image(containerd):
    """The runtime has what was imported, and pulls nothing where no registry can be reached."""
    path, image = str(containerd / "c.sock"), "podnet.local/toolbox:1"
    assert not cri_image.is_present(path, image)
    unavailable = Finding(Code.IMAGE_UNAVAILABLE, "node1", "registry.invalid/none:1")
    assert cri_image.pull(path, "registry.invalid/none:1", "node1", 20) == unavailable
    archive = containerd / "toolbox.tar"
    _image(archive, image)
    ctr = [os.path.join(os.path.dirname(program()), "ctr"), "--address", path, "--namespace", "k8s.io"]
    subprocess.run([*ctr, "images", "import", "--no-unpack", archive], check=True, capture_output=True)
    wait(containerd, lambda _found: cri_image.is_present(path, image))


def _image(path, name):
    """A docker-archive of one empty layer."""
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    layers = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": layers}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        for member, data in (
            ("config.json", json.dumps(config).encode()),
            ("layer.tar", layer.getvalue()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
