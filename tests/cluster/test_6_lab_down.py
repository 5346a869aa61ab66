# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab goes as it came: the host is as it was before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import LABS, other_labs


def namespaces(kind: str) -> dict[str, str]:
    """Each process's namespace of a kind, by its number and start."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            start = path.joinpath("stat").read_text().rpartition(")")[2].split()[19]
            found[f"{path.name} {start}"] = os.readlink(path / "ns" / kind)
        except OSError:
            continue
    return found


def members() -> set[str]:
    """The lab's processes: those in its cgroups, and those in a network namespace that one of them is in."""
    inside = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if "/podnet-lab/proof/" in path.joinpath("cgroup").read_text():
                inside.add(path.name)
        except OSError:
            continue
    everybody = namespaces("net")
    theirs = {space for who, space in everybody.items() if who.split()[0] in inside} - {
        os.readlink("/proc/self/ns/net")
    }
    return {who for who, space in everybody.items() if space in theirs or who.split()[0] in inside}


@pytest.fixture(scope="module")
def taken_down(_lab, before):
    """The lab has gone; returns the processes that were its own, and the names of other labs on this host."""
    others, processes = before["labs"] | other_labs(), members()
    _lab.lab("down")
    return processes, others | other_labs()


def test_lab_down_leaves_the_host_as_it_was(taken_down, before, now):
    after = now()
    assert not LABS.joinpath("proof.json").exists()
    # while another lab is there, the host's own values are not put back
    for kind in after.keys() - ({"sysctls"} if taken_down[1] else set()):
        for text, entries in (("appeared", after[kind] - before[kind]), ("went", before[kind] - after[kind])):
            # another lab on this host comes and goes by itself
            own = {entry for entry in entries if not any(name in entry for name in taken_down[1])}
            assert own == set(), f"{kind} that {text}"


def test_no_process_of_the_lab_is_left(taken_down):
    processes, _others = taken_down
    assert len(processes) > 10, "the lab's processes were found"
    assert processes & namespaces("net").keys() == set()
