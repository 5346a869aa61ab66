# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back end wireguard between network namespaces, witnessed by wg, ip, ping and tcpdump."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import shutil
import stat
import subprocess

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cli import podnetctl


def ctl(node, *words: str, status: int | None = 0) -> str:
    """Run podnetctl on the node, in this process: to start a Python takes seconds in the guest. Returns what it told on
    both its outputs; it must end with exit STATUS (None: any)."""
    told = io.StringIO()
    with node.netns.entered(), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        found = podnetctl.main([*map(str, node.paths()), *words])
    gc.enable()
    assert status in (None, found), f"podnetctl {words}: exit {found}\n{told.getvalue()}"
    return told.getvalue()


def plan(node) -> list[str]:
    """What podnetctl plan would do, a line each."""
    return ctl(node, "plan", status=None).splitlines()


def wg(node, device: str = "flannel-wg") -> tuple[list[str], dict[str, list[str]]]:
    """``wg show DEVICE dump``: the interface's own line, and its peers' by public key."""
    first, *peers = [line.split("\t") for line in node.netns.run(f"wg show {device} dump").stdout.splitlines()]
    return first, {peer[0]: peer[1:] for peer in peers}


def settings(node) -> list:
    """The same of flannel-wg without handshakes and counters, which are the traffic's."""
    own, peers = wg(node)
    return [own, sorted([key, *values[:3], values[6]] for key, values in peers.items())]


def ping(source, address: str, *options: str) -> bool:
    """Whether one echo request from the namespace SOURCE is answered within 10 s."""
    return source.run("ping", "-c", "1", "-W", "10", *options, address, check=False).returncode == 0


@pytest.fixture
def make_tunnels(needs, make_nodes):
    """A function that makes COUNT nodes for the back end, each with a key of wg's, and programs them."""
    needs("wireguard")
    if not shutil.which("wg"):
        pytest.skip("not installed: wg")

    def make(count: int, **backend):
        nodes, switch = make_nodes(count)
        for node in nodes:
            node.key = node.directory / "state" / "wireguard.key"
            node.key.parent.mkdir()
            node.key.write_text(node.netns.run("wg genkey").stdout)
            node.public = node.netns.run("wg", "pubkey", input=node.key.read_text()).stdout.strip()
        switch_to(nodes, type="wireguard", **backend)
        return nodes, switch

    return make


def configure(nodes, node, **backend) -> None:
    """Write the node's files for the back end, with the leases of NODES and their keys."""
    leases = [each.lease(public_key=each.public) for each in nodes]
    node.write(leases, backend={"private_key_file": str(node.key), **backend})


def switch_to(nodes, **backend) -> None:
    """Program all NODES for the back end."""
    for node in nodes:
        configure(nodes, node, **backend)
    for node in nodes:
        ctl(node, "apply")


def test_pods_reach_each_other_in_each_mode_and_the_kernel_has_what_wg_says(make_tunnels):
    nodes, _switch = make_tunnels(3)
    for mode in ("separate", "auto", "ipv4", "ipv6"):
        switch_to(nodes, type="wireguard", mode=mode, persistent_keepalive=25)
        _check_mode(nodes, mode)
        assert plan(nodes[0]) == [], mode
        before = [nodes[0].state(), settings(nodes[0])]
        assert ctl(nodes[0], "apply") == "", "a second apply has nothing to do"
        assert [nodes[0].state(), settings(nodes[0])] == before


def _check_mode(nodes, mode: str) -> None:
    node, peer, third = nodes
    for address in ("10.244.2.2", "fd00:244:0:2::2"):
        assert ping(node.pod, address) and ping(third.pod, address), mode
        assert ping(node.netns, address), "from the node itself"
    # a node's own address as the source, as in its answers to pods
    assert ping(node.netns, "10.244.2.2", "-I", "10.77.0.11") and ping(node.netns, "fd00:244:0:2::2", "-I", "fd77::11")
    ipv4, ipv6 = {"10.244.2.0/24", "10.77.0.12/32"}, {"fd00:244:0:2::/64", "fd77::12/128"}
    at4, at6 = "10.77.0.12:51820", "[fd77::12]:51820"
    wanted = {
        "separate": {"flannel-wg": ("51820", at4, ipv4), "flannel-wg-v6": ("51821", "[fd77::12]:51821", ipv6)},
        "auto": {"flannel-wg": ("51820", at4, ipv4 | ipv6)},
        "ipv4": {"flannel-wg": ("51820", at4, ipv4 | ipv6)},
        "ipv6": {"flannel-wg": ("51820", at6, ipv4 | ipv6)},
    }[mode]
    assert {link["ifname"] for link in node.netns.ip("link show type wireguard")} == set(wanted)
    for device, (port, endpoint, allowed) in wanted.items():
        own, peers = wg(node, device)
        assert own[:3] == [node.key.read_text().strip(), node.public, port]
        assert set(peers) == {peer.public, third.public}
        _psk, found, ips, handshake, _received, _sent, keepalive = peers[peer.public]
        assert (found, set(ips.split(",")), keepalive) == (endpoint, allowed, "25")
        assert handshake != "0"
        (link,) = node.netns.ip(f"link show {device}")
        assert link["mtu"] == (1440 if mode == "ipv4" else 1420) and "UP" in link["flags"]
    assert f"FLANNEL_MTU={link['mtu']}\n" in node.subnet_env.read_text()


def test_what_travels_is_wireguards_and_has_the_full_mtu(make_tunnels):
    nodes, switch = make_tunnels(2)
    capture = subprocess.Popen(
        ["nsenter", f"--net={switch.path}", "tcpdump", "-nn", "-l", "-i", "port1", "ip"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for line in capture.stderr:
            if "listening on" in line:
                break
        assert ping(nodes[0].pod, "10.244.2.2", "-s", str(1420 - 28), "-M", "do")
        assert not ping(nodes[0].pod, "10.244.2.2", "-s", str(1421 - 28), "-M", "do")
    finally:
        capture.terminate()
        output, _errors = capture.communicate(timeout=20)
    packets = [line for line in output.splitlines() if line]
    # a handshake of two messages, then data with WireGuard's 32 bytes
    assert len(packets) >= 4 and all("10.77.0.1" in line and ".51820" in line for line in packets)
    assert f"UDP, length {1420 + 32}" in output
    assert "10.244" not in output


DAMAGES = (
    "wg set flannel-wg peer PEER remove",
    "wg set flannel-wg peer PEER endpoint 10.77.0.66:51820",
    "wg set flannel-wg peer PEER allowed-ips 10.244.3.0/24",
    "wg set flannel-wg peer PEER persistent-keepalive 7",
    "wg set flannel-wg peer STRANGER allowed-ips 10.244.2.0/25",
    "wg set flannel-wg listen-port 7",
    "wg set flannel-wg private-key /dev/null",
    "ip link del flannel-wg",
    "ip link set flannel-wg down",
    "ip link set flannel-wg mtu 1280",
    "ip route del 10.244.2.0/24",
    "ip address flush dev flannel-wg",
    "sh -c 'ip link del flannel-wg; ip link add flannel-wg type dummy'",
)


def test_what_is_undone_by_hand_is_put_back_and_no_private_key_is_told(make_tunnels):
    (node, peer), _switch = make_tunnels(2)
    own, peers = wg(node)
    stranger = node.netns.run("wg", "pubkey", input=node.netns.run("wg genkey").stdout).stdout.strip()
    told = ""
    for damage in DAMAGES:
        node.netns.run(damage.replace("PEER", peer.public).replace("STRANGER", stranger))
        status = ctl(node, "status", "--json", status=1)
        assert not json.loads(status)["in_sync"], f"unseen: {damage}"
        told += status + ctl(node, "status", status=1) + "\n".join(plan(node)) + ctl(node, "apply")
        assert plan(node) == [], damage
        assert (wg(node)[0], set(wg(node)[1])) == (own, set(peers)), damage
        assert ping(node.pod, "10.244.2.2"), damage
    assert ping(node.pod, "fd00:244:0:2::2")
    assert f"add peer flannel-wg {peer.public}" in told
    assert node.key.read_text().strip() not in told


def test_a_peer_that_left_or_took_a_new_key_leaves_nothing(make_tunnels):
    (node, peer, gone), _switch = make_tunnels(3)
    old = peer.public
    peer.key.unlink()
    configure([node, peer], peer, type="wireguard")
    assert "public_key" in ctl(peer, "apply", status=2), "its lease tells the old key"
    peer.write([node.lease(public_key=node.public), peer.lease()],
               backend={"type": "wireguard", "private_key_file": str(peer.key)})  # fmt: skip
    ctl(peer, "apply")
    assert stat.S_IMODE(os.stat(peer.key).st_mode) == 0o600
    peer.public = peer.netns.run("wg", "pubkey", input=peer.key.read_text()).stdout.strip()
    configure([node, peer], node, type="wireguard")
    ctl(node, "apply")
    assert peer.public != old and set(wg(node)[1]) == {peer.public}
    told = json.dumps(node.state())
    assert "10.244.3." not in told and gone.public not in told
    assert ping(node.pod, "10.244.2.2")


def test_back_ends_change_places_and_leave_nothing_of_each_other(make_tunnels):
    nodes, _switch = make_tunnels(2)
    keys = [node.key.read_text() for node in nodes]
    for backend, device in (
        ("vxlan", ["flannel.1"]),
        ("wireguard", ["flannel-wg", "flannel-wg-v6"]),
        ("host-gw", []),
        ("wireguard", ["flannel-wg", "flannel-wg-v6"]),
        ("vxlan", ["flannel.1"]),
    ):
        switch_to(nodes, type=backend)
        for pod in (nodes[0].pod, nodes[1].pod):
            other = "1" if pod is nodes[1].pod else "2"
            assert ping(pod, f"10.244.{other}.2") and ping(pod, f"fd00:244:0:{other}::2"), backend
        names = [link["ifname"] for link in nodes[0].netns.ip("link") if link["ifname"].startswith("flannel")]
        assert sorted(names) == device and plan(nodes[0]) == []
    assert [node.key.read_text() for node in nodes] == keys


def test_a_kernel_without_it_is_told_and_nothing_is_done(make_nodes, netns):
    if "Unknown device type" not in netns.run("ip link add wg0 type wireguard", check=False).stderr:
        pytest.skip("this kernel has wireguard")
    (node, _peer), _switch = make_nodes(2, backend={"type": "vxlan"})
    ctl(node, "apply")
    before = node.state()
    node.write(
        [node.lease(), _peer.lease()],
        backend={"type": "wireguard", "private_key_file": str(node.directory / "state" / "key")},
    )
    assert "backend.type: wireguard: this kernel" in ctl(node, "apply", status=2)
    assert node.state() == before and not (node.directory / "state").exists()
