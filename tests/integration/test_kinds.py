# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds of links there are under this kernel, a line each in pytest's report."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("kind", ["dummy", "ifb", "ipvlan", "macvlan", "vlan", "vrf", "vxlan", "wireguard"])
def test_this_kernel_has_links_of_kind(needs, kind):
    needs(kind)
