# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The locks of a network namespace: for root alone, and not waited for without end."""

from __future__ import annotations

import fcntl
import os

from ansible_collections.podnet.cluster.plugins.module_utils.overlay.lock import AGENT, locked


def test_it_is_not_waited_for_without_end(tmp_path):
    with locked(60, directory=str(tmp_path)) as alone:
        assert alone
        with locked(0.05, directory=str(tmp_path)) as second:
            assert not second
        with locked(0.05, AGENT, str(tmp_path)) as other:
            assert other, "another lock"
    with locked(0.05, directory=str(tmp_path)) as alone:
        assert alone


def test_any_process_may_lock_the_namespace_s_file_and_delays_nobody(tmp_path):
    with open("/proc/self/ns/net", "rb") as namespace:
        fcntl.flock(namespace, fcntl.LOCK_EX)
        with locked(0.05, directory=str(tmp_path)) as alone:
            assert alone


def test_only_its_owner_can_open_it_whatever_the_umask(tmp_path):
    mask = os.umask(0)
    try:
        with locked(directory=str(tmp_path / "run")):
            pass
    finally:
        os.umask(mask)
    (lock,) = (tmp_path / "run").iterdir()
    assert (lock.stat().st_mode & 0o777, (tmp_path / "run").stat().st_mode & 0o777) == (0o600, 0o755)


def test_without_a_place_for_it_work_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    with locked(directory=str(tmp_path / "file")) as alone:
        assert not alone


def test_nothing_is_left_by_who_only_reads(tmp_path):
    with locked(directory=str(tmp_path / "run"), make=False) as alone:
        assert not alone
    assert not (tmp_path / "run").exists()
    with locked(directory=str(tmp_path / "run")), locked(0.05, directory=str(tmp_path / "run"), make=False) as second:
        assert not second
