# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real containerd makes of our plugins' STATUS: the condition NetworkReady, by which a node is Ready or not."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import cri_status
from containerd import running


@pytest.fixture
def network_error(host, way, bin_dir, tmp_path, request):
    """A function that returns why containerd says NetworkReady=false, "" where it is true, for a /29 whose reservations
    are on a file system of their own."""
    if way == "service":
        bin_dir = request.getfixturevalue("service").bin_dir
    host.data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", host.data], check=True)
    conf = host.conf(ipam={"type": "host-local", "dataDir": str(host.data), "ranges": [[{"subnet": "10.9.0.0/29"}]]})
    content = {"cniVersion": "1.1.0", "name": "net", "plugins": [conf]}
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d/10-net.conflist").write_text(json.dumps(content))
    host.wanted = conf
    with running(host.netns, tmp_path, bin_dir) as socket:

        def ask() -> str:
            until = time.monotonic() + 60
            while not (found := cri_status.ask(str(socket), content)) or "net" not in found.loaded:
                assert time.monotonic() < until, (tmp_path / "log").read_text()[-2000:]
                time.sleep(0.2)
            return found.error

        yield ask
    subprocess.run(["umount", host.data], check=True)


def test_a_full_range_leaves_the_network_ready(host, network_error, failure):
    assert network_error() == ""
    for number in range(5):
        host.call("bridge", "ADD", host.wanted, f"c{number}", host.pod())
    with pytest.raises(failure, match="no IP addresses available in range set"):
        host.call("bridge", "ADD", host.wanted, "c5", host.pod())
    assert network_error() == ""


def test_a_disk_that_is_read_only_does_not(host, network_error):
    assert network_error() == ""
    subprocess.run(["mount", "-o", "remount,ro", host.data], check=True)
    assert "cannot write to" in network_error()
    subprocess.run(["mount", "-o", "remount,rw", host.data], check=True)
    assert network_error() == ""
