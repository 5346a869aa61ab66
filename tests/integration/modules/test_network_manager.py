# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkManager, which takes every Ethernet device it meets: by the role's file it leaves pods alone.

The program is Debian's, unpacked beside the host, on which it would begin to manage links as soon as it is installed.
"""

from __future__ import annotations

import shutil
import subprocess

import pytest

#: ROOT, and the role's file or nothing. Both links' other ends are a control: they are in no way ours.
SCRIPT = """
set -e
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && mount -t sysfs -o ro sysfs /sys
mkdir -p /run/dbus /run/nm/conf.d /run/NetworkManager /var/lib/NetworkManager
export PATH=$1/usr/bin:$1/usr/sbin:$PATH LD_LIBRARY_PATH=$(echo $1/usr/lib/*-linux-gnu)
[ -z "$2" ] || cp "$2" /run/nm/conf.d/
printf '[main]\\nplugins=keyfile\\ndns=none\\nhostname-mode=none\\n[keyfile]\\npath=/run/nm\\n' > /run/nm/main.conf
cat > /run/dbus.conf <<END
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>
END
dbus-daemon --config-file=/run/dbus.conf --nofork --print-address=3 3>/run/ready 2>/dev/null & bus=$!
for _ in $(seq 300); do [ -s /run/ready ] && break; sleep 0.1; done
ip link set lo up
ip link add cni0 type bridge && ip link add veth1 type veth peer name up0 && ip link set veth1 master cni0
ip link add flannel.1 type veth peer name up1
for link in cni0 veth1 up0 flannel.1 up1; do ip link set $link up; done
NetworkManager --no-daemon --config=/run/nm/main.conf --config-dir=/run/nm/conf.d --system-config-dir=/run/nm/none \
    --intern-config=/run/nm/intern.conf --state-file=/run/nm/state --pid-file=/run/nm/pid >/run/nm/log 2>&1 & manager=$!
taken="up0 up1" && [ -n "$2" ] || taken="$taken veth1 flannel.1"
for _ in $(seq 600); do
    left=0
    for link in $taken; do nmcli -t -f DEVICE,STATE device 2>/dev/null | grep -q "^$link:connect" || left=1; done
    [ $left = 0 ] && break
    sleep 0.1
done
nmcli -t -f DEVICE,STATE device
ip -br link show master cni0
kill $manager $bus; wait $manager $bus || true
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The directory that NetworkManager and what it needs besides this host's packages are unpacked in."""
    if not shutil.which("apt-get") or not shutil.which("dbus-daemon"):
        pytest.skip("needs apt-get and dbus-daemon")
    archives, target = tmp_path_factory.mktemp("archives"), tmp_path_factory.mktemp("root")
    (archives / "partial").mkdir()
    words = ["--download-only", "--no-install-recommends", "-qqy", "-o", f"Dir::Cache::archives={archives}"]
    command = ["apt-get", *words, "install", "network-manager"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"apt-get cannot download network-manager: {done.stderr.strip()[-200:]}")
    for each in archives.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", each, target], check=True)
    if not (target / "usr/sbin/NetworkManager").exists():
        pytest.skip("network-manager is installed here, so apt-get downloads nothing")
    return target


@pytest.mark.parametrize("ours", [True, False])
def test_the_pod_network_is_left_alone(root, installed, ours):
    """Without the file it takes a pod's veth out of its bridge, and asks DHCP for its address."""
    file = root / "roles/cni/files/podnet-NetworkManager.conf"
    command = ["unshare", "--net", "--mount", "--uts", "bash", "-c", SCRIPT, "nm", installed, file if ours else ""]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout.splitlines()
    states = dict(line.split(":", 1) for line in shown if ":" in line and " " not in line.partition(":")[0])
    found = {name: states[name].partition(" ")[0] for name in ("veth1", "flannel.1", "up0")}
    wanted = "unmanaged" if ours else "connecting"
    assert found == {"veth1": wanted, "flannel.1": wanted, "up0": "connecting"}
    assert any(line.startswith("veth1@") for line in shown) == ours
