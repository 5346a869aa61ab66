# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration lists as runtimes read them: versions, flags, and plugins in files of their own."""

from __future__ import annotations

import json

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec import conflist
from ansible_collections.podnet.cluster.plugins.module_utils.cni.spec.conflist import Conflist, ConflistError

NETWORK = {"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "bridge"}]}


@pytest.mark.parametrize(
    ("keys", "version"),
    [
        ({"cniVersion": None}, "0.1.0"),
        ({"cniVersion": "0.4.0"}, "0.4.0"),
        ({"cniVersion": "0.4.0", "cniVersions": ["0.3.1", "1.0.0"]}, "1.0.0"),
        ({"cniVersion": "1.1.0", "cniVersions": ["0.3.1", "1.0.0"]}, "1.1.0"),
        ({"cniVersion": None, "cniVersions": ["0.3.1", "1.0.0", "7.0.0"]}, "1.0.0"),
        ({"cniVersion": "7.0.0", "cniVersions": ["0.3.1"]}, "0.3.1"),
    ],
)
def test_version(keys, version):
    """The newest that both sides speak (CNI specification 1.1.0, section 1, "Version considerations")."""
    content = {key: value for key, value in {**NETWORK, **keys}.items() if value is not None}
    assert Conflist(content).version == version


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"cniVersion": "7.0.0"}, "cniVersion must be one of 0.1.0, .* not '7.0.0'"),
        ({"cniVersion": 1}, "cniVersion must be a string, not 1"),
        ({"cniVersions": "1.0.0"}, "cniVersions must be a list of versions, not '1.0.0'"),
        ({"plugins": []}, "plugins must be a list that is not empty"),
        ({"plugins": {}}, "plugins must be a list that is not empty, not {}"),
        ({"plugins": [1]}, r"plugins\[0\]: must be an object, not int"),
        ({"plugins": [{"type": "a/b"}]}, r"plugins\[0\]: type must be a plugin's name, not 'a/b'"),
        ({"name": "a/b"}, "name must be letters"),
        ({"disableGC": 1}, "disableGC must be true or false, not 1"),
        ({"loadOnlyInlinedPlugins": "perhaps"}, "loadOnlyInlinedPlugins must be true or false, not 'perhaps'"),
    ],
)
def test_refused(keys, words):
    with pytest.raises(ConflistError, match=words):
        Conflist({**NETWORK, **keys})


def test_flags():
    found = Conflist({**NETWORK, "disableCheck": True, "disableGC": "true"})
    assert (found.disable_check, found.disable_gc) == (True, True)
    found = Conflist(NETWORK)
    assert (found.disable_check, found.disable_gc) == (False, False)


@pytest.fixture
def write(tmp_path):
    """A function that writes a file below the runtime's directory as JSON; returns its path."""

    def make(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return make


def types(path):
    return [plugin["type"] for plugin in conflist.load(path).plugins]


def test_plugins_in_files_of_their_own(write):
    """Those of the directory with the network's name come after those in the list, by name; others' don't."""
    path = write("10-net.conflist", NETWORK)
    write("net/20-tuning.conf", {"type": "tuning"})
    write("net/10-portmap.conf", {"type": "portmap"})
    write("net/readme.txt", "not a plugin")
    write("other/10-sbr.conf", {"type": "sbr"})
    assert types(path) == ["bridge", "portmap", "tuning"]
    assert types(write("11-only.conflist", {**NETWORK, "loadOnlyInlinedPlugins": True})) == ["bridge"]
    assert types(write("12-none.conflist", {"cniVersion": "1.1.0", "name": "net"})) == ["portmap", "tuning"]
    assert types(write("13-single.conf", {"cniVersion": "1.0.0", "name": "net", "type": "ptp"})) == ["ptp"]


def test_a_broken_file_is_named(write):
    path = write("10-net.conflist", NETWORK)
    broken = write("net/20-tuning.conf", "{")
    with pytest.raises(ConflistError, match=f"{broken}: not JSON"):
        conflist.load(path)
    write("net/20-tuning.conf", {"mtu": 1400})
    with pytest.raises(ConflistError, match=r"plugins\[1\]: type must be a plugin's name, not None"):
        conflist.load(path)
