# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The underlay's interface and networks."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import lease, underlay
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError
from overlays import ADDRESSES, LINKS, entry


def test_underlay_is_the_interface_with_the_nodes_address_not_the_first():
    own = lease.parse(entry(1))
    found = underlay.find(own, LINKS, ADDRESSES)
    assert (found.device, found.mtu) == ("eth1", 9000)
    assert [str(network) for network, _device in found.networks] == ["10.77.0.0/24", "fd77::/64"]
    assert found.reach("10.77.0.99") == "eth1" and found.reach("10.0.2.15") is None


def test_an_address_that_no_interface_has_is_told_with_those_there_are():
    with pytest.raises(ConfigError) as caught:
        underlay.find(lease.parse(entry(9)), LINKS, ADDRESSES)
    assert "10.77.0.19 of node9, this node, is on none of its interfaces" in str(caught.value)
    assert "10.0.2.15/24 on eth0" in str(caught.value)
