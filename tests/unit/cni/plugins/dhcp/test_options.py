# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP options by number and by name."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.plugins.dhcp.options import number_of


@pytest.mark.parametrize(("option", "number"), [("routers", 3), ("fqdn", 81), ("121", 121), ("1", 1), ("254", 254)])
def test_a_number_or_a_name(option, number):
    assert number_of(option) == number


@pytest.mark.parametrize("option", ["", "0", "255", "-1", "1000", "colour", "٣", "1.5"])
def test_what_is_neither_is_refused(option):
    with pytest.raises(ValueError, match="is neither 1 to 254 nor one of subnet-mask"):
        number_of(option)
