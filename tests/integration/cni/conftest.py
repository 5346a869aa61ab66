# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host and its pods as network namespaces, and the plugins as a runtime executes them.

They work in two ways: the service does the call, or the executable by itself. Tests have the service, and one that
asks for ``way`` has both, one after the other. The service's executables can't fall back on Python: a call that the
service doesn't take fails.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path

import confined
import pytest
from ansible_collections.podnet.cluster.plugins.module_utils import install, launcher


class Failure(Exception):
    """A plugin's error."""

    def __init__(self, answer):
        super().__init__(f"{answer['code']}: {answer['msg']}")
        self.code = answer["code"]
        self.msg = answer["msg"]


class Host:
    """A host: its namespace, the plugins' directory, and a directory for their data."""

    def __init__(self, netns, bin_dir, data, make_netns):
        self.netns = netns
        self.bin_dir = str(bin_dir)
        self.data = data
        self.make_netns = make_netns
        self.prefix = ()  # of every call's command line

    def pod(self):
        """One more pod: a namespace with lo down."""
        pod = self.make_netns()
        pod.run("ip link set lo down")
        return pod

    def command(self, plugin, command, container="c1", pod=None, ifname="eth0", path=None, args=""):
        """The command line and environment of a call."""
        env = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": pod.path if hasattr(pod, "path") else pod or "",
            "CNI_IFNAME": ifname,
            "CNI_PATH": path or self.bin_dir,
            "CNI_ARGS": args,
        }
        return [*self.prefix, "nsenter", f"--net={self.netns.path}", "--", f"{self.bin_dir}/{plugin}"], env

    def call(self, plugin, command, conf, *where, **more):
        """The result of a call, None where it prints none. Raises Failure."""
        words, env = self.command(plugin, command, *where, **more)
        done = subprocess.run(words, input=json.dumps(conf), env=env, capture_output=True, text=True, check=False)
        assert not done.stderr, done.stderr
        answer = json.loads(done.stdout) if done.stdout.strip() else None
        if done.returncode:
            assert answer, f"exit status {done.returncode} and not a word"
            raise Failure(answer)
        return answer

    def conf(self, **more):
        """The bridge's configuration with host-local for IPv4 and IPv6."""
        conf = {
            "cniVersion": "1.1.0",
            "name": "net",
            "type": "bridge",
            "bridge": "br0",
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.data),
                "ranges": [[{"subnet": "10.9.0.0/24"}], [{"subnet": "fd09::/64"}]],
            },
        }
        conf.update(more)
        return {key: value for key, value in conf.items() if value is not None}

    def state(self):
        """All that a call could leave behind: links but the bridge, neighbours, elements, reservations."""
        links = sorted(link["ifname"] for link in self.netns.ip("link") if link["ifname"] not in ("lo", "br0", "cni0"))
        neighbours = sorted(
            entry["dst"] for entry in self.netns.ip("neighbour") if entry["dst"].startswith(("10.", "fd"))
        )
        elements = sorted(
            json.dumps(element)
            for item in self.netns.nft()
            for kind in ("set", "map")
            if kind in item
            for element in item[kind].get("elem", [])
        )
        reserved = sorted(
            name
            for _directory, _directories, names in os.walk(self.data)
            for name in names
            if name[0].isdigit() or ":" in name or "," in name or name == ".new"
        )
        records = sorted(
            name
            for directory, _directories, names in os.walk(self.data)
            if ".attachments" in directory
            for name in names
        )
        return {"links": links, "neighbours": neighbours, "elements": elements, "reserved": reserved + records}


EMPTY = {"links": [], "neighbours": [], "elements": [], "reserved": []}


class Service:
    """A service that runs, and the executables below `root` that know where.

    ``prefix`` is a command that it is executed with.
    """

    def __init__(self, root, prefix=()):
        self.root = root
        self.prefix = prefix
        self.socket = str(root / "cni.sock")
        self.bin_dir = root / "current/bin"
        self.start()

    def start(self):
        """Begins, and waits until a worker waits."""
        command = [*self.prefix, self.bin_dir / "podnet-cni", "serve", "--socket", self.socket]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        while not self.workers():
            assert self.process.poll() is None, self.process.communicate()[1].decode()
            time.sleep(0.02)

    def workers(self):
        """The process IDs of its workers that live."""
        pid = self.process.pid
        found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in found if os.path.exists(f"/proc/{child}/exe")]  # a zombie has none

    def end(self):
        """Stops it; what it wrote to standard error."""
        self.process.kill()
        return self.process.communicate()[1].decode()


def installed(root):
    """Installs the executables below `root`; returns the version."""
    files = install.read_tree(os.path.dirname(install.__file__))
    return install.install(files, str(root), socket=str(root / "cni.sock"))


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A service with what its unit leaves it, and executables that can't do without it."""
    if platform.machine() not in launcher.MACHINES:
        pytest.skip(f"there is no launcher for {platform.machine()}")
    root = tmp_path_factory.mktemp("served")
    version = installed(root)
    without = launcher.build(platform.machine(), version, str(root / "cni.sock"), "/no/fallback")
    (root / version / "lib/launch").write_bytes(without)
    service = Service(root, confined.command("cni/podnet-cni"))
    yield service
    assert not service.end()


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """What ``service`` runs from."""
    root = tmp_path_factory.mktemp("tree")
    installed(root)
    return root


@pytest.fixture
def service(tree):
    """A service of the test's own, and executables that can do without it."""
    service = Service(tree)
    yield service
    service.end()


@pytest.fixture
def start_service():
    """A function that starts a service from a tree of the test's own; it ends with the test."""
    started = []

    def start(root, prefix=()):
        started.append(Service(root, prefix))
        return started[-1]

    yield start
    for service in started:
        service.end()


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """The directory of executables that never find a service."""
    root = tmp_path_factory.mktemp("alone")
    installed(root)
    return root / "current/bin"


@pytest.fixture
def bin_dir(request):
    """The executables, installed as on a node."""
    if "way" in request.fixturenames and request.getfixturevalue("way") == "alone":
        return request.getfixturevalue("alone")
    return request.getfixturevalue("served").bin_dir


@pytest.fixture(params=["service", "alone"])
def way(request):
    """Who does the calls of this test: it runs once with each."""
    return request.param


@pytest.fixture
def host(make_netns, bin_dir, tmp_path):
    """A fresh host."""
    return Host(make_netns(), bin_dir, tmp_path / "data", make_netns)


@pytest.fixture
def outside(host, make_netns):
    """A neighbour, 10.9.0.1, on the network of the host's interface up0."""
    netns = make_netns()
    host.netns.run(f"ip link add up0 type veth peer name up1 netns {netns.name}")
    host.netns.run("ip link set up0 up")
    netns.run("ip link set up1 up")
    netns.run("ip address add 10.9.0.1/24 dev up1")
    netns.run("ip address add fd09::1/64 dev up1 nodad")
    return netns


@pytest.fixture
def failure():
    """The exception that a plugin's error becomes."""
    return Failure


@pytest.fixture
def empty():
    """What ``Host.state`` is when nothing is left."""
    return EMPTY
