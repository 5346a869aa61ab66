# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dummy's own. What it shares with others is in cni/attach/test_interface.py."""

from __future__ import annotations

import pytest


@pytest.fixture
def conf(host):
    return {"cniVersion": "1.1.0", "name": "net", "type": "dummy", "ipam": host.conf()["ipam"]}


def test_the_pod_answers_itself(host, needs, conf):
    needs("dummy")
    pod = host.pod()
    pod.run("ip link set lo up")
    host.call("dummy", "ADD", conf, "c1", pod)
    for address in ("10.9.0.2", "fd09::2"):
        pod.run(f"ping -c 1 -W 5 {address}")


@pytest.mark.parametrize("command", ["ADD", "STATUS"])
def test_addresses_are_what_it_is_for(host, conf, failure, command):
    with pytest.raises(failure, match="requires an IPAM configuration") as caught:
        host.call("dummy", command, {**conf, "ipam": {}}, "c1", host.pod())
    assert caught.value.code == 7
