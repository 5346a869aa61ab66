# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may drop a packet, where the kernel lets nobody bring it about in a namespace: nf_conntrack_max is the host's."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops.netfilter import packet_filter
from ansible_collections.podnet.cluster.plugins.module_utils.verify.trace.hops.node_view import Look


@pytest.mark.parametrize(
    ("count", "most", "told"), [("262144", "262144", True), ("9", "262144", False), ("9", "0", False)]
)
def test_a_full_connection_table_is_suspect(count, most, told):
    sysctls = {"net/netfilter/nf_conntrack_count": count, "net/netfilter/nf_conntrack_max": most}
    nothing = {key: [] for key in ("filters", "transforms", "classifiers")}
    look = Look({"node": "node1", "overlay": {}, "links": {}, "sysctls": sysctls, **nothing})
    hop = packet_filter(look, "filter", ("forward",), 4, ["cni0"])
    assert (hop.verdict == "suspect") == told
    assert any("nf_conntrack_max" in suspect for suspect in hop.suspects) == told
    assert ("nf_conntrack_max=524288" in hop.cure) == told
