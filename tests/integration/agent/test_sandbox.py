# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd with no more than its unit leaves it: the capabilities, the read-only files, the address families.

The unit itself, with its system call filter, runs in the lab (tests/cluster/test_2_kubernetes_source.py).
"""

from __future__ import annotations

import sys

import confined

AGENT = "ansible_collections.podnet.cluster.plugins.module_utils.agent.daemon"
READ_ONLY = """
set -e
for path in /usr /etc /boot /proc/sys; do
  [ -d $path ] || continue
  mount --bind $path $path; mount -o remount,bind,ro $path
done
mount --bind /proc/sys/net /proc/sys/net; mount -o remount,bind,rw /proc/sys/net
exec "$@"
"""


def test_its_work(make_nodes, eventually):
    """Links, routes, the packet filter, sysctls, subnet.env, its socket."""
    unit = confined.service("overlay/podnetd")
    assert unit["ProtectSystem"] == "full" and unit["ReadWritePaths"] == "/proc/sys/net"
    less = confined.command("overlay/podnetd")
    (node, _peer), _switch = make_nodes(2)
    node.netns.sysctl("net.ipv4.ip_forward", "0")
    agent = node.start("unshare", "--mount", "sh", "-c", READ_ONLY, "sh", *less, sys.executable, "-m", AGENT)
    assert agent.status()["in_sync"], agent.log()
    with open(f"/proc/{agent.process.pid}/status") as file:
        (bounding,) = [line.split()[1] for line in file if line.startswith("CapBnd:")]
    assert bin(int(bounding, 16)).count("1") == len(unit["CapabilityBoundingSet"].split())
    assert node.netns.sysctl("net.ipv4.ip_forward") == "1"
    assert node.subnet_env.exists()
    for damage in ("ip link delete flannel.1", "nft flush ruleset", "sysctl -qw net.ipv4.ip_forward=0"):
        before = sum(agent.status()["drift"].values())
        node.netns.run(damage)
        eventually("healed", lambda before=before: sum(agent.status()["drift"].values()) > before)
        eventually("in sync", lambda: agent.status()["in_sync"])
    assert node.netns.sysctl("net.ipv4.ip_forward") == "1"
