# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration's keys: their defaults, and what is refused with which code."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec import config
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.errors import CniError


@pytest.mark.parametrize("data, code", [
    (b"{", 6), (b"[]", 6), (b'{"cniVersion": 1}', 6), (b'{"cniVersion": "9.9.9"}', 1),
])  # fmt: skip
def test_what_is_no_configuration(data, code):
    with pytest.raises(CniError) as refused:
        config.parse(data)
    assert refused.value.code == code


@pytest.mark.parametrize("data", [b"{}", b'{"cniVersion": ""}', b'{"cniVersion": null}'])
def test_without_a_version_it_is_of_the_first_one(data):
    assert config.parse(data)["cniVersion"] == "0.1.0"


@pytest.mark.parametrize("name, code", [(None, 7), ("", 7), (1, 7), ("a/b", 7), ("net-1", None)])
def test_a_network_has_a_name(name, code):
    conf = {} if name is None else {"name": name}
    if code is None:
        config.check_name(conf)
        return
    with pytest.raises(CniError) as refused:
        config.check_name(conf)
    assert refused.value.code == code


def test_keys_match_in_any_case():
    assert config.value({"HostPort": 80}, "hostPort") == 80
    assert config.value({"hostport": 1, "hostPort": 2}, "hostPort") == 2
    assert config.value({}, "hostPort") is None


READERS = {
    "string": (config.string, "x", [1, [], "a\0b", "\ud800"], ""),
    "boolean": (config.boolean, True, ["true", 1], False),
    "integer": (lambda conf, key: config.integer(conf, key, 3, 0, 9), 9, [True, "1", 10, -1, 1.5], 3),
    "mapping": (config.mapping, {"a": 1}, [[], "x"], {}),
    "objects": (config.objects, [{"a": 1}], [{}, ["x"]], []),
    "strings": (config.strings, ["x"], ["x", [1]], []),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_key_of_its_type(kind):
    read, good, bad, default = READERS[kind]
    assert read({"k": good}, "k") == good
    assert read({}, "k") == read({"k": None}, "k") == default
    for value in bad:
        with pytest.raises(CniError) as refused:
            read({"k": value}, "k")
        assert refused.value.code == 7 and "k must be" in refused.value.msg


def test_a_number_that_must_be_there():
    with pytest.raises(CniError):
        config.integer({}, "k", None, 0, 9)
