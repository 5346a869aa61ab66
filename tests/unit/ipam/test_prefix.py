# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address blocks: what is one, and how two of them lie."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import Prefix, parse_network_of, parse_prefix


def test_a_block_is_written_as_it_was_read():
    assert parse_prefix("10.244.0.0/16") == Prefix(4, 10 << 24 | 244 << 16, (10 << 24 | 245 << 16) - 1, 16)
    for text in ("0.0.0.0/0", "10.1.2.3/32", "fd00::/48", "::1/128"):
        assert str(parse_prefix(text)) == text
    assert parse_prefix("10.244.1.0/24").address(2) == "10.244.1.2"


@pytest.mark.parametrize("value", ["10.244.1.0", "10.244.1.0/33", "10.244.1/24", "fd00::/129", "10.1.0.0/-1", "", 7])
def test_what_is_not_a_block(value):
    with pytest.raises(ValueError, match="is not an address block"):
        parse_prefix(value)


def test_host_bits_are_refused_with_the_block_that_was_meant():
    with pytest.raises(ValueError, match=r"'10\.244\.1\.7/24' has host bits set: the block is 10\.244\.1\.0/24"):
        parse_prefix("10.244.1.7/24")
    assert parse_network_of("10.244.1.7/24") == (parse_prefix("10.244.1.0/24"), 10 << 24 | 244 << 16 | 1 << 8 | 7)


@pytest.mark.parametrize(
    ("one", "other", "covers", "overlaps"),
    [
        ("10.0.0.0/8", "10.244.0.0/16", True, True),
        ("10.244.0.0/16", "10.0.0.0/8", False, True),
        ("10.244.0.0/24", "10.244.1.0/24", False, False),
        ("10.244.0.0/24", "10.244.0.0/24", True, True),
        ("0.0.0.0/0", "fd00::/48", False, False),
    ],
)
def test_two_blocks(one, other, covers, overlaps):
    one, other = parse_prefix(one), parse_prefix(other)
    assert (one.covers(other), one.overlaps(other), other.overlaps(one)) == (covers, overlaps, overlaps)


def test_a_number_of_the_other_ip_version_is_not_inside():
    block = parse_prefix("0.0.0.0/0")
    assert block.holds(4, 0) and block.holds(4, (1 << 32) - 1) and not block.holds(6, 0)
