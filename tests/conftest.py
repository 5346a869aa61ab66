# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests: fresh network namespaces, seen through the usual tools and never through our own code."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000  # linux/sched.h
ROOT = Path(__file__).resolve().parent.parent

_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count(1)


class Netns:
    """A named network namespace of a test, with its loopback up.

    ``name`` is its name under /run/netns, ``path`` the file there. The witnesses return what the tools print as JSON.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = f"/run/netns/{name}"

    def run(self, *command: str, check: bool = True, **options) -> subprocess.CompletedProcess:
        """Run a command in the namespace. One argument is split as a shell would; what fails shows its output."""
        words = shlex.split(command[0]) if len(command) == 1 else list(command)
        with self.entered():  # what is started inherits it
            result = subprocess.run(words, text=True, capture_output=True, check=False, **options)
        if check and result.returncode:
            told = f"exit {result.returncode}\n{result.stdout}{result.stderr}"
            pytest.fail(f"in {self.name}: {shlex.join(words)}: {told}", pytrace=False)
        return result

    def ip(self, arguments: str) -> list:
        """``ip -j -d ARGUMENTS`` as parsed JSON; [] where it prints nothing, as after ``ip link add``."""
        return self._json(f"ip -j -d {arguments}")

    def bridge(self, arguments: str) -> list:
        """``bridge -j -d ARGUMENTS`` as parsed JSON."""
        return self._json(f"bridge -j -d {arguments}")

    def nft(self, arguments: str = "list ruleset") -> list:
        """``nft -j ARGUMENTS``: the list of objects below "nftables"."""
        answer = self._json(f"nft -j {arguments}")
        return answer["nftables"] if answer else []

    def sysctl(self, name: str, value: str | None = None) -> str:
        """Read a sysctl of the namespace (dots or slashes), or write it first."""
        path = "/proc/sys/" + (name if "/" in name else name.replace(".", "/"))
        if value is not None:
            self.run("sh", "-c", f"echo {shlex.quote(value)} > {path}")
        return self.run("cat", path).stdout.strip()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is inside the namespace; a socket opened here stays there."""
        with open("/proc/thread-self/ns/net") as home, open(self.path) as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def _json(self, command: str):
        output = self.run(command).stdout.strip()
        return json.loads(output) if output else []


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _need_root() -> None:
    if os.geteuid():
        pytest.skip("network namespaces need root")
    missing = [tool for tool in ("ip", "nsenter") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="session")
def netns_type() -> type[Netns]:
    """The class of network namespaces, for fixtures that keep theirs over several tests."""
    _need_root()
    return Netns


@pytest.fixture
def make_netns() -> Iterator[Callable[[], Netns]]:
    """A function that makes one more fresh network namespace; all of them are gone after the test."""
    _need_root()
    names: list[str] = []

    def make() -> Netns:
        name = f"podnet-test-{os.getpid()}-{next(_serial)}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        names.append(name)
        netns = Netns(name)
        netns.run("ip link set lo up")
        return netns

    yield make
    for name in names:
        if os.path.exists(f"/run/netns/{name}"):
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.fixture
def netns(make_netns: Callable[[], Netns]) -> Netns:
    """A fresh network namespace."""
    return make_netns()


@pytest.fixture
def needs(netns: Netns) -> Callable[..., None]:
    """A function that skips the test, with the reason, where this kernel has no links of one of the kinds named, or no
    sockets of "sctp".

    Tests with this fixture bear the mark ``needs``; ``make guest`` runs them under a kernel that has all kinds. There
    (PODNET_GUEST=1) one that is missing fails the test: somewhere each must run. What the host's own kernel has
    (PODNET_HOST_KINDS) is skipped there: it ran on the host.
    """

    def need(*kinds: str) -> None:
        if kinds and set(kinds) <= set(os.environ.get("PODNET_HOST_KINDS", "").split()):
            pytest.skip(f"the host's own kernel has links of kind {', '.join(kinds)}: this test runs there")
        tell = pytest.fail if os.environ.get("PODNET_GUEST") else pytest.skip
        if "sctp" in kinds:
            try:
                socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
            except OSError:
                tell("this kernel has no SCTP; make guest runs this test under one that has")
        for kind in set(kinds) - {"sctp"}:
            # an unknown kind is refused before what the kind itself asks for is looked at (rtnl_newlink)
            result = netns.run(f"ip link add name probe type {kind}", check=False)
            if result.returncode == 0:
                netns.run("ip link delete probe")
            elif "Unknown device type" in result.stderr:
                tell(f"this kernel has no links of kind {kind}; make guest runs this test under one that has")

    return need


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that ask for ``needs``, so that ``-m needs`` chooses them."""
    for item in items:
        if "needs" in getattr(item, "fixturenames", ()):
            item.add_marker("needs")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout's directory."""
    return ROOT


@pytest.fixture
def ansible(root: Path) -> Callable[..., subprocess.CompletedProcess]:
    """A function that runs one of the environment's ansible commands, in the checkout."""

    def run(*command: str, **options) -> subprocess.CompletedProcess:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # make controllers has others than .venv
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
            **options.pop("env", {}),
        }
        options.setdefault("cwd", root)
        return subprocess.run(command, env=environment, text=True, capture_output=True, check=False, **options)

    return run
