# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's loop: what an action raises is reported, and ends nothing."""

from __future__ import annotations

import os

from ansible_collections.podnet.cluster.plugins.module_utils.agent.loop import Loop


def test_an_action_that_fails_is_reported_and_the_others_go_on():
    failures, done = [], []
    loop = Loop(failures.append)
    reader, writer = os.pipe()

    def broken() -> None:
        os.read(reader, 1)
        raise OSError("list links: interrupted by changes 16 times")

    with open(reader, "rb", closefd=False) as pipe:
        loop.register(pipe, broken)
        loop.every("timer", lambda: 0.0, lambda: done.append(1))
        os.write(writer, b"x")
        loop.turn()
        loop.turn()
        loop.close()
    os.close(reader)
    os.close(writer)
    assert [str(error) for error in failures] == ["list links: interrupted by changes 16 times"] and len(done) == 2
