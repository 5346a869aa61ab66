# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections between pods were translated."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.ipam.prefix import parse_prefix
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.conntrack import Connection
from ansible_collections.podnet.cluster.plugins.module_utils.verify.probe.conntrack import translated

NETWORKS = [parse_prefix("10.244.0.0/16"), parse_prefix("fd00:10::/56")]
A, B, NODE, OUTSIDE = "10.244.1.2", "10.244.2.2", "10.77.0.11", "192.0.2.1"


def connection(key, source, target, answering=None, asker=None):
    return Connection(b"", key, b"", source, target, answering or target, asker or source)


def test_translations_between_pods():
    plain, hidden = connection(b"1", A, B), connection(b"2", A, B, asker=NODE)
    diverted, six = (
        connection(b"3", A, B, answering="10.244.2.9"),
        connection(b"4", "fd00:10::1", "fd00:10::2", asker="::9"),
    )
    assert translated([], [plain], NETWORKS) is None
    for one in (hidden, diverted, six):
        assert translated([], [plain, one], NETWORKS) is one
        assert translated([one], [plain, one], NETWORKS) is None, "of another time"


def test_what_leaves_the_pod_network_may_be_translated():
    assert (
        translated([], [connection(b"1", A, OUTSIDE, asker=NODE), connection(b"2", NODE, B, asker=A)], NETWORKS) is None
    )
