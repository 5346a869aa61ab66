# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sysctls: names in both spellings, values that differ, settings that a kernel does not have."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge import sysctls
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan, StateError
from ansible_collections.podnet.cluster.plugins.module_utils.findings.codes import Code


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A function that gives the kernel a setting, by path below /proc/sys."""
    monkeypatch.setattr(sysctls, "ROOT", str(tmp_path))

    def give(path, value):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"{value}\n")
        return tmp_path / path

    return give


def test_only_what_differs_is_set(kernel):
    forward = kernel("net/ipv4/ip_forward", 0)
    ports = kernel("net/ipv4/ip_local_port_range", "32768\t60999")
    wanted = {"net.ipv4.ip_forward": 1, "net.ipv4.ip_local_port_range": "32768 60999"}
    plan = Plan(sysctls.plan(wanted))
    assert plan.describe() == ["set net.ipv4.ip_forward to 1"]
    assert plan.diffs() == [("sysctl net.ipv4.ip_forward", "net.ipv4.ip_forward = 0\n", "net.ipv4.ip_forward = 1\n")]
    before = ports.stat().st_mtime_ns
    assert plan.apply() == []
    assert forward.read_text() == "1" and ports.stat().st_mtime_ns == before
    assert not Plan(sysctls.plan(wanted))


@pytest.mark.parametrize("name", ["net.ipv4.conf.eth0/7.rp_filter", "net/ipv4/conf/eth0.7/rp_filter"])
def test_a_link_with_a_dot_in_its_name(kernel, name):
    path = kernel("net/ipv4/conf/eth0.7/rp_filter", 1)
    assert sysctls.read(name) == "1"
    assert Plan(sysctls.plan({name: 2})).apply() == [] and path.read_text() == "2"


def test_a_link_s_dots_are_slashes_in_a_sysctl_s_dotted_name():
    assert sysctls.dotted_name("net/ipv4/conf/flannel.1/forwarding") == "net.ipv4.conf.flannel/1.forwarding"


def test_a_setting_that_the_kernel_does_not_have(kernel):
    with pytest.raises(StateError, match=r"sysctl net\.bridge\.x: this kernel does not have it"):
        list(sysctls.plan({"net.bridge.x": 1}))
    assert list(sysctls.plan({"-net.bridge.x": 1})) == []
    (late,) = sysctls.plan({"net.bridge.x": 1}, sysctls.read)
    assert (late.text, late.before) == ("set net.bridge.x to 1", "")
    (failed,) = late.apply()
    assert (failed.code, failed.subject) == (Code.CHANGE_FAILED, "set net.bridge.x to 1")
    assert "No such file or directory" in failed.parameters["error"]


def test_an_optional_setting_that_is_there_is_set(kernel):
    path = kernel("net/bridge/x", 0)
    assert Plan(sysctls.plan({"-net.bridge.x": 1})).apply() == [] and path.read_text() == "1"


def test_what_is_renewed_is_set_though_it_is_right_now(kernel):
    kernel("net/x", 1)
    assert [str(each) for each in sysctls.plan({"net.x": 1}, lambda name: None)] == ["set net.x to 1"]
