# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delays between attempts."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.agent.backoff import Backoff


def test_delays_double_up_to_the_most_and_begin_anew():
    backoff = Backoff(first=1, most=8)
    for most in (1, 2, 4, 8, 8, 8):
        assert most / 2 <= backoff.next() <= most
    backoff.reset()
    assert backoff.next() <= 1
