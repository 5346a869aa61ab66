# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real containerd in a directory of its own: the one that the lab's nodes get, or the host's."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFIG = """
version = 3
root = "{0}/root"
state = "{0}/state"
imports = ["{0}/conf.d/*.toml"]
[grpc]
  address = "{0}/c.sock"
[ttrpc]
  address = "{0}/c.sock.ttrpc"
"""
#: What a reader by lines gets wrong: dotted keys, several lines, several directories.
DROP_IN = """
version = 3
plugins.'io.containerd.cri.v1.runtime'.cni.conf_dir = '{0}/net.d'
plugins.'io.containerd.cri.v1.runtime'.cni.bin_dirs = [
  "{0}/none",  # "/opt/other"
  "{1}",
]
"""


def program() -> str:
    """Its path; the test is skipped where there is none."""
    cache = Path(os.environ.get("PODNET_CACHE", "/var/cache/podnet")) / "kubernetes"
    built = sorted(cache.glob("programs-containerd-2*/containerd"), key=lambda path: path.stat().st_mtime)
    found = str(built[-1]) if built else shutil.which("containerd")
    if not found:
        pytest.skip("no containerd: make lab builds one")
    return found


@contextlib.contextmanager
def running(netns, directory: Path, bin_dir: Path) -> Iterator[Path]:
    """One that reads ``directory``/net.d and listens at the path that is returned, soon."""
    for name in ("net.d", "conf.d"):
        (directory / name).mkdir(exist_ok=True)
    (directory / "config.toml").write_text(CONFIG.format(directory))
    (directory / "conf.d/cni.toml").write_text(DROP_IN.format(directory, bin_dir))
    command = ["nsenter", f"--net={netns.path}", program(), "--config", directory / "config.toml"]
    with open(directory / "log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield directory / "c.sock"
    finally:
        process.terminate()
        process.wait(30)
