# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules and swap of a node."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.provision import kernel


def test_a_module_with_its_proof_is_not_loaded():
    assert list(kernel.modules(["no_such_module"], {"no_such_module": "/proc/self"})) == []
    assert list(kernel.modules(["no_such_module"], {"no_such_module": "filesystem:proc"})) == []


def test_swap(tmp_path):
    fstab, swaps = tmp_path / "fstab", tmp_path / "swaps"
    swaps.write_text("Filename Type Size Used Priority\n")
    lines = [
        "UUID=1 / ext4 defaults 0 1\n",
        "/swap none swap sw 0 0\n",
        "# /old none swap\n",
        "UUID=2\tnone\tswap\n",
        "/swap/x /m ext4\n",
    ]
    fstab.write_text("".join(lines))
    (change,) = kernel.no_swap(str(swaps), str(fstab))
    change.apply()
    mark = "# no swap on a Kubernetes node: "
    assert fstab.read_text() == lines[0] + mark + lines[1] + lines[2] + mark + lines[3] + lines[4]
    assert list(kernel.no_swap(str(swaps), str(fstab))) == []
    swaps.write_text("Filename Type Size Used Priority\n/dev/vda2 partition 1 0 -2\n")
    (change,) = kernel.no_swap(str(swaps), str(fstab))
    assert (change.text, change.before) == ("swap off", "/dev/vda2\n")


@pytest.mark.parametrize(
    ("name", "is_lacking"),
    [
        ("vxlan", False),
        ("br_netfilter", False),
        ("ip-vs", False),  # the file is ip_vs.ko
        ("built_in", False),
        ("udp_tunnel", True),  # only what another one needs
        ("netfilter", True),
        ("wireguard", True),
    ],
)
def test_modules_that_cannot_be_loaded(tmp_path, monkeypatch, name, is_lacking):
    (tmp_path / "modules.dep").write_text(
        "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n"
        "kernel/net/bridge/br_netfilter.ko: kernel/net/bridge/bridge.ko\nkernel/net/netfilter/ipvs/ip_vs.ko.zst:\n"
    )
    (tmp_path / "modules.builtin").write_text("kernel/lib/built-in.ko\n")
    monkeypatch.setattr(kernel, "directory", lambda: str(tmp_path))
    monkeypatch.setattr(kernel, "MODULES", "/proc/self")
    monkeypatch.setattr(kernel.os.path, "isdir", lambda path: False)
    assert kernel.lacking([name], {}) == ([name] if is_lacking else [])


def test_a_kernel_without_modules_is_judged_by_proofs(monkeypatch):
    monkeypatch.setattr(kernel, "MODULES", "/nowhere")
    assert kernel.lacking(["no_such_module", "another"], {"another": "/nowhere"}) == ["another"]
