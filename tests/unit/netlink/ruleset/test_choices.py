# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that cannot be known: each is tried."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.netlink.ruleset.choices import MOST, runs


def test_runs_try_every_answer_once_and_end():
    assert list(runs(lambda choices: (choices.take(2), choices.take(3)))) == [(a, b) for a in (0, 1) for b in (0, 1, 2)]
    assert list(runs(lambda choices: choices.take(2) and choices.take(2))) == [0, 0, 1]
    assert len(list(runs(lambda choices: [choices.take(2) for _number in range(20)]))) == MOST
