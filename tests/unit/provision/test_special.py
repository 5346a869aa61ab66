# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that no node can have."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.provision.special import special_address


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("0.1.2.3", "unspecified"), ("127.0.1.1", "loopback"), ("169.254.0.1", "link-local"),
        ("239.1.1.1", "multicast"),
        ("255.255.255.255", "reserved"), ("::", "unspecified"), ("::1", "loopback"), ("fe80::1", "link-local"),
        ("ff02::1", "multicast"), ("10.0.0.1", ""), ("192.0.2.1", ""), ("223.255.255.255", ""), ("fd00::1", ""),
        ("::2", ""),
    ],
)  # fmt: skip
def test_kinds(address, kind):
    assert special_address(address) == kind
