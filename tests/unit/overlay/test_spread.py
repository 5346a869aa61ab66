# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of a large cluster are spread over scopes."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.route import Route
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import spread
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.backend import Desired


@pytest.mark.parametrize("peers", [spread.MANY, spread.MANY + 1])
def test_only_routes_through_gateways_of_a_large_cluster_get_a_scope(peers):
    via = [Route(f"10.{number}.0.0/24", dev="flannel.1", gateway=f"10.{number}.0.0") for number in range(50)]
    others = [Route("fd00::/64", dev="flannel.1", gateway="fd00::1"), Route("10.99.0.0/24", dev="podnet-wg")]
    desired = Desired([], {"all": [*via, *others]}, "flannel.1", 1450, {})
    assert spread.over_scopes(desired, peers) is desired
    scopes = {route.scope for route in via}
    if peers > spread.MANY:
        assert len(scopes) > 40 and all(1 <= int(scope) < 200 for scope in scopes)
    else:
        assert scopes == {None}
    assert {route.scope for route in others} == {None}
