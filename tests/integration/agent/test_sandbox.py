# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""podnetd with no more than its unit leaves it: the capabilities, the read-only files, the address families.

The unit itself, with its system call filter, runs in the lab (tests/cluster/test_2_kubernetes_source.py).
"""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys

import pytest

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


@pytest.fixture
def unit(root) -> dict[str, str]:
    """The section Service of the unit, as the role writes it."""
    text = (root / "roles/overlay/templates/podnetd.service.j2").read_text()
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(re.sub(r"\{\{.*?\}\}", "x", text))
    return dict(parser["Service"])


def test_the_exposure(root, tmp_path):
    """By systemd's own measure, from 0 to 10."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("not installed: systemd-analyze")
    text = (root / "roles/overlay/templates/podnetd.service.j2").read_text()
    (tmp_path / "podnetd.service").write_text(re.sub(r"\{\{.*?\}\}", "x", text))
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=40", "--no-pager"]
    done = subprocess.run([*command, tmp_path / "podnetd.service"], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_its_work(make_nodes, eventually, unit, root, tmp_path):
    """Links, routes, the packet filter, sysctls, subnet.env, its socket."""
    assert unit["ProtectSystem"] == "full" and unit["ReadWritePaths"] == "/proc/sys/net"
    kept = ",".join(f"+{name.lower()[4:]}" for name in unit["CapabilityBoundingSet"].split())
    less = ["setpriv", f"--bounding-set=-all,{kept}", "--inh-caps=-all", "--no-new-privs"]
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
