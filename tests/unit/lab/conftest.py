# Copyright: (c) 2026, podnet.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs that are only recorded."""

from __future__ import annotations

import pytest
from ansible_collections.podnet.cluster.plugins.module_utils.lab import state


@pytest.fixture(autouse=True)
def run_directory(tmp_path, monkeypatch):
    """Labs of a test are recorded in its own directory."""
    monkeypatch.setattr(state, "RUN", str(tmp_path))


def lab(name="probe", subnet="10.98.0.0/24", count=2, systems=("/bookworm", "/trixie"), **more):
    made = state.Lab(name, subnet, 1500, "/var/lib/podnet-lab", **more)
    made.validate()
    made.populate(count, list(systems), [])
    return made
