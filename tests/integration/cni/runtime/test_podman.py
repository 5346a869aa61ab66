# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Podman with its CNI back end as the runtime: networks, published ports, several networks, restart, removal.

Everything is in a directory and a namespace of the test's own: Podman's storage, its configuration, the networks, and
/var/lib/cni. The image is busybox and nothing else.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

GO = "/usr/lib/cni"
UPLINK = ("192.0.2.1", "192.0.2.2")
#: The host's side. cgroup2 beside version 1 ("hybrid") is refused by crun, and nothing here needs it.
HOST = """
mount --make-rprivate /
for directory in /dev/shm /var/lib/cni /run/netns; do mkdir -p $directory; mount -t tmpfs tmpfs $directory; done
if ! grep -q '/sys/fs/cgroup cgroup2' /proc/mounts; then
    grep ' cgroup2 ' /proc/mounts | cut -d' ' -f2 | xargs -r -n1 umount -l
fi
ip link set lo up
echo ready
exec sleep 600
"""
CONF = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[network]
network_backend = "cni"
cni_plugin_dirs = [{dirs}]
network_config_dir = "{place}/net.d"
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""


class Podman:
    """Podman in a host of its own; calls fail the test with what it printed."""

    def __init__(self, place, bin_dir, pid):
        self.place = place
        self.pid = pid
        # What we have no plugin for yet is Go's: a chain may be of both.
        dirs = [str(bin_dir)] if (bin_dir / "firewall").exists() else [str(bin_dir), GO]
        text = CONF.format(place=place, dirs=", ".join(f'"{item}"' for item in dirs))
        (place / "containers.conf").write_text(text)
        self.path = f"/proc/{pid}/ns/net"

    def run(self, *words, check=True):
        """A command in the host."""
        env = {**os.environ, "CONTAINERS_CONF": str(self.place / "containers.conf")}
        command = ["nsenter", "-t", str(self.pid), "-m", "-n", "--", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode:
            pytest.fail(f"{' '.join(words)}: {done.stderr}{done.stdout}", pytrace=False)
        return done

    def podman(self, *words, check=True):
        """A podman command with storage of its own."""
        options = [f"--{name}={self.place / name}" for name in ("root", "runroot", "tmpdir")]
        return self.run("podman", *options, "--storage-driver=vfs", *words, check=check)

    def __call__(self, *words, check=True):
        """What a podman command prints."""
        return self.podman(*words, check=check).stdout.strip()

    def start(self, name, *options):
        """A container that sleeps; returns what podman inspect says of it."""
        self("run", "-d", "--name", name, "--stop-signal", "KILL", *options, "busybox", "/bin/sleep", "600")
        return self.inspect(name)

    def inspect(self, name):
        return json.loads(self("inspect", name))[0]

    def json(self, command):
        return json.loads(self.run(*command.split()).stdout or "[]")

    def state(self):
        """What a container leaves behind, by its kind."""
        links = [link["ifname"] for link in self.json("ip -j link") if link["ifname"].startswith("veth")]
        held = self.run("find", "/var/lib/cni", "/run/netns", "-type", "f", "-o", "-type", "l").stdout.split()
        kept = ("lock", ".index", "last_reserved_ip.0", "last_reserved_ip.1")
        elements = [
            (item[kind]["name"], element)
            for item in self.json("nft -j list table inet podnet")["nftables"]
            for kind in ("set", "map")
            if kind in item
            for element in item[kind].get("elem", [])
        ]
        return {"links": links, "files": [f for f in held if os.path.basename(f) not in kept], "elements": elements}


libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000  # linux/sched.h
NOTHING = {"links": [], "files": [], "elements": []}


@pytest.fixture(scope="module")
def podman(alone):
    """Podman with an image; skips, with the reason, where no container can run."""
    missing = [tool for tool in ("podman", "crun", "conmon", "busybox", "nft") if not shutil.which(tool)]
    if missing or os.geteuid():
        pytest.skip(f"not installed: {', '.join(missing)}" if missing else "needs root")
    place = Path(tempfile.mkdtemp(prefix="podnet-podman-"))  # Podman wants a short path
    host = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-ec", HOST], stdout=subprocess.PIPE, text=True)
    try:
        if host.stdout.readline() != "ready\n":
            pytest.skip("mounts of one's own are not possible here")
        engine = Podman(place, alone, host.pid)
        tree = place / "tree"
        for name in ("bin", "dev", "proc", "sys", "etc", "tmp"):
            (tree / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), tree / "bin/busybox")
        for name in ("sleep", "ip", "true"):
            (tree / "bin" / name).symlink_to("busybox")
        subprocess.run(["tar", "-C", tree, "-cf", place / "image.tar", "."], check=True)
        engine("import", "-q", str(place / "image.tar"), "busybox")
        version = engine("--version")
        tried = engine.podman("run", "--rm", "--network", "none", "busybox", "/bin/true", check=False)
        if tried.returncode:
            pytest.skip(f"{version} can't run a container here: {tried.stderr.strip()}")
        engine("network", "create", "--subnet", "10.89.7.0/24", "one")
        engine("network", "create", "--subnet", "10.89.8.0/24", "--ipv6", "--subnet", "fd89:8::/64", "two")
        yield engine
        engine("rm", "-f", "-a", "-t", "0", check=False)
    finally:
        host.send_signal(signal.SIGKILL)
        host.wait()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def clean(podman):
    """After the test its containers go, and nothing of them stays."""
    yield
    podman("rm", "-f", "-a", "-t", "0")
    assert podman.state() == NOTHING


@pytest.fixture(scope="module")
def world(podman):
    """A namespace beyond the host's uplink, which knows no way to containers: its path."""
    name = f"podnet-podman-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        made = ["ip", "link", "add", "up1", "netns", name, "type", "veth", "peer", "name", "up0", "netns"]
        subprocess.run([*made, str(podman.pid)], check=True)
        subprocess.run(["ip", "-n", name, "address", "add", f"{UPLINK[1]}/24", "dev", "up1"], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "up1", "up"], check=True)
        podman.run("ip", "address", "add", f"{UPLINK[0]}/24", "dev", "up0")
        podman.run("ip", "link", "set", "up0", "up")
        yield f"/run/netns/{name}"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)


def inside(path, work):
    """What ``work`` returns in the network namespace at ``path``, in a thread of its own."""
    answers = []

    def run():
        with open(path) as there:
            assert libc.setns(there.fileno(), CLONE_NEWNET) == 0
        answers.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]


def listen(container, port, kind):
    """A socket in the container that somebody may reach at ``port``."""

    def work():
        server = socket.socket(socket.AF_INET, kind)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.settimeout(5)
        return server

    return inside(f"/proc/{container['State']['Pid']}/ns/net", work)


def arrives(world, container, port, host_port, kind=socket.SOCK_STREAM):
    """Whether what the world sends to the host's port arrives in the container."""
    with listen(container, port, kind) as server:
        client = inside(world, lambda: socket.socket(socket.AF_INET, kind))
        with client:
            client.settimeout(5)
            client.connect((UPLINK[0], host_port))
            client.send(b"here I am")
            if kind == socket.SOCK_DGRAM:
                return server.recv(100) == b"here I am"
            peer, _address = server.accept()
            with peer:
                return peer.recv(100) == b"here I am"


def addresses(podman, name, link="eth0"):
    text = podman("exec", name, "/bin/ip", "-o", "address", "show", "dev", link)
    return [line.split()[3] for line in text.splitlines() if "fe80" not in line]


def test_two_containers_on_a_network(podman, clean):
    first, second = podman.start("c1", "--network", "one"), podman.start("c2", "--network", "one")
    given = [item["NetworkSettings"]["Networks"]["one"] for item in (first, second)]
    assert [f"{item['IPAddress']}/24" for item in given] == [addresses(podman, name)[0] for name in ("c1", "c2")]
    assert given[0]["IPAddress"] != given[1]["IPAddress"]
    assert {item["Gateway"] for item in given} == {"10.89.7.1"}
    ports = [link for link in podman.json("bridge -j link") if link["ifname"].startswith("veth")]
    assert [(port["master"], port["state"]) for port in ports] == [("cni-podman1", "forwarding")] * 2
    pid = first["State"]["Pid"]
    subprocess.run(["nsenter", "-t", str(pid), "-n", "ping", "-c", "1", "-W", "5", given[1]["IPAddress"]], check=True)
    assert len(podman.state()["links"]) == 2


def test_published_ports(podman, world, clean):
    container = podman.start("c1", "--network", "one", "-p", "8080:80", "-p", "5353:53/udp")
    assert arrives(world, container, 80, 8080)
    assert arrives(world, container, 53, 5353, socket.SOCK_DGRAM)
    podman("stop", "-t", "0", "c1")
    assert isinstance(inside(world, lambda: failure_of(8080)), OSError)


def failure_of(port):
    """What becomes of a connection to the host's port: the error, or None."""
    try:
        socket.create_connection((UPLINK[0], port), 2).close()
    except OSError as error:
        return error
    return None


def test_restart_keeps_ports_and_leaks_no_address(podman, world, clean):
    podman.start("c1", "--network", "one", "-p", "8080:80")
    for _again in range(2):
        podman("restart", "-t", "0", "c1")
        assert arrives(world, podman.inspect("c1"), 80, 8080)
    state = podman.state()
    assert len(state["links"]) == 1
    assert len([file for file in state["files"] if os.path.basename(file).startswith("10.89.")]) == 1


def test_several_networks_on_one_container(podman, world, clean):
    """Both families, and ports that are published on each of the networks."""
    container = podman.start("c1", "--network", "one", "--network", "two", "-p", "8080:80")
    found = {addresses(podman, "c1", link)[0].rpartition(".")[0]: link for link in ("eth0", "eth1")}
    assert set(found) == {"10.89.7", "10.89.8"}
    assert any(item.startswith("fd89:8::") for item in addresses(podman, "c1", found["10.89.8"]))
    assert arrives(world, container, 80, 8080)


def test_networks_come_and_go(podman, clean):
    podman.start("c1", "--network", "one")
    podman("network", "connect", "two", "c1")
    assert addresses(podman, "c1", "eth1")[0].startswith("10.89.8.")
    podman("network", "disconnect", "two", "c1")
    assert "eth1" not in podman("exec", "c1", "/bin/ip", "link")
    assert addresses(podman, "c1")[0].startswith("10.89.7.")
    assert len(podman.state()["links"]) == 1


def test_wanted_addresses(podman, clean):
    podman.start("c1", "--network", "one", "--ip", "10.89.7.50", "--mac-address", "02:11:22:33:44:55")
    assert addresses(podman, "c1") == ["10.89.7.50/24"]
    assert "02:11:22:33:44:55" in podman("exec", "c1", "/bin/ip", "link", "show", "dev", "eth0")


def test_network_is_removed(podman, clean):
    podman("network", "create", "--subnet", "10.89.9.0/24", "three")
    podman.start("c1", "--network", "three")
    podman("rm", "-f", "-t", "0", "c1")
    podman("network", "rm", "three")
    assert "cni-podman3" not in [link["ifname"] for link in podman.json("ip -j link")]
