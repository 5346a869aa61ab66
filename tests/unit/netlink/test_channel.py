# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps that the kernel calls interrupted, again and again."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import channel as channels
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.channel import Channel
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.wire import NetlinkError

REQUEST = (18, 0, bytes(16), "list links")


@pytest.fixture
def channel(monkeypatch):
    """A channel whose dumps are interrupted ``left`` times; ``made`` counts them."""
    with Channel() as made:
        made.left, made.made = 0, 0

        def dump(_request):
            made.made += 1
            return [b"%d" % made.made], made.made > made.left

        monkeypatch.setattr(made, "_dump", dump)
        yield made


def test_an_interrupted_dump_is_made_again(channel):
    channel.left = 5
    assert channel.dump(REQUEST) == [b"6"] and not channel.torn


def test_one_that_never_comes_through_is_an_error(channel):
    channel.left = 10**6
    with pytest.raises(NetlinkError) as caught:
        channel.dump(REQUEST)
    assert caught.value.errno == errno.EBUSY and channel.made == channels.DUMP_TRIES


def test_a_tolerant_channel_takes_what_it_has_and_says_so(channel):
    channel.left, channel.tolerant = 10**6, True
    assert channel.dump(REQUEST) == [b"%d" % channels.TOLERATED] and channel.torn
