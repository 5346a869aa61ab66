# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot the addresses of the pods before it are free, without anybody's doing."""

from __future__ import annotations

import subprocess

import pytest

BOOTS = ("11111111-2222-4333-8444-555555555555\n", "99999999-2222-4333-8444-555555555555\n")


class Boot:
    """What is true of one boot: the kernel's boot ID, and the host's namespace. ``pods`` are there for both."""

    def __init__(self, host, file):
        self.host = host
        self.file = file
        self.file.write_text(BOOTS[0])
        self.pods = [host.pod(), host.pod()]
        self.fresh = host.make_netns()
        # The host's processes see that file as the kernel's, in mounts of their own.
        script = f"mount --bind {file} /proc/sys/kernel/random/boot_id; echo; exec cat"
        words = ["unshare", "--mount", "sh", "-ec", script]
        self.holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"\n"
        host.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]

    def again(self):
        """The next boot: nothing of the kernel's state is left."""
        self.file.write_text(BOOTS[1])
        self.host.netns = self.fresh

    def end(self):
        self.holder.communicate()


@pytest.fixture
def boot(host, way, tmp_path, tree, start_service):
    """A boot of the host, with a service of its own where that is the way."""
    boot = Boot(host, tmp_path / "boot_id")
    if way == "service":
        host.bin_dir = str(start_service(tree, host.prefix).bin_dir)
    yield boot
    boot.end()


def test_reservations_of_an_earlier_boot_are_void(host, way, boot, failure):
    """One address: taken, so that ADD says 11; after the reboot it is the next pod's, and stays so."""
    host.data.mkdir()
    conf = host.conf(ipam={**host.conf()["ipam"], "ranges": [[{"subnet": "10.9.0.0/30"}]]})
    result = host.call("bridge", "ADD", conf, "c1", boot.pods[0])
    assert result["ips"][0]["address"] == "10.9.0.2/30"
    with pytest.raises(failure, match=r"no IP addresses available in range set: 10\.9\.0\.1-10\.9\.0\.2") as caught:
        host.call("bridge", "ADD", conf, "c2", boot.pods[1])
    assert caught.value.code == 11

    boot.again()
    host.call("bridge", "STATUS", conf)
    result = host.call("bridge", "ADD", conf, "c2", boot.pods[1])
    assert result["ips"][0]["address"] == "10.9.0.2/30"
    host.call("bridge", "DEL", conf, "c1")  # runtimes clean up what they remember
    assert (host.data / "net/10.9.0.2").read_bytes() == b"c2\r\neth0"
    host.call("bridge", "CHECK", {**conf, "prevResult": result}, "c2", boot.pods[1])
    host.call("bridge", "DEL", {**conf, "prevResult": result}, "c2", boot.pods[1])
    assert host.state()["reserved"] == []
