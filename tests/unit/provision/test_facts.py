# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from a node's files."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.provision import facts


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ('ID=debian\nVERSION_ID="13"\n', "debian"),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n', "debian"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n', "redhat"),
        ("ID=fedora\n", "redhat"),
        ("ID=alpine\n", "other"),
        ("", "other"),
    ],
)
def test_families(text, family):
    assert facts.os_release(text)["family"] == family


ON = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t1\t1\nmemory\t4\t1\t1\n"


@pytest.mark.parametrize(
    ("controllers", "cgroups", "is_on"),
    [
        ("cpuset cpu io memory pids\n", ON, True),
        ("cpuset cpu io pids\n", ON, False),
        (None, ON, True),
        (None, ON.replace("4\t1\t1", "0\t1\t0"), False),
        (None, None, False),
    ],
)
def test_the_memory_controller(controllers, cgroups, is_on):
    """Without it (the kernel's cgroup_disable=memory, as on some boards) the kubelet does not start."""
    assert facts.memory_controller(controllers, cgroups) is is_on


def test_hosts():
    """Only those of our block; the last of two lines for a name holds."""
    text = (
        "127.0.0.1 localhost\n# BEGIN nodes: managed by podnet.cluster\n10.77.0.11 node1\nfd00::12 node2 two\n"
        "# END nodes: managed by podnet.cluster\n10.9.9.9 mine\n"
    )
    assert facts.hosts(text) == {"node1": "10.77.0.11", "node2": "fd00::12", "two": "fd00::12"}
    assert facts.hosts("127.0.0.1 localhost\n") == {}


def test_this_machine():
    found = facts.underlay()["interfaces"]["lo"]
    assert found["mtu"] > 1500 and found["accept_ra"] in (None, 0, 1, 2)
