# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of vlanTrunk."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.plugins.bridge.vlans import vlan_ranges
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.errors import CniError


@pytest.mark.parametrize(
    ("entry", "ranges"),
    [
        ({"id": 7}, [(7, 7)]),
        ({"minID": 1, "maxID": 4094}, [(1, 4094)]),
        ({"minID": 5, "maxID": 5, "id": 9}, [(9, 9), (5, 5)]),
    ],
)
def test_ranges(entry, ranges):
    assert vlan_ranges(entry) == ranges


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, "either id or minID and maxID"),
        ({"minID": 5}, "either id or minID and maxID"),
        ({"id": 5, "maxID": 6}, "either id or minID and maxID"),
        ({"minID": 6, "maxID": 5}, "minID is greater than maxID"),
        ({"id": 0}, "id must be a whole number from 1 to 4094, not 0"),
        ({"id": 4095}, "from 1 to 4094, not 4095"),
        ({"id": "7"}, "from 1 to 4094, not '7'"),
    ],
)
def test_what_is_no_range_is_refused(entry, reason):
    with pytest.raises(CniError, match=reason) as caught:
        vlan_ranges(entry)
    assert caught.value.code == 7
