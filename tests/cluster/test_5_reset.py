# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""reset.yml takes the nodes back to bare, and what others have made there survives.

It takes nothing from a node that this collection did not make, and no cluster that was not named.
"""

from __future__ import annotations

import json

FOREIGN = """
nft add table inet foreign
nft add chain inet foreign input '{ type filter hook input priority 0; policy accept; }'
nft add rule inet foreign input tcp dport 4242 counter accept
ip link add foreign0 type bridge
ip address add 198.18.44.1/24 dev foreign0
ip link set foreign0 up
ip netns add cni-01234567-89ab-cdef-0123-456789abcdef
ip netns exec cni-01234567-89ab-cdef-0123-456789abcdef setsid sleep 9999 >/dev/null 2>&1 &
mkdir -p /var/lib/cni/results
echo '{}' > /var/lib/cni/results/foreign-0123-eth0
mkdir -p /etc/kubernetes && echo mine > /etc/kubernetes/mine.yaml
"""
#: As kube-proxy makes it in its mode nftables; this cluster's has its mode iptables.
KUBE_PROXY = "nft add table ip kube-proxy; nft add table ip6 kube-proxy"
THEIRS = """
ip netns pids cni-01234567-89ab-cdef-0123-456789abcdef
cat /var/lib/cni/results/foreign-0123-eth0 /etc/kubernetes/mine.yaml
nft --stateless list table inet foreign
ip -o link show foreign0 | grep -o 'link/ether [^ ]*'
ip -4 -o address show dev foreign0; ip -4 route show dev foreign0 | cut -d' ' -f1
"""
OURS = r"""
ls -d /opt/podnet /etc/podnet /run/podnet /var/lib/podnet /run/flannel /etc/cni/net.d/* \
    /etc/systemd/system/podnetd* /etc/systemd/system/podnet-[!l]* /var/lib/cni/networks/* /var/lib/cni/results/[!f]* \
    /var/lib/cni/flannel /var/lib/cni/podnet 2>/dev/null || true
"""


def test_a_cluster_that_is_not_named_stays(milestone):
    """Nothing is changed on any node, also not where the cluster of another inventory is named."""
    uid = milestone.kubectl("get", "namespace", "kube-system", "-o=jsonpath={.metadata.uid}")
    refused = milestone.play("reset", "-e", "reset_confirm=another", expect=2)
    assert "cluster.unconfirmed" in refused.output and f"reset_confirm={uid}" in refused.output
    assert refused.changed == {}


def test_a_node_without_marker_stays(milestone):
    hide = "mv /var/lib/podnet/cluster.json /var/lib/podnet/hidden"
    milestone.node("node2", hide)
    refused = milestone.play("reset", "-e", "reset_nodes=node2", expect=2)
    assert "node.unmarked" in refused.output and refused.changed == {}
    refused = milestone.play("remove_node", "-e", "node=node2", expect=2)
    assert "node.unmarked" in refused.output and refused.changed == {}
    milestone.node("node2", "mv /var/lib/podnet/hidden /var/lib/podnet/cluster.json")


def test_reset(milestone):
    for name in milestone.names:
        milestone.node(name, FOREIGN)
        milestone.node(name, KUBE_PROXY)
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
        assert not [word for word in ("KUBE", "kube-proxy", "CNI", "podnet", "flannel") if word in rules], rules
        assert "10.244." not in lab.node(name, "ip route show table all; ip neighbour; bridge fdb"), name
        assert lab.node(name, "ip netns list").split()[0] == "cni-01234567-89ab-cdef-0123-456789abcdef", name
        assert len(lab.node(name, "ip netns list").splitlines()) == 1, name
        assert lab.node(name, OURS) == "", name


def test_nothing_of_kubeadm_s_is_left(lab):
    for name in lab.names:
        paths = "/etc/kubernetes/[!m]* /etc/kubernetes/manifests /var/lib/kubelet/* /var/lib/etcd/* /root/.kube"
        left = f"ls -d {paths} 2>/dev/null || true"
        assert lab.node(name, left) == "", name
        assert lab.node(name, "systemctl is-active kubelet || true").strip() in ("inactive", "unknown", "failed"), name
        programs = lab.node(name, "ps -eo comm").split()
        assert not {"kubelet", "kube-proxy", "kube-apiserver", "etcd", "pause"} & set(programs), name
        assert "/var/lib/kubelet/" not in lab.node(name, "cat /proc/mounts"), name
        assert "/run/containerd/io.containerd" not in lab.node(name, "cat /proc/mounts"), name


def test_a_second_reset_finds_nothing(lab):
    assert lab.play("reset").changed == {}
