# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""reset.yml takes the nodes back to bare, and what others have made there survives."""

from __future__ import annotations

import json

FOREIGN = """
nft add table inet foreign
nft add chain inet foreign input '{ type filter hook input priority 0; policy accept; }'
nft add rule inet foreign input tcp dport 4242 counter accept
ip link add foreign0 type bridge
ip address add 198.18.44.1/24 dev foreign0
ip link set foreign0 up
"""
THEIRS = """
nft --stateless list table inet foreign
ip -o link show foreign0 | grep -o 'link/ether [^ ]*'
ip -4 -o address show dev foreign0; ip -4 route show dev foreign0 | cut -d' ' -f1
"""
OURS = r"""
ls -d /opt/podnet /etc/podnet /run/podnet /var/lib/podnet /run/flannel /etc/cni/net.d/* \
    /etc/systemd/system/podnetd* /etc/systemd/system/podnet-[!l]* /var/lib/cni/networks/* /var/lib/cni/results/* \
    /var/lib/cni/flannel /var/lib/cni/podnet 2>/dev/null || true
"""


def test_reset(milestone):
    for name in milestone.names:
        milestone.node(name, FOREIGN)
    theirs = {name: milestone.node(name, THEIRS) for name in milestone.names}
    milestone.play("reset")
    assert {name: milestone.node(name, THEIRS) for name in milestone.names} == theirs


def test_nothing_of_ours_is_left(lab):
    for name in lab.names:
        links = {link["ifname"] for link in json.loads(lab.node(name, "ip -j link"))}
        assert links == {"lo", "eth0", "foreign0"}, name
        tables = [
            entry["table"]["name"]
            for entry in json.loads(lab.node(name, "nft -j list tables"))["nftables"]
            if "table" in entry
        ]
        assert set(tables) <= {"foreign", "filter", "nat", "mangle"}, name  # iptables leaves its tables, empty
        rules = lab.node(name, "nft list ruleset")
        assert not [word for word in ("KUBE", "CNI", "podnet", "flannel") if word in rules], rules
        assert "10.244." not in lab.node(name, "ip route show table all; ip neighbour; bridge fdb"), name
        assert lab.node(name, "ip netns list").strip() == "", name
        assert lab.node(name, OURS) == "", name


def test_nothing_of_kubeadm_s_is_left(lab):
    for name in lab.names:
        left = "ls -d /etc/kubernetes/* /var/lib/kubelet/* /var/lib/etcd/* /root/.kube 2>/dev/null || true"
        assert lab.node(name, left) == "", name
        assert lab.node(name, "systemctl is-active kubelet || true").strip() in ("inactive", "unknown", "failed"), name
        programs = lab.node(name, "ps -eo comm").split()
        assert not {"kubelet", "kube-proxy", "kube-apiserver", "etcd", "pause"} & set(programs), name
        assert "/var/lib/kubelet/" not in lab.node(name, "cat /proc/mounts"), name
        assert "/run/containerd/io.containerd" not in lab.node(name, "cat /proc/mounts"), name


def test_a_second_reset_finds_nothing(lab):
    assert lab.play("reset").changed == {}
