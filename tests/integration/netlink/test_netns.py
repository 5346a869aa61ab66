# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns, is_netns


def test_namespaces_are_told_apart(netns, make_netns):
    first, again, other = Netns(netns.path), Netns(netns.path), Netns(make_netns().path)
    assert first.identity() == again.identity() != other.identity()
    assert is_netns(netns.path)
    assert not is_netns("/etc/hostname")
    assert not is_netns("/nowhere")
    with pytest.raises(OSError):
        Netns("/run/netns/none-such")
    for opened in (first, again, other):
        opened.close()
