# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The register of leases tells of every list what looking at the whole list tells, whatever came before."""

from __future__ import annotations

import random

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import admission
from ansible_collections.podnet.cluster.plugins.module_utils.overlay import config as configs
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError

CONFIG = configs.parse({"node_name": "node0", "networks": ["10.244.0.0/16"]})


def entry(number: int, **other) -> dict:
    """A lease of node NUMBER."""
    return {
        "name": f"node{number}",
        "address": f"10.77.0.{10 + number}",
        "pod_cidrs": [f"10.244.{number}.0/24"],
        **other,
    }


def outcome(admit, entries) -> tuple:
    """What ADMIT makes of ENTRIES, the order of the peers left out."""
    try:
        leases = admit(CONFIG, entries)
    except ConfigError as error:
        return (str(error),)
    return leases.own, {peer.name: peer for peer in leases.peers}, leases.refused


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_it_tells_what_the_whole_list_tells(seed):
    chance = random.Random(seed)
    register = admission.ListAdmission()
    entries = [entry(number) for number in range(12)]
    for _step in range(60):
        entries = [dict(each) if isinstance(each, dict) else each for each in entries]
        what = chance.choice(["come", "go", "move", "mac", "steal", "garbage", "cidr", "own", "repair"])
        at = chance.randrange(len(entries)) if entries else 0
        if what == "come":
            entries.append(entry(chance.randrange(40)))
        elif what == "go" and len(entries) > 3:
            del entries[at]
        elif what == "repair":
            entries = [entry(number) for number in chance.sample(range(1, 40), 8)] + [entry(0)]
        elif what == "garbage" and chance.random() < 0.3:
            entries.append(chance.choice([7, None, {"name": "x"}, {}]))
        elif isinstance(entries[at], dict):
            change = {
                "move": {"address": f"10.77.1.{chance.randrange(1, 250)}"},
                "mac": {"vtep_mac": f"02:00:00:00:00:{chance.randrange(256):02x}"},
                "steal": {"address": "10.77.0.10"},
                "cidr": {"pod_cidrs": [f"10.244.{chance.randrange(256)}.0/24"]},
                "own": {"vtep_mac": "02:00:00:00:00:aa"},
            }.get(what, {})
            entries[0 if what == "own" else at].update(change) if isinstance(entries[0], dict) else None
        assert outcome(register.admit, entries) == outcome(admission.admit, entries)
