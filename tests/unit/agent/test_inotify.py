# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches of directories."""

from __future__ import annotations

import os
import resource
import select

from ansible_collections.podnet.cluster.plugins.module_utils.agent.inotify import Watch


def test_a_watch_sees_files_that_are_put_in_place_and_a_directory_that_comes(tmp_path):
    watch = Watch(str(tmp_path / "etc"))
    assert not watch.active
    (tmp_path / "etc").mkdir()
    watch.clear()
    assert watch.active
    (tmp_path / "new").write_text("x")
    assert not select.select([watch], [], [], 0)[0]
    (tmp_path / "new").rename(tmp_path / "etc" / "file")
    assert select.select([watch], [], [], 10)[0]
    watch.clear()
    assert not select.select([watch], [], [], 0)[0]
    watch.close()


def test_a_watch_that_the_node_cannot_give_is_had_later(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, limits[1]))
    try:
        watch = Watch(str(tmp_path))
        assert not watch.able() and not watch.active and "Too many open files" in watch.reason
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    watch.clear()
    assert watch.able() and watch.active and not watch.reason
    (tmp_path / "file").write_text("x")
    assert select.select([watch], [], [], 10)[0]
    watch.close()
