# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations of living pods stay, whoever calls and whatever the disk is like."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time

import pytest

#: Callers that see another process 1, or none.
CALLERS = {
    "PID namespace": ["unshare", "--pid", "--fork", "--mount-proc"],
    "time namespace": ["unshare", "--time", "--boottime", "100000", "--fork"],
    "process 1 hidden": ["unshare", "-m", "sh", "-c", 'mount -t tmpfs t /proc/1; exec "$@"', "x"],
    "processes hidden": ["unshare", "-m", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc; exec "$@"', "x"],
    "files of its own in /run": ["unshare", "-m", "sh", "-c", 'mount --rbind /run /run; exec "$@"', "x"],
    "host name": ["unshare", "--uts", "sh", "-c", 'hostname other; exec "$@"', "x"],
}


def conf_of(host, subnet="10.9.0.0/29"):
    return host.conf(ipam={"type": "host-local", "dataDir": str(host.data), "ranges": [[{"subnet": subnet}]]})


def reserved(host):
    return sorted(name for name in os.listdir(host.data / "net") if name[0].isdigit())


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_no_callers_namespaces_void_what_pods_have(host, way, caller, request):
    if way == "service":  # which can't see a caller of another PID namespace: the executable then works by itself
        host.bin_dir = str(request.getfixturevalue("service").bin_dir)
    conf = conf_of(host)
    usual, odd = (), tuple(caller)
    results = [host.call("bridge", "ADD", conf, "c1", host.pod())]
    host.prefix = odd
    host.call("bridge", "STATUS", conf)
    assert reserved(host) == ["10.9.0.2"]
    pods = [host.pod() for _number in range(3)]
    for number, prefix in enumerate((odd, usual, odd)):
        host.prefix = prefix
        results.append(host.call("bridge", "ADD", conf, f"d{number}", pods[number]))
    assert [result["ips"][0]["address"] for result in results] == [f"10.9.0.{last}/29" for last in (2, 3, 4, 5)]
    host.call("bridge", "CHECK", {**conf, "prevResult": results[1]}, "d0", pods[0])
    host.call("bridge", "GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]})
    assert reserved(host) == ["10.9.0.2"]
    host.call("bridge", "DEL", conf, "c1")
    assert reserved(host) == []


@pytest.fixture
def disk(host):
    """A file system of 64 KiB for the host's reservations; ``fill`` leaves no room on it."""
    host.data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=64", "tmpfs", host.data], check=True)
    yield host.data
    subprocess.run(["umount", host.data], check=True)


def fill(disk):
    """Neither a byte nor an inode is left."""
    with open(disk / "filler", "wb", buffering=0) as file, pytest.raises(OSError):
        while file.write(b"x" * 4096):
            pass
    with pytest.raises(OSError):
        for number in range(64):
            (disk / f"filler{number}").touch()


@pytest.mark.parametrize("index", ["right", "outdated", "lost"])
def test_a_full_disk_keeps_nobody_from_releasing(host, way, disk, index, failure):
    """DEL, and GC, need no room: also where the index would have to be made again."""
    conf = conf_of(host)
    for number in range(3):
        host.call("bridge", "ADD", conf, f"c{number}", host.pod())
    if index == "lost":
        (disk / "net/.index").unlink()
    fill(disk)
    if index == "outdated":
        os.utime(disk / "net")
    with pytest.raises(failure, match="No space left on device"):
        host.call("bridge", "ADD", conf, "c9", host.pod())
    host.call("bridge", "STATUS", conf)
    host.call("bridge", "DEL", conf, "c1")
    assert reserved(host) == ["10.9.0.2", "10.9.0.4"]
    host.call("bridge", "GC", {**conf, "cni.dev/valid-attachments": [{"containerID": "c0", "ifname": "eth0"}]})
    assert reserved(host) == ["10.9.0.2"]
    for path in disk.glob("filler*"):
        path.unlink()
    results = [host.call("bridge", "ADD", conf, f"d{number}", host.pod()) for number in range(4)]
    assert sorted(result["ips"][0]["address"] for result in results) == [f"10.9.0.{last}/29" for last in (3, 4, 5, 6)]


def test_status_waits_for_nobody_and_reads_no_reservation(host, way):
    """Sixty thousand of them without an index, and a process that keeps the lock: it asks about neither."""
    conf = conf_of(host, "10.9.0.0/16")
    directory = host.data / "net"
    directory.mkdir(parents=True)
    for number in range(60000):
        (directory / f"10.9.{number >> 8}.{number & 255}").touch()
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = time.monotonic()
        host.call("bridge", "STATUS", conf)
        assert time.monotonic() - before < 2  # an interpreter's start on a busy machine; to read them takes longer


@pytest.mark.parametrize("exists", [True, False])
def test_status_says_that_the_disk_is_read_only(host, way, disk, failure, exists, request):
    if way == "service":  # whose mounts are its own
        host.bin_dir = str(request.getfixturevalue("service").bin_dir)
    conf = conf_of(host)
    host.call("bridge", "STATUS", conf)
    if exists:
        host.call("bridge", "ADD", conf, "c1", host.pod())
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(failure, match=f"cannot write to {disk}/net") as caught:
        host.call("bridge", "STATUS", conf)
    assert caught.value.code == 50
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    host.call("bridge", "STATUS", conf)
