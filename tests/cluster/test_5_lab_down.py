# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab goes as it came: the host is as it was before."""

from __future__ import annotations


def test_lab_down_leaves_the_host_as_it_was(lab, before, now):
    lab.lab("down")
    lab.broken = "it is down"
    after = now()
    for kind in before:
        if kind != "processes":
            assert after[kind] - before[kind] == set(), f"{kind} that were not there before"
            assert before[kind] - after[kind] == set(), f"{kind} that were there before"


def test_no_process_of_the_lab_is_left(before, now):
    """New processes of others may run by now, but none that names the lab or a node's programs."""
    words = ("podnet-lab", "systemd-nspawn", "kubelet", "kube-", "containerd", "/usr/bin/etcd", "pause")
    new = now()["processes"] - before["processes"]
    assert [process for process in new if any(word in process.split(" ", 2)[2] for word in words)] == []
