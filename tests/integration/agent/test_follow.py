# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent follows changes of leases in part; what comes of it is what a look at everything would make of the last.

Leases by chance: nodes come, go and come again, swap pod CIDRs or addresses with each other, overlap, contradict,
lose an IP version, leave the network; the node's own MAC address and its back end change. They are taken in both ways
in which sources do it: as a list that is read again, and node by node.
"""

from __future__ import annotations

import pytest

#: Run in the node's namespace; exits with 0, or with what differs.
WALK = """
import io, json, random, sys
from LIBRARY.agent.sources.admission import NodeAdmission
from LIBRARY.agent.log import Log
from LIBRARY.agent.reconciler import Reconciler
from LIBRARY.netlink.channel import Channel
from LIBRARY.overlay import config, reconcile, spread
from LIBRARY.overlay.admission import ListAdmission, admit

env, seed, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if seed % 3:
    spread.MANY = 3  # so that peers become many and few again
chance = random.Random(seed)
OWN = {"name": "node1", "address": "10.77.0.11", "addresses": ["10.77.0.11", "fd77::11"],
       "pod_cidrs": ["10.244.1.0/24", "fd00:244:0:1::/64"]}
BACKENDS = [{"type": "vxlan"}, {"type": "vxlan", "direct_routing": True}, {"type": "host-gw"},
            {"type": "vxlan", "vni": 2, "port": 4789}, {"type": "vxlan", "mtu": 1400}]


def some_config():
    return config.parse({"node_name": "node1", "networks": ["10.244.0.0/16", "fd00:244::/48"],
                         "backend": chance.choice(BACKENDS)})


def some_lease(number):
    other = chance.randrange(2, 9)
    found = {"name": f"node{number}", "address": f"10.77.0.{10 + chance.choice([number] * 3 + [other])}",
             "pod_cidrs": [f"10.244.{chance.choice([number, other])}.0/{chance.choice([24, 24, 24, 25, 23])}"]}
    if chance.random() < 0.5:
        found["pod_cidrs"].append(f"fd00:244:0:{other}::/64")
    if chance.random() < 0.5:
        found["vtep_mac"] = f"02:00:00:00:00:{chance.randrange(2, 9):02x}"
    if chance.random() < 0.4:
        found["addresses"] = [found["address"], f"fd77::{number}"]
    if chance.random() < 0.2:
        found.update(address=f"10.99.0.{number}", addresses=None)
    return found


def turn(leases):
    number, what = chance.randrange(2, 9), chance.random()
    if what < 0.3:
        leases.pop(number, None)
    elif what < 0.55 and len(leases) > 1:
        key = chance.choice(["pod_cidrs", "address"])
        one, other = (leases[each] for each in chance.sample(sorted(leases), 2))
        one[key], other[key] = other[key], one[key]
        one["addresses"] = other["addresses"] = None
    else:
        leases[number] = some_lease(number)


agent, register, now = Reconciler(env, Log(io.StringIO())), ListAdmission(), some_config()
admission, told, leases = NodeAdmission(now), {}, {number: some_lease(number) for number in range(2, 8)}
for step in range(steps):
    for _time in range(chance.randrange(1, 4)):
        turn(leases)
    if chance.random() < 0.08:
        now = some_config()
    own = {**OWN, "vtep_mac": f"02:00:00:00:01:{chance.randrange(3):02x}"} if chance.random() < 0.1 else OWN
    entries = [json.loads(json.dumps(each)) for each in (own, *leases.values())]
    if seed % 2:
        known, whole = register.admit(now, entries), admit(now, entries)
    else:
        texts = {each["name"]: "2027 " + json.dumps(each) for each in entries}
        news = {name: text for name, text in texts.items() if told.get(name) != text}
        news.update((name, None) for name in told if name not in texts)
        told = texts
        admission.configure(now)
        admission.change(news)
        fresh = NodeAdmission(now)
        fresh.change(texts)
        known, whole = admission.leases(), fresh.leases()
    assert (sorted(known.peers), known.refused) == (sorted(whole.peers), whole.refused), (step, known, whole)
    if not agent.update(now, known):
        agent.reconcile("leases", False)
    assert agent.in_sync, (step, agent.problem)
    with Channel() as channel:
        look = reconcile.present(channel, now, known, env)
    assert not look.plan, (step, look.plan.describe(), now, known)
    assert {**known.refused, **look.desired.refused} == agent.refused(), (step, known)
    assert agent.overlay.wanted.index.keys() == look.wanted.index.keys(), (step, known)
assert agent.reconciliations["partial"] > steps // 4, agent.reconciliations
"""


@pytest.mark.parametrize("seed", range(4))
def test_what_is_followed_in_part_is_what_a_look_at_everything_makes(make_nodes, root, seed):
    (node,), _switch = make_nodes(1)
    program = WALK.replace("LIBRARY", "ansible_collections.podnet.cluster.plugins.module_utils")
    words = ("/usr/bin/python3", "-c", program, str(node.subnet_env), str(seed), "30")
    ran = node.netns.run(*words, env=node.environment(), check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
