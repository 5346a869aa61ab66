# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlay's configuration."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a:b", ".", "..", "a" * 16, 7, "ä"])
def test_no_link_has_such_a_name(name):
    with pytest.raises(ConfigError, match="bridge: "):
        config.parse({"node_name": "node1", "networks": ["10.244.0.0/16"], "bridge": name})
