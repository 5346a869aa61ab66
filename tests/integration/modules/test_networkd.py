# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd with a file of the operator that matches every link: by the roles' files it leaves pods alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

NETWORKD = Path("/usr/lib/systemd/systemd-networkd")
#: networkd takes /sys that is read-only for a container's, in which it does not wait for udev.
SCRIPT = f"""
set -e
mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs /run/systemd && mount -t sysfs -o ro sysfs /sys
mkdir /run/systemd/netif /run/systemd/network && chown systemd-network: /run/systemd/netif
printf '[Match]\\nType=ether\\n[Network]\\nLinkLocalAddressing=no\\n' > /run/systemd/network/50-all.network
for file in "$@"; do cp "$file" /run/systemd/network/10-${{file##*/}}; done
ip link add cni0 type bridge && ip link add veth1 type veth peer name up0 && ip link set veth1 master cni0
ip link add flannel.1 type veth peer name up1
for link in cni0 veth1 up0 flannel.1 up1; do ip link set $link up; done
{NETWORKD} >&2 & networkd=$!
for _ in $(seq 300); do
    [ "$(cat /run/systemd/netif/links/* 2>/dev/null | grep -cE 'ADMIN_STATE=(configured|unmanaged)')" = 6 ] && break
    sleep 0.1
done
for file in /run/systemd/netif/links/*; do
    echo "$(sed -n 's/^ADMIN_STATE=//p' $file) $(ip -o link | grep "^${{file##*/}}:")"
done
kill $networkd; wait $networkd || true
"""


@pytest.mark.skipif(not NETWORKD.exists(), reason="needs systemd-networkd")
@pytest.mark.parametrize("ours", [True, False])
def test_the_pod_network_is_left_alone(root, ours):
    """Without the files it takes a pod's veth out of its bridge."""
    files = [root / "roles/cni/files/podnet-pods.network", root / "roles/overlay/files/podnet-overlay.network"]
    command = ["unshare", "--net", "--mount", "bash", "-c", SCRIPT, "networkd", *(files if ours else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    links = {line.split()[2].partition("@")[0].rstrip(":"): line for line in done.stdout.splitlines()}
    states = {links[name].split()[0] for name in ("cni0", "veth1", "flannel.1")}
    assert (states, "master cni0" in links["veth1"]) == (({"unmanaged"}, True) if ours else ({"configured"}, False))
