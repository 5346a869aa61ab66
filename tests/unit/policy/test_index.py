# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of selectors finds what asking each selector finds."""

from __future__ import annotations

from ansible_collections.podnet.cluster.plugins.module_utils.policy import index
from ansible_collections.podnet.cluster.plugins.module_utils.policy.model import Peer
from ansible_collections.podnet.cluster.plugins.module_utils.policy.selectors import parse
from hypothesis import given
from hypothesis import strategies as st

keys, values = st.sampled_from(["app", "tier"]), st.sampled_from(["web", "db", ""])
labels = st.dictionaries(keys, values)
among = st.fixed_dictionaries(
    {"key": keys, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(values, min_size=1)}
)
there = st.fixed_dictionaries({"key": keys, "operator": st.sampled_from(["Exists", "DoesNotExist"])})
required = st.fixed_dictionaries({"matchLabels": labels, "matchExpressions": st.lists(among | there, max_size=2)})
selectors = required.map(parse)
peers = st.builds(Peer, st.sampled_from(["", "shop", "other"]), selectors, selectors)


@given(st.lists(peers, max_size=6), labels, labels, st.data())
def test_it_finds_all_that_match_and_no_others(filed, around, pod, data):
    found = index.Index()
    for number, peer in enumerate(filed):
        found.add(peer, number)
    gone = data.draw(st.sets(st.sampled_from(range(len(filed))))) if filed else set()
    for number in gone:
        found.remove(filed[number], number)
    wanted = {
        number
        for number, peer in enumerate(filed)
        if number not in gone
        and peer.namespace in ("", "shop")
        and peer.pods.matches(pod)
        and peer.namespaces.matches(around)
    }
    assert set(found.matching("shop", tuple(around.items()), tuple(pod.items()))) == wanted
