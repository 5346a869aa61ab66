# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ADD answers when the pod accepts packets to its IPv6 addresses. The kernel makes their local routes some time after
the addresses; here the address itself comes late."""

from __future__ import annotations

import threading

from ansible_collections.podnet.cluster.plugins.module_utils.cni.attach import pod
from ansible_collections.podnet.cluster.plugins.module_utils.netlink.netns import Netns

RESULT = {"ips": [{"address": "10.9.0.2/24"}, {"address": "fd09::2/64"}]}


def local(netns) -> bool:
    return bool(netns.ip("-6 route show table local fd09::2"))


def test_it_waits_for_the_local_route(netns, monkeypatch):
    monkeypatch.setattr(pod, "SETTLE", 60.0)  # a busy machine may need more than a second for the address alone
    netns.run("ip link add eth0 up type veth peer name outer")
    late = threading.Timer(0.3, netns.run, ["ip address add fd09::2/64 dev eth0 nodad"])
    late.start()
    pod.settle(Netns(netns.path), RESULT)
    assert local(netns)
    late.join()


def test_it_does_not_wait_for_ever_nor_for_what_takes_long_anyway(netns):
    pod.settle(Netns(netns.path), RESULT, detect=True)
    pod.settle(Netns(netns.path), RESULT)
    assert not local(netns)
