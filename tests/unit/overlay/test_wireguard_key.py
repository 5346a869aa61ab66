# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's private key, in its file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.converge.plan import Plan
from ansible_collections.podnet.cluster.plugins.module_utils.netlink import wireguard as wire
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.config import ConfigError
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.wireguard_key import Key, removal
from ansible_collections.podnet.cluster.plugins.module_utils.overlay.x25519 import x25519

KEYS = [wire.pack_key(bytes([number]) * 32) for number in range(5)]


def test_a_key_is_made_once_and_read_by_root_alone(tmp_path):
    path = str(tmp_path / "state" / "key")
    key = Key(path)
    made = Plan(key.plan())
    assert made and not os.path.exists(path)
    assert made.apply() == [] and not Plan(key.plan())
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert (Key(path).private, Key(path).public) == (key.private, key.public)
    os.chmod(path, 0o644)
    (change,) = Key(path).plan()
    assert change.apply() == [] and os.stat(path).st_mode & 0o777 == 0o600 and not list(Key(path).plan())
    assert x25519(wire.unpack_key(Path(path).read_text().strip())) == wire.unpack_key(key.public)
    gone = Plan(removal(path))
    for told in (*made.describe(), *gone.describe(), *map(str, made.diffs()), *map(str, gone.diffs())):
        assert wire.pack_key(key.private) not in told
    assert gone and gone.apply() == [] and not Plan(removal(path)) and not os.path.exists(path)


@pytest.mark.parametrize("text", ["", "AQEB", "x" * 44, KEYS[1][:-1], KEYS[1] + "\n" + KEYS[1]])
def test_a_file_without_a_key_is_refused_and_stays(tmp_path, text):
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is not a WireGuard key") as refused:
        Key(str(path))
    assert str(path) in str(refused.value)
    assert path.read_text() == text and (not text or text not in str(refused.value))
