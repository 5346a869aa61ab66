# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full a node's pod CIDRs are: by as many addresses as the store can give."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import parse_prefix
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.ranges import parse_sets
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.store import Exhausted, Store
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.usage import reserved, usage


@pytest.mark.parametrize("cidr", ["10.1.0.0/29", "10.1.0.0/30", "fd00:1::/125", "fd00:1::/126"])
def test_it_is_full_when_the_store_is(tmp_path, cidr):
    sets = parse_sets([[{"subnet": cidr}]])
    prefix = parse_prefix(cidr)
    for number in range(16):
        (used,) = usage([prefix], reserved(str(tmp_path)))
        assert used.reserved == number
        try:
            with Store(str(tmp_path / "net"), sets) as store:
                store.reserve((f"c{number}", "eth0"), {})
        except Exhausted:
            assert used.full and used.room == number
            return
        assert not used.full
    pytest.fail("it never was")


def test_other_networks_and_other_files_count_for_nothing(tmp_path):
    for network, names in (("one", ["10.1.0.2", "10.2.0.2", "lock", "last_reserved_ip.0"]), ("two", ["fd00::2"])):
        (tmp_path / network).mkdir()
        for name in names:
            (tmp_path / network / name).touch()
    found = usage(map(parse_prefix, ("10.1.0.0/24", "fd00::/64", "10.3.0.0/24")), reserved(str(tmp_path)))
    assert [(each.reserved, each.room) for each in found] == [(1, 253), (1, (1 << 64) - 2), (0, 253)]
    assert reserved(str(tmp_path / "missing")) == []
