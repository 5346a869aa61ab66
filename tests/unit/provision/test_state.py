# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's state as a whole, and kernel modules and swap as parts of it."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import StateError
from ansible_collections.podnet.cluster.plugins.module_utils.provision import kernel, node
from provisioning import NOTHING


def spec(path, **values):
    """A file's spec, as the module hands it over."""
    return {"path": str(path), "state": "file", "content": "", "mode": None, **values}


def test_a_file_is_written_and_the_next_plan_is_empty(tmp_path):
    wanted = {**NOTHING, "files": [spec(tmp_path / "file", content="x")]}
    assert node.plan(wanted, check_mode=True).describe() == [f"write file {tmp_path}/file"]
    assert not (tmp_path / "file").exists()
    assert node.plan(wanted, check_mode=False).apply() == []
    assert (tmp_path / "file").read_text() == "x"
    assert not node.plan(wanted, check_mode=False)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_sysctl_that_the_kernel_does_not_have(tmp_path, check_mode):
    """What comes before it is done all the same, and told."""
    plan = node.plan({**NOTHING, "files": [spec(tmp_path / "file")], "sysctls": {"no.such": 1}}, check_mode)
    if check_mode:
        with pytest.raises(StateError, match=r"sysctl no\.such: this kernel does not have it"):
            plan.describe()
    else:
        (error,) = plan.apply()
        assert "sysctl no.such: this kernel does not have it" in error.parameters["error"]
    assert plan.describe() == [f"write file {tmp_path}/file"]


def test_a_sysctl_may_come_with_a_module_that_check_mode_does_not_load(monkeypatch):
    monkeypatch.setattr(kernel, "modules", lambda names, proofs: [kernel.Change("module", "", "load it", "", "", int)])
    plan = node.plan({**NOTHING, "kernel_modules": ["x"], "sysctls": {"no.such": 1}}, check_mode=True)
    assert plan.describe() == ["load it", "set no.such to 1"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"path": "relative"}, "is not an absolute path"),
        ({"path": "{}/directory"}, "exists and is a directory"),
        ({"path": "{}/directory", "state": "link", "target": "/x"}, "exists and is a directory"),
        ({"path": "{}/file", "state": "directory"}, "exists and is not a directory"),
        ({"path": "{}/new", "owner": "nobody-by-that-name"}, "unknown user or group"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_done(tmp_path, wanted, told):
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("")
    wanted = {**wanted, "path": wanted["path"].format(tmp_path)}
    with pytest.raises(StateError, match=told):
        node.plan(
            {**NOTHING, "files": [spec(tmp_path / "first", content="x"), spec(**wanted)]}, check_mode=False
        ).apply()
    assert not (tmp_path / "first").exists()


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
