# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab of three nodes for all tests of this directory, from a bare host back to a bare host.

The files' numbers are their order: each finds the cluster as the one before left it. Where one fails that the others
build on (bringing up, converging), they are skipped with that reason. build/cluster/ has the output of every playbook.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from userlab import Lab

ROOT = Path(__file__).resolve().parents[2]
LABS = Path("/run/podnet-lab")
NAME = os.environ.get("PODNET_PROOF_LAB", "proof")
NETWORK = os.environ.get("PODNET_PROOF_NETWORK", "10.79.0.0/24")
#: The overlay role alone, for play: what a whole site.yml would do to the overlay, in a fraction of the time.
OVERLAY = "../tests/cluster/overlay"

# What changes on a running host by itself.
RESTLESS = re.compile(
    r"/(random|pty|quota)/|/(dentry-state|inode-state|inode-nr|file-nr|aio-nr|ns_last_pid|nf_conntrack_count|stat_refresh|drop_caches"
    r"|loadavg|cad_pid|usermodehelper|tainted|compact_memory|numa_stat|pty_nr|sched_domain|perf_event_max_sample_rate)"
)


def host_state() -> dict[str, set[str]]:
    """What a lab could leave on the host, by kind, as the usual tools and /proc tell it."""

    def words(*command: str) -> str:
        return subprocess.run(command, text=True, capture_output=True, check=True).stdout

    def links() -> set[str]:
        keep = ("ifname", "address", "mtu", "master", "flags", "link_type")
        return {json.dumps({key: link.get(key) for key in keep}) for link in json.loads(words("ip", "-j", "link"))}

    def sysctls() -> set[str]:
        found = set()
        for path in Path("/proc/sys").rglob("*"):
            if path.is_file() and os.access(path, os.R_OK) and not RESTLESS.search(str(path)):
                try:
                    found.add(f"{path} = {path.read_text().strip()}")
                except (OSError, UnicodeDecodeError):
                    continue
        return found

    cgroups = {str(path) for path, _directories, _files in os.walk("/sys/fs/cgroup")}
    return {
        "namespaces": {os.readlink(path) for path in Path("/run/netns").glob("*") if path.is_symlink()}
        | {str(path) for path in Path("/run").glob("netns/*")},
        "links": links(),
        "addresses": set(words("ip", "-o", "address").splitlines()),
        "routes": set(words("ip", "route", "show", "table", "all").splitlines()),
        "nftables": set(words("nft", "--stateless", "list", "ruleset").split("\n}\n")),
        "mounts": {" ".join(line.split()[:4]) for line in Path("/proc/mounts").read_text().splitlines()},
        "cgroups": cgroups,
        "sysctls": sysctls(),
        "files": {str(path) for top in ("/run", "/etc", "/var/lib") for path in Path(top).glob("*")},
    }


def other_labs() -> set[str]:
    """The names of the labs on this host that are not ours."""
    return {path.stem for path in LABS.glob("*.json") if path.stem != NAME and not path.name.startswith(".")}


BEFORE = pytest.StashKey[dict[str, set[str]]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Look at the host before anything is done: `make test` has molecule's labs come and go beside this one."""
    if not os.geteuid():
        session.config.stash[BEFORE] = {**host_state(), "labs": other_labs()}


@pytest.fixture(scope="session")
def before(request: pytest.FixtureRequest) -> dict[str, set[str]]:
    """The host before the lab; ``labs`` are the names of others that were there."""
    return request.config.stash.get(BEFORE, {})


@pytest.fixture
def now() -> Callable[[], dict[str, set[str]]]:
    """A function that tells the host's state."""
    return host_state


@pytest.fixture(scope="session")
def _lab(before: dict[str, set[str]]) -> Iterator[Lab]:
    if os.geteuid():
        pytest.skip("a lab is made as root")
    lab = Lab(NAME, ROOT / "build/cluster")
    yield lab
    lab.play("lab/down", "-e", f"lab_name={NAME}", expect=None)


@pytest.fixture
def lab(_lab: Lab) -> Lab:
    """The lab; the test is skipped if what it builds on has failed."""
    if _lab.broken:
        pytest.skip(f"the lab is not fit for this: {_lab.broken}")
    return _lab


@pytest.fixture
def milestone(lab: Lab) -> Iterator[Lab]:
    """The lab, for a test that others build on: they are skipped if it fails."""
    lab.broken = "a step before this one failed"
    yield lab
    lab.broken = lab.broken if getattr(lab, "failed", False) else ""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and "milestone" in item.fixturenames:
        item.funcargs["milestone"].failed = report.failed
