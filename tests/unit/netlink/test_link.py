# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of kinds of links."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.link import pack_data


def test_a_value_that_a_kind_has_not_is_named():
    with pytest.raises(ValueError, match="'vni'; it has id,"):
        pack_data("vxlan", {"vni": 1})
