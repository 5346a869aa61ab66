# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests may run side by side (pytest -n 2 --dist loadgroup): those of the CNI plugins, beside all others in turn.

A plugin's test touches nothing but namespaces and files of its own.
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
        if PLUGINS not in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("others"))
        elif item.path.name == "test_podman.py":  # its networks are its tests' together
            item.add_marker(pytest.mark.xdist_group("podman"))
