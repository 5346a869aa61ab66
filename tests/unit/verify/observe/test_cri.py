# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node tells of the installed library: whether it is as it was installed, by whatever version that was."""

from __future__ import annotations

import os

from ansible_collections.podnet.cluster.plugins.module_utils import install
from ansible_collections.podnet.cluster.plugins.module_utils.verify.model.state import MODIFIED
from ansible_collections.podnet.cluster.plugins.module_utils.verify.observe import cri

FILES = install.read_tree(os.path.dirname(install.__file__))


def library(root):
    found = cri.collect("", str(root / "net.d"), "none", str(root)).library
    return found.version, found.whole, found.changed


def test_what_was_changed_since_is_told(tmp_path):
    version = install.install(FILES, str(tmp_path))
    assert library(tmp_path) == (version, True, {})
    bridge = tmp_path / "current/bin/bridge"
    bridge.write_text(bridge.read_text() + "# more\n")
    (tmp_path / "current/lib/podnet/cni/bridge.py").write_text("")
    assert library(tmp_path) == (version, False, {"bridge": MODIFIED})


def test_another_version_is_not_taken_for_a_changed_one(tmp_path):
    version = install.install({**FILES, "install.py": FILES["install.py"] + b"# an older one\n"}, str(tmp_path))
    bridge = tmp_path / "current/bin/bridge"
    bridge.write_text(bridge.read_text() + "# as that one made it\n")
    assert library(tmp_path) == (version, True, {})
