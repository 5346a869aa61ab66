# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's parameters: what is missing, what is malformed, and whom it stops."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec import environment
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.environment import Environment
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.errors import CniError

ADD = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c1",
    "CNI_NETNS": "/run/netns/pod",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/opt/cni/bin::/opt/podnet/current/bin",
}


def refused(**changed) -> CniError:
    with pytest.raises(CniError) as told:
        Environment({**ADD, **changed})
    return told.value


def test_a_call_passes_its_own_on():
    call = Environment({**ADD, "CNI_ARGS": "IP=10.1.2.3"})
    assert call.path == ["/opt/cni/bin", "/opt/podnet/current/bin"]
    assert Environment(call.as_dict()).as_dict() == call.as_dict()


@pytest.mark.parametrize("name", environment.REQUIRED["ADD"])
def test_what_add_cannot_do_without(name):
    error = refused(**{name: ""})
    assert error.code == 4 and name in error.msg


def test_del_needs_no_namespace_and_bears_malformed_args():
    call = Environment({**ADD, "CNI_COMMAND": "DEL", "CNI_NETNS": "", "CNI_ARGS": "IP;MAC=02::;=x"})
    call.check_netns()
    assert call.args == {"MAC": "02::"}
    with pytest.raises(CniError):
        list(Environment({**ADD, "CNI_ARGS": "IP"}).args)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a:b", "eth%d", "a b", "a\0", "sixteen-letters-", "\u00fc" * 8])
def test_what_the_kernel_would_not_take_as_a_name(name):
    assert not environment.interface_name(name)


def test_names_that_it_takes():
    assert all(map(environment.interface_name, ("eth0", "a.b", "-", "fifteen-letters", "\u00fc" * 7)))
    assert environment.identifier("c1_.-") and not environment.identifier("-c1") and not environment.identifier("a/b")


@pytest.mark.parametrize("command", ["STATUS", "GC", "VERSION"])
def test_args_are_an_attachments(command):
    assert Environment({**ADD, "CNI_COMMAND": command, "CNI_ARGS": "IP;MAC=none"}).args == {}


def test_unknown_args_are_refused_unless_they_may_be_ignored():
    environment.known_args({"IP": "10.1.2.3", "K8S_POD_NAME": "web"})
    environment.known_args({"OTHER": "1", "IgnoreUnknown": "TRUE"})
    for args in ({"OTHER": "1"}, {"OTHER": "1", "IgnoreUnknown": "0"}, {"IgnoreUnknown": "perhaps"}):
        with pytest.raises(CniError) as told:
            environment.known_args(args)
        assert told.value.code == 7


def test_a_namespace_that_is_the_host_s_own():
    call = Environment({**ADD, "CNI_NETNS": environment.HOST_NETNS})
    with pytest.raises(CniError, match="should not be the same"):
        call.check_netns()
    Environment({**ADD, "CNI_NETNS": environment.HOST_NETNS, "CNI_NETNS_OVERRIDE": "1"}).check_netns()
    with pytest.raises(CniError, match="not a network namespace"):
        Environment({**ADD, "CNI_NETNS": "/"}).check_netns()
