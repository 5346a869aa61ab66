# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ADD undoes its work, the last step first; DEL takes every step."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.attach.undo import Undo, each
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.errors import INTERNAL, CniError


def fails(error):
    def step():
        raise error

    return step


def test_a_failure_is_undone_backwards_and_stays_the_one_that_is_reported():
    taken = []
    with pytest.raises(ValueError, match="first"), Undo() as undo:
        undo.append(lambda: taken.append("link"))
        undo.append(fails(OSError("second")))
        undo.append(lambda: taken.append("address"))
        raise ValueError("first")
    assert taken == ["address", "link"]


def test_nothing_is_undone_without_a_failure():
    taken = []
    with Undo() as undo:
        undo.append(lambda: taken.append("link"))
    assert taken == []


def test_every_step_is_taken_and_the_first_failure_raised():
    taken = []
    with pytest.raises(CniError, match="one"):
        each(fails(CniError(INTERNAL, "one")), lambda: taken.append(1), fails(OSError("two")), lambda: taken.append(2))
    assert taken == [1, 2]
    each(lambda: taken.append(3))
    assert taken == [1, 2, 3]
