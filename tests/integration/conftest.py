# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests may run side by side (pytest -n 2 --dist loadgroup): each of the CNI plugins' by itself, since a plugin's
test touches nothing but namespaces and files of its own; all others by files, whose tests share what they set up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGINS = Path(__file__).parent / "cni"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Gives each test the group that xdist goes by; without xdist, as in the guest, there is nothing to do."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        # Podman's networks are its tests' together
        if PLUGINS not in item.path.parents or item.path.name == "test_podman.py":
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(PLUGINS.parent))))
